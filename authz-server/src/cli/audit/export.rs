//! `interdict audit export`: evidence for somebody else.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use interdict_audit::verify::{Report, Verdict, verify};

use super::chain::{Chain, parse_id};
use super::package::{Plan, Written, origin, read_kept};
use super::place::only_reader;
use super::scratch::{Scratch, must_be_free};
use super::walk::first_since;
use super::{Place, When, parse_when, refused};
use crate::audit::{LogReader, StoredCheckpoint};
use crate::cli::{Failure, plain};

pub(super) const HELP: &str = "\
Examples:
  interdict audit export --decision 0198c5d2-7c1e-7000-8000-00000000002a --out evidence/
  interdict audit export --tenant acme --since 2026-11-01 --until 2026-12-01 --out november/
  interdict audit export --tenant acme --all --since-checkpoint kept.note --out all/
  interdict-verify evidence/

A decision brings its outcome and everything about its approval. --since-checkpoint takes a signed checkpoint that was kept
elsewhere: the package then proves that the log still contains it. Only what a signed checkpoint covers can be exported; with
--wait the newest entries wait for theirs. When bundles went live stands in the log of `_system`, which is exported by itself.
Arguments are in a package only if `audit.arguments` is `shown`; sealed inputs never are.

Exit codes: 0 written and whole, 1 failed or the log does not verify, 2 usage or configuration error.";

/// How long `--wait` waits.
const WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["decision", "from", "to", "since", "until", "all"]))]
pub(super) struct ExportArgs {
    #[command(flatten)]
    place: Place,
    /// Where the package goes: a folder that does not exist or is empty.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Whose log; not needed when there is one tenant only, or with --decision.
    #[arg(long)]
    tenant: Option<String>,
    /// A decision or an approval, with everything that belongs to it.
    #[arg(long, value_name = "ID", conflicts_with_all = ["from", "to", "since", "until", "all"])]
    decision: Option<String>,
    /// From this number.
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["since", "until", "all"])]
    from: Option<u64>,
    /// To this number, which is part of it.
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["since", "until", "all"])]
    to: Option<u64>,
    /// From this moment: 2026-11-21T14:30:00Z, 2026-11-21, or 2h for two hours ago.
    #[arg(long, value_name = "TIME", value_parser = parse_when, conflicts_with = "all")]
    since: Option<When>,
    /// To this moment.
    #[arg(long, value_name = "TIME", value_parser = parse_when, conflicts_with = "all")]
    until: Option<When>,
    /// The whole log.
    #[arg(long)]
    all: bool,
    /// A signed checkpoint that was kept elsewhere; may be given several times.
    #[arg(long, value_name = "FILE")]
    since_checkpoint: Vec<PathBuf>,
    /// Wait up to five seconds for the checkpoint that covers the newest entries.
    #[arg(long)]
    wait: bool,
    /// Print the result of the verification as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ExportArgs) -> Result<u8, Failure> {
    must_be_free(&args.out)?;
    let layout = args.place.layout()?;
    let witnesses = args.place.settings()?.witnesses.into_iter().map(|witness| witness.key).collect();
    let (reader, mut wanted) = match &args.decision {
        Some(id) => {
            let chain = Chain::find(&layout, args.tenant.as_deref(), parse_id(id)?)?;
            let runs = chain.runs();
            (chain.reader, runs)
        }
        None => {
            let reader = only_reader(&layout, args.tenant.as_deref())?;
            let range = range(args, &reader)?;
            (reader, vec![range])
        }
    };
    let anchor = covering(&reader, &wanted, args.wait)?;
    // Beside a running server more was signed meanwhile; the whole log is what the checkpoint says it is.
    if let (true, Some((_, to))) = (args.all, wanted.last_mut()) {
        *to = anchor.size.max(*to);
    }
    let segments = cut(wanted, anchor.size)?;
    let kept = kept(args, &origin(&layout, &reader)?, anchor.size)?;
    let plan =
        Plan { layout: &layout, reader: &reader, anchor, segments, kept, trusted: Vec::new(), witnesses };
    let scratch = Scratch::beside(&args.out)?;
    let written = plan.write(scratch.path())?;
    let report = verify(scratch.path(), None, args.all)
        .map_err(|error| Failure::failed(format!("{}: {error}", error.code)))?;
    scratch.put(&args.out)?;
    tell(args, &written, &report)?;
    Ok(u8::from(report.verdict != Verdict::Whole))
}

/// Sizes of the checkpoints that were kept elsewhere.
fn kept(args: &ExportArgs, origin: &str, size: u64) -> Result<Vec<u64>, Failure> {
    let mut sizes = Vec::with_capacity(args.since_checkpoint.len());
    for path in &args.since_checkpoint {
        let kept = read_kept(path)?;
        if kept.origin != origin {
            let message =
                format!("{}: is a checkpoint of `{}`, not of `{origin}`", path.display(), kept.origin);
            return Err(Failure::usage(message));
        }
        if kept.size > size {
            let kept = kept.size;
            eprintln!(
                "interdict: warning: you kept a checkpoint of {kept} entries, this log ends at {size}: it was cut"
            );
        }
        sizes.push(kept.size);
    }
    Ok(sizes)
}

/// What a range means in numbers, `from..to`.
fn range(args: &ExportArgs, reader: &LogReader) -> Result<(u64, u64), Failure> {
    let size = reader.size().map_err(refused)?;
    let by_time = |when: Option<When>, otherwise| match when {
        Some(when) => first_since(reader, when),
        None => Ok(otherwise),
    };
    let (from, to) = match (args.since, args.until) {
        (None, None) => {
            (args.from.unwrap_or_default(), args.to.map_or(size, |to| to.saturating_add(1)).min(size))
        }
        (since, until) => (by_time(since, 0)?, by_time(until, size)?),
    };
    match from < to {
        true => Ok((from, to)),
        false => Err(Failure::failed(format!("there is no entry in that range; the log has {size}"))),
    }
}

/// The last checkpoint, once it covers everything that is wanted or the time is up.
fn covering(reader: &LogReader, wanted: &[(u64, u64)], wait: bool) -> Result<StoredCheckpoint, Failure> {
    let end = wanted.last().map_or(0, |(_, to)| *to);
    let until = Instant::now() + WAIT;
    loop {
        let last = reader.last_checkpoint(None).map_err(refused)?;
        match last {
            Some(last) if last.size >= end || !wait || Instant::now() > until => return Ok(last),
            None if !wait || Instant::now() > until => {
                return Err(Failure::failed("the log has no signed checkpoint yet; try --wait"));
            }
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Leaves out what no checkpoint covers, and says so.
fn cut(wanted: Vec<(u64, u64)>, size: u64) -> Result<Vec<(u64, u64)>, Failure> {
    let count = |runs: &[(u64, u64)]| runs.iter().map(|(from, to)| to.saturating_sub(*from)).sum::<u64>();
    let all = count(&wanted);
    let covered: Vec<(u64, u64)> =
        wanted.into_iter().map(|(from, to)| (from, to.min(size))).filter(|(from, to)| from < to).collect();
    let left = all.saturating_sub(count(&covered));
    if covered.is_empty() {
        return Err(Failure::failed("no signed checkpoint covers that yet; try --wait"));
    }
    if left > 0 {
        eprintln!(
            "interdict: warning: {left} of the newest entries are left out: no signed checkpoint covers them yet (--wait)"
        );
    }
    Ok(covered)
}

fn tell(args: &ExportArgs, written: &Written, report: &Report) -> Result<(), Failure> {
    for digest in &written.missing {
        eprintln!("interdict: warning: bundle {digest} decided and is not kept: the package lacks it");
    }
    if args.json {
        return plain::print_json(report);
    }
    let part = if report.complete { "the whole log" } else { "a part of the log" };
    println!("{}", args.out.display());
    println!("  tenant       {}", plain::line(&report.tenant));
    println!("  records      {}, {part} of {} entries", written.records, report.size);
    println!("  checkpoints  {}", written.checkpoints);
    println!("  bundles      {}", report.bundles);
    print_findings(report);
    Ok(())
}

/// What the verifier says to it.
pub(super) fn print_findings(report: &Report) {
    for finding in &report.findings {
        let place = finding.seq.map(|seq| format!(" record {seq}:")).unwrap_or_default();
        println!("  FOUND        {}:{place} {}", finding.code, plain::line(&finding.message));
    }
    match report.verdict {
        Verdict::Whole => println!("  verdict      WHOLE"),
        Verdict::Tampered => println!("  verdict      TAMPERED ({} findings)", report.finding_count),
    }
}
