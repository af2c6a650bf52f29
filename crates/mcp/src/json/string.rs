//! Strings: finding their end, checking their escapes, decoding them.

/// What [`scan`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Offset just behind the closing quote.
    pub(super) end: usize,
    /// Whether there is an escape to decode.
    pub(super) escaped: bool,
    /// Offset of the first escape that is half of a surrogate pair.
    pub(super) lone_surrogate: Option<usize>,
}

/// Scans a string whose opening quote stands just before `start`. `Err` is the offset of a syntax error.
pub(super) fn scan(bytes: &[u8], start: usize) -> Result<Scanned, usize> {
    let mut found = Scanned { end: start, escaped: false, lone_surrogate: None };
    let mut at = start;
    loop {
        at = skip_plain(bytes, at);
        match bytes.get(at) {
            Some(b'"') => {
                found.end = at + 1;
                return Ok(found);
            }
            Some(b'\\') => {
                found.escaped = true;
                at = scan_escape(bytes, at, &mut found.lone_surrogate)?;
            }
            // A raw control character, or the end of the body.
            _ => return Err(at),
        }
    }
}

/// The first byte at or behind `at` that ends a run of plain characters: a quote, a backslash or a control character.
fn skip_plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // Eight bytes at a time: the lowest marked byte is exact, marks above it may be carried over.
    while let Some(chunk) = bytes.get(at..at + 8).and_then(|chunk| <[u8; 8]>::try_from(chunk).ok()) {
        let word = u64::from_le_bytes(chunk);
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

/// Checks the escape at `at` and returns the offset behind it.
fn scan_escape(bytes: &[u8], at: usize, lone_surrogate: &mut Option<usize>) -> Result<usize, usize> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let unit = hex4(bytes, at + 2).ok_or(at)?;
            let end = at + 6;
            if is_high(unit) && bytes.get(end..end + 2) == Some(b"\\u") {
                let second = hex4(bytes, end + 2).ok_or(end)?;
                if is_low(second) {
                    return Ok(end + 6);
                }
            }
            if is_high(unit) || is_low(unit) {
                lone_surrogate.get_or_insert(at);
            }
            Ok(end)
        }
        _ => Err(at),
    }
}

const fn is_high(unit: u16) -> bool {
    matches!(unit, 0xd800..=0xdbff)
}

const fn is_low(unit: u16) -> bool {
    matches!(unit, 0xdc00..=0xdfff)
}

fn hex4(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 4)?.iter().try_fold(0u16, |unit, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

/// Decodes the inside of a string that [`scan`] accepted. A lone surrogate becomes U+FFFD; such a document is refused.
pub(super) fn decode(inner: &str) -> String {
    let mut decoded = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        decoded.push_str(plain);
        let mut chars = escape.chars();
        match chars.next() {
            Some('u') => {
                let (character, behind) = decode_unicode(chars.as_str());
                decoded.push(character);
                rest = behind;
                continue;
            }
            Some('b') => decoded.push('\u{8}'),
            Some('f') => decoded.push('\u{c}'),
            Some('n') => decoded.push('\n'),
            Some('r') => decoded.push('\r'),
            Some('t') => decoded.push('\t'),
            Some(other) => decoded.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    decoded.push_str(rest);
    decoded
}

/// Decodes what follows `\u`: one character and the text behind it.
fn decode_unicode(text: &str) -> (char, &str) {
    let bytes = text.as_bytes();
    let unit = hex4(bytes, 0).unwrap_or(0xfffd);
    let behind = text.get(4..).unwrap_or_default();
    if is_high(unit)
        && let Some(second) = behind.strip_prefix("\\u").and_then(|tail| hex4(tail.as_bytes(), 0))
        && is_low(second)
    {
        let code = 0x1_0000 + (u32::from(unit & 0x3ff) << 10) + u32::from(second & 0x3ff);
        return (char::from_u32(code).unwrap_or('\u{fffd}'), behind.get(6..).unwrap_or_default());
    }
    (char::from_u32(u32::from(unit)).unwrap_or('\u{fffd}'), behind)
}
