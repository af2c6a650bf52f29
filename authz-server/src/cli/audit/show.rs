//! `interdict audit show`: one decision with everything around it.

use clap::Args;
use interdict_audit::checkpoint::Checkpoint;
use interdict_audit::hex;
use interdict_audit::merkle::{inclusion_proof, leaf_hash, verify_inclusion};
use interdict_audit::note::Note;
use interdict_audit::record::{AnyBody, Entry};
use serde_json::{Value, json};

use super::chain::{Chain, parse_id};
use super::{Place, line, refused, story};
use crate::audit::{Layout, LogReader, StoredEntry};
use crate::cli::replay::sealed::{self, Closed};
use crate::cli::{Failure, plain};

pub(super) const HELP: &str = "\
Examples:
  interdict audit show 0198c5d2-7c1e-7000-8000-00000000002a
  interdict audit show 0198c5d2-7c1e-7000-8000-00000000002a --arguments
  interdict audit show 0198c5d2-7d00-7000-8000-00000000002b --json

The id is that of a decision (in every answer, in the log of the server) or of an approval. --arguments opens the sealed
input: what the policy looked at, arguments included. It says `inputs erased` when their key was destroyed.

Exit codes: 0 shown, 1 not found or a record does not prove itself, 2 usage or configuration error.";

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    place: Place,
    /// A decision or an approval.
    id: String,
    /// Only this tenant's log.
    #[arg(long)]
    tenant: Option<String>,
    /// Open the sealed input and show the facts with the arguments.
    #[arg(long)]
    arguments: bool,
    /// Print one JSON text per entry: the entry, where it stands, what was opened.
    #[arg(long)]
    json: bool,
}

/// Where an entry stands in its log.
pub(super) struct Standing {
    pub(super) leaf: String,
    /// Size and time of the first checkpoint over it, and who cosigned the last one.
    pub(super) covered: Option<(u64, String, Vec<String>)>,
    /// What is wrong with the proof.
    pub(super) broken: Option<String>,
}

pub(super) fn run(args: &ShowArgs) -> Result<u8, Failure> {
    let id = parse_id(&args.id)?;
    let layout = args.place.layout()?;
    let chain = Chain::find(&layout, args.tenant.as_deref(), id)?;
    let mut proved = true;
    let mut first = true;
    for stored in chain.entries.values() {
        let standing = standing(&layout, &chain.reader, stored)?;
        proved &= standing.broken.is_none();
        match (Entry::read(&stored.record), args.json) {
            (Ok(_), true) => {
                let shown = as_json(&chain.reader, stored, &standing, args.arguments)?;
                println!("{}", plain::json(&shown));
            }
            (Ok(entry), false) => {
                if !std::mem::take(&mut first) {
                    println!();
                }
                story::print(&chain, &entry, stored, &standing);
                show_input(&chain.reader, stored, &entry, args.arguments);
            }
            (Err(error), _) => {
                proved = false;
                println!("{}", line::broken(stored.seq, &error));
            }
        }
    }
    Ok(u8::from(!proved))
}

/// Proves the entry against the last signed checkpoint, from the bytes that are shown.
fn standing(layout: &Layout, reader: &LogReader, stored: &StoredEntry) -> Result<Standing, Failure> {
    let leaf = leaf_hash(&stored.record);
    let mut standing = Standing { leaf: hex::encode(leaf), covered: None, broken: None };
    let first = reader.checkpoint_over(stored.seq).map_err(refused)?;
    let last = reader.last_checkpoint(None).map_err(refused)?;
    let (Some(first), Some(last)) = (first, last) else { return Ok(standing) };
    standing.broken = prove(layout, reader, stored.seq, &leaf, &last.note).err();
    standing.covered = Some((first.size, line::time(first.at_ms), cosigners(layout, &last.note)));
    Ok(standing)
}

fn prove(layout: &Layout, reader: &LogReader, seq: u64, leaf: &[u8; 32], note: &str) -> Result<(), String> {
    let keys = super::package::log_key(layout).map_err(|failure| failure.message)?;
    let opened = Checkpoint::open(note.as_bytes(), &[keys]).map_err(|error| error.to_string())?;
    let Checkpoint { size, root, .. } = opened.0;
    let proof = inclusion_proof(reader, seq, size).map_err(|error| error.to_string())?;
    verify_inclusion(leaf, seq, size, &proof, &root).map_err(|error| error.to_string())
}

/// Who signed a note beside the log itself. Their signatures are for the verifier to check, which knows their keys.
fn cosigners(layout: &Layout, note: &str) -> Vec<String> {
    let own = layout.read_name().unwrap_or_default();
    let Ok(note) = Note::parse(note.as_bytes()) else { return Vec::new() };
    note.signatures()
        .iter()
        .map(|signature| signature.name().to_owned())
        .filter(|name| *name != own)
        .collect()
}

fn show_input(reader: &LogReader, stored: &StoredEntry, entry: &Entry<'_>, wanted: bool) {
    let Ok(AnyBody::Decision(body)) = entry.body() else { return };
    if !wanted {
        return;
    }
    match sealed::open(reader, stored, &body) {
        Ok(opened) => {
            println!("facts that were judged:");
            for facts in &opened.facts {
                println!("{}", plain::text(&crate::cli::approvals::pretty(facts)));
            }
        }
        Err(Closed::NotTestable(why)) if why.code == "replay.inputs_erased" => {
            story::row("input", &format!("inputs erased ({})", why.message));
        }
        Err(Closed::NotTestable(why)) => story::row("input", &why.message),
        Err(Closed::Tampered(what)) => story::row("input", &format!("TAMPERED: {what}")),
    }
}

fn as_json(
    reader: &LogReader,
    stored: &StoredEntry,
    standing: &Standing,
    arguments: bool,
) -> Result<String, Failure> {
    let entry: &serde_json::value::RawValue =
        serde_json::from_slice(&stored.record).map_err(|error| Failure::failed(error.to_string()))?;
    let mut shown = json!({
        "leaf": standing.leaf,
        "proved": standing.broken.is_none() && standing.covered.is_some(),
        "problem": standing.broken,
    });
    if let Some((size, at, cosigners)) = &standing.covered {
        put(&mut shown, "checkpoint", json!({"size": size, "at": at, "cosigners": cosigners}));
    }
    let body = Entry::read(&stored.record).and_then(|entry| entry.body());
    let mut facts = String::new();
    if let (Ok(AnyBody::Decision(body)), true) = (body, arguments) {
        match sealed::open(reader, stored, &body) {
            // The texts as they are: a number that went through another program may be another one.
            Ok(opened) => {
                let texts: Vec<&str> = opened.facts.iter().map(|facts| facts.get()).collect();
                facts = format!(",\"facts\":[{}]", texts.join(","));
            }
            Err(Closed::NotTestable(why)) => put(&mut shown, "facts_missing", json!(why)),
            Err(Closed::Tampered(what)) => put(&mut shown, "facts_tampered", json!(what)),
        }
    }
    Ok(format!("{{\"entry\":{}{facts},\"stands\":{shown}}}", entry.get()))
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
}
