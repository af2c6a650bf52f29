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
use crate::finding::Finding;
use crate::redact::redact;

/// Texts of an event whose ends are kept, beside its last and its longest one.
const MOST_KEPT: usize = 32;
/// Texts of an event that are read together with what was kept.
const MOST_JOINED: usize = 256;
/// Bytes of a later text that are read together with the end of an earlier one.
const HEAD: usize = 1024;

/// The ends of the texts of earlier events.
#[derive(Debug)]
pub(super) struct Tails {
    length: usize,
    /// By place; the one used last is at the end.
    kept: Vec<(u64, Text)>,
    /// Places of the last and of the longest text of the last event that had one.
    open: Vec<u64>,
}

/// Some text, never shown.
struct Text(String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// An end and a beginning.
pub(super) struct Join<'d> {
    text: String,
    border: usize,
    leaf: Value<'d>,
    whole: Cow<'d, str>,
}

impl Join<'_> {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a finding reaches from the one into the other.
    pub(super) fn is_across(&self, finding: &Finding) -> bool {
        finding.span.as_ref().is_none_or(|span| span.start < self.border && self.border < span.end)
    }

    /// Puts a mark in the place of what is replaced in the later text.
    pub(super) fn edit(&self, findings: &[Finding]) -> Option<Edit> {
        let replaced: Vec<Finding> = findings.iter().filter(|one| is_replaced(one)).cloned().collect();
        let end = replaced.iter().filter_map(|one| one.span.as_ref()).map(|span| span.end).max()?;
        let marks = redact(&replaced).ok()?;
        let rest = self.whole.get(end.checked_sub(self.border)?..).unwrap_or_default();
        let mark = marks.first().map_or("", |mark| mark.text.as_str());
        Some(replace_string(self.leaf, &format!("{mark}{rest}")))
    }
}

impl Tails {
    pub(super) fn new(length: usize) -> Self {
        Self { length, kept: Vec::new(), open: Vec::new() }
    }

    /// Everything in a message that has to be read together with something earlier.
    pub(super) fn joins<'d>(&self, message: Value<'d>) -> Vec<Join<'d>> {
        if self.kept.is_empty() {
            return Vec::new();
        }
        let mut joins = Vec::new();
        for (place, leaf) in texts(message).into_iter().take(MOST_JOINED) {
            let Some(whole) = leaf.as_str().filter(|text| !text.is_empty()) else { continue };
            let others = self.open.iter().copied().filter(|open| *open != place);
            for tail in std::iter::once(place).chain(others).filter_map(|place| self.at(place)) {
                let head = prefix(&whole, HEAD);
                joins.push(Join {
                    text: format!("{tail}{head}"),
                    border: tail.len(),
                    leaf,
                    whole: whole.clone(),
                });
            }
        }
        joins
    }

    fn at(&self, place: u64) -> Option<&str> {
        self.kept.iter().find(|(kept, _)| *kept == place).map(|(_, text)| text.0.as_str())
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
        let before = self.kept.iter().position(|(kept, _)| *kept == place).map(|at| self.kept.remove(at).1.0);
        // Several short texts in a row may hold one value.
        let joined = match before {
            Some(before) if text.len() < self.length => Cow::Owned(before + &text),
            _ => text,
        };
        if self.kept.len() > 2 * MOST_KEPT {
            self.kept.remove(0);
        }
        self.kept.push((place, Text(suffix(&joined, self.length).to_owned())));
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

fn prefix(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn suffix(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default()
}
