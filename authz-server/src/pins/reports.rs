//! What the enforcement point tells of definitions and of texts that it replaced. It is ours, and checked all the same.

use interdict_content::definition::{self, EntryKind};
use interdict_mcp::json::Document;
use interdict_proto::outcome;
use jiff::{SignedDuration, Timestamp};

use super::checks::DEFINITION;
use super::entry::STAND_IN;
use super::inbox::Asker;
use super::mask::Mask;
use super::worker::Done;
use super::{Key, Pins, SeenAs, Sighting, Trust};
use crate::store::pins::{Kept, Limits, Noted};

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
        if seen.is_empty() {
            return;
        }
        let place = (tenant.to_owned(), server.to_owned());
        let Some(turn) = self.turns.take(&place) else { return };
        let seen: Vec<_> = seen.iter().take(outcome::MAX_SEEN).cloned().collect();
        let (pins, now) = (self.clone(), self.clock.now());
        self.submit(Asker::Report(place.clone()), move |file| {
            let _turn = turn;
            let mut done = Done::nothing();
            let mask = pins.mask(&place.1);
            let sightings: Vec<_> =
                seen.iter().filter_map(|seen| sighting(&place, seen, now, &mask)).collect();
            if sightings.is_empty() {
                return done;
            }
            let (trust, snapshot, server) = (pins.trust(&place.1), pins.snapshot.load(), &place.1);
            let trust = |key: &Key| match key.kind == EntryKind::Tool && snapshot.looks_like_another(key) {
                true => Trust::None,
                false => trust.clone(),
            };
            match file.see(sightings, LIMITS, trust) {
                Ok(Noted { told, full, is_changed }) => {
                    if full > 0 {
                        tracing::warn!(
                            code = "pin.full",
                            server,
                            full,
                            "definitions are not kept: there are too many of this server; they stay hidden"
                        );
                    }
                    done.changed = is_changed.then(|| place.clone());
                    done.told = told;
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
            .filter_map(|text| self.vault.keep(about(text), &text.original))
            .collect();
        if sealed.is_empty() {
            return;
        }
        self.submit(Asker::Report((tenant.to_owned(), server.to_owned())), move |file| {
            let before = now.saturating_sub(KEEP_TEXTS).unwrap_or(Timestamp::MIN);
            if let Err(error) = file.keep(&sealed, before, MOST_TEXTS) {
                tracing::error!(code = error.code(), %error, "quarantined texts could not be kept");
            }
            Done::nothing()
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

/// What is worth keeping of a report; resources are data. An entry without a name that could be kept gets one of ours.
fn sighting(
    (tenant, server): &(String, String),
    seen: &outcome::Seen,
    at: Timestamp,
    mask: &Mask,
) -> Option<(Key, Sighting)> {
    let kind = kind_of(&seen.kind).filter(|kind| *kind != EntryKind::Resource)?;
    let mut seen_as = SeenAs::from_label(&seen.state)?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if seen.digest.len() != 64 || !seen.digest.bytes().all(hex) {
        return None;
    }
    let definition = Some(&seen.definition).filter(|text| is_of(&seen.digest, text));
    let said = definition.and_then(|text| said_name(kind, text));
    let named = !seen.name.is_empty();
    if kind != EntryKind::Instructions && !named && seen_as != SeenAs::Misshapen {
        return None;
    }
    if named && !is_name(kind, &seen.name) {
        return None;
    }
    // Otherwise the definition is of something else.
    let definition = definition.filter(|text| match kind {
        EntryKind::Instructions => text.starts_with('"'),
        _ => !named || said.as_ref() == Some(&seen.name),
    });
    let own = if named { Some(&seen.name) } else { said.as_ref() };
    let stand_in = match (kind, own) {
        (EntryKind::Instructions, _) => None,
        (_, Some(name)) => mask.name(kind, name).or_else(|| {
            let usable = named && !name.starts_with(STAND_IN);
            (!usable).then(|| mask.stand_in("misshapen", kind, name))
        }),
        (_, None) => Some(mask.stand_in("misshapen", kind, &seen.digest)),
    };
    if stand_in.is_some() {
        seen_as = SeenAs::Misshapen;
    }
    let name = stand_in.unwrap_or_else(|| seen.name.clone());
    let definition = definition.and_then(|text| mask.text(text));
    let key = Key { tenant: tenant.clone(), server: server.clone(), kind, name };
    Some((key, Sighting { digest: seen.digest.clone(), definition, seen_as, at }))
}

fn is_name(kind: EntryKind, name: &str) -> bool {
    kind != EntryKind::Instructions && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control)
}

/// Whether a text is the definition that the digest is of.
fn is_of(digest: &str, text: &str) -> bool {
    !text.is_empty()
        && text.len() <= definition::MAX_DEFINITION_BYTES
        && definition::digest_text(text) == digest
        && Document::parse(text.as_bytes(), &DEFINITION).is_ok()
}

/// The name that a definition has in it.
fn said_name(kind: EntryKind, definition: &str) -> Option<String> {
    let document = Document::parse(definition.as_bytes(), &DEFINITION).ok()?;
    let member = if kind == EntryKind::Template { "uriTemplate" } else { "name" };
    Some(document.root().get(member)?.as_str()?.into_owned())
}
