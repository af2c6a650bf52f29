//! Encoded runs that begin or end somewhere in a longer word: a letter glued to them moves every byte.

use std::ops::Range;

use super::{base64, hex, hex_run};

/// Shortest readable text that is taken out of the middle of noise. Cards have twelve digits and more.
const SHORTEST: usize = 12;
/// The same in base64.
const LEAST: usize = SHORTEST / 3 * 4;
/// In longer runs the readable part has to be a quarter at least: what stands in pictures is left alone.
const LONG: usize = 1024;

/// The bit that no character of base64 has at its place when it stands for ASCII.
const NEVER_SET: [u8; 4] = [0b10_0000, 0b1000, 0b10, 0];

/// The longest readable texts in a run of base64, for each place where the code may begin, and where they are encoded.
pub(super) fn in_base64(run: &[u8]) -> impl Iterator<Item = (String, Range<usize>)> {
    longest_ascii(run).into_iter().filter(|ascii| ascii.len() >= LEAST).filter_map(|ascii| {
        let edges = with_edges(run, ascii);
        let inside = run.get(edges.clone())?;
        let (text, bytes) = stretch(&base64(inside, inside.len()), run.len() / 4 * 3)?;
        let mut places = values(inside).map(|(at, _)| edges.start + at).skip(bytes.start * 8 / 6);
        let start = places.next()?;
        let further = (bytes.end * 8).div_ceil(6) - bytes.start * 8 / 6 - 1;
        Some((text, start..further.checked_sub(1).and_then(|last| places.nth(last)).unwrap_or(start) + 1))
    })
}

/// The same of a word with hex in it. The run is in the word.
pub(super) fn in_hex(word: &[u8]) -> Option<(String, Range<usize>)> {
    let run = hex_run(word)?;
    let inside = word.get(run.clone())?;
    let offset = readable_from(inside)?;
    let decoded = hex(inside.get(offset..)?, inside.len());
    let (text, bytes) = stretch(&decoded, inside.len() / 2)?;
    let start = run.start + offset;
    Some((text, start + bytes.start * 2..start + bytes.end * 2))
}

/// At which of the first two digits bytes have to begin for the longest readable text; `None` if it is too short.
fn readable_from(digits: &[u8]) -> Option<usize> {
    let (mut now, mut best) = ([0, 0], [0, 0]);
    for (at, (high, low)) in digits.iter().zip(digits.iter().skip(1)).enumerate() {
        let value = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or(0);
        let readable = is_readable((value(high) << 4 | value(low)) as u8);
        if let (Some(now), Some(best)) = (now.get_mut(at % 2), best.get_mut(at % 2)) {
            *now = if readable { *now + 1 } else { 0 };
            *best = (*best).max(*now);
        }
    }
    let [first, second] = best;
    (first.max(second) >= SHORTEST).then(|| usize::from(second > first))
}

fn is_readable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

/// The longest printable text in ASCII, if it is long enough for one out of `total` bytes, and which bytes it is.
fn stretch(decoded: &[u8], total: usize) -> Option<(String, Range<usize>)> {
    let (mut longest, mut start) = (0..0, 0);
    for text in decoded.split(|byte| !is_readable(*byte)) {
        if text.len() > longest.len() {
            longest = start..start + text.len();
        }
        start += text.len() + 1;
    }
    let enough = longest.len() >= SHORTEST && (total <= LONG || longest.len() >= total / 4);
    let text = decoded.get(longest.clone()).filter(|_| enough)?;
    Some((String::from_utf8_lossy(text).into_owned(), longest))
}

/// Where base64 is that of ASCII for longest, for each of the four places where the code may begin. Of four characters at
/// the right place each but the last has a bit that is never set then, so that no noise looks like it for long, and
/// nothing has to be decoded to see it.
fn longest_ascii(run: &[u8]) -> [Range<usize>; 4] {
    let mut longest = [const { Longest { start: None, best: 0..0 } }; 4];
    // Line breaks move nothing, so characters are counted without them.
    for (count, (at, value)) in values(run).enumerate() {
        for (offset, place) in longest.iter_mut().enumerate() {
            let role = (count + 4 - offset) % 4;
            let is_ascii = NEVER_SET.get(role).is_some_and(|bit| value & bit == 0);
            place.step(at, is_ascii, role == 0);
        }
    }
    longest.map(|place| place.best)
}

/// Whether a run of base64 is long enough for readable text anywhere: of so many characters at one of the four places none
/// has the bit. It is looked at from their end, so that most of a run is never looked at.
pub(super) fn may_hold_base64(run: &[u8]) -> bool {
    (0..4).any(|offset| {
        let mut start = offset;
        while let Some(least) = run.get(start..start + LEAST) {
            let is_never = |(at, byte): (usize, &u8)| {
                NEVER_SET.get(at % 4).is_some_and(|bit| super::sextet(*byte).unwrap_or(0) & bit != 0)
            };
            match least.iter().enumerate().rposition(is_never) {
                Some(at) => start += at / 4 * 4 + 4,
                None => return true,
            }
        }
        false
    })
}

/// The same for a run of hex, whose bytes may begin with its first or its second digit.
pub(super) fn may_hold_hex(run: &[u8]) -> bool {
    (0..2).any(|offset| {
        let mut start = offset;
        while let Some(least) = run.get(start..start + 2 * SHORTEST) {
            // High digits of readable bytes.
            let is_never = |pair: &[u8; 2]| !matches!(pair, [b'0' | b'2'..=b'7', _]);
            match least.as_chunks::<2>().0.iter().rposition(is_never) {
                Some(at) => start += 2 * at + 2,
                None => return true,
            }
        }
        false
    })
}

/// With the four characters before it and some behind it: they may hold text beside what is none.
fn with_edges(run: &[u8], ascii: Range<usize>) -> Range<usize> {
    let before = ascii
        .start
        .checked_sub(4)
        .filter(|start| values(run.get(*start..ascii.start).unwrap_or_default()).count() == 4);
    before.unwrap_or(ascii.start)..run.len().min(ascii.end + 3)
}

struct Longest {
    start: Option<usize>,
    best: Range<usize>,
}

impl Longest {
    fn step(&mut self, at: usize, is_ascii: bool, may_start: bool) {
        self.start = self.start.or(may_start.then_some(at)).filter(|_| is_ascii);
        if let Some(start) = self.start.filter(|start| at + 1 - start > self.best.len()) {
            self.best = start..at + 1;
        }
    }
}

/// The characters of a run as six bits each, with their places.
fn values(run: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    run.iter().enumerate().filter_map(|(at, byte)| Some((at, super::sextet(*byte)?)))
}
