//! `interdict approvals`: a small client of the admin API.

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::admin_client::{AdminArgs, Call, read};
use super::{Failure, plain};

pub(super) const HELP: &str = "\
Examples:
  export INTERDICT_ADMIN_URL=http://127.0.0.1:9192 INTERDICT_ADMIN_TOKEN_FILE=/etc/interdict/admin.token
  interdict approvals list --state pending
  interdict approvals show 0198c5d2-…
  interdict approvals approve 0198c5d2-… --by ana@example.com --note 'checked with finance'
  interdict approvals deny 0198c5d2-… --by ana@example.com

Exit codes: 0 done (also when the list is empty), 1 refused or not reached, 2 usage error.";

#[derive(Debug, Args)]
pub(super) struct ApprovalsArgs {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    command: ApprovalsCommand,
}

#[derive(Debug, Subcommand)]
enum ApprovalsCommand {
    /// Approvals, oldest first.
    #[command(after_help = HELP)]
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
    #[command(after_help = HELP)]
    Show {
        /// Its id.
        #[arg(value_parser = parse_id)]
        id: String,
    },
    /// Let the call run, once.
    #[command(after_help = HELP)]
    Approve(Answer),
    /// Refuse the call.
    #[command(after_help = HELP)]
    Deny(Answer),
}

#[derive(Debug, Args)]
struct Answer {
    /// Id of the approval.
    #[arg(value_parser = parse_id)]
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
    #[serde(default)]
    totals: Vec<Total>,
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

/// A total that the call would add to.
#[derive(Debug, Deserialize)]
struct Total {
    counter: String,
    window: String,
    unit: String,
    stood: u64,
    adds: u64,
    ask_above: Option<u64>,
    max: Option<u64>,
    currency: Option<String>,
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

fn parse_id(text: &str) -> Result<String, String> {
    let id = uuid::Uuid::parse_str(text.trim());
    let wrong = "an id looks like 0198c5d2-7c1e-7000-8000-00000000002a; `interdict approvals list` has them";
    id.map(|id| id.to_string()).map_err(|_| wrong.to_owned())
}

pub(super) fn run(args: ApprovalsArgs) -> Result<u8, Failure> {
    let (parts, call) = args.command.call();
    let text = args.admin.call(&parts, call)?;
    if args.admin.print_json(&text) {
        return Ok(0);
    }
    match &args.command {
        ApprovalsCommand::List { .. } => {
            let page: Page = read(&text)?;
            print_list(&page.approvals);
        }
        ApprovalsCommand::Show { .. } => print_one(&read(&text)?),
        ApprovalsCommand::Approve(_) | ApprovalsCommand::Deny(_) => {
            let shown: Shown = read(&text)?;
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

impl ApprovalsCommand {
    /// Path and call.
    fn call(&self) -> (Vec<&str>, Call<'static>) {
        match self {
            Self::List { state, agent, server, limit } => {
                let state = state.and_then(|state| state.to_possible_value());
                let pairs = [
                    ("state", state.map(|name| name.get_name().to_owned())),
                    ("agent", agent.clone()),
                    ("server", server.clone()),
                    ("limit", limit.map(|limit| limit.to_string())),
                ];
                let given = pairs.into_iter().filter_map(|(key, value)| Some((key, value?)));
                (vec!["approvals"], Call::Get(given.collect()))
            }
            Self::Show { id } => (vec!["approvals", id], Call::Get(Vec::new())),
            Self::Approve(answer) => (vec!["approvals", &answer.id, "approve"], Call::Post(answer.body())),
            Self::Deny(answer) => (vec!["approvals", &answer.id, "deny"], Call::Post(answer.body())),
        }
    }
}

impl Answer {
    fn body(&self) -> serde_json::Value {
        serde_json::json!({ "by": self.by, "note": self.note })
    }
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
    for total in &shown.totals {
        row("adds up", &sum(total));
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

/// What stood, what the call adds to it, and how far that may go.
fn sum(total: &Total) -> String {
    let Total { counter, window, unit, stood, adds, .. } = total;
    let unit = match (unit.as_str(), &total.currency) {
        ("things", _) => " things".to_owned(),
        (_, Some(currency)) => format!(" (smallest unit of {currency})"),
        _ => String::new(),
    };
    let together = u128::from(*stood) + u128::from(*adds);
    let bounds = bounds(total.ask_above, total.max);
    format!(
        "{counter} in {window}: {stood} stood, this call adds {adds}, {together} together{unit}; {bounds}"
    )
}

/// How far a total may go.
pub(super) fn bounds(ask_above: Option<u64>, max: Option<u64>) -> String {
    match (ask_above, max) {
        (Some(ask), Some(max)) => format!("asks above {ask}, refused above {max}"),
        (Some(ask), None) => format!("asks above {ask}"),
        (None, Some(max)) => format!("refused above {max}"),
        (None, None) => "no contract bounds it".to_owned(),
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
