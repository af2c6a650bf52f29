//! What every set says about one input document: for people who write policies, and for the comparison with another
//! implementation of Rego.
//!
//! The document is given as text, so that anybody can write one; the sets are evaluated by the engines that decide.

use std::collections::BTreeMap;

use interdict_mcp::json;
use regorus::Value;
use serde::Serialize;

use super::Evaluator;
use crate::input::value_from;
use crate::{ApprovalFact, Decision};

/// What came of a document.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// Topic, set, what the set says.
    pub sets: BTreeMap<String, BTreeMap<String, SetResult>>,
    /// What all of it together means.
    pub decision: Decision,
}

/// The value of one set.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SetResult {
    /// Its elements.
    Elements(serde_json::Value),
    /// It could not be evaluated, which is a Deny.
    Error {
        /// `policy.*`.
        code: String,
        /// What the engine said. It may quote the document.
        engine: Option<String>,
    },
}

impl Evaluator {
    /// Evaluates every set for a document as `docs/policy-input.md` describes it. Nothing is asked of the document but
    /// that it is JSON, so it may be one that no request could lead to.
    ///
    /// # Errors
    /// Why the text is no document.
    pub fn inspect(&mut self, document: &str) -> Result<Inspection, String> {
        let document = read(document)?;
        let mut sets: BTreeMap<String, BTreeMap<String, SetResult>> = BTreeMap::new();
        let bundle = self.bundle.clone();
        for (index, set) in bundle.program().sets().iter().enumerate() {
            self.last_error = None;
            let result = match set.may_hold(&document, &self.data) || !self.use_guards {
                true => self.evaluate_fast(index, set, &document, self.limits.time),
                false => Ok(Value::new_set()),
            };
            sets.entry(set.topic.clone()).or_default().insert(set.name.clone(), self.result(result));
        }
        self.last_error = None;
        let decision = match self.evaluate(&document) {
            Ok(gathered) => gathered.decide(approval(&document).as_ref()).0,
            Err(decision) => decision,
        };
        Ok(Inspection { sets, decision })
    }

    fn result(&mut self, result: Result<Value, Decision>) -> SetResult {
        let error = |code: &str, engine| SetResult::Error { code: code.to_owned(), engine };
        match result {
            // As JSON a set is a list; anything but a set must not look like one.
            Ok(value) if value.as_set().is_ok() => match serde_json::to_value(&value) {
                Ok(elements) => SetResult::Elements(elements),
                Err(cause) => error("policy.malformed_result", Some(cause.to_string())),
            },
            Ok(_) => error("policy.malformed_result", None),
            Err(decision) => {
                let code = decision.reasons.first().map_or("policy.evaluation_error", |reason| &reason.code);
                error(code, self.last_error.take())
            }
        }
    }
}

fn read(text: &str) -> Result<Value, String> {
    let limits = json::Limits {
        max_bytes: usize::MAX,
        max_depth: json::Limits::default().max_depth + 8,
        max_tokens: usize::MAX,
        numbers: json::Numbers::Exact,
    };
    let parsed = json::Document::parse(text.as_bytes(), &limits)
        .map_err(|error| format!("the document is no JSON that could be judged: {error}"))?;
    value_from(parsed.root()).map_err(|error| format!("the document cannot be judged: {}", error.code()))
}

/// The approval that the document tells of; only what it covers matters to the decision.
fn approval(document: &Value) -> Option<ApprovalFact> {
    let member = |of: &Value, name: &str| of.as_object().ok()?.get(&Value::from(name)).cloned();
    let text = |value: Value| value.as_string().map(|text| text.to_string()).ok();
    let approval = member(document, "approval")?;
    let covers = member(&approval, "covers")?;
    Some(ApprovalFact {
        id: text(member(&approval, "id")?)?,
        approved_by: String::new(),
        approved_at: jiff::Timestamp::UNIX_EPOCH,
        covers: covers.as_array().ok()?.iter().cloned().filter_map(text).collect(),
    })
}
