//! One decision at a time.
//!
//! The engine is regorus' interpreter with strict built-in errors: an error anywhere in the evaluation ends it. One
//! generated rule names every set of every topic, so no set can be left out of a result; whatever is not exactly the
//! expected result is a Deny.

use std::panic::{AssertUnwindSafe, catch_unwind};

use regorus::{Engine, LimitError, Value};

use crate::bundle::{Bundle, ENTRY, SETS, location};
use crate::input::Documents;
use crate::limits::MemoryFuse;
use crate::outcome;
use crate::{Decision, EvalLimits, Input, quiet};

/// Decides; one per worker thread.
#[derive(Debug)]
pub struct Evaluator {
    bundle: Bundle,
    limits: EvalLimits,
    documents: Documents,
    /// Prepared and never evaluated; clones of it are cheap.
    pristine: Option<Engine>,
    /// In use; thrown away after an error or a panic, which may leave it half-way.
    engine: Option<Engine>,
    last_error: Option<String>,
}

impl Evaluator {
    pub(crate) fn new(bundle: Bundle, limits: EvalLimits) -> Self {
        let documents = Documents::new(bundle.registry());
        let mut evaluator = Self { bundle, limits, documents, pristine: None, engine: None, last_error: None };
        evaluator.pristine = evaluator.prepared();
        evaluator
    }

    /// Decides. Never fails: whatever goes wrong is a Deny with a `policy.*` code.
    pub fn decide(&mut self, input: &Input<'_>) -> Decision {
        let document = match self.documents.build(input) {
            Ok(document) => document,
            Err(error) => {
                return outcome::failure(error.code(), "The arguments hold a value that cannot be judged.");
            }
        };
        match self.evaluate(document) {
            Ok(result) => outcome::combine(&result, &SETS, input.approval.as_ref()),
            Err(decision) => decision,
        }
    }

    /// What the engine said when the last evaluation failed, for `interdict check` and for people who write policies.
    /// It may quote argument values: never log it.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    fn evaluate(&mut self, document: Value) -> Result<Value, Decision> {
        self.last_error = None;
        if self.pristine.is_none() {
            self.pristine = self.prepared();
        }
        let Some(mut engine) = self.engine.take().or_else(|| self.pristine.clone()) else {
            return Err(outcome::failure("policy.engine", "The policy engine could not be prepared."));
        };
        let fuse = MemoryFuse::arm(self.limits);
        let result = quiet::during(|| {
            catch_unwind(AssertUnwindSafe(|| {
                engine.set_input(document);
                engine.eval_rule(ENTRY.to_owned())
            }))
        });
        drop(fuse);
        match result {
            Ok(Ok(value)) => {
                self.engine = Some(engine);
                Ok(value)
            }
            Ok(Err(error)) => {
                let text = error.to_string();
                let decision = failed(&text, error.downcast_ref());
                self.last_error = Some(text);
                Err(decision)
            }
            Err(_panic) => Err(outcome::failure("policy.panic", "The policy engine panicked.")),
        }
    }

    /// An engine that has compiled everything, so that clones share it.
    fn prepared(&self) -> Option<Engine> {
        let prepare = || {
            let mut engine = self.bundle.program().engine().ok()?;
            engine.set_execution_timer_config(self.limits.timer());
            engine.compile_with_entrypoint(&ENTRY.into()).ok()?;
            Some(engine)
        };
        quiet::during(|| catch_unwind(AssertUnwindSafe(prepare))).ok().flatten()
    }
}

/// Turns an engine's error into a Deny. The error's text may quote argument values, so only the place is kept.
fn failed(text: &str, limit: Option<&LimitError>) -> Decision {
    // Inside of a function regorus turns the typed error into text, so both are looked at.
    if matches!(limit, Some(LimitError::TimeLimitExceeded { .. }))
        || text.contains("execution exceeded time limit")
    {
        return outcome::failure("policy.time_limit", "The evaluation took longer than its limit.");
    }
    if matches!(limit, Some(LimitError::MemoryLimitExceeded { .. }))
        || text.contains("execution exceeded memory limit")
    {
        return outcome::failure("policy.memory_limit", "The evaluation took more memory than its limit.");
    }
    match location(text) {
        Some((file, line)) => {
            outcome::failure("policy.evaluation_error", &format!("Evaluation failed at {file}:{line}."))
        }
        None => outcome::failure("policy.evaluation_error", "Evaluation failed."),
    }
}
