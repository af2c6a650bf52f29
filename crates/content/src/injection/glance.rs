//! One look at JSON as it is written that says which of its strings have to be read. Almost none of honest data has.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use super::contextual::{MIN_NAME, is_plain};
use super::encoded;
use super::grams::{LONGEST, plain_word};
use super::sieve::{Look, Seen, Sieve};
use super::triggers;

/// What to look for, compiled for one set of tools.
#[derive(Debug)]
pub(super) struct Glance {
    /// `None` should a tool have a name that cannot be looked for: then everything is read.
    sieve: Option<Sieve<Says>>,
    phrases: bool,
}

/// What it means that a word stands somewhere.
#[derive(Debug, Clone, Copy)]
enum Says {
    /// Detectors may be worth running.
    Detector,
    /// A tool is named.
    Tool(Name),
}

/// How the name of a tool stands in texts.
#[derive(Debug, Clone, Copy)]
enum Name {
    /// Anywhere, as its blanks or its length keep it from being compared exactly.
    Loose,
    /// As a word of its own.
    Word,
    /// As a word of its own where it can only be a name.
    Plain,
}

/// Without any tools; with the words of phrases, and without them.
static TOOLLESS: [LazyLock<Option<Sieve<Says>>>; 2] =
    [LazyLock::new(|| toolless(true)), LazyLock::new(|| toolless(false))];

fn toolless(phrases: bool) -> Option<Sieve<Says>> {
    let mut sieve = Sieve::new();
    // Text that is not ASCII is read anyway, and so are control characters.
    let is_written = |word: &Vec<u8>| word.iter().all(|byte| (b' '..0x7f).contains(byte));
    let words = triggers::telling(phrases).into_iter().filter(is_written);
    sieve.add(words.map(|word| (word, Says::Detector))).then_some(sieve)
}

impl Glance {
    /// Without `phrases` their words are not looked for.
    pub(super) fn new(tools: &BTreeSet<String>, phrases: bool) -> Self {
        let [with, without] = &TOOLLESS;
        let sieve = LazyLock::force(if phrases { with } else { without }).clone();
        let named =
            tools.iter().filter(|tool| tool.is_ascii() && tool.len() >= MIN_NAME).map(|tool| spelling(tool));
        let sieve = sieve.and_then(|mut sieve| sieve.add(named).then_some(sieve));
        Self { sieve, phrases }
    }

    /// The strings of `raw` that have to be read.
    pub(super) fn spots(&self, raw: &str) -> Spots {
        let Some(sieve) = &self.sieve else { return Spots::ALL };
        let mut spotter = Spotter { raw, phrases: self.phrases, read: 0, spots: Vec::new() };
        sieve.read(raw.as_bytes(), &mut spotter);
        let mut spots = spotter.spots;
        encoded::places(raw.as_bytes(), &mut spots);
        spots.sort_unstable();
        Spots(Some(spots))
    }
}

fn spelling(tool: &str) -> (Vec<u8>, Says) {
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
    (word.get(end..).unwrap_or_default().to_vec(), Says::Tool(name))
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
    raw: &'t str,
    phrases: bool,
    /// Up to where all detectors' words were read.
    read: usize,
    spots: Vec<usize>,
}

impl Spotter<'_> {
    /// The string around `at` has to be read; where the next one starts.
    fn spot(&mut self, at: usize) -> usize {
        self.spots.push(at);
        end_of_string(self.raw.as_bytes(), at) + 1
    }

    /// Whether the words of the string around `at` call for a detector.
    fn tells(&mut self, at: usize) -> bool {
        if at < self.read {
            return false;
        }
        let raw = self.raw.as_bytes();
        let (start, end) = (start_of_string(raw, at), end_of_string(raw, at));
        self.read = end;
        self.raw.get(start..end).is_none_or(|inside| triggers::tells(inside, self.phrases))
    }
}

impl Look<Says> for Spotter<'_> {
    fn word(&mut self, seen: &Seen<Says>) -> Option<usize> {
        let has_to_be_read = match seen.says {
            Says::Detector => self.tells(seen.at),
            Says::Tool(name) => is_name(name, seen),
        };
        has_to_be_read.then(|| self.spot(seen.at))
    }

    fn veiled(&mut self, at: usize) -> usize {
        self.spot(at)
    }
}

/// What is not known may be anything.
fn is_name(name: Name, seen: &Seen<Says>) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let [next, ..] = seen.behind;
    match name {
        Name::Loose => true,
        _ if letter(seen.before) || letter(next) => false,
        Name::Word => true,
        Name::Plain => match next {
            b'(' | 0 => true,
            b'`' | b'\'' | b'"' => seen.before == next || seen.before == 0,
            _ => seen.behind.iter().zip(b" tool").all(|(byte, wanted)| byte == wanted || *byte == 0),
        },
    }
}

/// The first byte of the string of JSON around `at`.
fn start_of_string(raw: &[u8], at: usize) -> usize {
    let mut rest = raw.get(..at).unwrap_or_default();
    while let Some(quote) = rest.iter().rposition(|byte| *byte == b'"') {
        rest = rest.get(..quote).unwrap_or_default();
        let slashes = rest.iter().rev().take_while(|byte| **byte == b'\\').count();
        if slashes.is_multiple_of(2) {
            return quote + 1;
        }
    }
    0
}

/// The quote at the end of the string of JSON around `at`, which is not inside of an escape.
fn end_of_string(raw: &[u8], mut at: usize) -> usize {
    while let Some(found) =
        raw.get(at..).and_then(|rest| rest.iter().position(|byte| matches!(byte, b'"' | b'\\')))
    {
        at += found;
        if raw.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    raw.len()
}
