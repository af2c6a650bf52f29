//! Values that are split over texts which come one after another: the ends of earlier texts and the beginning of the next
//! one are scanned together.
//!
//! What came before the first part must not hide a value: `9`, `4111 1111` and `1111 1111` are no card as one text. So the
//! earlier texts are remembered as parts, and read from the beginning of each. A part that comes again may be the same
//! message once more, or the same digits once more; it is read both ways. How much is read in all is bounded by [`Room`].

use std::borrow::Cow;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use crate::engine::{Engine, Scan};
use crate::finding::{Finding, SessionKey};

/// Most parts whose beginning is remembered: an account's number, one character at a time.
pub const MOST_PARTS: usize = 34;
/// Most times that the same part is remembered in a row.
const MOST_REPEATS: usize = 6;
/// Bytes that may be read for each byte that comes, and what is saved of that.
const PER_BYTE: usize = 16;
const MOST_SAVED: usize = 64 << 10;
/// What a reading costs beside its bytes.
const EACH: usize = 64;
/// How far from the border a separator is looked for.
const MOST_GROUPED: usize = 24;

/// The end of the texts that came before. Holds raw text, and never shows it.
#[derive(Clone, Default)]
pub struct Tail {
    text: String,
    /// In order. Of the first one only the end may be left.
    parts: Vec<Part>,
}

/// One earlier text.
#[derive(Clone, Copy)]
struct Part {
    /// Where it starts in the tail.
    start: usize,
    /// Hash of the whole text.
    whole: u64,
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} parts, {} bytes", self.parts.len(), self.text.len())
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

impl Tail {
    /// With another text behind it, cut to the last `most` bytes.
    #[must_use]
    pub fn with(&self, text: &str, most: usize) -> Self {
        let new = Part { start: self.text.len(), whole: hash(text) };
        let repeats = self.parts.iter().rev().take_while(|part| part.whole == new.whole).count();
        if text.is_empty() || repeats >= MOST_REPEATS {
            return self.clone();
        }
        let both = format!("{}{text}", self.text);
        let keep = both.ceil_char_boundary(both.len().saturating_sub(most));
        let mut parts: Vec<Part> = self.parts.iter().copied().chain([new]).collect();
        let cut = parts.iter().filter(|part| part.start <= keep).count().saturating_sub(1);
        parts.drain(..cut.max(parts.len().saturating_sub(MOST_PARTS)));
        parts.iter_mut().for_each(|part| part.start = part.start.saturating_sub(keep));
        Self { text: both.get(keep..).unwrap_or_default().to_owned(), parts }
    }

    /// The same, with what came several times in a row only once; `None` if nothing did. `now` is what comes now.
    fn without_repeats(&self, now: u64) -> Option<Self> {
        let first = self.parts.first()?.start;
        let mut once = Self { text: self.slice(0..first).to_owned(), parts: Vec::new() };
        let ends = self.parts.iter().skip(1).map(|next| next.start).chain([self.text.len()]);
        let nexts = self.parts.iter().skip(1).map(|next| next.whole).chain([now]);
        for ((part, end), next) in self.parts.iter().zip(ends).zip(nexts) {
            if part.whole != next {
                once.parts.push(Part { start: once.text.len(), ..*part });
                once.text.push_str(self.slice(part.start..end));
            }
        }
        (once.parts.len() < self.parts.len()).then_some(once)
    }

    fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// The same, with what stands between the groups of a number also between the parts and at the end, so that
    /// `4929 1288` and `4991 2034` are one; `None` where the groups do not say what that is, or something stands there.
    fn spaced(&self, head: &str) -> Option<Self> {
        let goes_on = self.text.ends_with(is_of_group) && head.starts_with(is_of_group);
        let between = separator(head.chars()).or_else(|| separator(self.text.chars().rev()));
        let between = between.filter(|_| goes_on)?;
        let first = self.parts.first()?.start;
        let mut spaced = Self { text: self.slice(0..first).to_owned(), parts: Vec::new() };
        let ends = self.parts.iter().skip(1).map(|next| next.start).chain([self.text.len()]);
        for (part, end) in self.parts.iter().zip(ends) {
            let text = self.slice(part.start..end);
            if spaced.text.ends_with(is_of_group) && text.starts_with(is_of_group) {
                spaced.text.push(between);
            }
            spaced.parts.push(Part { start: spaced.text.len(), ..*part });
            spaced.text.push_str(text);
        }
        spaced.text.push(between);
        Some(spaced)
    }

    /// Where a reading begins; a part that begins with a blank is told from what is before it anyhow.
    fn start(&self, from: Beginning) -> Option<usize> {
        let Beginning::Part(back) = from else { return Some(0) };
        let start = self.parts.get(self.parts.len().checked_sub(back)?)?.start;
        let first = self.text.as_bytes().get(start);
        (start > 0 && first.is_some_and(|byte| !byte.is_ascii_whitespace())).then_some(start)
    }

    /// Whether everything from `at` on is the text `now`, again and again.
    fn is_only(&self, at: usize, now: u64) -> bool {
        let first = self.parts.partition_point(|part| part.start <= at);
        let parts = first.checked_sub(1).and_then(|first| self.parts.get(first..));
        parts.is_some_and(|parts| parts.iter().all(|part| part.whole == now))
    }
}

/// Of what the groups of numbers consist.
fn is_of_group(character: char) -> bool {
    character.is_ascii_digit() || character.is_ascii_uppercase()
}

/// What stands behind the first group, before another one.
fn separator(characters: impl Iterator<Item = char>) -> Option<char> {
    let mut rest = characters.take(MOST_GROUPED).skip_while(|character| is_of_group(*character));
    let between = rest.next().filter(|character| !character.is_alphanumeric())?;
    rest.next().filter(|character| is_of_group(*character)).map(|_| between)
}

/// How much may be read for joins: so much for each byte that comes, and a little that is saved for short texts. A stream
/// has no end, so nothing less than a rate bounds it.
#[derive(Debug)]
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MOST_SAVED)
    }
}

impl Room {
    /// Some bytes came.
    pub fn came(&mut self, bytes: usize) {
        let new = bytes.saturating_mul(PER_BYTE);
        self.0 = self.0.saturating_add(new).min(MOST_SAVED.max(new));
    }

    fn take(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or_default();
        left.is_some()
    }
}

/// Where a reading begins.
#[derive(Clone, Copy)]
enum Beginning {
    Start,
    /// So many parts before the border.
    Part(usize),
}

/// A text that comes now, and what it may go on with.
pub struct Border<'t> {
    /// What came before, as it is and as it may be meant.
    tails: Vec<Cow<'t, Tail>>,
    head: &'t str,
    now: u64,
    most: usize,
    /// Values that began earlier and go on in the text; their spans are those of the parts in it.
    pub scan: Scan,
}

impl<'t> Border<'t> {
    /// `None` where nothing can go on, or there is no room left. Reading begins at the last part and at the beginning of
    /// the tail, and then at up to `most` parts.
    #[must_use]
    pub fn new(tail: &'t Tail, text: &'t str, most: usize, length: usize, room: &mut Room) -> Option<Self> {
        if tail.text.is_empty() || text.is_empty() || !room.take(tail.text.len() / 4) {
            return None;
        }
        let head = text.get(..text.floor_char_boundary(length)).unwrap_or_default();
        let now = hash(text);
        let once = tail.without_repeats(now).filter(|once| !once.text.is_empty());
        let spaced = once.as_ref().unwrap_or(tail).spaced(head);
        let tails =
            [Cow::Borrowed(tail)].into_iter().chain([once, spaced].into_iter().flatten().map(Cow::Owned));
        Some(Self { tails: tails.collect(), head, now, most, scan: Scan::default() })
    }

    /// Leaves out what cannot bring anything.
    fn sort_out(&mut self, engine: &Engine) {
        let (head, now) = (self.head, self.now);
        let both = |tail: &Tail| format!("{}{head}", tail.text);
        let is_clean =
            |tail: &Tail| tail.is_only(0, now) || engine.nothing_crosses(&both(tail), tail.text.len());
        self.tails.retain(|tail| !looks_first() || !is_clean(tail));
    }

    /// Whether there was room for it.
    fn read(&mut self, from: Beginning, reader: &mut Reader<'_>) -> bool {
        if matches!(from, Beginning::Part(back) if back > self.most.max(1)) {
            return true;
        }
        let tails = std::mem::take(&mut self.tails);
        let all = tails
            .iter()
            .all(|tail| tail.start(from).is_none_or(|start| self.read_behind(tail, start, reader)));
        self.tails = tails;
        all
    }

    fn read_behind(&mut self, tail: &Tail, start: usize, reader: &mut Reader<'_>) -> bool {
        let before = tail.slice(start..tail.text.len());
        let border = before.len();
        // Whatever is found there is the same message once more.
        if looks_first() && tail.is_only(start, self.now) {
            return true;
        }
        if !reader.room.take(border + self.head.len() + EACH) {
            return false;
        }
        let both = reader.scan_across(&format!("{before}{}", self.head), border);
        self.scan.incomplete |= both.incomplete;
        let is_split = |span: &Range<usize>| {
            let crosses = span.start < border && border < span.end;
            crosses && !tail.is_only(start + span.start, self.now)
        };
        let mut split = both.findings;
        split.retain(|found| found.span.as_ref().is_some_and(is_split));
        if !split.is_empty() {
            reader.room.take(border + self.head.len() + 2 * EACH);
            let whole = Whole::of(before, self.head, reader);
            let split = split.into_iter().filter(|found| !whole.has_part_of(found));
            split.for_each(|found| add(found, border, &mut self.scan));
        }
        true
    }
}

/// Reads texts behind what came before them, as far as there is room: each from the last part, each from the beginning, and
/// then from parts further and further back.
pub fn read(borders: &mut [Border<'_>], room: &mut Room, engine: &Engine, key: &SessionKey) {
    borders.iter_mut().for_each(|border| border.sort_out(engine));
    let mut reader = Reader { engine, key, room };
    let back = (2..=MOST_PARTS).map(Beginning::Part);
    for from in [Beginning::Part(1), Beginning::Start].into_iter().chain(back) {
        if !borders.iter_mut().all(|border| border.read(from, &mut reader)) {
            return;
        }
    }
}

/// Whether what cannot bring anything is left out; tests compare with reading all of it.
fn looks_first() -> bool {
    #[cfg(test)]
    let looks_first = !READS_ALL.get();
    #[cfg(not(test))]
    let looks_first = true;
    looks_first
}

struct Reader<'r> {
    engine: &'r Engine,
    key: &'r SessionKey,
    room: &'r mut Room,
}

impl Reader<'_> {
    fn scan_across(&self, text: &str, border: usize) -> Scan {
        if !looks_first() {
            return self.scan(text);
        }
        #[cfg(test)]
        SCANNED.set(SCANNED.get() + text.len() + EACH);
        self.engine.scan_across(text, border, self.key)
    }

    fn scan(&self, text: &str) -> Scan {
        #[cfg(test)]
        SCANNED.set(SCANNED.get() + text.len() + EACH);
        self.engine.scan_text(text, self.key)
    }
}

#[cfg(test)]
thread_local! {
    /// Bytes that were read for joins.
    pub(crate) static SCANNED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    /// Nothing is left out.
    static READS_ALL: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Adds a value, with the span of what is behind the border. One value may be read from several beginnings.
fn add(found: Finding, border: usize, scan: &mut Scan) {
    let end = found.span.as_ref().map_or(border, |span| span.end);
    let found = Finding { span: Some(0..end.saturating_sub(border)), ..found };
    if !scan.findings.iter().any(|other| other.class == found.class && other.span == found.span) {
        scan.findings.push(found);
    }
}

/// Values that are whole on one side of the border: what seems to cross it there is the end of one text and the beginning
/// of another, and no value.
struct Whole(Vec<(Arc<str>, Range<usize>)>);

impl Whole {
    fn of(before: &str, head: &str, reader: &Reader<'_>) -> Self {
        let spans = |text: &str, offset: usize| {
            let found = reader.scan(text).findings.into_iter();
            let moved = move |span: Range<usize>| span.start + offset..span.end + offset;
            found.filter_map(move |found| Some((found.class, moved(found.span?)))).collect::<Vec<_>>()
        };
        Self([spans(before, 0), spans(head, before.len())].concat())
    }

    fn has_part_of(&self, found: &Finding) -> bool {
        let Some(span) = &found.span else { return false };
        let shares = |own: &Range<usize>| own.start < span.end && span.start < own.end;
        self.0.iter().any(|(class, own)| *class == found.class && shares(own))
    }
}

#[cfg(test)]
mod first_look;
#[cfg(test)]
mod tests;
