//! One spelling for a value: the canonical JSON of RFC 8785, as far as a record needs it.
//!
//! A hash binds bytes, people read values. Were two texts of one value both taken, an entry could be shown in one
//! spelling and hashed in another; were two values read from one text (a name twice, a number beyond 2^53), two readers
//! would see different entries under one hash. So a text is taken only if it is what RFC 8785 makes of its own value:
//! no white space, names in the order of their UTF-16 units and none twice, escapes only where they must be.
//!
//! Numbers are integers of at most 2^53-1 on both sides of zero: no fraction, no exponent, no `-0`. A record holds
//! nothing else, and with them there is nothing to say about the printing of doubles.

use std::cmp::Ordering;
use std::ops::Range;

use crate::record::MAX_SAFE;

/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 32;

/// Why a byte string is not canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not canonical at byte {offset}: {what}")]
pub struct NotCanonical {
    /// Where, from the beginning.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// Accepts exactly the canonical texts.
///
/// # Errors
/// [`NotCanonical`] at the first byte that is wrong; a text that is not UTF-8 is refused before anything else.
pub fn check(bytes: &[u8]) -> Result<(), NotCanonical> {
    let mut reader = Reader::new(bytes)?;
    reader.value(0)?;
    reader.end()
}

/// The texts of all members of an object, and of one member of an object among them.
pub(crate) type Noted<'a, const N: usize> = ([&'a str; N], Option<&'a str>);

/// The members of a canonical object that has exactly these names, in this order, as their texts, and the text of the
/// member `sought` of one of them that is an object; one pass for a check and a reading. `Ok(None)` is another canonical
/// value. The caller's names are plain and in their order; nothing is sought by an empty name.
///
/// # Errors
/// As [`check`].
pub(crate) fn members<'a, const N: usize>(
    bytes: &'a [u8],
    names: [&str; N],
    sought: &'a str,
) -> Result<Option<Noted<'a, N>>, NotCanonical> {
    let mut reader = Reader::new(bytes)?;
    reader.sought = sought.as_bytes();
    let mut texts = [""; N];
    let mut before = b'{';
    for (name, text) in names.iter().zip(&mut texts) {
        if !(reader.take(before) && reader.is_name(name)) {
            return check(bytes).map(|()| None);
        }
        let start = reader.at;
        reader.value(1)?;
        *text = reader.text(start..reader.at);
        before = b',';
    }
    if !reader.take(b'}') {
        return check(bytes).map(|()| None);
    }
    reader.end()?;
    let found = reader.found.clone().map(|range| reader.text(range));
    Ok(Some((texts, found)))
}

/// Reads bytes that are known to be UTF-8.
struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Name of a member of an object in the outermost one; nothing is looked for if it is empty.
    sought: &'a [u8],
    /// Where the value of that member stands.
    found: Option<Range<usize>>,
}

/// A string as it stands between its quotes.
#[derive(Clone, Copy)]
struct Name<'a> {
    bytes: &'a [u8],
    escaped: bool,
}

impl Name<'_> {
    /// Whether its bytes have the order of its UTF-16 units.
    fn is_plain(self) -> bool {
        !self.escaped && self.bytes.is_ascii()
    }
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, NotCanonical> {
        match str::from_utf8(bytes) {
            Ok(text) => Ok(Self { text, bytes, at: 0, sought: b"", found: None }),
            Err(error) => Err(NotCanonical { offset: error.valid_up_to(), what: "not UTF-8" }),
        }
    }

    fn end(&self) -> Result<(), NotCanonical> {
        if self.at == self.bytes.len() { Ok(()) } else { self.wrong("something follows the value") }
    }

    /// Takes a plain name with its colon, if it is next.
    fn is_name(&mut self, name: &str) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let rest = rest.strip_prefix(b"\"").and_then(|rest| rest.strip_prefix(name.as_bytes()));
        let there = rest.is_some_and(|rest| rest.starts_with(b"\":"));
        self.at += if there { name.len() + 3 } else { 0 };
        there
    }

    /// A part that begins and ends with a value.
    fn text(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    fn wrong<T>(&self, what: &'static str) -> Result<T, NotCanonical> {
        Err(NotCanonical { offset: self.at, what })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: usize) -> Result<(), NotCanonical> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'0'..=b'9' | b'-') => self.integer(),
            Some(b'{' | b'[') if depth == MAX_DEPTH => self.wrong("nested too deeply"),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(_) => self.wrong("no value begins like this"),
            None => self.wrong("the text ends too early"),
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), NotCanonical> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return self.wrong("no value begins like this");
        }
        self.at += word.len();
        Ok(())
    }

    fn integer(&mut self) -> Result<(), NotCanonical> {
        let start = self.at;
        let negative = self.take(b'-');
        let first = self.at;
        let mut value: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let (digits, next) = (self.at - first, self.peek());
        let fine = match digits {
            0 => false,
            1 => value != 0 || !negative,
            _ => self.bytes.get(first) != Some(&b'0') && value <= MAX_SAFE,
        };
        if fine && !matches!(next, Some(b'.' | b'e' | b'E')) {
            return Ok(());
        }
        self.at = start;
        self.wrong("a number is an integer within 2^53-1, in its shortest form")
    }

    fn array(&mut self, depth: usize) -> Result<(), NotCanonical> {
        self.at += 1;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return self.wrong("`,` or `]` belongs here");
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), NotCanonical> {
        self.at += 1;
        if self.take(b'}') {
            return Ok(());
        }
        let mut last: Option<Name<'a>> = None;
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return self.wrong("a name belongs here");
            }
            let name = self.string()?;
            if last.is_some_and(|last| order(last, name) != Ordering::Less) {
                self.at = start;
                return self.wrong("names are in the order of their UTF-16 units, none twice");
            }
            last = Some(name);
            if !self.take(b':') {
                return self.wrong("`:` belongs here");
            }
            let start = self.at;
            self.value(depth)?;
            // The outermost object has depth 1, and is not read by this function when something is sought.
            if depth == 2 && !self.sought.is_empty() && name.bytes == self.sought {
                self.found = Some(start..self.at);
            }
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return self.wrong("`,` or `}` belongs here");
            }
        }
    }

    /// Reads a string whose opening quote is next; what stands between the quotes.
    fn string(&mut self) -> Result<Name<'a>, NotCanonical> {
        let start = self.at + 1;
        self.at = start;
        let mut escaped = false;
        loop {
            self.at = skip_plain(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => {
                    let bytes = self.bytes.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(Name { bytes, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.wrong("a control character is escaped"),
                None => return self.wrong("the text ends too early"),
            }
        }
    }

    /// The escapes that must be: quote, backslash and control characters, the latter by their letter where they have
    /// one.
    fn escape(&mut self) -> Result<(), NotCanonical> {
        let length = match self.bytes.get(self.at + 1..).unwrap_or_default() {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            // 08, 09, 0a, 0c and 0d have letters.
            [b'u', b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f', ..] => 6,
            [b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => 6,
            _ => return self.wrong("a character is escaped only if it must be, in its shortest form"),
        };
        self.at += length;
        Ok(())
    }
}

/// The first byte at or behind `at` that ends a run of plain characters: a quote, a backslash or a control character.
fn skip_plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // Eight bytes at a time: the lowest marked byte is exact, marks above it may be carried over.
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let marks = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let marks = marks & HIGHS;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        at += 1;
    }
    at
}

/// How two names that were read are ordered.
fn order(one: Name<'_>, other: Name<'_>) -> Ordering {
    // UTF-8 and UTF-16 order differ only where a surrogate pair meets a character from U+E000 on; an escape has to be
    // read first.
    if one.is_plain() && other.is_plain() {
        return one.bytes.cmp(other.bytes);
    }
    units(one.bytes).cmp(units(other.bytes))
}

/// The UTF-16 units of a name that was read.
fn units(name: &[u8]) -> impl Iterator<Item = u16> {
    let mut characters = str::from_utf8(name).unwrap_or_default().chars();
    let decoded = std::iter::from_fn(move || {
        Some(match characters.next()? {
            '\\' => match characters.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => char::from_u32(
                    characters
                        .by_ref()
                        .take(4)
                        .fold(0, |unit, digit| unit * 16 + digit.to_digit(16).unwrap_or_default()),
                )?,
                quoted => quoted,
            },
            plain => plain,
        })
    });
    decoded.flat_map(|character| {
        let mut units = [0; 2];
        let length = character.encode_utf16(&mut units).len();
        units.into_iter().take(length)
    })
}

#[cfg(test)]
mod tests;
