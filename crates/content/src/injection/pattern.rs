//! Regular expressions over bytes, compiled when first needed and then shared by all detectors.

use std::ops::Range;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

/// A pattern without Unicode tables (texts are folded before) and without regard to case.
#[derive(Debug)]
pub(super) struct Pattern {
    source: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) const fn new(source: &'static str) -> Self {
        Self { source, compiled: OnceLock::new() }
    }

    /// `None` only if the source were wrong, which a test rules out.
    pub(super) fn regex(&self) -> Option<&Regex> {
        let compile = || {
            RegexBuilder::new(self.source).unicode(false).case_insensitive(true).multi_line(true).build().ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }

    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.regex().is_some_and(|regex| regex.is_match(text))
    }

    /// Where the next matches start.
    pub(super) fn nexts<'t>(
        &'static self,
        text: &'t [u8],
    ) -> Next<impl FnMut(usize) -> Option<usize> + use<'t>> {
        Next::new(move |from| self.regex()?.find_at(text, from).map(|found| found.start()))
    }

    /// Where the matches stand, one after the other.
    pub(super) fn spans<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = Range<usize>> + use<'_, 't> {
        self.regex().into_iter().flat_map(|regex| regex.find_iter(text).map(|found| found.range()))
    }
}

/// Where something is found next. Asked for places in order, it reads a text once.
pub(super) struct Next<F> {
    search: F,
    /// What was found last.
    last: Option<Option<usize>>,
}

impl<F: FnMut(usize) -> Option<usize>> Next<F> {
    pub(super) fn new(search: F) -> Self {
        Self { search, last: None }
    }

    /// The first one at `from` or behind it.
    pub(super) fn at(&mut self, from: usize) -> Option<usize> {
        match self.last {
            Some(None) => None,
            Some(Some(at)) if at >= from => Some(at),
            _ => {
                let found = (self.search)(from);
                self.last = Some(found);
                found
            }
        }
    }
}

/// The bytes around `span`, at most `reach` to either side.
pub(super) fn around(text: &[u8], span: Range<usize>, reach: usize) -> &[u8] {
    let end = span.end.saturating_add(reach).min(text.len());
    text.get(span.start.saturating_sub(reach)..end).unwrap_or_default()
}

/// At most `reach` bytes from `start` on.
pub(super) fn behind(text: &[u8], start: usize, reach: usize) -> &[u8] {
    let end = start.saturating_add(reach).min(text.len());
    text.get(start..end).unwrap_or_default()
}
