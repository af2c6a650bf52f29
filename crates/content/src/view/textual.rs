//! A text with its textual encodings undone: percent, HTML entities, escapes of strings in strings, compatible and
//! invisible characters.
//!
//! Each coding is undone as often as it was applied (`%2540` is `@`), all of them in one pass.

use std::ops::Range;

use super::fold::{self, Fold, fold, is_unseen};
use super::{Mapped, literal};

/// What undoing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    /// There is nothing to undo.
    No,
    /// Something was undone.
    Yes,
    /// Tag characters were taken out as well, which some readers take for what they are the tags of.
    Tags,
}

/// Undoes them. Nothing useful is in `view` if there is nothing to undo.
pub(crate) fn undo(text: &str, view: &mut Mapped) -> Changed {
    undo_with(text, view, |_| None)
}

/// The same, and tag characters are what they are the tags of.
pub(crate) fn undo_tags(text: &str, view: &mut Mapped) {
    undo_with(text, view, fold::tag);
}

fn undo_with(text: &str, view: &mut Mapped, tag: impl Fn(char) -> Option<char>) -> Changed {
    view.restart(0);
    let (mut kept, mut changed) = (0, Changed::No);
    for (source, undone) in pieces(text) {
        let Some(undone) = undone else { continue };
        let is_tag = matches!(undone, Undone::Tag(_));
        changed = if is_tag || changed == Changed::Tags { Changed::Tags } else { Changed::Yes };
        view.keep(text.get(kept..source.start).unwrap_or_default(), kept);
        kept = source.end;
        put(undone, source, &tag, view);
    }
    view.keep(text.get(kept..).unwrap_or_default(), kept);
    changed
}

/// What could be encoded in `text`, from left to right: where it stands, and what it stands for if it is. A run of
/// backslashes is one piece, so that it is not read again from each of them.
fn pieces(text: &str) -> impl Iterator<Item = (Range<usize>, Option<Undone>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text.as_bytes().get(at..)?.iter().position(|byte| may_start(*byte))?;
        let (undone, length) = one(text.get(at..)?);
        let piece = at..at + length.max(1);
        at = piece.end;
        Some((piece, undone))
    })
}

fn may_start(byte: u8) -> bool {
    matches!(byte, b'%' | b'&' | b'\\' | 0x80..) || is_unseen(byte)
}

/// Whether something that can be undone starts with `text`.
pub(crate) fn is_encoded(text: &str) -> bool {
    one(text).0.is_some()
}

/// Whether something that can be undone starts anywhere in `text`.
pub(crate) fn is_anything_encoded(text: &str) -> bool {
    pieces(text).any(|(_, undone)| undone.is_some())
}

/// What something stands for.
enum Undone {
    Char(char),
    Fold(Fold),
    /// A tag character.
    Tag(char),
}

fn put(undone: Undone, source: Range<usize>, tag: impl Fn(char) -> Option<char>, view: &mut Mapped) {
    match undone {
        Undone::Tag(character) => view.put(tag(character), source),
        Undone::Char(character) => view.put(Some(character), source),
        Undone::Fold(Fold::Ascii(bytes)) => {
            for byte in bytes.into_iter().take_while(|byte| *byte != 0) {
                view.put(Some(char::from(byte)), source.clone());
            }
        }
        Undone::Fold(_) => view.put(None, source),
    }
}

/// What the start of `text` stands for, if that is something else, and its length.
fn one(text: &str) -> (Option<Undone>, usize) {
    let found = match text.as_bytes().first() {
        Some(b'%') => percent(text),
        Some(b'&') => entity(text),
        Some(b'\\') => return backslashes(text),
        _ => return character(text),
    };
    found.map_or((None, 1), |(character, length)| (Some(plain(character)), length))
}

/// A decoded character may need folding itself.
fn plain(character: char) -> Undone {
    folded(character).unwrap_or(Undone::Char(character))
}

fn character(text: &str) -> (Option<Undone>, usize) {
    let Some(character) = text.chars().next() else { return (None, 1) };
    (folded(character), character.len_utf8())
}

fn folded(character: char) -> Option<Undone> {
    match fold(character) {
        Fold::Keep => None,
        Fold::Drop if fold::tag(character).is_some() => Some(Undone::Tag(character)),
        folded => Some(Undone::Fold(folded)),
    }
}

/// `%HH`, where the percent sign may be encoded itself; a character of several bytes as a whole.
fn percent(text: &str) -> Option<(char, usize)> {
    let (first, mut length) = percent_byte(text)?;
    let expected = match first {
        0..0x80 => return Some((char::from(first), length)),
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf8 => 4,
        _ => return None,
    };
    let mut bytes = [first, 0, 0, 0];
    for byte in bytes.iter_mut().take(expected).skip(1) {
        let (next, more) = percent_byte(text.get(length..)?)?;
        *byte = next;
        length += more;
    }
    let character = std::str::from_utf8(bytes.get(..expected)?).ok()?.chars().next()?;
    Some((character, length))
}

fn percent_byte(text: &str) -> Option<(u8, usize)> {
    let mut rest = text.strip_prefix('%')?;
    while let Some(again) = rest.strip_prefix("25").filter(|again| starts_with_hex(again)) {
        rest = again;
    }
    let byte = starts_with_hex(rest).then(|| u8::from_str_radix(rest.get(..2)?, 16).ok())??;
    Some((byte, text.len() - rest.len() + 2))
}

fn starts_with_hex(text: &str) -> bool {
    matches!(text.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

/// Entities for ASCII characters; those that are written by number may stand for any.
const ENTITIES: [(&str, char); 27] = [
    ("lt;", '<'),
    ("gt;", '>'),
    ("quot;", '"'),
    ("apos;", '\''),
    ("nbsp;", ' '),
    ("commat;", '@'),
    ("period;", '.'),
    ("colon;", ':'),
    ("sol;", '/'),
    ("bsol;", '\\'),
    ("lowbar;", '_'),
    ("hyphen;", '-'),
    ("dash;", '-'),
    ("equals;", '='),
    ("percnt;", '%'),
    ("num;", '#'),
    ("plus;", '+'),
    ("comma;", ','),
    ("semi;", ';'),
    ("excl;", '!'),
    ("dollar;", '$'),
    ("ast;", '*'),
    ("lpar;", '('),
    ("rpar;", ')'),
    ("shy;", '\u{ad}'),
    ("Tab;", '\t'),
    ("NewLine;", '\n'),
];

/// `&#64;`, `&#x40;`, `&commat;`, where the ampersand may be encoded itself.
pub(crate) fn entity(text: &str) -> Option<(char, usize)> {
    let mut rest = text.strip_prefix('&')?;
    while let Some(again) = rest.strip_prefix("amp;") {
        rest = again;
    }
    let before = text.len() - rest.len();
    if let Some(number) = rest.strip_prefix('#') {
        return numeric(number).map(|(character, length)| (character, before + 1 + length));
    }
    let named = ENTITIES.iter().find(|(name, _)| rest.starts_with(name));
    match named {
        Some((name, character)) => Some((*character, before + name.len())),
        None if before > 1 => Some(('&', before)),
        None => None,
    }
}

fn numeric(text: &str) -> Option<(char, usize)> {
    let (digits, radix, marks) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 1),
        None => (text, 10, 0),
    };
    // Eight digits are more than any character needs.
    let length = digits.bytes().take(8).take_while(|byte| char::from(*byte).is_digit(radix)).count();
    let code = u32::from_str_radix(digits.get(..length)?, radix).ok()?;
    let closed = usize::from(digits.as_bytes().get(length) == Some(&b';'));
    Some((char::from_u32(code)?, marks + length + closed))
}

/// A run of backslashes and what it escapes. However deep strings stand in strings, only the last one counts.
fn backslashes(text: &str) -> (Option<Undone>, usize) {
    let run = text.bytes().take_while(|byte| *byte == b'\\').count();
    let escape = text.get(run - 1..).unwrap_or_default();
    let (character, length) = match escape.as_bytes().get(1) {
        Some(byte @ (b'"' | b'\'' | b'/')) => (char::from(*byte), 2),
        Some(b'n' | b'r') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'u') => match literal::unicode(escape) {
            (_, 1) => return (None, run),
            found => found,
        },
        Some(b'x') => match escape.get(2..4).filter(|digits| starts_with_hex(digits)) {
            Some(digits) => (char::from(u8::from_str_radix(digits, 16).unwrap_or(b'?')), 4),
            None => return (None, run),
        },
        _ => return (None, run),
    };
    (Some(plain(character)), run - 1 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(text: &str) -> Option<String> {
        let mut view = Mapped::default();
        (undo(text, &mut view) != Changed::No).then_some(view.text)
    }

    #[test]
    fn every_coding_is_undone_however_often_it_was_applied() {
        for (text, expected) in [
            ("a%40b", "a@b"),
            ("a%2540b", "a@b"),
            ("a%252540b", "a@b"),
            ("%C3%A9%40", "é@"),
            ("a&#64;b &commat; &#x40;", "a@b @ @"),
            ("a&amp;amp;#64;b", "a@b"),
            ("x &amp; y", "x & y"),
            (r#"{\"a\":\"b\\u0040c\"}"#, r#"{"a":"b@c"}"#),
            (r#"\\\\\"x\\\\u0040"#, "\"x@"),
            (r"line\nline\x40", "line\nline@"),
            ("４1\u{200b}1１", "4111"),
            ("%EF%BC%94", "4"),
            ("%25", "%"),
            ("4\u{0}1\u{7}1%001\u{301}&#8203;1", "41111"),
            ("a\u{2028}b", "a\nb"),
        ] {
            assert_eq!(undone(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_encoded_stays_as_it_is() {
        for text in
            ["", "plain", "100% sure", "a & b", "a&b=c", "é漢字", "C:\\Windows", "%zz", "&unknown;", "%C3"]
        {
            assert_eq!(undone(text), None, "{text}");
        }
    }

    #[test]
    fn a_found_range_covers_the_encoding_that_it_stands_in() {
        let mut view = Mapped::default();
        assert_eq!(undo("x a%40b.c y", &mut view), Changed::Yes);
        assert_eq!(view.text, "x a@b.c y");
        assert_eq!(view.map.source(&(2..7)), 2..9);
        assert_eq!(undo("４１１\u{200b}１", &mut view), Changed::Yes);
        assert_eq!(view.text, "4111");
        assert_eq!(view.map.source(&(0..4)), 0..15);
    }

    #[test]
    fn a_run_of_backslashes_is_one_piece_however_long_it_is() {
        let run = "\\".repeat(1000);
        let places = |text: &str| pieces(text).map(|(at, _)| (at.start, at.end)).collect::<Vec<_>>();
        assert_eq!(places(&run), [(0, 1000)]);
        assert_eq!(places(&format!("a{run}u0040b")), [(1, 1006)]);
        assert!(!is_anything_encoded(&run) && is_anything_encoded(&format!("a{run}n")));
    }

    #[test]
    fn tags_are_nothing_to_one_reader_and_characters_to_another() {
        let text = "4\u{e0039}1\u{e0039}";
        let mut view = Mapped::default();
        assert_eq!(undo(text, &mut view), Changed::Tags);
        assert_eq!(view.text, "41");
        undo_tags(text, &mut view);
        assert_eq!(view.text, "4919");
        assert_eq!(view.map.source(&(1..2)), 1..5);
    }
}
