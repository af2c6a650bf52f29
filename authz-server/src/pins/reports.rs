//! What the enforcement point tells of definitions and of texts that it replaced. It is ours, and checked all the same.

use interdict_content::definition::{self, EntryKind};
use interdict_mcp::json::Document;
use interdict_proto::outcome;
use jiff::{SignedDuration, Timestamp};

use super::checks::DEFINITION;
use super::worker::Done;
use super::{Key, Pins, SeenAs, Sighting};
use crate::store::pins::{Kept, Limits};

/// What is kept of one server: more would be somebody filling the disk with names.
pub(super) const LIMITS: Limits = Limits { entries: 2_000, bytes: 32 << 20 };
/// How long quarantined texts are kept.
const KEEP_TEXTS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Most quarantined texts; each has at most 64 KiB.
const MOST_TEXTS: u64 = 2_000;
/// Longest name or URI.
const MAX_NAME_BYTES: usize = 512;
/// Longest word of a reason.
const MAX_REASON_BYTES: usize = 128;

/// The kind of this name.
pub fn kind_of(label: &str) -> Option<EntryKind> {
    use EntryKind::{Instructions, Prompt, Resource, Template, Tool};
    [Tool, Prompt, Resource, Template, Instructions].into_iter().find(|kind| kind.as_str() == label)
}

impl Pins {
    /// Takes what was seen on a list of this server. Returns at once.
    pub fn saw(&self, tenant: &str, server: &str, seen: &[outcome::Seen]) {
        let now = self.clock.now();
        let sightings: Vec<_> = seen
            .iter()
            .take(outcome::MAX_SEEN)
            .filter_map(|seen| sighting(tenant, server, seen, now))
            .collect();
        if sightings.is_empty() {
            return;
        }
        let (trusts_first, snapshot) = (self.trusts_first(server), self.snapshot.load_full());
        let server = server.to_owned();
        self.submit(move |file| {
            let trusted = |key: &Key, _: &Sighting| {
                let looks = key.kind == EntryKind::Tool && snapshot.looks_like_another(key);
                trusts_first && !looks
            };
            let mut done = Done { told: Vec::new(), changed: false, then: Box::new(|| {}) };
            match file.see(sightings, LIMITS, trusted) {
                Ok((told, full)) => {
                    if full > 0 {
                        tracing::warn!(
                            code = "pin.full",
                            server,
                            full,
                            "definitions are not kept: there are too many of this server; they stay hidden"
                        );
                    }
                    (done.changed, done.told) = (true, told);
                }
                Err(error) => {
                    tracing::error!(code = error.code(), %error, server, "sightings could not be kept");
                }
            }
            done
        });
    }

    /// Keeps texts that were replaced by a handle, encrypted, for a reviewer. Returns at once.
    pub fn keep(&self, tenant: &str, server: &str, decision_id: &str, texts: &[outcome::Quarantined]) {
        let now = self.clock.now();
        let about = |text: &outcome::Quarantined| Kept {
            handle: text.handle.clone(),
            tenant: tenant.to_owned(),
            server: server.to_owned(),
            decision_id: decision_id.to_owned(),
            reason: text.reason.clone(),
            bytes: text.original.len() as u64,
            kept_at: now,
        };
        let sealed: Vec<_> = texts
            .iter()
            .take(outcome::MAX_QUARANTINED)
            .filter(|text| is_kept(text))
            .filter_map(|text| self.vault.seal(about(text), &text.original))
            .collect();
        if sealed.is_empty() {
            return;
        }
        self.submit(move |file| {
            let before = now.saturating_sub(KEEP_TEXTS).unwrap_or(Timestamp::MIN);
            if let Err(error) = file.keep(&sealed, before, MOST_TEXTS) {
                tracing::error!(code = error.code(), %error, "quarantined texts could not be kept");
            }
            Done { told: Vec::new(), changed: false, then: Box::new(|| {}) }
        });
    }
}

fn is_kept(text: &outcome::Quarantined) -> bool {
    text.handle.len() == 32
        && text.handle.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.reason.len() <= MAX_REASON_BYTES
        && text.reason.bytes().all(|byte| byte.is_ascii_graphic())
        && text.original.len() <= outcome::MAX_TEXT_BYTES
}

/// What is worth keeping of a report. Resources are data, and entries without a usable name cannot be called.
fn sighting(tenant: &str, server: &str, seen: &outcome::Seen, at: Timestamp) -> Option<(Key, Sighting)> {
    let kind = kind_of(&seen.kind).filter(|kind| *kind != EntryKind::Resource)?;
    let seen_as = SeenAs::from_label(&seen.state)?;
    let named = seen.name.is_empty() == (kind == EntryKind::Instructions);
    let plain = seen.name.len() <= MAX_NAME_BYTES && !seen.name.chars().any(char::is_control);
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !named || !plain || seen.digest.len() != 64 || !seen.digest.bytes().all(hex) {
        return None;
    }
    let definition = Some(&seen.definition).filter(|text| is_definition(kind, seen, text)).cloned();
    let key = Key { tenant: tenant.to_owned(), server: server.to_owned(), kind, name: seen.name.clone() };
    Some((key, Sighting { digest: seen.digest.clone(), definition, seen_as, at }))
}

/// Whether a text is the definition that the digest is of, and of what it is said to be.
fn is_definition(kind: EntryKind, seen: &outcome::Seen, text: &str) -> bool {
    if text.is_empty()
        || text.len() > definition::MAX_DEFINITION_BYTES
        || definition::digest_text(text) != seen.digest
    {
        return false;
    }
    let Ok(document) = Document::parse(text.as_bytes(), &DEFINITION) else { return false };
    let member = match kind {
        EntryKind::Instructions => return document.root().as_str().is_some(),
        EntryKind::Template => "uriTemplate",
        _ => "name",
    };
    document.root().get(member).and_then(|name| name.as_str()).as_deref() == Some(&*seen.name)
}
