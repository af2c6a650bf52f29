//! Judging again what was judged: with the same bundle, where the bytes must be the same, or with another one, to see what
//! would change.
//!
//! What is replayed is the judgement. What the server refuses before it (an unreadable body, an unknown identity) has no
//! facts and cannot be replayed.

mod compare;
mod explain;
mod rules;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

pub use self::compare::{Flip, FlipKind, compare};
pub use self::explain::{Cause, Change, ChangeKind, ExplainError, Explanation, Located, explain};
pub use self::rules::Place;
use crate::{Bundle, Decision, EvalLimits, Evaluator, Facts, FactsError, Reason};

/// Codes of decisions that a limit made. Limits depend on the machine and on what else it does, so such a decision is
/// no function of bundle and facts.
const LIMITS: [&str; 2] = ["policy.time_limit", "policy.memory_limit"];

/// Why a recorded decision cannot be compared with a replayed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotTestable {
    /// `facts.*`, `replay.recorded_malformed`, `replay.recorded_limit`, or the code of the limit that the replay hit.
    pub code: &'static str,
    /// What happened; it quotes no argument.
    pub message: String,
}

impl fmt::Display for NotTestable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl From<FactsError> for NotTestable {
    fn from(error: FactsError) -> Self {
        Self { code: error.code, message: error.message }
    }
}

/// What came of an exact replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exact {
    /// The replayed decision has the recorded bytes.
    Same,
    /// It has others.
    Different {
        /// As it was recorded.
        recorded: Decision,
        /// As it comes out now.
        replayed: Decision,
    },
    /// It could not be tested.
    Failed(NotTestable),
}

/// Judges kept facts with one bundle; one per thread. Making one is dear, using it is cheap.
#[derive(Debug)]
pub struct Judge {
    evaluator: Evaluator,
}

impl Judge {
    /// With generous limits: nobody waits for the answer, and a slow machine must not look like another policy.
    #[must_use]
    pub fn new(bundle: &Bundle) -> Self {
        Self::with_limits(bundle, EvalLimits { time: Duration::from_secs(10), memory_bytes: 1 << 30 })
    }

    /// With limits of one's own.
    #[must_use]
    pub fn with_limits(bundle: &Bundle, limits: EvalLimits) -> Self {
        Self { evaluator: bundle.evaluator(limits) }
    }

    /// The decision that these facts lead to.
    ///
    /// # Errors
    /// When the arguments cannot be read, or the evaluation hit a limit.
    pub fn judge(&mut self, facts: &Facts) -> Result<Decision, NotTestable> {
        let decision = facts.with_ref(|facts| self.evaluator.judge(facts))?.decision;
        match limit_of(&decision) {
            Some((code, reason)) => Err(NotTestable { code, message: reason.message.clone() }),
            None => Ok(decision),
        }
    }

    /// Judges the facts with the bundle that judged them, and compares with the canonical text of the recorded decision.
    pub fn exact(&mut self, facts: &[u8], recorded: &[u8]) -> Exact {
        let result = read_recorded(recorded).and_then(|recorded| {
            let facts = Facts::parse(facts)?;
            Ok((recorded, self.judge(&facts)?))
        });
        match result {
            Err(error) => Exact::Failed(error),
            Ok((_, replayed)) if replayed.canonical() == recorded => Exact::Same,
            Ok((recorded, replayed)) => Exact::Different { recorded, replayed },
        }
    }
}

/// One exact replay. For many with one bundle, keep a [`Judge`].
#[must_use]
pub fn exact(bundle: &Bundle, facts: &[u8], recorded: &[u8]) -> Exact {
    Judge::new(bundle).exact(facts, recorded)
}

/// Reads a recorded decision, if another one can be compared with it.
///
/// # Errors
/// `replay.recorded_malformed` when it is not the canonical text of a decision, `replay.recorded_limit` when a limit made
/// it.
pub fn read_recorded(text: &[u8]) -> Result<Decision, NotTestable> {
    let malformed = |_| NotTestable {
        code: "replay.recorded_malformed",
        message: "The recorded text is no decision.".to_owned(),
    };
    let decision: Decision = serde_json::from_slice(text).map_err(malformed)?;
    match limit_of(&decision) {
        Some((code, _)) => Err(NotTestable {
            code: "replay.recorded_limit",
            message: format!("The recorded decision was made by a limit of its machine ({code})."),
        }),
        None => Ok(decision),
    }
}

/// The limit that made the decision.
fn limit_of(decision: &Decision) -> Option<(&'static str, &Reason)> {
    let reason = decision.reasons.first()?;
    let code = LIMITS.into_iter().find(|code| *code == reason.code && reason.topic.is_empty())?;
    Some((code, reason))
}
