//! Values that begin in one event and end in another.
//!
//! A server that streams text may cut a value in two. Of every event the ends of its texts are kept, bounded in number and
//! length, and read together with the beginnings of the texts of the next one: with the text at the same place, and the
//! last and the longest text with every one. What belongs to the later event is replaced there; what already passed has passed.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use interdict_mcp::edit::{Edit, replace_string};
use interdict_mcp::json::{Kind, Value};

use super::stage::{HANDED_BACK, is_replaced};
use crate::engine::{Engine, Scan};
use crate::finding::{Finding, SessionKey};
use crate::redact::mark_text;
use crate::tail::{self, Border, MOST_PARTS, Room, Tail};

/// Texts of an event whose ends are kept, beside its last and its longest one.
const MOST_KEPT: usize = 32;
/// Texts of an event that are read together with what was kept.
const MOST_JOINED: usize = 256;

/// The ends of the texts of earlier events.
#[derive(Debug)]
pub(super) struct Tails {
    length: usize,
    /// By place; the one used last is at the end.
    kept: Vec<(u64, Tail)>,
    /// Places of the last and of the longest text of the last event that had one.
    open: Vec<u64>,
    room: Room,
}

/// A text that goes on with something that began earlier.
pub(super) struct Join<'d> {
    leaf: Value<'d>,
    whole: Cow<'d, str>,
    /// What began earlier; spans are those of the parts in this text.
    pub(super) scan: Scan,
}

impl Join<'_> {
    /// Puts a mark in the place of what is replaced in the text.
    pub(super) fn edit(&self) -> Option<Edit> {
        let replaced = self.scan.findings.iter().filter(|one| is_replaced(one));
        let end = |one: &&Finding| one.span.as_ref().map_or(0, |span| span.end);
        let longest = replaced.max_by_key(end)?;
        let rest = self.whole.get(end(&longest)..).unwrap_or_default();
        Some(replace_string(self.leaf, &format!("{}{rest}", mark_text(longest))))
    }
}

impl Tails {
    pub(super) fn new(length: usize) -> Self {
        Self { length, kept: Vec::new(), open: Vec::new(), room: Room::default() }
    }

    /// Everything in a message that goes on with something earlier.
    pub(super) fn joins<'d>(
        &mut self,
        message: Value<'d>,
        engine: &Engine,
        key: &SessionKey,
    ) -> Vec<Join<'d>> {
        self.room.came(message.span().len());
        let texts = texts(message).into_iter().take(MOST_JOINED);
        let texts: Vec<(u64, Value<'d>, Cow<'d, str>)> =
            texts.filter_map(|(place, leaf)| Some((place, leaf, leaf.as_str()?))).collect();
        let (mut at, mut borders) = (Vec::new(), Vec::new());
        for text in &texts {
            let others = self.open.iter().filter(|open| **open != text.0).map(|open| (*open, 0));
            for (place, parts) in std::iter::once((text.0, MOST_PARTS)).chain(others) {
                let tail = self.kept.iter().find(|(kept, _)| *kept == place).map(|(_, tail)| tail);
                let border =
                    tail.and_then(|tail| Border::new(tail, &text.2, parts, self.length, &mut self.room));
                if let Some(border) = border {
                    at.push(text);
                    borders.push(border);
                }
            }
        }
        tail::read(&mut borders, &mut self.room, engine, key);
        let joins = at.into_iter().zip(borders);
        let joins = joins.filter(|(_, border)| border.scan.incomplete || !border.scan.findings.is_empty());
        joins
            .map(|((_, leaf, whole), border)| Join { leaf: *leaf, whole: whole.clone(), scan: border.scan })
            .collect()
    }

    /// Keeps the ends of the texts of a message.
    pub(super) fn remember(&mut self, message: Value<'_>) {
        let texts = texts(message);
        let Some(last) = texts.last().copied() else { return };
        let longest = texts.iter().max_by_key(|(_, leaf)| leaf.span().len()).copied().unwrap_or(last);
        for (place, leaf) in texts.iter().take(MOST_KEPT) {
            self.keep(*place, *leaf);
        }
        self.open.clear();
        for (place, leaf) in [last, longest] {
            // A text that was kept already would be joined with itself.
            if !self.open.contains(&place) {
                if !texts.iter().take(MOST_KEPT).any(|(kept, _)| *kept == place) {
                    self.keep(place, leaf);
                }
                self.open.push(place);
            }
        }
    }

    fn keep(&mut self, place: u64, leaf: Value<'_>) {
        let Some(text) = leaf.as_str() else { return };
        let before = self.kept.iter().position(|(kept, _)| *kept == place).map(|at| self.kept.remove(at).1);
        if self.kept.len() > 2 * MOST_KEPT {
            self.kept.remove(0);
        }
        self.kept.push((place, before.unwrap_or_default().with(&text, self.length)));
    }
}

/// All strings of a message but its envelope and the tokens in it, with a number for their place.
fn texts(message: Value<'_>) -> Vec<(u64, Value<'_>)> {
    let mut found = Vec::new();
    for (name, _, value) in message.members() {
        match name.as_ref() {
            "jsonrpc" | "id" | "method" => {}
            "result" | "params" if value.is_object() => {
                let place = step(0, &name);
                for (name, _, member) in value.members() {
                    if !HANDED_BACK.contains(&name.as_ref()) {
                        walk(member, step(place, &name), &mut found);
                    }
                }
            }
            _ => walk(value, step(0, &name), &mut found),
        }
    }
    found
}

fn walk<'d>(value: Value<'d>, place: u64, found: &mut Vec<(u64, Value<'d>)>) {
    match value.kind() {
        Kind::String(_) => found.push((place, value)),
        Kind::Array => {
            for (index, element) in value.elements().enumerate() {
                walk(element, step(place, &index), found);
            }
        }
        Kind::Object => {
            for (name, _, member) in value.members() {
                walk(member, step(place, &name), found);
            }
        }
        _ => {}
    }
}

fn step(place: u64, part: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    place.hash(&mut hasher);
    part.hash(&mut hasher);
    hasher.finish()
}
