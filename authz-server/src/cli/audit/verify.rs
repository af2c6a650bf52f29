//! `interdict audit verify`: the whole log, through the same door as an auditor's.

use std::ops::ControlFlow;

use clap::Args;
use interdict_audit::verify::{Report, Verdict, verify};
use serde_json::json;

use super::export::print_findings;
use super::package::Plan;
use super::place::readers;
use super::scratch::Scratch;
use super::{Place, refused};
use crate::audit::{Layout, LogReader, decision_of};
use crate::cli::{Failure, plain};

pub(super) const HELP: &str = "\
Examples:
  interdict audit verify
  interdict audit verify --tenant acme --json

Everything is read and computed again, from the first record to the last signed checkpoint, and held against head.note beside
the database. It needs room for a copy of the records in the temporary folder. Whoever can write this folder can also write the
key: trust belongs to checkpoints that are kept elsewhere, and to interdict-verify on another machine.

Exit codes: 0 whole, 1 tampered or failed, 2 usage or configuration error.";

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    place: Place,
    /// Only this tenant's log.
    #[arg(long)]
    tenant: Option<String>,
    /// Print one report per log as JSON, one per line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &VerifyArgs) -> Result<u8, Failure> {
    let layout = args.place.layout()?;
    let mut whole = true;
    for reader in readers(&layout, args.tenant.as_deref())? {
        let report = check(&layout, &reader)?;
        let size = reader.size().map_err(refused)?;
        let Some(report) = report else {
            // Entries wait for their first checkpoint a second at most.
            match args.json {
                true => {
                    let row = json!({"tenant": reader.tenant(), "size": size, "verdict": "unsigned"});
                    plain::print_json(&row)?;
                }
                false => println!("{}\n  records      {size}, no signed checkpoint yet", reader.tenant()),
            }
            continue;
        };
        whole &= report.verdict == Verdict::Whole;
        match args.json {
            true => plain::print_json(&report)?,
            false => print(&report, size.saturating_sub(report.size)),
        }
    }
    Ok(u8::from(!whole))
}

/// `None` for a log without a checkpoint.
fn check(layout: &Layout, reader: &LogReader) -> Result<Option<Report>, Failure> {
    // Before the database, which is never behind it unless it was put back.
    let head = layout.head(reader.tenant()).map_err(refused)?;
    let head = std::fs::read_to_string(head).ok();
    let anchor = reader.last_checkpoint(None).map_err(refused)?;
    let Some(anchor) = anchor else {
        return match head {
            None => Ok(None),
            Some(_) => Err(Failure::failed(format!(
                "the log of `{}` was signed once and has no checkpoint now: it was put back [audit.rolled_back]",
                reader.tenant()
            ))),
        };
    };
    let lost = head.is_none() && reader.checkpoints(None, 2).map_err(refused)?.len() > 1;
    let segments = if anchor.size == 0 { Vec::new() } else { vec![(0, anchor.size)] };
    let plan = Plan {
        layout,
        reader,
        anchor,
        segments,
        kept: Vec::new(),
        trusted: head.into_iter().collect(),
        witnesses: Vec::new(),
    };
    let scratch = Scratch::temporary()?;
    plan.write(scratch.path())?;
    let mut report = verify(scratch.path(), None, true)
        .map_err(|error| Failure::failed(format!("{}: {error}", error.code)))?;
    check_index(reader, &mut report)?;
    // Written after every checkpoint: it is missing only between the first checkpoint and the first file.
    if lost {
        let message =
            "the log was signed more than once and head.note is not beside it: it may have been cut";
        report.find("audit.no_head", None, message);
    }
    Ok(Some(report))
}

/// The index by decision is in no hash, and `show`, `export` and `replay` find entries by it.
fn check_index(reader: &LogReader, report: &mut Report) -> Result<(), Failure> {
    let size = report.size;
    let read = reader.range(0, size, |stored| {
        if decision_of(&stored.record) != stored.decision_id {
            let message = "the index of the database names another decision than the record";
            report.find("audit.index", Some(stored.seq), message);
        }
        ControlFlow::Continue(())
    });
    read.map_err(refused)
}

fn print(report: &Report, uncovered: u64) {
    println!("{}", plain::line(&report.tenant));
    let waiting = match uncovered {
        0 => String::new(),
        count => format!(", {count} more wait for the next checkpoint"),
    };
    println!("  records      {}{waiting}", report.records);
    let kinds: Vec<_> = report.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    println!("               {}", kinds.join(", "));
    if let (Some(first), Some(last)) = (&report.first, &report.last) {
        println!("  time         {first} to {last}");
    }
    println!("  root         {}", report.root.as_deref().unwrap_or("-"));
    println!("  checkpoints  {}", report.checkpoints);
    println!("  bundles      {}", report.bundles);
    print_findings(report);
}
