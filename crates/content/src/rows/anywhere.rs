//! Rows wherever they stand: what a ceiling that refuses is held against.
//!
//! A server that wants to pass more rows than it may puts them where the path does not lead. So no array may be longer
//! than the ceiling, whatever it holds, and JSON that stands in a text is read as well.

use interdict_mcp::json::{Document, Kind, Limits, Numbers, Value};

use super::OverCeiling;
use crate::texts::literals;

/// Texts in texts that are read: the text of a block, a text in its JSON, and so on.
const LEVELS: usize = 4;
/// Bytes looked at in a text for each of its bytes, beside [`FREE`]: what is bracketed and no JSON is looked at more
/// than once.
const FACTOR: usize = 8;
const FREE: usize = 64 * 1024;
/// Nesting beyond which nothing is read.
const MAX_DEPTH: usize = 64;

/// Why an answer does not pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Over(OverCeiling),
    /// More brackets than are looked at; there may be rows.
    Unreadable,
}

/// Holds a result: what is structured, and all texts of its blocks.
pub(super) fn result(result: Value<'_>, max: u64) -> Result<(), Stop> {
    members(result, max)?;
    let mut rows = 0_u64;
    for literal in literals(result) {
        rows = rows.saturating_add(Looking { max, levels: LEVELS }.value(literal)?);
    }
    // A text for every row. One object for itself is an answer and no row.
    within(rows, max.max(1))
}

/// Holds the members of an error, of params or of a result, but for those that are the protocol's own.
pub(super) fn members(part: Value<'_>, max: u64) -> Result<(), Stop> {
    let looking = Looking { max, levels: LEVELS };
    if !part.is_object() {
        return looking.value(part).map(drop);
    }
    let held = part.members().filter(|(name, _, _)| name != "content" && name != "_meta");
    held.map(|(_, _, value)| value).try_for_each(|value| looking.value(value).map(drop))
}

fn within(rows: u64, max: u64) -> Result<(), Stop> {
    if rows > max { Err(Stop::Over(OverCeiling { rows, max })) } else { Ok(()) }
}

#[derive(Clone, Copy)]
struct Looking {
    max: u64,
    /// Levels of texts that are still read.
    levels: usize,
}

impl Looking {
    /// The objects that stand in it as elements of arrays, or are it. An array in an array is as many rows as it has
    /// objects, and at least one: a row may be an array of columns.
    fn value(self, value: Value<'_>) -> Result<u64, Stop> {
        match value.kind() {
            Kind::Object => {
                value.members().try_for_each(|(_, _, member)| self.value(member).map(drop))?;
                Ok(1)
            }
            Kind::Array => {
                let (mut rows, mut objects) = (0_u64, 0_u64);
                for element in value.elements() {
                    let inside = self.value(element)?;
                    rows = rows.saturating_add(inside.max(1));
                    objects = objects.saturating_add(inside);
                }
                within(rows, self.max)?;
                Ok(objects)
            }
            Kind::String(text) => self.text(&text),
            _ => Ok(0),
        }
    }

    /// The same of the JSON in a text: all of it, or behind and between words.
    fn text(self, text: &str) -> Result<u64, Stop> {
        let Some(levels) = self.levels.checked_sub(1) else { return Ok(0) };
        let inner = Self { levels, ..self };
        if text.trim_start().starts_with('"')
            && let Some(document) = parse(text.trim())
        {
            return inner.value(document.root());
        }
        let mut left = text.len().saturating_mul(FACTOR).saturating_add(FREE);
        let (mut rest, mut rows) = (text, 0_u64);
        while let Some((_, from)) = rest.find(['[', '{']).and_then(|at| rest.split_at_checked(at)) {
            let end = end(from, &mut left).ok_or(Stop::Unreadable)?;
            let whole = from.get(..end).and_then(|part| Some((part.len(), parse(part)?)));
            let behind = match whole {
                Some((length, document)) => {
                    rows = rows.saturating_add(inner.value(document.root())?);
                    length
                }
                None => 1,
            };
            rest = from.get(behind..).unwrap_or_default();
        }
        within(rows, self.max.max(1))?;
        Ok(rows)
    }
}

/// The length of what `from`, which begins with a bracket, brackets; 0 where that is no JSON at first sight. `None` where
/// nothing is `left` of the bytes that may be looked at.
fn end(from: &str, left: &mut usize) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in from.bytes().enumerate() {
        *left = left.checked_sub(1)?;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            // No string of JSON goes over a line's end.
            b'\n' if quoted => return Some(0),
            _ if quoted => {}
            b'[' | b'{' if depth >= MAX_DEPTH => return Some(0),
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 1 => return Some(at + 1),
            b']' | b'}' => depth -= 1,
            // Code and prose have these, JSON outside of its strings has not.
            b'(' | b')' | b';' | b'<' | b'=' | b'\'' => return Some(0),
            _ => {}
        }
    }
    Some(0)
}

fn parse(text: &str) -> Option<Document<'_>> {
    let limits = Limits {
        max_bytes: text.len(),
        max_tokens: text.len().max(1),
        max_depth: MAX_DEPTH,
        numbers: Numbers::Exact,
    };
    Document::parse(text.as_bytes(), &limits).ok()
}

#[cfg(test)]
mod tests;
