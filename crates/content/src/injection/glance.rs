//! One look at JSON as it is written that says which of its strings have to be read. Almost none of honest data has.

use std::collections::BTreeSet;
use std::ops::Range;

use super::contextual::{MIN_NAME, is_plain};
use super::encoded;
use super::grams::{End, Grams, LONGEST, SHORT, Sink, plain_word};
use super::triggers::{self, Places, Says};

/// What to look for, compiled for one set of tools.
#[derive(Debug)]
pub(super) struct Glance {
    /// `None` should a tool have a name that cannot be looked for: then everything is read.
    words: Option<Grams<Meaning>>,
}

/// What it means that a word stands somewhere.
#[derive(Debug, Clone, Copy, Default)]
struct Meaning {
    says: Says,
    tool: Option<Name>,
}

/// How the name of a tool stands in texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    /// Anywhere, as its blanks or its length keep it from being compared exactly.
    Loose,
    /// As a word of its own.
    Word,
    /// As a word of its own where it can only be a name.
    Plain,
}

impl Glance {
    /// Without `phrases` their words are not looked for.
    pub(super) fn new(tools: &BTreeSet<String>, phrases: bool) -> Self {
        let mut words: std::collections::BTreeMap<Vec<u8>, Meaning> = triggers::words(phrases)
            .into_iter()
            .map(|(word, says)| (word, Meaning { says, tool: None }))
            .collect();
        // Text that is not ASCII is read anyway.
        for tool in tools.iter().filter(|tool| tool.is_ascii() && tool.len() >= MIN_NAME) {
            let (word, name) = spelling(tool);
            if word.len() < SHORT {
                return Self { words: None };
            }
            let meaning = words.entry(word).or_default();
            meaning.tool = Some(meaning.tool.map_or(name, |other| other.min(name)));
        }
        Self { words: Some(Grams::new(words.into_iter())) }
    }

    /// The strings of `raw` that have to be read.
    pub(super) fn spots(&self, raw: &str) -> Spots {
        let Some(words) = &self.words else { return Spots::ALL };
        let mut spotter =
            Spotter { raw: raw.as_bytes(), places: Places::default(), quote: None, spots: Vec::new() };
        words.read_json(raw, &mut spotter);
        let mut spots = spotter.spots;
        encoded::places(raw.as_bytes(), &mut spots);
        spots.sort_unstable();
        Spots(Some(spots))
    }
}

fn spelling(tool: &str) -> (Vec<u8>, Name) {
    let word = plain_word(tool);
    let end = word.len().saturating_sub(LONGEST);
    let loose = end > 0 || word.contains(&b' ');
    let name = if loose {
        Name::Loose
    } else if is_plain(tool) {
        Name::Plain
    } else {
        Name::Word
    };
    (word.get(end..).unwrap_or_default().to_vec(), name)
}

/// Places in JSON, one or more in each string that has to be read.
#[derive(Debug)]
pub(super) struct Spots(Option<Vec<usize>>);

impl Spots {
    /// Everything has to be read.
    pub(super) const ALL: Self = Self(None);

    pub(super) fn are_none(&self) -> bool {
        self.0.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether anything in `span` has to be read.
    pub(super) fn are_in(&self, span: &Range<usize>) -> bool {
        let Some(spots) = &self.0 else { return true };
        spots.get(spots.partition_point(|spot| *spot < span.start)).is_some_and(|spot| *spot < span.end)
    }
}

struct Spotter<'t> {
    raw: &'t [u8],
    places: Places,
    /// The last string with a spot.
    quote: Option<usize>,
    spots: Vec<usize>,
}

impl Spotter<'_> {
    fn spot(&mut self, end: End) {
        if self.quote != Some(end.quote) {
            self.quote = Some(end.quote);
            self.spots.push(end.raw.saturating_sub(1));
        }
    }

    fn is_name(&self, name: Name, end: End) -> bool {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let rest = self.raw.get(end.raw..).unwrap_or_default();
        let next = rest.first().copied().unwrap_or_default();
        match name {
            Name::Loose => true,
            _ if letter(end.before) || letter(next) => false,
            Name::Word => true,
            Name::Plain => match next {
                // A quote that is escaped, or something else.
                b'(' | b'\\' => true,
                b'`' | b'\'' => end.before == next,
                _ => rest.get(..5).is_some_and(|rest| rest.eq_ignore_ascii_case(b" tool")),
            },
        }
    }
}

impl Sink<Meaning> for Spotter<'_> {
    fn word(&mut self, meaning: &Meaning, end: End) {
        let told = self.places.tell(meaning.says, end.at, end.quote);
        if told || meaning.tool.is_some_and(|name| self.is_name(name, end)) {
            self.spot(end);
        }
    }

    fn veiled(&mut self, end: End) {
        self.spot(end);
    }
}
