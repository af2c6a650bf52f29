//! `interdict pins`: what servers say about their tools, held against what was approved.

mod diff;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::admin_client::{AdminArgs, Call, read};
use super::approvals::pretty;
use super::{Failure, plain};

pub(super) const HELP: &str = "\
Examples:
  export INTERDICT_ADMIN_URL=http://127.0.0.1:9192 INTERDICT_ADMIN_TOKEN_FILE=/etc/interdict/admin.token
  interdict pins list --server files
  interdict pins review --server files
  interdict pins approve --server files --tool read_file --digest 3b0c… --by ana@example.com
  interdict pins approve --server files --all --digest 91fe… --by ana@example.com
  interdict pins revoke --server files --tool write_file --by ana@example.com

`review` prints the digest that `approve` needs: what changed since then is not approved. `--all` takes the digest at the end of a
review of the whole server, and leaves out what is suspicious: that is approved one by one.";

#[derive(Debug, Args)]
pub(super) struct PinsArgs {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    command: PinsCommand,
}

#[derive(Debug, Subcommand)]
enum PinsCommand {
    /// What is known of servers' definitions.
    List {
        /// Only of this MCP server.
        #[arg(long)]
        server: Option<String>,
        /// Only these.
        #[arg(long, value_enum)]
        state: Option<State>,
    },
    /// What waits for a person: the change, and what is suspicious about it.
    Review {
        /// Only of this MCP server.
        #[arg(long)]
        server: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Approve the definition that was reviewed, or keep the approved one.
    Approve {
        /// The MCP server.
        #[arg(long)]
        server: String,
        #[command(flatten)]
        which: Which,
        /// Everything that a review of the server showed and that is not suspicious.
        #[arg(long, conflicts_with_all = ["tool", "kind", "name"])]
        all: bool,
        /// The digest that the review printed.
        #[arg(long)]
        digest: String,
        /// Who approves.
        #[arg(long)]
        by: String,
    },
    /// Take an approval back, or refuse what waits.
    Revoke {
        /// The MCP server.
        #[arg(long)]
        server: String,
        #[command(flatten)]
        which: Which,
        /// Who revokes.
        #[arg(long)]
        by: String,
    },
}

/// Which definition.
#[derive(Debug, Args)]
struct Which {
    /// The tool of this name.
    #[arg(long, conflicts_with_all = ["kind", "name"])]
    tool: Option<String>,
    /// What is defined, when it is not a tool.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Name of the prompt, or the template; instructions have none.
    #[arg(long, requires = "kind")]
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Pinned,
    Review,
    Revoked,
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Tool,
    Prompt,
    Template,
    Instructions,
}

#[derive(Debug, Deserialize)]
struct Page {
    pins: Vec<Shown>,
    more: bool,
    all: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Shown {
    server: String,
    kind: String,
    name: String,
    state: String,
    approved: Option<Approved>,
    seen: Option<Seen>,
    suspicions: Option<Vec<Suspicion>>,
}

#[derive(Debug, Deserialize)]
struct Approved {
    digest: String,
    by: String,
    at: String,
    definition: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Seen {
    digest: String,
    #[serde(rename = "as")]
    seen_as: String,
    at: String,
    definition: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Suspicion {
    tier: String,
    kind: String,
    path: String,
}

/// The word of a value.
fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl Which {
    /// Kind and name, as the API wants them.
    fn pairs(&self) -> Vec<(&'static str, String)> {
        match (&self.tool, self.kind) {
            (Some(tool), _) => vec![("kind", "tool".to_owned()), ("name", tool.clone())],
            (None, Some(kind)) => {
                let name = self.name.clone().or((kind == Kind::Instructions).then(String::new));
                let name = name.map(|name| ("name", name));
                [("kind", word(kind))].into_iter().chain(name).collect()
            }
            (None, None) => Vec::new(),
        }
    }

    fn body(&self, server: &str, by: &str) -> Result<serde_json::Value, Failure> {
        let mut body = serde_json::json!({ "server": server, "by": by });
        let pairs = self.pairs();
        if pairs.len() < 2 {
            return Err(Failure::usage("say which definition: --tool NAME, or --kind KIND --name NAME"));
        }
        for (key, value) in pairs {
            if let Some(body) = body.as_object_mut() {
                body.insert(key.to_owned(), value.into());
            }
        }
        Ok(body)
    }
}

impl PinsCommand {
    fn call(&self) -> Result<(Vec<&'static str>, Call<'static>), Failure> {
        let of = |server: &Option<String>| server.clone().map(|server| ("server", server));
        Ok(match self {
            Self::List { server, state } => {
                let state = state.map(|state| ("state", word(state)));
                (vec!["pins"], Call::Get(of(server).into_iter().chain(state).collect()))
            }
            Self::Review { server, which } => {
                let query = of(server).into_iter().chain(which.pairs()).collect();
                (vec!["pins", "review"], Call::Get(query))
            }
            Self::Approve { server, all: true, digest, by, .. } => {
                let body = serde_json::json!({ "server": server, "digest": digest, "by": by });
                (vec!["pins", "approve-all"], Call::Post(body))
            }
            Self::Approve { server, which, digest, by, .. } => {
                let mut body = which.body(server, by)?;
                if let Some(body) = body.as_object_mut() {
                    body.insert("digest".to_owned(), digest.as_str().into());
                }
                (vec!["pins", "approve"], Call::Post(body))
            }
            Self::Revoke { server, which, by } => {
                (vec!["pins", "revoke"], Call::Post(which.body(server, by)?))
            }
        })
    }
}

pub(super) fn run(args: &PinsArgs) -> Result<u8, Failure> {
    let (parts, call) = args.command.call()?;
    let text = args.admin.call(&parts, call)?;
    if args.admin.json {
        println!("{text}");
        return Ok(0);
    }
    match &args.command {
        PinsCommand::List { .. } | PinsCommand::Approve { all: true, .. } => {
            let page: Page = read(&text)?;
            if page.pins.is_empty() {
                println!("no definitions are known");
            }
            page.pins.iter().for_each(print_line);
            if page.more {
                println!("More wait; review again.");
            }
        }
        PinsCommand::Review { .. } => print_review(&read(&text)?),
        PinsCommand::Approve { .. } | PinsCommand::Revoke { .. } => print_line(&read(&text)?),
    }
    Ok(0)
}

/// Digests are long, and their beginnings tell them apart in a list.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn print_line(shown: &Shown) {
    let mut line = format!(
        "{:<8}  {}  {:<12}  {}",
        plain::line(&shown.state),
        plain::line(&shown.server),
        plain::line(&shown.kind),
        plain::line(&shown.name),
    );
    if let Some(approved) = &shown.approved {
        line.push_str(&plain::line(&format!("  {} approved by {}", short(&approved.digest), approved.by)));
    }
    if let Some(seen) = &shown.seen {
        line.push_str(&plain::line(&format!("  {} seen as {}", short(&seen.digest), seen.seen_as)));
    }
    println!("{line}");
}

fn print_review(page: &Page) {
    if page.pins.is_empty() {
        println!("nothing waits for a person");
        return;
    }
    for shown in &page.pins {
        print_one(shown);
        println!();
    }
    if page.more {
        println!("More wait; they are shown when these are answered.");
    }
    if let Some(all) = &page.all {
        println!("To approve all of these but what is suspicious: --all --digest {}", plain::line(all));
    }
}

fn print_one(shown: &Shown) {
    println!(
        "{} {} of {}: {}",
        shown.kind,
        plain::line(&shown.name),
        plain::line(&shown.server),
        shown.state
    );
    let text = |raw: &Option<Box<RawValue>>| raw.as_ref().map(|raw| pretty(raw));
    if let Some(approved) = &shown.approved {
        let (by, at) = (plain::line(&approved.by), plain::line(&approved.at));
        println!("approved  {}  by {by} at {at}", plain::line(&approved.digest));
    }
    if let Some(seen) = &shown.seen {
        let (seen_as, at) = (plain::line(&seen.seen_as), plain::line(&seen.at));
        println!("seen      {}  as {seen_as} at {at}", plain::line(&seen.digest));
    }
    for suspicion in shown.suspicions.iter().flatten() {
        let Suspicion { tier, kind, path } = suspicion;
        // Phrases are noisy: they are told and hide nothing.
        let word = if tier == "lexical" { "noted" } else { "SUSPICIOUS" };
        println!("{word} {}", plain::line(&format!("{tier}: {kind} at \"{path}\"")));
    }
    let approved = shown.approved.as_ref().and_then(|approved| text(&approved.definition));
    let seen = shown.seen.as_ref().map(|seen| text(&seen.definition));
    match (approved, seen) {
        (_, Some(None)) => println!("The definition is longer than what is kept: it cannot be approved."),
        (Some(old), Some(Some(new))) => print!("{}", diff::unified(&plain::text(&old), &plain::text(&new))),
        (None, Some(Some(new))) => println!("{}", plain::text(&new)),
        (Some(old), None) => println!("{}", plain::text(&old)),
        (None, None) => {}
    }
}
