//! One pass over a text that says which detectors are worth running, and where. Almost all honest text ends here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::OnceLock;

use super::fold::fold;
use super::grams::{Grams, Sink, plain_word};
use super::lexical::FOREIGN;
use super::words::{Need, WORDS};

/// A set of detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Groups(u32);

impl Groups {
    pub(super) const OVERRIDE: Self = Self(1);
    pub(super) const AUTHORITY: Self = Self(1 << 1);
    pub(super) const PERMISSION: Self = Self(1 << 2);
    pub(super) const ROLE: Self = Self(1 << 3);
    pub(super) const URGENCY: Self = Self(1 << 4);
    pub(super) const EXFILTRATION: Self = Self(1 << 5);
    pub(super) const SECRECY: Self = Self(1 << 6);
    pub(super) const PROBE: Self = Self(1 << 7);
    pub(super) const FOREIGN: Self = Self(1 << 8);
    pub(super) const TEMPLATE: Self = Self(1 << 9);
    pub(super) const MARKUP: Self = Self(1 << 10);
    pub(super) const LINK: Self = Self(1 << 11);
    pub(super) const ESCAPE: Self = Self(1 << 12);
    pub(super) const PATH: Self = Self(1 << 13);
    pub(super) const BLOCK: Self = Self(1 << 14);
    pub(super) const ADDRESSED: Self = Self(1 << 15);
    /// Text in a textual encoding, where a frame may begin.
    pub(super) const WRITTEN: Self = Self(1 << 16);

    /// Those that look for phrases.
    const LEXICAL: Self = Self(0x1ff | 1 << 15);

    const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn indices(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let index = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            (index < u32::BITS).then_some(index as usize)
        })
    }
}

const KINDS: usize = 17;

/// How far apart a first and a second word may stand, in bytes.
const NEAR: usize = 240;

/// How far around a word a detector looks, in bytes: further than its patterns reach.
const fn reach(index: usize) -> usize {
    match index {
        // Phrases.
        0..=8 | 15 => 320,
        _ => 720,
    }
}

/// What the words at the end of one match say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Says {
    one: Groups,
    first: Groups,
    second: Groups,
}

impl Says {
    fn add(&mut self, need: Need) {
        match need {
            Need::One(group) => self.one = self.one.union(group),
            Need::First(group) => self.first = self.first.union(group),
            Need::Second(group) => self.second = self.second.union(group),
        }
    }
}

impl Says {
    /// Without what only detectors of phrases need.
    const fn without_phrases(self) -> Self {
        Self {
            one: self.one.without(Groups::LEXICAL),
            first: self.first.without(Groups::LEXICAL),
            second: self.second.without(Groups::LEXICAL),
        }
    }

    const fn is_nothing(self) -> bool {
        self.one.0 | self.first.0 | self.second.0 == 0
    }
}

/// The words of all detectors, or of all but those of phrases, in plain form.
pub(super) fn words(phrases: bool) -> BTreeMap<Vec<u8>, Says> {
    let mut words: BTreeMap<Vec<u8>, Says> = BTreeMap::new();
    for (need, list) in WORDS {
        for word in list.split(';') {
            words.entry(plain_word(word)).or_default().add(*need);
        }
    }
    for phrase in FOREIGN {
        words.entry(plain_word(&fold(phrase))).or_default().add(Need::One(Groups::FOREIGN));
    }
    if !phrases {
        words.values_mut().for_each(|says| *says = says.without_phrases());
        words.retain(|_, says| !says.is_nothing());
    }
    words
}

/// Detectors of which the second words are rarer than the first ones.
const BY_SECOND: Groups = Groups::PERMISSION.union(Groups::ROLE);

/// Words of which one stands in every text that calls for a detector.
pub(super) fn telling(phrases: bool) -> BTreeSet<Vec<u8>> {
    let is_telling = |says: &Says| {
        let one = Says { first: says.first.without(BY_SECOND), second: says.second.both(BY_SECOND), ..*says };
        !one.is_nothing()
    };
    words(phrases).into_iter().filter(|(_, says)| is_telling(says)).map(|(word, _)| word).collect()
}

fn table() -> &'static Grams<Says> {
    static TABLE: OnceLock<Grams<Says>> = OnceLock::new();
    TABLE.get_or_init(|| Grams::new(words(true).into_iter()))
}

/// Where the first and the second words of each detector stood last.
#[derive(Debug, Default)]
pub(super) struct Places {
    first: [usize; KINDS],
    second: [usize; KINDS],
}

impl Places {
    /// The detectors that are worth running, now that a word says so at `at`. Places are one more than those of the last
    /// byte, so that zero means never.
    fn note(&mut self, says: Says, at: usize) -> Groups {
        let mut now = says.one;
        for index in says.first.indices() {
            set(&mut self.first, index, at);
            now = now.union(near(&self.second, index, at));
        }
        for index in says.second.indices() {
            set(&mut self.second, index, at);
            now = now.union(near(&self.first, index, at));
        }
        now
    }
}

/// Whether a part of JSON calls for a detector.
#[derive(Debug, Default)]
struct Call {
    places: Places,
    without: Groups,
    is_called: bool,
}

impl Sink<Says> for Call {
    fn word(&mut self, says: &Says, at: usize) {
        let now = self.places.note(*says, at);
        self.is_called |= now.without(self.without) != Groups::default();
    }

    fn veiled(&mut self) {
        self.is_called = true;
    }

    fn has_enough(&self) -> bool {
        self.is_called
    }
}

/// Whether the inside of a string of JSON, as it is written, calls for a detector; for one of phrases only with `phrases`.
pub(super) fn tells(inside: &str, phrases: bool) -> bool {
    let without = if phrases { Groups::default() } else { Groups::LEXICAL };
    let mut call = Call { without, ..Call::default() };
    table().read_json(inside, &mut call);
    call.is_called
}

/// Where which detectors are worth running.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    found: Groups,
    ranges: [Vec<Range<usize>>; KINDS],
    places: Places,
}

impl Candidates {
    pub(super) const fn is_empty(&self) -> bool {
        self.found.0 == 0
    }

    /// The parts of `text` around the words of `group`; they do not overlap.
    pub(super) fn parts<'t>(
        &self,
        group: Groups,
        text: &'t [u8],
    ) -> impl Iterator<Item = &'t [u8]> + use<'_, 't> {
        let wanted = self.found.both(group).indices();
        wanted
            .filter_map(|index| self.ranges.get(index))
            .flatten()
            .filter_map(|range| text.get(range.start..range.end.min(text.len())))
    }

    fn extend(&mut self, index: usize, at: usize) {
        let Some(ranges) = self.ranges.get_mut(index) else { return };
        let (start, end) = (at.saturating_sub(reach(index)), at.saturating_add(reach(index)));
        match ranges.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => ranges.push(start..end),
        }
    }
}

fn set(places: &mut [usize; KINDS], index: usize, at: usize) {
    if let Some(place) = places.get_mut(index) {
        *place = at;
    }
}

/// The group of `index`, if one of its words stood at most [`NEAR`] bytes before `at`.
fn near(places: &[usize; KINDS], index: usize, at: usize) -> Groups {
    match places.get(index) {
        Some(place) if *place > 0 && at.saturating_sub(*place) <= NEAR => Groups(1 << index),
        _ => Groups::default(),
    }
}

impl Sink<Says> for Candidates {
    fn word(&mut self, says: &Says, at: usize) {
        let now = self.places.note(*says, at);
        self.found = self.found.union(now);
        for index in now.indices() {
            self.extend(index, at);
        }
    }

    fn veiled(&mut self) {}
}

/// The candidates in `text`, any blanks counting as one.
pub(super) fn scan(text: &str) -> Candidates {
    let mut candidates = Candidates::default();
    table().read(text, &mut candidates);
    candidates
}

#[cfg(test)]
mod tests {
    use aho_corasick::automaton::Automaton as _;
    use aho_corasick::dfa::DFA;
    use aho_corasick::{Anchored, MatchKind};
    use proptest::prelude::*;

    use super::super::grams::{LONGEST, Sink as _};
    use super::{Candidates, Says, scan, words};

    /// What [`scan`] says, by an automaton that reads every byte.
    fn scan_by_automaton(text: &str) -> Candidates {
        static TABLE: std::sync::LazyLock<(DFA, Vec<Says>)> = std::sync::LazyLock::new(|| {
            let words = words(true);
            let mut builder = DFA::builder();
            builder.ascii_case_insensitive(true).match_kind(MatchKind::Standard);
            (builder.build(words.keys()).unwrap(), words.into_values().collect())
        });
        let (automaton, says) = &*TABLE;
        let mut state = automaton.start_state(Anchored::No).unwrap();
        let (mut candidates, mut blank) = (Candidates::default(), false);
        for (at, byte) in text.bytes().enumerate() {
            let is_blank = matches!(byte, b' ' | b'\t'..=b'\r');
            if is_blank && blank {
                continue;
            }
            blank = is_blank;
            state = automaton.next_state(Anchored::No, state, if is_blank { b' ' } else { byte });
            if automaton.is_match(state) {
                for index in 0..automaton.match_len(state) {
                    let word = automaton.match_pattern(state, index).as_usize();
                    candidates.word(&says[word], at + 1);
                }
            }
        }
        candidates
    }

    #[track_caller]
    fn same(text: &str) {
        let (fast, slow) = (scan(text), scan_by_automaton(text));
        assert_eq!((fast.found, fast.ranges), (slow.found, slow.ranges), "{text:?}");
    }

    #[test]
    fn every_word_is_found_where_an_automaton_finds_it() {
        for word in words(true).keys() {
            assert!(word.len() <= LONGEST);
            let word = std::str::from_utf8(word).unwrap();
            for text in [
                word.to_owned(),
                format!("x{word}"),
                format!("ignore {}x instructions", word.to_uppercase()),
                word.replace(' ', "\r\n "),
                format!("{word}{word}"),
            ] {
                same(&text);
            }
        }
    }

    /// Words, parts of them, and what stands between words.
    fn pieces() -> impl Strategy<Value = String> {
        let words: Vec<String> =
            words(true).keys().map(|word| String::from_utf8(word.clone()).unwrap()).collect();
        let part = (prop::sample::select(words.clone()), 0..8_usize)
            .prop_map(|(word, skipped)| word.chars().skip(skipped).collect());
        prop_oneof![
            4 => prop::sample::select(words),
            2 => part,
            2 => "[ \t\n\u{b}\u{8}]{1,3}",
            1 => "[a-zA-Z ]{0,300}",
            1 => "\\PC{0,8}",
        ]
    }

    proptest! {
        #[test]
        fn the_scan_says_what_an_automaton_says(parts in prop::collection::vec(pieces(), 0..24)) {
            same(&parts.concat());
        }
    }

    #[test]
    fn blanks_of_any_kind_count_as_one() {
        assert!(!scan("you \n\t are   now").is_empty());
    }

    #[test]
    fn two_words_count_only_near_each_other() {
        assert!(scan("never forget it").is_empty());
        let far = format!("forget {} instructions", "x".repeat(1000));
        assert!(scan(&far).is_empty());
        assert!(!scan("forget your instructions").is_empty());
    }
}
