//! The one pass that every text gets. It only looks at what kind of character a byte is; whatever may be the start of
//! something goes to the detector for it. Text in which nothing of the kind occurs costs this pass alone.

use std::ops::Range;

use super::text::Text;
use crate::view::fold::is_unseen;

/// A byte that can be in a word: letters, digits, `_` and `-`.
const WORD: u8 = 1;
/// A digit.
pub(crate) const DIGIT: u8 = 2;
/// An upper-case letter.
pub(crate) const UPPER: u8 = 4;
/// A lower-case letter.
pub(crate) const LOWER: u8 = 8;
/// `_` or `-`.
pub(crate) const JOINER: u8 = 16;
/// A byte that something may be built around: `@ % & \ = : <`, a line feed, one that nobody sees, one outside of ASCII.
const MARK: u8 = 32;
/// What is in a word and no digit of hex.
pub(crate) const OTHER: u8 = 64;

const KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, reason = "an index below 256, at compile time")]
        {
            kinds[byte] = match byte as u8 {
                b'0'..=b'9' => WORD | DIGIT,
                b'A'..=b'F' => WORD | UPPER,
                b'a'..=b'f' => WORD | LOWER,
                b'G'..=b'Z' => WORD | UPPER | OTHER,
                b'g'..=b'z' => WORD | LOWER | OTHER,
                b'_' | b'-' => WORD | JOINER | OTHER,
                b'@' | b'%' | b'&' | b'\\' | b'=' | b':' | b'<' | b'\n' | 0x80.. => MARK,
                unseen if is_unseen(unseen) => MARK,
                _ => 0,
            };
        }
        byte += 1;
    }
    kinds
}

fn kind(byte: u8) -> u8 {
    KINDS.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Words of at least this length are looked at closely. Shorter ones only when they hold digits.
pub(crate) const LONG: usize = 15;

/// Whether nothing can start in a text: it is short and holds neither digits nor marks.
pub(crate) fn is_dull(text: &str) -> bool {
    text.len() < LONG && text.bytes().all(|byte| kind(byte) & (DIGIT | MARK) == 0)
}

/// Who wants to know.
pub(crate) trait Visitor {
    /// A word that is long, holds a digit or ends in `-` (as armour does); `kinds` are the kinds of its bytes, or-ed.
    fn word(&mut self, text: &Text<'_>, word: Range<usize>, kinds: u8);
    /// A byte that something may be built around.
    fn mark(&mut self, text: &Text<'_>, byte: u8, at: usize);
}

/// Goes through the text once.
pub(crate) fn sweep(text: &Text<'_>, visitor: &mut impl Visitor) {
    let bytes = text.bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let first = kind(*byte);
        if first & WORD == 0 {
            if first & MARK != 0 {
                visitor.mark(text, *byte, at);
            }
            at += 1;
            continue;
        }
        let (start, mut seen, mut last) = (at, first, first);
        at += 1;
        while let Some(next) = bytes.get(at).map(|byte| kind(*byte)).filter(|next| next & WORD != 0) {
            seen |= next;
            last = next;
            at += 1;
        }
        if seen & DIGIT != 0 || at - start >= LONG || last & JOINER != 0 {
            visitor.word(text, start..at, seen);
        }
    }
}
