//! `interdict audit tail` and `query`.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use interdict_audit::record::Entry;

use super::filter::Filter;
use super::place::readers;
use super::{Place, Walk, line, refused};
use crate::audit::{Layout, LogReader};
use crate::cli::{Failure, plain};

pub(super) const TAIL_HELP: &str = "\
Examples:
  interdict audit tail
  interdict audit tail --tenant acme -n 5 --follow
  interdict audit tail --follow --json --verdict deny

--json prints every entry of the log as one line of JSON. Control and invisible characters in it are \\u escapes; the bytes
that are hashed are in what `interdict audit export` writes.

Exit codes: 0 done, 1 failed, 2 usage or configuration error.";

pub(super) const QUERY_HELP: &str = "\
Examples:
  interdict audit query --verdict deny --since 2h
  interdict audit query --tenant acme --agent report-bot --tool 'delete_*'
  interdict audit query --reason policy.no_allow --limit 1000 --json
  interdict audit query --reason response.rows

A reason beginning with `response.` is that of an answer: the entries are outcomes, and `interdict audit show` with the id at the
end of the line tells the whole story.

Exit codes: 0 done (also when nothing fits), 1 failed, 2 usage or configuration error.";

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct TailArgs {
    #[command(flatten)]
    place: Place,
    /// Only this tenant's log; `_system` is that of what belongs to nobody.
    #[arg(long)]
    tenant: Option<String>,
    /// How many entries.
    #[arg(short = 'n', long = "lines", default_value_t = 20)]
    count: usize,
    /// Go on with what is written from now on, until interrupted.
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    filter: Filter,
    /// Print the entries themselves, one JSON text per line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    #[command(flatten)]
    place: Place,
    /// Only this tenant's log; `_system` is that of what belongs to nobody.
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Print the entries themselves, one JSON text per line.
    #[arg(long)]
    json: bool,
}

pub(super) fn query(args: &QueryArgs) -> Result<u8, Failure> {
    let layout = args.place.layout()?;
    let mut walk = Walk::over(readers(&layout, args.tenant.as_deref())?);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut count = 0;
    while count < args.limit {
        let Some(found) = walk.next()? else { break };
        let Some(fits) = fits(&found.stored.record, &args.filter) else { break };
        if fits {
            count += 1;
            if !print(&mut out, found.stored.seq, &found.stored.record, args.json)? {
                return Ok(0);
            }
        }
    }
    flush(&mut out)?;
    if count == 0 && !args.json {
        eprintln!("interdict: nothing fits");
    }
    Ok(0)
}

pub(super) fn tail(args: &TailArgs) -> Result<u8, Failure> {
    let layout = args.place.layout()?;
    // Where following begins: before anything is read, so that nothing falls between.
    let mut followed = Vec::new();
    for reader in readers(&layout, args.tenant.as_deref())? {
        let size = reader.size().map_err(refused)?;
        followed.push((reader, size));
    }
    let mut out = BufWriter::new(io::stdout().lock());
    for (seq, record) in newest(args, &layout, &followed)?.into_iter().rev() {
        if !print(&mut out, seq, &record, args.json)? {
            return Ok(0);
        }
    }
    flush(&mut out)?;
    if args.follow { follow(args, &layout, followed, &mut out) } else { Ok(0) }
}

/// Goes on until nobody reads any more.
fn follow(
    args: &TailArgs,
    layout: &Layout,
    mut followed: Vec<(LogReader, u64)>,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    loop {
        std::thread::sleep(LOOK);
        for (reader, from) in &mut followed {
            if !grown(reader, from, args, out)? {
                return Ok(0);
            }
        }
        let known = |name: &String| followed.iter().any(|(reader, _)| reader.tenant() == name);
        let mut new = layout.known_tenants().map_err(refused)?;
        new.retain(|name| args.tenant.is_none() && !known(name));
        for name in new {
            followed
                .extend(readers(layout, Some(&name)).ok().into_iter().flatten().map(|reader| (reader, 0)));
        }
    }
}

/// The last entries that fit, newest first.
fn newest(
    args: &TailArgs,
    layout: &Layout,
    followed: &[(LogReader, u64)],
) -> Result<Vec<(u64, Vec<u8>)>, Failure> {
    let mut walk = Walk::over(readers(layout, args.tenant.as_deref())?);
    let mut last = Vec::new();
    while last.len() < args.count {
        let Some(found) = walk.next()? else { break };
        let known = followed.iter().find(|(reader, _)| reader.tenant() == found.reader.tenant());
        if known.is_none_or(|(_, size)| found.stored.seq >= *size) {
            continue;
        }
        match fits(&found.stored.record, &args.filter) {
            None => break,
            Some(true) => last.push((found.stored.seq, found.stored.record)),
            Some(false) => {}
        }
    }
    Ok(last)
}

/// Prints what came since; `false` when nobody reads any more.
fn grown(reader: &LogReader, from: &mut u64, args: &TailArgs, out: &mut impl Write) -> Result<bool, Failure> {
    let mut result = Ok(true);
    let read = reader.range(*from, u64::MAX, |entry| {
        *from = entry.seq.saturating_add(1);
        if fits(&entry.record, &args.filter) == Some(true) {
            result = print(out, entry.seq, &entry.record, args.json);
        }
        if matches!(result, Ok(true)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    read.map_err(refused)?;
    Ok(result? && flush(out)?)
}

/// Whether it is wanted; `None` when everything from here back is too old. What cannot be read is shown.
fn fits(record: &[u8], filter: &Filter) -> Option<bool> {
    match Entry::read(record) {
        Ok(entry) if filter.is_behind(&entry) => None,
        Ok(entry) => Some(filter.admits(&entry)),
        Err(_) => Some(true),
    }
}

/// `false` when nobody reads any more: `interdict audit query | head` is no failure.
fn print(out: &mut impl Write, seq: u64, record: &[u8], json: bool) -> Result<bool, Failure> {
    let text = match Entry::read(record) {
        // An entry is one line of canonical JSON: nothing in it can break the line. Whoever wants the bytes that are
        // hashed exports them.
        Ok(_) if json => plain::json(&String::from_utf8_lossy(record)),
        Ok(entry) => line::of(&entry),
        Err(error) if json => {
            let shown =
                serde_json::json!({"seq": seq, "unreadable": error.to_string(), "code": error.code()});
            plain::json(&shown.to_string())
        }
        Err(error) => line::broken(seq, &error),
    };
    written(writeln!(out, "{text}"))
}

fn flush(out: &mut impl Write) -> Result<bool, Failure> {
    written(out.flush())
}

fn written(result: io::Result<()>) -> Result<bool, Failure> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::failed(error.to_string())),
    }
}
