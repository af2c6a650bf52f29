//! What changed between two decisions about the same facts.

use serde::Serialize;

use crate::{Decision, Reason, Verdict};

/// A difference between two decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// The verdict before.
    pub from: Verdict,
    /// The verdict after.
    pub to: Verdict,
    /// Reasons that only the new decision has.
    pub added: Vec<Reason>,
    /// Reasons that only the old decision has.
    pub removed: Vec<Reason>,
    /// Whether the obligations differ.
    pub obligations: bool,
}

/// How much a difference matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlipKind {
    /// Another verdict.
    Verdict,
    /// The same verdict with other obligations.
    Obligations,
    /// The same verdict and obligations for other reasons.
    Reasons,
}

impl Flip {
    /// How much it matters.
    #[must_use]
    pub fn kind(&self) -> FlipKind {
        match (self.from == self.to, self.obligations) {
            (false, _) => FlipKind::Verdict,
            (true, true) => FlipKind::Obligations,
            (true, false) => FlipKind::Reasons,
        }
    }
}

/// What changed; `None` when the decisions are the same.
#[must_use]
pub fn compare(recorded: &Decision, new: &Decision) -> Option<Flip> {
    if recorded == new {
        return None;
    }
    let only = |of: &Decision, other: &Decision| {
        of.reasons.iter().filter(|reason| !other.reasons.contains(reason)).cloned().collect()
    };
    Some(Flip {
        from: recorded.verdict,
        to: new.verdict,
        added: only(new, recorded),
        removed: only(recorded, new),
        obligations: recorded.obligations != new.obligations,
    })
}
