//! JSON texts in the content of a tool result.
//!
//! Servers repeat structured content as text for clients that do not read it: whole, without its wrapper, or one block
//! for every element. What is taken out of the one has to be gone from the other.

use std::collections::{BTreeMap, BTreeSet};

use interdict_mcp::edit::{Edit, apply, replace_string};
use interdict_mcp::json::{Document, Limits, Numbers, Value};
use sha2::{Digest, Sha256};

use crate::definition::normal;
use crate::remove::remove;

/// Nesting below which values are told apart one by one.
const MAX_DEPTH: usize = 128;

/// A text of the content that is JSON, or begins like it.
pub(crate) struct Text<'d> {
    /// Its block's place in `content`.
    pub(crate) block: usize,
    literal: Value<'d>,
    /// What it says.
    pub(crate) json: String,
}

impl Text<'_> {
    /// Reads it. `None`: it only begins like JSON.
    pub(crate) fn document(&self) -> Option<Document<'_>> {
        let limits = Limits {
            max_bytes: self.json.len(),
            max_tokens: 200_000,
            numbers: Numbers::Exact,
            ..Limits::default()
        };
        Document::parse(self.json.as_bytes(), &limits).ok()
    }

    /// Whether it cannot be anything but a structure, readable or not.
    pub(crate) fn is_structure(&self) -> bool {
        is_structure(&self.json)
    }

    /// The edit that makes it repeat `place` as `edits` leave it.
    fn repeating(&self, place: Value<'_>, edits: &[Edit]) -> Option<Edit> {
        edited(place, edits).map(|text| replace_string(self.literal, &text))
    }

    /// The edit of the result that carries out `edits` of this text. `None` without any.
    pub(crate) fn edited(&self, edits: &[Edit]) -> Option<Edit> {
        let edited = apply(self.json.as_bytes(), edits).ok().filter(|_| !edits.is_empty())?;
        Some(replace_string(self.literal, &String::from_utf8(edited).ok()?))
    }
}

/// Every text of `content` that begins like a JSON object or array of some.
pub(crate) fn texts<'d>(result: Value<'d>) -> Vec<Text<'d>> {
    literals_of_blocks(result)
        .filter_map(|(block, literal)| {
            let json = literal.as_str().filter(|text| begins_like_json(text))?.into_owned();
            Some(Text { block, literal, json })
        })
        .collect()
}

/// Every text of `content`, that of embedded resources as well.
pub(crate) fn literals<'d>(result: Value<'d>) -> impl Iterator<Item = Value<'d>> {
    literals_of_blocks(result).map(|(_, literal)| literal)
}

fn literals_of_blocks<'d>(result: Value<'d>) -> impl Iterator<Item = (usize, Value<'d>)> {
    let blocks = result.get("content").into_iter().flat_map(|content| content.elements()).enumerate();
    blocks.flat_map(|(block, value)| {
        let resource = value.get("resource").and_then(|resource| resource.get("text"));
        value.get("text").into_iter().chain(resource).map(move |literal| (block, literal))
    })
}

/// What some readers pass over in front of JSON.
fn begin(text: &str) -> &str {
    text.trim_start_matches(|character: char| character.is_whitespace() || character == '\u{feff}')
}

/// Worth reading: an object, or an array of anything but words.
fn begins_like_json(text: &str) -> bool {
    let text = begin(text);
    is_structure(text)
        || text.strip_prefix('[').is_some_and(|inside| {
            inside
                .trim_ascii_start()
                .starts_with([']', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
        })
}

/// An object, or an array of objects, arrays or strings.
fn is_structure(text: &str) -> bool {
    let text = begin(text);
    let inside = text.strip_prefix('[').map(str::trim_ascii_start);
    text.starts_with('{') || inside.is_some_and(|inside| inside.starts_with(['{', '[', '"']))
}

/// What became of the texts that repeat structured content.
#[derive(Default)]
pub(crate) struct Mirrored<'d> {
    /// The edits of those that do.
    pub(crate) edits: Vec<Edit>,
    /// Those that do not.
    pub(crate) others: Vec<Text<'d>>,
}

/// Carries out `edits`, which take something out of `structured`, in every text of `result` that says the same as
/// `structured` or a part of it. A text that says what is gone takes its block of `content` with it.
pub(crate) fn mirror<'d>(result: Value<'d>, structured: Option<Value<'d>>, edits: &[Edit]) -> Mirrored<'d> {
    let mut mirrored = Mirrored { edits: Vec::new(), others: texts(result) };
    let Some(structured) = structured.filter(|_| !mirrored.others.is_empty()) else { return mirrored };
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| edit.start);
    let mut prints = Prints { edits: &edits, places: BTreeMap::new() };
    prints.of(structured, 0);
    // Texts that change, and blocks that go, by the place of the block.
    let (mut changed, mut gone) = (Vec::new(), BTreeSet::new());
    mirrored.others.retain(|text| {
        let Some(document) = text.document() else { return true };
        let print = Prints { edits: &[], places: BTreeMap::new() }.of(document.root(), 0);
        match prints.places.get(&print) {
            None => return true,
            Some(Some(place)) => {
                changed.extend(text.repeating(*place, &edits).map(|edit| (text.block, edit)))
            }
            Some(None) => {
                gone.insert(text.block);
            }
        }
        false
    });
    // What goes as a whole is not changed as well.
    mirrored.others.retain(|text| !gone.contains(&text.block));
    mirrored
        .edits
        .extend(changed.into_iter().filter(|(block, _)| !gone.contains(block)).map(|(_, edit)| edit));
    let blocks = result.get("content").into_iter().flat_map(|content| content.elements()).enumerate();
    mirrored.edits.extend(remove(blocks.map(|(at, block)| (gone.contains(&at), block.span()))));
    mirrored
}

/// What `value` is with those of `edits` that lie in it; they are in order. `None` without any.
pub(crate) fn edited(value: Value<'_>, edits: &[Edit]) -> Option<String> {
    let span = value.span();
    let from = edits.get(edits.partition_point(|edit| edit.start < span.start)..)?;
    let inside = from.iter().take_while(|edit| edit.end <= span.end);
    let moved: Vec<Edit> = inside
        .map(|edit| Edit {
            start: edit.start - span.start,
            end: edit.end - span.start,
            text: edit.text.clone(),
        })
        .collect();
    let text = apply(value.raw().as_bytes(), &moved).ok().filter(|_| !moved.is_empty())?;
    String::from_utf8(text).ok()
}

/// The digests of arrays and objects, equal for equal values.
struct Prints<'d, 'e> {
    /// What takes some of them out, in order.
    edits: &'e [Edit],
    /// The first place that stays, if one does.
    places: BTreeMap<[u8; 32], Option<Value<'d>>>,
}

impl<'d> Prints<'d, '_> {
    fn is_gone(&self, value: Value<'_>) -> bool {
        let start = value.span().start;
        let behind = self.edits.partition_point(|edit| edit.start <= start);
        behind.checked_sub(1).and_then(|last| self.edits.get(last)).is_some_and(|edit| start < edit.end)
    }

    fn of(&mut self, value: Value<'d>, depth: usize) -> [u8; 32] {
        let mut hash = Sha256::new();
        if depth < MAX_DEPTH && value.is_object() {
            let mut members: Vec<_> = value.members().map(|(name, _, value)| (name, value)).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            hash.update(b"{");
            for (name, value) in members {
                hash.update((name.len() as u64).to_be_bytes());
                hash.update(name.as_bytes());
                self.part(value, depth, &mut hash);
            }
        } else if depth < MAX_DEPTH && value.is_array() {
            hash.update(b"[");
            value.elements().for_each(|element| self.part(element, depth, &mut hash));
        } else {
            hash.update(normal(value).as_bytes());
        }
        let print = hash.finalize().into();
        let stays = Some(value).filter(|value| !self.is_gone(*value));
        let place = self.places.entry(print).or_default();
        *place = place.or(stays);
        print
    }

    fn part(&mut self, value: Value<'d>, depth: usize, hash: &mut Sha256) {
        if value.is_object() || value.is_array() {
            hash.update(b"#");
            hash.update(self.of(value, depth + 1));
        } else {
            let text = normal(value);
            hash.update(b"=");
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
    }
}
