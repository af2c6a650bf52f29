//! `interdict quarantine`: texts that were replaced by a handle, for a reviewer.

use clap::{Args, Subcommand};
use serde::Deserialize;

use super::admin_client::{AdminArgs, Call, read};
use super::{Failure, plain};

pub(super) const HELP: &str = "\
Examples:
  export INTERDICT_ADMIN_URL=http://127.0.0.1:9192 INTERDICT_ADMIN_TOKEN_FILE=/etc/interdict/admin.token
  interdict quarantine list --server mail
  interdict quarantine show '[[quarantined:5f0c6b1e9a7d4c3b8e2f1a0d9c8b7a6f]]'
  interdict quarantine show 5f0c6b1e9a7d4c3b8e2f1a0d9c8b7a6f

The handle is what the agent was given, with or without what stands around its 32 digits. What is shown was written by
somebody who may have wanted a reader to do something: read it as evidence. Control and invisible characters are written out.

Exit codes: 0 done (also when nothing is kept), 1 refused or not reached, 2 usage error.";

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
    #[command(after_help = HELP)]
    List {
        /// Only of this MCP server.
        #[arg(long)]
        server: Option<String>,
        /// At most so many.
        #[arg(long)]
        limit: Option<u64>,
    },
    /// One text.
    #[command(after_help = HELP)]
    Show {
        /// Its handle, as the agent was given it or its 32 digits alone.
        #[arg(value_parser = parse_handle)]
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

/// The digits of `[[quarantined:<digits>]]`, or the digits themselves.
fn parse_handle(text: &str) -> Result<String, String> {
    let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
    let digits = inner.strip_prefix("quarantined:").unwrap_or(inner);
    match digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(digits.to_ascii_lowercase()),
        false => Err(
            "a handle is [[quarantined:…]] with 32 hex digits, or these digits alone; `interdict quarantine \
                      list` has them"
                .to_owned(),
        ),
    }
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
    if args.admin.print_json(&text) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_taken_as_the_agent_was_given_it_or_as_its_digits_and_nothing_else() {
        let digits = "5f0c6b1e9a7d4c3b8e2f1a0d9c8b7a6f";
        for text in [
            digits.to_owned(),
            format!("[[quarantined:{digits}]]"),
            format!(" quarantined:{digits} "),
            format!("[[{}]]", digits.to_uppercase()),
        ] {
            assert_eq!(parse_handle(&text).as_deref(), Ok(digits), "{text}");
        }
        for text in
            ["", "..", "[[quarantined:]]", "../pins", "5f0c", &format!("{digits}0"), &format!("{digits}/..")]
        {
            assert!(parse_handle(text).is_err(), "{text}");
        }
    }
}
