//! Values that are split over texts which come one after another: the ends of earlier texts and the beginning of the next
//! one are scanned together.
//!
//! What came before the first part must not hide a value: `9`, `4111 1111` and `1111 1111` are no card as one text. So the
//! earlier texts are remembered as parts, and read from the beginning of each. A part that comes again may be the same
//! message once more, or the same digits once more; it is read both ways.

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

    /// Values that began in it and go on in `text`, which comes now; their spans are those of the parts in `text`. Reading
    /// begins at the last `most` parts, and always with all of the tail.
    #[must_use]
    pub fn across(&self, text: &str, most: usize, engine: &Engine, key: &SessionKey) -> Scan {
        let mut scan = Scan::default();
        if self.text.is_empty() || text.is_empty() {
            return scan;
        }
        let head = text.get(..text.floor_char_boundary(engine.tail())).unwrap_or_default();
        let reading = Reading { head, now: hash(text), most, engine, key };
        reading.read(self, &mut scan);
        if let Some(once) = self.without_repeats(reading.now) {
            reading.read(&once, &mut scan);
        }
        scan
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

    /// Where to begin to read. A part that begins with a blank is told from what is before it anyhow.
    fn starts(&self, most: usize) -> impl Iterator<Item = usize> {
        let parts = self.parts.iter().skip(self.parts.len().saturating_sub(most));
        let begins = |start: &usize| {
            let first = self.text.as_bytes().get(*start);
            *start > 0 && first.is_some_and(|byte| !byte.is_ascii_whitespace())
        };
        std::iter::once(0).chain(parts.map(|part| part.start).filter(begins))
    }

    /// Whether everything from `at` on is the text `now`, again and again.
    fn is_only(&self, at: usize, now: u64) -> bool {
        let first = self.parts.partition_point(|part| part.start <= at);
        let parts = first.checked_sub(1).and_then(|first| self.parts.get(first..));
        parts.is_some_and(|parts| parts.iter().all(|part| part.whole == now))
    }
}

/// A text that comes now, to be read behind tails.
struct Reading<'r> {
    head: &'r str,
    now: u64,
    most: usize,
    engine: &'r Engine,
    key: &'r SessionKey,
}

impl Reading<'_> {
    fn read(&self, tail: &Tail, scan: &mut Scan) {
        for start in tail.starts(self.most).filter(|_| !tail.text.is_empty()) {
            let before = tail.slice(start..tail.text.len());
            let border = before.len();
            let both = self.engine.scan_text(&format!("{before}{}", self.head), self.key);
            scan.incomplete |= both.incomplete;
            let is_split = |span: &Range<usize>| {
                let crosses = span.start < border && border < span.end;
                crosses && !tail.is_only(start + span.start, self.now)
            };
            let mut split = both.findings;
            split.retain(|found| found.span.as_ref().is_some_and(is_split));
            if !split.is_empty() {
                let whole = Whole::of(before, self);
                let split = split.into_iter().filter(|found| !whole.has_part_of(found));
                split.for_each(|found| add(found, border, scan));
            }
        }
    }
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
    fn of(before: &str, reading: &Reading<'_>) -> Self {
        let spans = |text: &str, offset: usize| {
            let found = reading.engine.scan_text(text, reading.key).findings.into_iter();
            let moved = move |span: Range<usize>| span.start + offset..span.end + offset;
            found.filter_map(move |found| Some((found.class, moved(found.span?)))).collect::<Vec<_>>()
        };
        Self([spans(before, 0), spans(reading.head, before.len())].concat())
    }

    fn has_part_of(&self, found: &Finding) -> bool {
        let Some(span) = &found.span else { return false };
        let shares = |own: &Range<usize>| own.start < span.end && span.start < own.end;
        self.0.iter().any(|(class, own)| *class == found.class && shares(own))
    }
}

#[cfg(test)]
mod tests;
