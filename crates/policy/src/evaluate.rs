//! One decision at a time.

use crate::{Decision, EvalLimits, Input, Reason, ReasonKind, Verdict};

/// Decides; one per worker thread.
#[derive(Debug)]
pub struct Evaluator {
    _limits: EvalLimits,
}

impl Evaluator {
    pub(crate) fn new(limits: EvalLimits) -> Self {
        Self { _limits: limits }
    }

    /// Decides. Never fails: whatever goes wrong is a Deny.
    pub fn decide(&mut self, _input: &Input<'_>) -> Decision {
        Decision {
            verdict: Verdict::Deny,
            reasons: vec![Reason {
                kind: ReasonKind::Error,
                code: "policy.no_allow".into(),
                message: "No rule allows this.".into(),
                topic: String::new(),
            }],
            obligations: Vec::new(),
        }
    }
}
