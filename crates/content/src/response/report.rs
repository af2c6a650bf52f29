//! What was found in a response and what was done about it, without a value.

use std::collections::BTreeMap;
use std::fmt;

use crate::definition::Seen;

/// What happened to a response. Ordered by weight; of several messages the heaviest is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Treated {
    /// It passed byte for byte.
    Untouched,
    /// Parts of it were changed.
    Edited,
    /// A message was replaced by a handle.
    Quarantined,
    /// A message was replaced by an error, or went away.
    Refused,
}

/// A text that was replaced by a handle.
#[derive(Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The handle: 32 hex digits.
    pub handle: String,
    /// Why, as `injection.structural`.
    pub reason: String,
    /// The message, after redaction.
    pub original: Vec<u8>,
}

impl fmt::Debug for Quarantined {
    /// Without the original.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quarantined({} {} {} bytes)", self.handle, self.reason, self.original.len())
    }
}

/// Most texts that are kept for a reviewer.
const MOST_QUARANTINED: usize = 16;
/// Most entries of lists that are told.
const MOST_SEEN: usize = 64;
/// Most classes that are told.
const MOST_FOUND: usize = 64;

/// Everything about one response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    found: BTreeMap<(String, &'static str), u64>,
    treated: Option<Treated>,
    reason: Option<&'static str>,
    rows_cut: u64,
    seen: Vec<Seen>,
    quarantined: Vec<Quarantined>,
}

impl Report {
    /// How often each class was found, by class and what was done: `count`, `redact`, `deny`, `note` or `quarantine`.
    pub fn found(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        self.found.iter().map(|((class, action), count)| (class.as_str(), *action, *count))
    }

    /// What happened; `None` when nothing was looked into.
    #[must_use]
    pub fn treated(&self) -> Option<Treated> {
        self.treated
    }

    /// Whether something in it gives orders, as far as that can be told: what calls after it are to be held against.
    #[must_use]
    pub fn is_hostile(&self) -> bool {
        const TELLING: [&str; 2] = ["injection.structural", "injection.contextual"];
        !self.quarantined.is_empty() || self.found.keys().any(|(class, _)| TELLING.contains(&class.as_str()))
    }

    /// Reason code of the heaviest thing that happened.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// Rows that were cut off.
    #[must_use]
    pub fn rows_cut(&self) -> u64 {
        self.rows_cut
    }

    /// Entries of lists that somebody has to hear of; at most 64.
    #[must_use]
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// Texts that were replaced by a handle; at most 16.
    #[must_use]
    pub fn quarantined_texts(&self) -> &[Quarantined] {
        &self.quarantined
    }

    pub(super) fn count(&mut self, class: &str, action: &'static str) {
        let key = (class.to_owned(), action);
        if let Some(count) = self.found.get_mut(&key) {
            *count += 1;
        } else if self.found.len() < MOST_FOUND {
            self.found.insert(key, 1);
        }
    }

    pub(super) fn looked(&mut self) {
        self.treated = self.treated.or(Some(Treated::Untouched));
    }

    pub(super) fn edited(&mut self) {
        self.treated = self.treated.max(Some(Treated::Edited));
    }

    pub(super) fn refused(&mut self, reason: &'static str) {
        self.set(Treated::Refused, reason);
    }

    pub(super) fn quarantined(&mut self, text: Quarantined) {
        self.set(Treated::Quarantined, super::QUARANTINED);
        if self.quarantined.len() < MOST_QUARANTINED {
            self.quarantined.push(text);
        }
    }

    fn set(&mut self, treated: Treated, reason: &'static str) {
        if self.treated < Some(treated) {
            self.treated = Some(treated);
            self.reason = Some(reason);
        }
    }

    pub(super) fn cut(&mut self, rows: u64) {
        self.rows_cut = self.rows_cut.saturating_add(rows);
    }

    pub(super) fn saw(&mut self, seen: Vec<Seen>) {
        let room = MOST_SEEN.saturating_sub(self.seen.len());
        self.seen.extend(seen.into_iter().filter(|entry| entry.state.is_news()).take(room));
    }
}
