//! `interdict labels`: sessions that count as hostile, and taking that away.

use clap::{Args, Subcommand};
use serde::Deserialize;

use super::admin_client::{AdminArgs, Call, read};
use super::{Failure, plain};

pub(super) const HELP: &str = "\
Examples:
  export INTERDICT_ADMIN_URL=http://127.0.0.1:9192 INTERDICT_ADMIN_TOKEN_FILE=/etc/interdict/admin.token
  interdict labels list --agent books
  interdict labels clear --agent books --by ana@example.com --why 'read it: a manual that quotes an attack'
  interdict labels clear --agent books --subject mia@example.com --by ana@example.com --why 'the same manual'

A session is hostile for an hour after its agent was given text that reads like instructions; until then calls that may change
something ask a person. Read that text first (`interdict quarantine list`): the agent keeps what it was given. Labels are in the
memory of one server: ask each. Who took one away and why goes into the log. The agent's owner and the person it acts for
cannot. Text that comes later makes the session hostile again.

Exit codes: 0 done (also when there is none to list), 1 refused or not reached, 2 usage error.";

#[derive(Debug, Args)]
pub(super) struct LabelsArgs {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    command: LabelsCommand,
}

#[derive(Debug, Subcommand)]
enum LabelsCommand {
    /// Sessions with a label, and why.
    #[command(after_help = HELP)]
    List {
        /// Only of this agent.
        #[arg(long)]
        agent: Option<String>,
        /// Only of this person, for whom an agent acts.
        #[arg(long)]
        subject: Option<String>,
    },
    /// Take the label from the sessions of an agent.
    #[command(after_help = HELP)]
    Clear {
        /// The agent.
        #[arg(long)]
        agent: String,
        /// Only where it acts for this person.
        #[arg(long)]
        subject: Option<String>,
        /// Who does it.
        #[arg(long)]
        by: String,
        /// Why.
        #[arg(long)]
        why: String,
    },
}

#[derive(Debug, Deserialize)]
struct Shown {
    label: String,
    agent: String,
    principal: Option<Principal>,
    server: String,
    decision_id: String,
    seconds_left: u64,
}

#[derive(Debug, Deserialize)]
struct Principal {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    labels: Vec<Shown>,
}

impl LabelsCommand {
    fn call(&self) -> (Vec<&'static str>, Call<'static>) {
        match self {
            Self::List { agent, subject } => {
                let pairs = [("agent", agent), ("subject", subject)];
                let given = pairs.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)));
                (vec!["labels"], Call::Get(given.collect()))
            }
            Self::Clear { agent, subject, by, why } => {
                let body = serde_json::json!({ "agent": agent, "subject": subject, "by": by, "why": why });
                (vec!["labels", "clear"], Call::Post(body))
            }
        }
    }
}

pub(super) fn run(args: &LabelsArgs) -> Result<u8, Failure> {
    let (parts, call) = args.command.call();
    let text = args.admin.call(&parts, call)?;
    if args.admin.print_json(&text) {
        return Ok(0);
    }
    let page: Page = read(&text)?;
    if page.labels.is_empty() {
        // After a clear: text that came meanwhile.
        println!(
            "{}",
            if args.is_list() { "no labels" } else { "the label was given anew meanwhile: look again" }
        );
    }
    for shown in &page.labels {
        println!("{}", plain::line(&shown.line(args.is_list())));
    }
    Ok(0)
}

impl LabelsArgs {
    fn is_list(&self) -> bool {
        matches!(self.command, LabelsCommand::List { .. })
    }
}

impl Shown {
    fn line(&self, stands: bool) -> String {
        let Self { label, agent, server, decision_id, seconds_left, .. } = self;
        let who = self.principal.as_ref().map(|who| format!(" for {}", who.id)).unwrap_or_default();
        match stands {
            true => format!(
                "{agent}{who}: {label} for {} min yet, by an answer of {server} to {decision_id}",
                seconds_left.div_ceil(60)
            ),
            false => format!("{agent}{who} is not {label} any more"),
        }
    }
}
