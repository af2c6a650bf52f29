//! One spelling for a definition: the canonical JSON of RFC 8785.

use std::borrow::Cow;
use std::fmt::Write as _;

use interdict_mcp::json::{Kind, Value};

use super::EntryKind;
use crate::schema::Decimal;

/// The members of a tool that its definition is made of.
pub(super) const TOOL: [&str; 8] =
    ["name", "title", "description", "inputSchema", "outputSchema", "annotations", "execution", "icons"];

/// Nesting below which a value is written canonically; no reader of lists goes that deep.
const MAX_DEPTH: usize = 192;

/// The canonical form of an entry's definition: what [`super::digest_of`] is over.
///
/// A number that a double does not hold exactly as written (an integer beyond 2^53-1, or one that overflows or
/// vanishes) is written as it is: RFC 8785 has no form for it, and two of them must not become one.
#[must_use]
pub fn canonical(kind: EntryKind, entry: Value<'_>) -> String {
    let mut writer = Writer { out: String::with_capacity(entry.span().len()), number: write_number };
    match kind {
        _ if !entry.is_object() => writer.value(entry, 0),
        EntryKind::Tool => writer.members(entry, |name| TOOL.contains(&name), 0),
        _ => writer.members(entry, |name| name != "_meta", 0),
    }
    writer.out
}

/// One text for one value, with every number told from every other: what equality in schemas goes by.
pub(crate) fn normal(value: Value<'_>) -> String {
    let number = |text: &str, out: &mut String| Decimal::read(text).write(out);
    let mut writer = Writer { out: String::with_capacity(value.span().len()), number };
    writer.value(value, 0);
    writer.out
}

struct Writer {
    out: String,
    number: fn(&str, &mut String),
}

impl Writer {
    fn value(&mut self, value: Value<'_>, depth: usize) {
        match value.kind() {
            Kind::Null | Kind::Bool(_) => self.out.push_str(value.raw()),
            Kind::Number(text) => (self.number)(text, &mut self.out),
            Kind::String(text) => write_string(&text, &mut self.out),
            // Not JSON, so it is no other value's form.
            Kind::Array | Kind::Object if depth >= MAX_DEPTH => {
                self.out.push('!');
                self.out.push_str(value.raw());
            }
            Kind::Array => {
                self.out.push('[');
                for (at, element) in value.elements().enumerate() {
                    if at > 0 {
                        self.out.push(',');
                    }
                    self.value(element, depth + 1);
                }
                self.out.push(']');
            }
            Kind::Object => self.members(value, |_| true, depth),
        }
    }

    fn members(&mut self, object: Value<'_>, keep: impl Fn(&str) -> bool, depth: usize) {
        let mut members: Vec<(Cow<'_, str>, Value<'_>)> =
            object.members().map(|(name, _, value)| (name, value)).filter(|(name, _)| keep(name)).collect();
        // UTF-16 order is the order of the bytes unless a character beyond the basic plane is there.
        members.sort_by(|(a, _), (b, _)| {
            if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
        });
        self.out.push('{');
        for (at, (name, value)) in members.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            write_string(name, &mut self.out);
            self.out.push(':');
            self.value(*value, depth + 1);
        }
        self.out.push('}');
    }
}

/// RFC 8785, 3.2.2.2: escapes only where they must be, in their shortest form.
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\u{0}'..='\u{1f}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}

/// RFC 8785, 3.2.2.3: as ECMAScript prints the double. Where two shortest texts are equally near, that is the even one;
/// Rust's own formatting takes the larger.
fn write_number(text: &str, out: &mut String) {
    match double(text) {
        // Also for the negative zero.
        Some(0.0) => out.push('0'),
        Some(number) => out.push_str(ryu_js::Buffer::new().format_finite(number)),
        None => out.push_str(text),
    }
}

/// The double that every reader takes the number for, if there is one.
fn double(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    if number == 0.0 && mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        return None;
    }
    let integer = !text.contains(['.', 'e', 'E']);
    let exact = || text.parse::<i64>().is_ok_and(|integer| integer.unsigned_abs() < 1 << 53);
    (!integer || exact()).then_some(number)
}
