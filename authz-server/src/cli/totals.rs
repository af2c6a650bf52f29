//! `interdict totals`: what calls add up to, and letting it begin at zero again.

use clap::{Args, Subcommand};
use serde::Deserialize;

use super::admin_client::{AdminArgs, Call, read};
use super::approvals::bounds;
use super::{Failure, plain};

pub(super) const HELP: &str = "\
Examples:
  export INTERDICT_ADMIN_URL=http://127.0.0.1:9192 INTERDICT_ADMIN_TOKEN_FILE=/etc/interdict/admin.token
  interdict totals list --agent books --server bank
  interdict totals list --agent books --counter payee --payee 'DE89 3704 0044'
  interdict totals reset 5f0c6b1e9a7d4c3b8e2f1a0d9c8b7a6f --by ana@example.com --why 'recall, checked with finance'
  interdict totals reset --agent books --server bank --tool pay --by ana@example.com --why 'refunds of the recall'

Counters of the default policies are value, payee, recipients and cardinality; amounts are in the smallest unit of the currency.
A payee is shown as an id only: name one to find its total. What is reset counts nothing any more and cannot be brought back;
who did it and why goes into the log for good, so name no account there. The agent's owner and the person it acts for cannot.

Exit codes: 0 done (also when nothing stands), 1 refused or not reached, 2 usage error.";

#[derive(Debug, Args)]
pub(super) struct TotalsArgs {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    command: TotalsCommand,
}

#[derive(Debug, Subcommand)]
enum TotalsCommand {
    /// What stands above zero, against what its contract allows.
    #[command(after_help = HELP)]
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many.
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Let the total with this id, or those of one agent, begin at zero again.
    #[command(after_help = HELP)]
    Reset {
        /// Its id, as `totals list` prints it.
        #[arg(value_parser = parse_id, required_unless_present = "agent")]
        id: Option<String>,
        #[command(flatten)]
        which: Which,
        /// Who does it.
        #[arg(long)]
        by: String,
        /// Why.
        #[arg(long)]
        why: String,
    },
}

/// Which totals.
#[derive(Debug, Args)]
struct Which {
    /// Of this agent.
    #[arg(long)]
    agent: Option<String>,
    /// Of this person, for whom the agent acts.
    #[arg(long)]
    subject: Option<String>,
    /// Of this MCP server.
    #[arg(long)]
    server: Option<String>,
    /// Of this tool.
    #[arg(long)]
    tool: Option<String>,
    /// Of this counter, like value or payee.
    #[arg(long)]
    counter: Option<String>,
    /// Of this payee, in whatever spelling.
    #[arg(long)]
    payee: Option<String>,
}

/// A total as the API shows it.
#[derive(Debug, Deserialize)]
struct Shown {
    id: String,
    agent: String,
    principal: Option<Principal>,
    server: String,
    tool: String,
    counter: String,
    window: String,
    each: bool,
    unit: String,
    stands: u64,
    ask_above: Option<u64>,
    max: Option<u64>,
    currency: Option<String>,
    frees_from: String,
    frees_until: String,
}

#[derive(Debug, Deserialize)]
struct Principal {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    totals: Vec<Shown>,
    more: bool,
    unnamed: u64,
}

fn parse_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("an id has 32 hex digits; `interdict totals list` prints it".to_owned()),
    }
}

impl Which {
    fn pairs(&self) -> impl Iterator<Item = (&'static str, String)> {
        let all = [
            ("agent", &self.agent),
            ("subject", &self.subject),
            ("server", &self.server),
            ("tool", &self.tool),
            ("counter", &self.counter),
            ("payee", &self.payee),
        ];
        all.map(|(key, value)| Some((key, value.clone()?))).into_iter().flatten()
    }
}

impl TotalsCommand {
    fn call(&self) -> (Vec<&'static str>, Call<'static>) {
        match self {
            Self::List { which, limit } => {
                let limit = limit.map(|limit| ("limit", limit.to_string()));
                (vec!["totals"], Call::Get(which.pairs().chain(limit).collect()))
            }
            Self::Reset { id, which, by, why } => {
                let pairs = which.pairs().chain(id.clone().map(|id| ("id", id)));
                let told = [("by", by.clone()), ("why", why.clone())];
                let body = pairs.chain(told).map(|(key, value)| (key.to_owned(), value.into()));
                (vec!["totals", "reset"], Call::Post(serde_json::Value::Object(body.collect())))
            }
        }
    }
}

pub(super) fn run(args: &TotalsArgs) -> Result<u8, Failure> {
    let (parts, call) = args.command.call();
    let text = args.admin.call(&parts, call)?;
    if args.admin.print_json(&text) {
        return Ok(0);
    }
    let page: Page = read(&text)?;
    match &args.command {
        TotalsCommand::List { .. } => print_list(&page),
        TotalsCommand::Reset { .. } => {
            for total in &page.totals {
                println!(
                    "{}  {} begins at zero again; it stood at {}",
                    total.id,
                    total.title(),
                    total.stands
                );
            }
        }
    }
    Ok(0)
}

fn print_list(page: &Page) {
    if page.totals.is_empty() {
        println!("nothing stands");
    }
    for total in &page.totals {
        println!("{}  {}", total.id, total.title());
        println!("    {}; {}", total.standing(), bounds(total.ask_above, total.max));
        println!("    frees from {} to {}", plain::line(&total.frees_from), plain::line(&total.frees_until));
    }
    if page.more {
        println!("There are more: narrow them down, or raise --limit.");
    }
    if page.unnamed > 0 {
        println!(
            "{} more cannot be named: counted by an older server, or with another key. They end with their windows.",
            page.unnamed
        );
    }
}

impl Shown {
    /// Whose and what it is.
    fn title(&self) -> String {
        let who = self.principal.as_ref().map(|who| format!(" for {}", who.id)).unwrap_or_default();
        let each = if self.each { " (one of several)" } else { "" };
        let Self { agent, server, tool, counter, window, .. } = self;
        plain::line(&format!("{agent}{who} → {server} {tool}: {counter}{each} in {window}"))
    }

    fn standing(&self) -> String {
        match (self.unit.as_str(), &self.currency) {
            ("things", _) => format!("{} things stand", self.stands),
            (_, Some(currency)) => {
                plain::line(&format!("{} stand (smallest unit of {currency})", self.stands))
            }
            _ => format!("{} stand", self.stands),
        }
    }
}
