//! Definitions as a person reads them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::diff;
use crate::cli::approvals::pretty;
use crate::cli::plain;

#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) pins: Vec<Shown>,
    pub(super) more: bool,
    all: Option<String>,
    /// Of a server that was named: how it is pinned, and of how many definitions anything is known.
    server: Option<Server>,
}

#[derive(Debug, Deserialize)]
struct Server {
    pinning: Option<String>,
    known: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    server: String,
    kind: String,
    name: String,
    state: String,
    image: Option<String>,
    approved: Option<Approved>,
    seen: Option<Seen>,
    revoked: Option<Revoked>,
    suspicions: Option<Vec<Suspicion>>,
}

#[derive(Debug, Deserialize)]
struct Approved {
    digest: String,
    by: String,
    at: String,
    image: Option<String>,
    definition: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Revoked {
    by: String,
    at: String,
}

#[derive(Debug, Deserialize)]
struct Seen {
    digest: String,
    #[serde(rename = "as")]
    seen_as: String,
    at: String,
    definition: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Suspicion {
    tier: String,
    kind: String,
    path: String,
}

/// A moment to the second: whoever needs more asks for JSON.
fn second(at: &str) -> String {
    at.parse::<jiff::Timestamp>().map_or_else(|_| at.to_owned(), |at| format!("{at:.0}"))
}

/// Digests are long, and their beginnings tell them apart in a list.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

pub(super) fn print_list(page: &Page) {
    match &page.server {
        Some(server) if page.pins.is_empty() => println!("{}", nothing(server)),
        None if page.pins.is_empty() => println!("no definitions are known"),
        _ => page.pins.iter().for_each(print_line),
    }
}

/// Why there is nothing: nobody shall take "never looked" for "all is well".
fn nothing(server: &Server) -> String {
    match server.pinning.as_deref() {
        Some("off") => {
            "`tool_pinning` of this server is off: nothing is held against what was approved".to_owned()
        }
        _ if server.known == 0 => {
            "nothing is known of this server yet: what it offers is known when a client has listed it"
                .to_owned()
        }
        _ => format!("none of the definitions that are known of this server ({})", server.known),
    }
}

pub(super) fn print_line(shown: &Shown) {
    let mut line = format!("{:<8}  {}  {:<12}  {}", shown.state, shown.server, shown.kind, shown.name,);
    if let Some(Approved { digest, by, at, .. }) = &shown.approved {
        line.push_str(&format!("  {} approved by {by} at {}", short(digest), second(at)));
    }
    if let Some(Seen { digest, seen_as, at, .. }) = &shown.seen {
        line.push_str(&format!("  {} seen as {seen_as} at {}", short(digest), second(at)));
    }
    if let Some(Revoked { by, at }) = &shown.revoked {
        line.push_str(&format!("  revoked by {by} at {}", second(at)));
    }
    println!("{}", plain::line(&line));
}

pub(super) fn print_review(page: &Page, of: Option<&str>) {
    if page.pins.is_empty() {
        match &page.server {
            Some(server) if server.known == 0 || server.pinning.as_deref() == Some("off") => {
                println!("nothing waits for a person: {}", nothing(server));
            }
            Some(server) => {
                println!("nothing waits for a person; definitions that are known: {}", server.known)
            }
            None => println!("nothing waits for a person"),
        }
        return;
    }
    for shown in &page.pins {
        print_one(shown);
        println!();
    }
    if page.more {
        println!("More wait; they are shown when these are answered.");
    }
    if let Some(all) = &page.all {
        let server = of.unwrap_or("SERVER");
        println!(
            "To approve all of these but what is suspicious:\n  interdict pins approve --server {} --by YOUR-NAME --all \
             --digest {}",
            plain::line(server),
            plain::line(all)
        );
    }
}

fn print_one(shown: &Shown) {
    let Shown { kind, name, server, state, .. } = shown;
    // Instructions have no name.
    let named = if name.is_empty() { kind.clone() } else { format!("{kind} {name}") };
    println!("{}", plain::line(&format!("{named} of {server}: {state}")));
    let text = |raw: &Option<Box<RawValue>>| raw.as_ref().map(|raw| pretty(raw));
    if let Some(approved) = &shown.approved {
        let (by, at) = (plain::line(&approved.by), plain::line(&approved.at));
        println!("approved  {}  by {by} at {at}", plain::line(&approved.digest));
        if let Some(image) = &approved.image {
            println!("          served from {}", plain::line(image));
        }
    }
    if let Some(seen) = &shown.seen {
        let (seen_as, at) = (plain::line(&seen.seen_as), plain::line(&seen.at));
        println!("seen      {}  as {seen_as} at {at}", plain::line(&seen.digest));
    }
    if let Some(Revoked { by, at }) = &shown.revoked {
        println!("revoked   by {} at {}", plain::line(by), plain::line(at));
    }
    let image = shown.image.as_deref().map(plain::line);
    if let Some(image) = &image {
        println!("now       served from {image}: approve with --image {image}");
    }
    if let ("stale", Some(approved)) = (shown.state.as_str(), &shown.approved) {
        let digest = plain::line(&approved.digest);
        let image = image.map(|image| format!(" --image {image}")).unwrap_or_default();
        println!(
            "What serves this was replaced: look at it, and approve it again with --digest {digest}{image}"
        );
    }
    for suspicion in shown.suspicions.iter().flatten() {
        let Suspicion { tier, kind, path } = suspicion;
        // Phrases are noisy: they are told and hide nothing.
        let word = if tier == "lexical" { "noted" } else { "SUSPICIOUS" };
        println!("{word} {}", plain::line(&format!("{tier}: {kind} at \"{path}\"")));
    }
    let approved = shown.approved.as_ref().and_then(|approved| text(&approved.definition));
    let seen = shown.seen.as_ref().map(|seen| text(&seen.definition));
    match (approved, seen) {
        (_, Some(None)) => println!(
            "The definition is longer than what is kept, or holds a value where no mark can be: it cannot be approved."
        ),
        (Some(old), Some(Some(new))) => print!("{}", diff::unified(&plain::text(&old), &plain::text(&new))),
        (None, Some(Some(new))) => println!("{}", plain::text(&new)),
        (Some(old), None) => println!("{}", plain::text(&old)),
        (None, None) => {}
    }
}
