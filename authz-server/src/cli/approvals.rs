//! `interdict approvals`: a small client of the admin API.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Failure, plain, small_runtime};
use crate::admin::AdminToken;

pub(super) const HELP: &str = "\
Examples:
  export INTERDICT_ADMIN_URL=http://127.0.0.1:9192 INTERDICT_ADMIN_TOKEN_FILE=/etc/interdict/admin.token
  interdict approvals list --state pending
  interdict approvals show 0198c5d2-…
  interdict approvals approve 0198c5d2-… --by ana@example.com --note 'checked with finance'
  interdict approvals deny 0198c5d2-… --by ana@example.com";

#[derive(Debug, Args)]
pub(super) struct ApprovalsArgs {
    /// Address of the admin API.
    #[arg(
        long,
        env = "INTERDICT_ADMIN_URL",
        default_value = "http://127.0.0.1:9192",
        global = true,
        value_name = "URL"
    )]
    admin: String,
    /// File with the admin token.
    #[arg(long, env = "INTERDICT_ADMIN_TOKEN_FILE", global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print what the server answered, as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: ApprovalsCommand,
}

#[derive(Debug, Subcommand)]
enum ApprovalsCommand {
    /// Approvals, oldest first.
    List {
        /// Only these.
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Only this agent.
        #[arg(long)]
        agent: Option<String>,
        /// Only this MCP server.
        #[arg(long)]
        server: Option<String>,
        /// At most so many, the newest ones.
        #[arg(long)]
        limit: Option<u32>,
    },
    /// One approval with everything that would run.
    Show {
        /// Its id.
        id: String,
    },
    /// Let the call run, once.
    Approve(Answer),
    /// Refuse the call.
    Deny(Answer),
}

#[derive(Debug, Args)]
struct Answer {
    /// Id of the approval.
    id: String,
    /// Who answers; not the agent, its owner or the person it acts for.
    #[arg(long)]
    by: String,
    /// Why.
    #[arg(long)]
    note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Pending,
    Approved,
    Consumed,
    Denied,
    Expired,
    Cancelled,
    Superseded,
}

/// What the API shows of an approval, as far as a person is shown it.
#[derive(Debug, Deserialize)]
struct Shown {
    id: String,
    state: String,
    tenant: String,
    agent: String,
    agent_owner: String,
    principal: Option<String>,
    server: String,
    method: String,
    tool: Option<String>,
    reasons: Vec<Reason>,
    /// Absent in a list.
    arguments: Option<Box<RawValue>>,
    arguments_not_shown: Option<NotShown>,
    created_at: String,
    expires_at: String,
    decided_by: Option<String>,
    note: Option<String>,
}

/// Arguments that are too long to be shown.
#[derive(Debug, Deserialize)]
struct NotShown {
    bytes: u64,
    sha256: String,
}

#[derive(Debug, Deserialize)]
struct Reason {
    code: String,
    message: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    approvals: Vec<Shown>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    error: RefusedError,
}

#[derive(Debug, Deserialize)]
struct RefusedError {
    code: String,
    message: String,
}

pub(super) fn run(args: ApprovalsArgs) -> Result<u8, Failure> {
    let Some(file) = &args.token_file else {
        return Err(Failure::usage("name the token file with --token-file or INTERDICT_ADMIN_TOKEN_FILE"));
    };
    let token = AdminToken::open(file)
        .and_then(|token| token.read())
        .map_err(|error| Failure::usage(format!("token file: {error}")))?;
    let base = url::Url::parse(&args.admin)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && !url.cannot_be_a_base())
        .ok_or_else(|| {
            Failure::usage(format!("--admin `{}` must be a URL like http://127.0.0.1:9192", args.admin))
        })?;
    let client = Client { base, token };
    let text = small_runtime()?.block_on(client.ask(&args.command))?;
    if args.json {
        println!("{text}");
        return Ok(0);
    }
    let unreadable =
        |error: serde_json::Error| Failure::failed(format!("the answer cannot be read: {error}"));
    match &args.command {
        ApprovalsCommand::List { .. } => {
            let page: Page = serde_json::from_str(&text).map_err(unreadable)?;
            print_list(&page.approvals);
        }
        ApprovalsCommand::Show { .. } => print_one(&serde_json::from_str(&text).map_err(unreadable)?),
        ApprovalsCommand::Approve(_) | ApprovalsCommand::Deny(_) => {
            let shown: Shown = serde_json::from_str(&text).map_err(unreadable)?;
            println!(
                "{} is {} by {}",
                shown.id,
                shown.state,
                plain::line(shown.decided_by.as_deref().unwrap_or("?"))
            );
        }
    }
    Ok(0)
}

struct Client {
    base: url::Url,
    token: String,
}

impl Client {
    async fn ask(&self, command: &ApprovalsCommand) -> Result<String, Failure> {
        // Neither a proxy nor a redirect shall see the token.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(15))
            .build()
            .map_err(|error| Failure::failed(format!("no HTTP client: {error}")))?;
        let call = match command {
            ApprovalsCommand::List { state, agent, server, limit } => {
                let mut url = self.path(&[])?;
                {
                    let mut query = url.query_pairs_mut();
                    if let Some(name) = state.and_then(|state| state.to_possible_value()) {
                        query.append_pair("state", name.get_name());
                    }
                    for (key, value) in [("agent", agent), ("server", server)] {
                        if let Some(value) = value {
                            query.append_pair(key, value);
                        }
                    }
                    if let Some(limit) = limit {
                        query.append_pair("limit", &limit.to_string());
                    }
                }
                http.get(url)
            }
            ApprovalsCommand::Show { id } => http.get(self.path(&[id])?),
            ApprovalsCommand::Approve(answer) => {
                http.post(self.path(&[&answer.id, "approve"])?).json(&answer.body())
            }
            ApprovalsCommand::Deny(answer) => {
                http.post(self.path(&[&answer.id, "deny"])?).json(&answer.body())
            }
        };
        let response = call
            .bearer_auth(&self.token)
            .send()
            .await
            .map_err(|error| Failure::failed(format!("{}: {}", self.base, reason(&error))))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| Failure::failed(reason(&error)))?;
        if status.is_success() {
            return Ok(text);
        }
        Err(Failure::failed(match serde_json::from_str::<Refused>(&text) {
            Ok(refused) => format!("{} [{}]", refused.error.message, refused.error.code),
            Err(_) => format!("the server answered {status}"),
        }))
    }

    fn path(&self, parts: &[&str]) -> Result<url::Url, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::usage("--admin must be a URL"))?
            .pop_if_empty()
            .extend(["v1", "approvals"])
            .extend(parts);
        Ok(url)
    }
}

impl Answer {
    fn body(&self) -> serde_json::Value {
        serde_json::json!({ "by": self.by, "note": self.note })
    }
}

/// The innermost cause says what happened ("connection refused").
fn reason(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn print_list(approvals: &[Shown]) {
    if approvals.is_empty() {
        println!("no approvals");
        return;
    }
    for shown in approvals {
        println!(
            "{}  {:<10}  {}  {} → {} {}",
            shown.id,
            shown.state,
            plain::line(&shown.created_at),
            plain::line(&shown.agent),
            plain::line(&shown.server),
            plain::line(shown.tool.as_deref().unwrap_or(&shown.method)),
        );
    }
}

fn print_one(shown: &Shown) {
    let row = |name: &str, value: &str| println!("{name:<11} {}", plain::line(value));
    row("id", &shown.id);
    row("state", &shown.state);
    row("agent", &format!("{} (tenant {}, owner {})", shown.agent, shown.tenant, shown.agent_owner));
    if let Some(principal) = &shown.principal {
        row("acts for", principal);
    }
    row("server", &shown.server);
    row("method", &shown.method);
    if let Some(tool) = &shown.tool {
        row("tool", tool);
    }
    row("asked at", &shown.created_at);
    row("expires at", &shown.expires_at);
    for reason in &shown.reasons {
        row("because", &format!("{} [{}]", reason.message, reason.code));
    }
    if let Some(by) = &shown.decided_by {
        row("answered by", by);
    }
    if let Some(note) = &shown.note {
        row("note", note);
    }
    if let Some(hidden) = &shown.arguments_not_shown {
        println!("what will run if approved: {} bytes, not shown", hidden.bytes);
        row("sha256", &hidden.sha256);
        println!("Nobody can see here what would run: deny it, unless you know this digest from elsewhere.");
    } else if let Some(arguments) = &shown.arguments {
        println!("what will run if approved:");
        println!("{}", plain::text(&pretty(arguments)));
    }
}

/// Indented when that changes nothing: numbers are printed as they were judged.
pub(super) fn pretty(raw: &RawValue) -> String {
    let text = raw.get();
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut previous = ' ';
    let open_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    for character in text.chars() {
        if in_string {
            out.push(character);
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            previous = character;
            continue;
        }
        match character {
            ' ' | '\t' | '\r' | '\n' => continue,
            '"' => {
                in_string = true;
                if matches!(previous, '{' | '[') {
                    open_line(&mut out, depth);
                }
                out.push('"');
            }
            '{' | '[' => {
                if matches!(previous, '{' | '[') {
                    open_line(&mut out, depth);
                }
                depth = depth.saturating_add(1);
                out.push(character);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !matches!(previous, '{' | '[') {
                    open_line(&mut out, depth);
                }
                out.push(character);
            }
            ',' => {
                out.push(',');
                open_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => {
                if matches!(previous, '{' | '[') {
                    open_line(&mut out, depth);
                }
                out.push(other);
            }
        }
        previous = character;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_indented_without_touching_a_digit_or_a_string() {
        let raw =
            RawValue::from_string(r#"{"a":[1.0,1e3,{}],"b":"x, {\"y\": 1}","c":[]}"#.to_owned()).unwrap();
        let expected = "{\n  \"a\": [\n    1.0,\n    1e3,\n    {}\n  ],\n  \"b\": \"x, {\\\"y\\\": 1}\",\n  \"c\": []\n}";
        assert_eq!(pretty(&raw), expected);
    }
}
