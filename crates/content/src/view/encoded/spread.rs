//! Encoded runs that are spread out: hex with something between its bytes, base64 in lines that are shorter than a word that
//! is worth looking at.

use std::ops::Range;

/// Fewest bytes in hex that are looked at.
const BYTES: usize = 12;
/// Length of the lines; longer ones are long words.
const LINE: std::ops::RangeInclusive<usize> = 4..=14;
/// Most bytes between two bytes in hex.
const GAP: usize = 3;

/// Bytes in hex from `at` on, with the same thing between all of them and perhaps `0x` in front of each: where they end.
// Seldom needed, and would make the pass over every word larger.
#[inline(never)]
pub(crate) fn hex_bytes(bytes: &[u8], at: usize) -> Option<usize> {
    // Text begins with a character that can be seen, and a time of day with none.
    if !matches!(bytes.get(at..at + 2), Some([b'2'..=b'7', _] | [b'0', b'x' | b'X'])) {
        return None;
    }
    let (mut end, mut count) = (at + byte_at(bytes, at)?, 1);
    let gap = bytes.get(end..)?.iter().take(GAP + 1).take_while(|byte| !byte.is_ascii_alphanumeric()).count();
    if !(1..=GAP).contains(&gap) {
        return None;
    }
    let between = bytes.get(end..end + gap)?;
    while let Some(length) =
        bytes.get(end..end + gap).filter(|found| *found == between).and_then(|_| byte_at(bytes, end + gap))
    {
        end += gap + length;
        count += 1;
    }
    (count >= BYTES).then_some(end)
}

/// The length of one byte in hex that stands alone.
fn byte_at(bytes: &[u8], at: usize) -> Option<usize> {
    let length = if matches!(bytes.get(at..at + 2), Some([b'0', b'x' | b'X'])) { 4 } else { 2 };
    let digits = bytes.get(at + length - 2..at + length)?;
    let alone = !bytes.get(at + length).is_some_and(u8::is_ascii_alphanumeric);
    (alone && digits.iter().all(u8::is_ascii_hexdigit)).then_some(length)
}

/// The digits of such bytes, without what stands between them.
pub(super) fn digits(run: &[u8]) -> Vec<u8> {
    let parts = run.split(|byte| !byte.is_ascii_alphanumeric()).filter(|part| part.len() >= 2);
    parts.flat_map(|part| part.iter().skip(part.len() - 2).copied()).collect()
}

/// Short lines of base64, all equally long but the last, of which the first ends at the line feed at `at`.
// Seldom needed, and would make the pass over every word larger.
#[inline(never)]
pub(crate) fn lines(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let returns = usize::from(at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'\r'));
    let (first_end, next) = (at - returns, at + 1);
    // Most lines of prose end here: the line behind is another one.
    let length = length(bytes, next);
    let start = first_end.checked_sub(length).filter(|_| LINE.contains(&length))?;
    let is_whole = bytes.get(start..first_end)?.iter().all(|byte| super::is_base64(*byte));
    let is_first = !start
        .checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_some_and(|byte| super::is_base64(*byte));
    if !is_whole || !is_first {
        return None;
    }
    let (mut end, mut last) = (next + length, length);
    while last == length && bytes.get(end + returns) == Some(&b'\n') {
        let behind = end + returns + 1;
        last = self::length(bytes, behind);
        if last == 0 || last > length {
            break;
        }
        end = behind + last;
    }
    let padding = bytes.get(end..)?.iter().take(2).take_while(|byte| **byte == b'=').count();
    (end - start > super::SHORTEST).then_some(start..end + padding)
}

/// Characters of base64 from `at` on, up to one more than a line may have.
fn length(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().take(LINE.end() + 1).take_while(|byte| super::is_base64(**byte)).count()
}
