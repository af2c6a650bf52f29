//! One pass over a text that says which detectors are worth running, and where. Almost all honest text ends here.

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind};

use super::fold::fold;
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

    const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn indices(self) -> impl Iterator<Item = usize> {
        (0..KINDS).filter(move |index| self.0 & (1 << index) != 0)
    }
}

const KINDS: usize = 16;

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
struct Says {
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

struct Table {
    automaton: DFA,
    says: Vec<Says>,
}

fn table() -> Option<&'static Table> {
    static TABLE: OnceLock<Option<Table>> = OnceLock::new();
    TABLE.get_or_init(build).as_ref()
}

fn build() -> Option<Table> {
    let mut words: std::collections::BTreeMap<String, Says> = std::collections::BTreeMap::new();
    for (need, list) in WORDS {
        for word in list.split(';') {
            words.entry(word.to_owned()).or_default().add(*need);
        }
    }
    for phrase in FOREIGN {
        words.entry(fold(phrase).into_owned()).or_default().add(Need::One(Groups::FOREIGN));
    }
    let automaton = DFA::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(words.keys())
        .ok()?;
    Some(Table { automaton, says: words.into_values().collect() })
}

/// Where which detectors are worth running.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    found: Groups,
    ranges: [Vec<Range<usize>>; KINDS],
    first_at: [usize; KINDS],
    second_at: [usize; KINDS],
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

    /// `at` is one more than the place of a word's last byte, so that zero means never.
    fn note(&mut self, says: Says, at: usize) {
        let mut now = says.one;
        for index in says.first.indices() {
            set(&mut self.first_at, index, at);
            now = now.union(near(&self.second_at, index, at));
        }
        for index in says.second.indices() {
            set(&mut self.second_at, index, at);
            now = now.union(near(&self.first_at, index, at));
        }
        self.found = self.found.union(now);
        for index in now.indices() {
            self.extend(index, at);
        }
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

impl Table {
    fn note(&self, state: StateID, at: usize, candidates: &mut Candidates) {
        for index in 0..self.automaton.match_len(state) {
            let word = self.automaton.match_pattern(state, index).as_usize();
            candidates.note(self.says.get(word).copied().unwrap_or_default(), at);
        }
    }
}

/// The candidates in `text`, any blanks counting as one. `None` should the table of words not have been built, which a
/// test rules out.
pub(super) fn scan(text: &str) -> Option<Candidates> {
    let table = table()?;
    let mut state = table.automaton.start_state(Anchored::No).ok()?;
    let mut candidates = Candidates::default();
    let mut blank = false;
    for (at, byte) in text.bytes().enumerate() {
        let is_blank = byte <= b' ' && matches!(byte, b' ' | b'\t'..=b'\r');
        if is_blank && blank {
            continue;
        }
        blank = is_blank;
        state = table.automaton.next_state(Anchored::No, state, if is_blank { b' ' } else { byte });
        if table.automaton.is_match(state) {
            table.note(state, at + 1, &mut candidates);
        }
    }
    Some(candidates)
}

/// Whether JSON as written surely holds no candidate: escapes of one letter are read as what they stand for, others may
/// hide letters and end the search.
pub(super) fn json_is_clean(raw: &str) -> bool {
    search_json(raw) == Some(true)
}

fn search_json(raw: &str) -> Option<bool> {
    let table = table()?;
    let mut state = table.automaton.start_state(Anchored::No).ok()?;
    let mut candidates = Candidates::default();
    let mut blank = false;
    let mut bytes = raw.bytes().enumerate();
    while let Some((at, mut byte)) = bytes.next() {
        if byte == b'\\' {
            byte = match bytes.next()?.1 {
                b'u' => return Some(false),
                b'n' | b'r' | b't' | b'b' | b'f' => b' ',
                other => other,
            };
        }
        let is_blank = byte <= b' ';
        if is_blank && blank {
            continue;
        }
        blank = is_blank;
        state = table.automaton.next_state(Anchored::No, state, if is_blank { b' ' } else { byte });
        if table.automaton.is_match(state) {
            table.note(state, at + 1, &mut candidates);
            if !candidates.is_empty() {
                return Some(false);
            }
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::{json_is_clean, scan, table};

    #[test]
    fn the_table_of_words_is_built() {
        assert!(table().is_some());
    }

    #[test]
    fn blanks_of_any_kind_count_as_one() {
        assert!(!scan("you \n\t are   now").unwrap().is_empty());
        assert!(!json_is_clean(r#"{"a":"you\nare\t now"}"#));
    }

    #[test]
    fn escapes_that_may_hide_letters_are_not_clean() {
        assert!(!json_is_clean(r#"{"a":"\u0069gnore"}"#));
        assert!(json_is_clean(r#"{"a":"\\unit"}"#));
    }

    #[test]
    fn rows_of_data_have_none_of_the_words() {
        assert!(json_is_clean(r#"{"rows":[{"id":17,"name":"Ada","city":"Den Haag","paid":true}]}"#));
    }

    #[test]
    fn two_words_count_only_near_each_other() {
        assert!(scan("never forget it").unwrap().is_empty());
        let far = format!("forget {} instructions", "x".repeat(1000));
        assert!(scan(&far).unwrap().is_empty());
        assert!(!scan("forget your instructions").unwrap().is_empty());
    }
}
