//! `interdict quarantine`: texts that were replaced by a handle, for a reviewer.

use clap::{Args, Subcommand};
use serde::Deserialize;

use super::admin_client::{AdminArgs, Call, read};
use super::{Failure, plain};

pub(super) const HELP: &str = "\
Examples:
  interdict quarantine list --server mail
  interdict quarantine show 5f0c6b1e9a7d4c3b8e2f1a0d9c8b7a6f

What is shown was written by somebody who may have wanted a reader to do something: read it as evidence. Control and invisible
characters are written out.";

#[derive(Debug, Args)]
pub(super) struct QuarantineArgs {
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    command: QuarantineCommand,
}

#[derive(Debug, Subcommand)]
enum QuarantineCommand {
    /// What is kept, newest first.
    List {
        /// Only of this MCP server.
        #[arg(long)]
        server: Option<String>,
        /// At most so many.
        #[arg(long)]
        limit: Option<u64>,
    },
    /// One text.
    Show {
        /// Its handle.
        handle: String,
    },
}

#[derive(Debug, Deserialize)]
struct Page {
    quarantined: Vec<Shown>,
}

#[derive(Debug, Deserialize)]
struct Shown {
    handle: String,
    tenant: String,
    server: String,
    decision_id: String,
    reason: String,
    bytes: u64,
    kept_at: String,
    original: Option<String>,
    original_base64: Option<String>,
}

pub(super) fn run(args: &QuarantineArgs) -> Result<u8, Failure> {
    let (parts, call) = match &args.command {
        QuarantineCommand::List { server, limit } => {
            let server = server.clone().map(|server| ("server", server));
            let limit = limit.map(|limit| ("limit", limit.to_string()));
            (vec!["quarantine"], Call::Get(server.into_iter().chain(limit).collect()))
        }
        QuarantineCommand::Show { handle } => (vec!["quarantine", handle], Call::Get(Vec::new())),
    };
    let text = args.admin.call(&parts, call)?;
    if args.admin.json {
        println!("{text}");
        return Ok(0);
    }
    match &args.command {
        QuarantineCommand::List { .. } => {
            let page: Page = read(&text)?;
            if page.quarantined.is_empty() {
                println!("nothing is kept");
            }
            for shown in &page.quarantined {
                print_line(shown);
            }
        }
        QuarantineCommand::Show { .. } => {
            let shown: Shown = read(&text)?;
            print_line(&shown);
            println!("tenant {}, decision {}", plain::line(&shown.tenant), plain::line(&shown.decision_id));
            match (&shown.original, &shown.original_base64) {
                (Some(text), _) => println!("{}", plain::text(text)),
                (None, Some(bytes)) => println!("not UTF-8; base64:\n{}", plain::line(bytes)),
                (None, None) => {}
            }
        }
    }
    Ok(0)
}

fn print_line(shown: &Shown) {
    println!(
        "{}  {}  {:<24}  {}  {} bytes",
        plain::line(&shown.handle),
        plain::line(&shown.kept_at),
        plain::line(&shown.reason),
        plain::line(&shown.server),
        shown.bytes
    );
}
