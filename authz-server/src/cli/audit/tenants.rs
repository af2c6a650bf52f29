//! `interdict audit tenants`.

use clap::Args;
use serde_json::json;

use super::place::readers;
use super::{Place, line, refused};
use crate::audit::{Layout, LogReader, StoredCheckpoint};
use crate::cli::{Failure, plain};

#[derive(Debug, Args)]
pub(super) struct TenantsArgs {
    #[command(flatten)]
    place: Place,
    /// Print one JSON object per tenant.
    #[arg(long)]
    json: bool,
}

struct Row {
    tenant: String,
    entries: u64,
    bytes: u64,
    checkpoint: Option<StoredCheckpoint>,
    days: Vec<String>,
}

pub(super) fn run(args: &TenantsArgs) -> Result<u8, Failure> {
    let layout = args.place.layout()?;
    let rows =
        readers(&layout, None)?.iter().map(|reader| row(&layout, reader)).collect::<Result<Vec<_>, _>>()?;
    if !args.json {
        println!(
            "{:<16}  {:>10}  {:>12}  {:<40}  days with inputs",
            "tenant", "entries", "bytes", "last checkpoint"
        );
    }
    for row in &rows {
        if args.json {
            plain::print_json(&as_json(row))?;
        } else {
            println!("{}", as_text(row));
        }
    }
    Ok(0)
}

fn row(layout: &Layout, reader: &LogReader) -> Result<Row, Failure> {
    let folder = layout.tenant(reader.tenant()).map_err(refused)?;
    Ok(Row {
        tenant: reader.tenant().to_owned(),
        entries: reader.size().map_err(refused)?,
        bytes: names_in(&folder)
            .iter()
            .filter_map(|name| std::fs::metadata(folder.join(name)).ok())
            .map(|file| file.len())
            .sum(),
        checkpoint: reader.last_checkpoint(None).map_err(refused)?,
        days: days(&layout.keys(reader.tenant()).map_err(refused)?),
    })
}

/// Days whose inputs can be opened.
fn days(folder: &std::path::Path) -> Vec<String> {
    let mut days: Vec<String> = names_in(folder)
        .iter()
        .filter_map(|name| name.strip_suffix(".key"))
        .filter(|day| day.parse::<jiff::civil::Date>().is_ok())
        .map(str::to_owned)
        .collect();
    days.sort();
    days
}

/// A folder that is not there has nothing in it.
fn names_in(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

fn as_text(row: &Row) -> String {
    let checkpoint = row.checkpoint.as_ref();
    let checkpoint = checkpoint
        .map_or_else(|| "none".to_owned(), |last| format!("{} at {}", last.size, line::time(last.at_ms)));
    let days = match (row.days.first(), row.days.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last} ({})", row.days.len()),
        (Some(only), _) => only.clone(),
        _ => "none".to_owned(),
    };
    let tenant = line::padded(&row.tenant, 16);
    format!("{tenant}  {:>10}  {:>12}  {}  {days}", row.entries, row.bytes, line::padded(&checkpoint, 40))
}

fn as_json(row: &Row) -> serde_json::Value {
    let checkpoint = row.checkpoint.as_ref();
    json!({
        "tenant": row.tenant,
        "entries": row.entries,
        "bytes": row.bytes,
        "checkpoint": checkpoint.map(|last| json!({"size": last.size, "at": line::time(last.at_ms)})),
        "days": row.days,
    })
}
