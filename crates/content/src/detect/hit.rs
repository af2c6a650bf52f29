//! What detectors hand over.

use std::ops::Range;

use super::classes::Builtin;
use crate::finding::Facet;

/// How sure a detector is that a value is of its class and no other: of two overlapping values that are treated alike
/// the surer one stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// It looks like it.
    Shape,
    /// Words around it say so.
    Context,
    /// Its check digits or its structure say so.
    Checked,
    /// The operator says so.
    Named,
}

/// A value in a text. Has no `Debug`: it holds the value.
pub(crate) struct Hit {
    /// Place of its class in the list of the engine.
    pub(crate) class: usize,
    /// Where it stands in the text.
    pub(crate) range: Range<usize>,
    /// The value in its normal form.
    pub(crate) value: String,
    pub(crate) facet: Facet,
    pub(crate) certainty: Certainty,
}

/// What a pass over a text brought.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    /// Something is encoded in the way of texts.
    pub(crate) textual: bool,
    /// Words that may be the start of something encoded.
    pub(crate) encoded: Vec<Range<usize>>,
    /// There may be more.
    pub(crate) incomplete: bool,
}

/// Most hits in one text and most words that may be encoded.
pub(crate) const MOST: usize = 10_000;

impl Found {
    pub(crate) fn clear(&mut self) {
        self.hits.clear();
        self.encoded.clear();
        (self.textual, self.incomplete) = (false, false);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hits.is_empty() && self.encoded.is_empty() && !self.textual && !self.incomplete
    }

    pub(crate) fn push(&mut self, hit: Hit) {
        if self.hits.len() >= MOST {
            self.incomplete = true;
        } else {
            self.hits.push(hit);
        }
    }

    /// What was told as of one class is of another: nobody looks for the first.
    pub(crate) fn rename(&mut self, from: Builtin, to: Builtin) {
        for hit in self.hits.iter_mut().filter(|hit| hit.class == usize::from(from.0)) {
            hit.class = usize::from(to.0);
        }
    }

    /// Adds a value of a built-in class.
    pub(crate) fn add(
        &mut self,
        class: Builtin,
        range: Range<usize>,
        value: impl Into<String>,
        certainty: Certainty,
        facet: Facet,
    ) {
        self.push(Hit { class: usize::from(class.0), range, value: value.into(), facet, certainty });
    }
}

/// The facet of a value of which nothing may be told.
pub(crate) fn nothing() -> Facet {
    Facet::default()
}

/// The last four characters.
pub(crate) fn last_four(value: &str) -> Option<String> {
    value.len().checked_sub(4).and_then(|from| value.get(from..)).map(str::to_owned)
}
