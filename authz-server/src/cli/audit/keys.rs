//! `interdict audit destroy-inputs` and `rotate-key`: the two that write, which only one process may do.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::{Place, refused};
use crate::audit::{AuditError, AuditLog, AuditMetrics, LogReader, rotate_key};
use crate::cli::{Failure, plain};
use crate::clock::SystemClock;

pub(super) const DESTROY_HELP: &str = "\
Example:
  interdict audit destroy-inputs --tenant acme --day 2026-11-21 --yes

Afterwards nobody can open the inputs of that day's decisions, replay says `inputs erased`, and the log still verifies: it holds
commitments only. Copies of the key in backups are not reached. The server destroys keys older than audit.inputs_keep_days by
itself.

Exit codes: 0 destroyed, 1 there was no key or a server runs, 2 usage or configuration error.";

pub(super) const ROTATE_HELP: &str = "\
Examples:
  interdict audit rotate-key --yes
  interdict audit rotate-key --to /etc/interdict/log-2027.key --yes

Every log gets an entry and a checkpoint that the old and the new key signed, so that whoever trusts the old one can follow. With
audit.signing_key_file set, --to names the new file (made when it does not exist); set the configuration to it afterwards.

Exit codes: 0 changed, 1 failed or a server runs, 2 usage or configuration error.";

#[derive(Debug, Args)]
pub(super) struct DestroyArgs {
    #[command(flatten)]
    place: Place,
    /// Whose inputs.
    #[arg(long)]
    tenant: String,
    /// The day (UTC), like 2026-11-21.
    #[arg(long)]
    day: Date,
    /// It cannot be undone; say that it is meant.
    #[arg(long)]
    yes: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    #[command(flatten)]
    place: Place,
    /// File of the new key, where the key is not kept in the folder of the log.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Say that it is meant.
    #[arg(long)]
    yes: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn destroy(args: &DestroyArgs) -> Result<u8, Failure> {
    let layout = args.place.layout()?;
    // Opening for writing would make a log for a name that was mistyped.
    drop(LogReader::open(&layout, &args.tenant).map_err(refused)?);
    must_be_meant(args.yes, "the inputs of that day can never be opened again")?;
    let settings = args.place.settings()?;
    let log = AuditLog::open(&settings, Arc::new(SystemClock), AuditMetrics::default()).map_err(held)?;
    let destroyed = log.destroy_day(&args.tenant, args.day).map_err(refused);
    log.close();
    let destroyed = destroyed?;
    let (tenant, day) = (&args.tenant, args.day);
    match (args.json, destroyed) {
        (true, _) => {
            plain::print_json(&json!({"tenant": tenant, "day": day.to_string(), "destroyed": destroyed}))?;
        }
        (false, true) => println!("the inputs of {tenant} of {day} are erased; the log says so"),
        (false, false) => println!("there is no key of {tenant} of {day}; nothing was done"),
    }
    Ok(u8::from(!destroyed))
}

pub(super) fn rotate(args: &RotateArgs) -> Result<u8, Failure> {
    args.place.layout()?;
    must_be_meant(args.yes, "whoever verifies will need the new key")?;
    let settings = args.place.settings()?;
    let key = rotate_key(&settings, Arc::new(SystemClock), args.to.as_deref()).map_err(held)?;
    match args.json {
        true => plain::print_json(&json!({ "key": key }))?,
        false => {
            println!("the logs are signed by this key from now on; give it to whoever verifies:\n{key}");
            if let Some(to) = &args.to {
                println!("set audit.signing_key_file to {}", to.display());
            }
        }
    }
    Ok(0)
}

fn must_be_meant(yes: bool, what: &str) -> Result<(), Failure> {
    match yes {
        true => Ok(()),
        false => Err(Failure::usage(format!("{what}; repeat with --yes if that is meant"))),
    }
}

/// A running server holds the folder.
fn held(error: AuditError) -> Failure {
    match error.code {
        "audit.locked" => Failure::failed(format!(
            "a running server holds the log; stop it, repeat this, and start it again [{}]",
            error.code
        )),
        _ => refused(error),
    }
}
