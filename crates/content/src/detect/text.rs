//! A text under inspection, and what stands around a place in it.

use std::ops::Range;

/// How far before a value a word that tells what it is may stand, in bytes.
const NEAR: usize = 64;

/// One leaf, or one view of it.
#[derive(Clone, Copy)]
pub(crate) struct Text<'t> {
    pub(crate) text: &'t str,
    /// Name of the member that it is the value of, or is in an array that is.
    pub(crate) name: &'t str,
    /// Whether it is a number as JSON writes it.
    pub(crate) number: bool,
}

impl<'t> Text<'t> {
    pub(crate) fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    /// The byte at `at`; 0 outside of the text.
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.bytes().get(at).copied().unwrap_or(0)
    }

    /// The byte before `at`; 0 at the start.
    pub(crate) fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |before| self.byte(before))
    }

    /// A part; empty where `range` is not one.
    pub(crate) fn slice(&self, range: Range<usize>) -> &'t str {
        self.text.get(range).unwrap_or_default()
    }

    /// The text before `at`, at most `length` bytes of it.
    pub(crate) fn tail_before(&self, at: usize, length: usize) -> &'t [u8] {
        self.bytes().get(at.saturating_sub(length)..at).unwrap_or_default()
    }

    /// Whether neither a letter nor a digit touches the range.
    pub(crate) fn stands_alone(&self, range: &Range<usize>) -> bool {
        !self.before(range.start).is_ascii_alphanumeric() && !self.byte(range.end).is_ascii_alphanumeric()
    }

    /// Whether one of `words` (lower case) stands shortly before `at`, or in the name of the member.
    pub(crate) fn near(&self, at: usize, words: &[&str]) -> bool {
        self.near_any(at, &Words::new(words))
    }

    /// The same, for words that are asked for often.
    pub(crate) fn near_any(&self, at: usize, words: &Words<'_>) -> bool {
        words.stand_in(self.name.as_bytes()) || words.stand_in(self.tail_before(at, NEAR))
    }

    /// Offset behind the longest run of bytes that `is` holds for, from `at` on, at most `most` bytes.
    pub(crate) fn run(&self, at: usize, most: usize, is: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes().get(at..).unwrap_or_default();
        at + rest.iter().take(most).take_while(|byte| is(**byte)).count()
    }

    /// Offset of the longest run of bytes that `is` holds for and that ends at `end`.
    pub(crate) fn run_back(&self, end: usize, most: usize, is: impl Fn(u8) -> bool) -> usize {
        end - self.tail_before(end, most).iter().rev().take_while(|byte| is(**byte)).count()
    }
}

/// Words (lower case) to be looked for.
pub(crate) struct Words<'w> {
    list: &'w [&'w str],
    /// The bits of how they start: at most places no word is compared.
    starts: u64,
}

/// A bit for two bytes; the case of letters makes no difference.
const fn bit(first: u8, second: u8) -> u64 {
    1 << ((first & 7) << 3 | second & 7)
}

impl<'w> Words<'w> {
    /// These.
    pub(crate) const fn new(list: &'w [&'w str]) -> Self {
        let (mut starts, mut rest) = (0, list);
        while let [word, behind @ ..] = rest {
            starts |= match word.as_bytes() {
                [first, second, ..] => bit(*first, *second),
                [first] => 0xff << ((*first & 7) << 3),
                [] => 0,
            };
            rest = behind;
        }
        Self { list, starts }
    }

    /// Whether one stands in `text`, in any case, not in the middle of another word. Words of up to three letters have to
    /// stand alone.
    fn stand_in(&self, text: &[u8]) -> bool {
        let mut before = 0_u8;
        text.iter().enumerate().any(|(at, byte)| {
            // Most bytes are small letters behind small letters, where no word starts.
            let inside = before.is_ascii_lowercase() && byte.is_ascii_lowercase();
            before = *byte;
            let second = text.get(at + 1).copied().unwrap_or(0);
            !inside
                && self.starts & bit(*byte, second) != 0
                && self.list.iter().any(|word| stands_at(text, at, word.as_bytes()))
        })
    }
}

/// Whether a word stands at `at`.
fn stands_at(text: &[u8], at: usize, word: &[u8]) -> bool {
    text.get(at).map(u8::to_ascii_lowercase) == word.first().copied()
        && text.get(at..at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word))
        && is_word(text, at, word.len())
        && !in_mark(text, at)
}

/// Whether a word starts at `at`: behind no letter, or as `userCard` does.
fn is_word(text: &[u8], at: usize, length: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before)).copied().unwrap_or(0);
    let here = text.get(at).copied().unwrap_or(0);
    let short = length <= 3;
    let starts =
        !before.is_ascii_alphabetic() || (!short && before.is_ascii_lowercase() && here.is_ascii_uppercase());
    starts && !(short && text.get(at + length).is_some_and(u8::is_ascii_alphabetic))
}

/// Whether `at` is in the class of a redaction's mark, which says nothing about what is behind it.
fn in_mark(text: &[u8], at: usize) -> bool {
    let is_class = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    let before = text.get(at.saturating_sub(64)..at).unwrap_or_default();
    let class = before.iter().rev().take_while(|byte| is_class(byte)).count();
    let behind = text.get(at..).unwrap_or_default();
    let rest = behind.iter().take(64).take_while(|byte| is_class(byte)).count();
    let digits = behind.get(rest..).unwrap_or_default();
    before.get(..before.len() - class).is_some_and(|head| head.ends_with(b"[[dlp:"))
        && matches!(digits, [b':', digits @ .., ] if digits.get(6..8) == Some(b"]]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &[u8], word: &str) -> bool {
        Words::new(&[word]).stand_in(text)
    }

    proptest::proptest! {
        #[test]
        fn words_together_are_found_where_one_of_them_is(text in "([a-eA-E _]|card|Pan|CC|x|é){0,12}") {
            let list = ["card", "pan", "cc", "x", "é", "b c", ""];
            let naive = list.iter().any(|word| {
                (0..text.len()).any(|at| stands_at(text.as_bytes(), at, word.as_bytes()))
            });
            proptest::prop_assert_eq!(Words::new(&list).stand_in(text.as_bytes()), naive);
        }
    }

    #[test]
    fn a_word_is_found_in_any_case_and_not_inside_of_another() {
        for text in ["my card", "CARD:", "creditCard", "card_number", "cards"] {
            assert!(says(text.as_bytes(), "card"), "{text}");
        }
        for text in ["discard", "car d", ""] {
            assert!(!says(text.as_bytes(), "card"), "{text}");
        }
        assert!(says(b"the PAN is", "pan"));
        assert!(!says(b"the panel is", "pan"));
        assert!(!says(b"[[dlp:us_card:0a1b2c]] 1", "card"));
        assert!(says(b"[[dlp:us_card 1", "card"));
    }
}
