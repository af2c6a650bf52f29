//! What holds for the answer to which request.

use std::collections::BTreeMap;

use interdict_mcp::json::{Document, Kind, Limits, Numbers, Value};

use super::RulesError;
use crate::output::CompiledOutput;
use crate::rules::{AnswerRules, RowRule};

/// The rules of one answer, compiled.
#[derive(Debug)]
pub(super) struct Answer {
    /// The request's id as written.
    id: String,
    pub(super) rows: Vec<RowRule>,
    pub(super) output: Option<CompiledOutput>,
}

/// The rules of all answers.
#[derive(Debug)]
pub(super) struct Answers(Vec<Answer>);

impl Answers {
    pub(super) fn new(rules: &BTreeMap<String, AnswerRules>) -> Result<Self, RulesError> {
        let compile = |(id, rules): (&String, &AnswerRules)| {
            let output = rules.output.as_ref().map(CompiledOutput::new).transpose();
            let output = output.map_err(|_| RulesError { code: "content.bad_output_schema" })?;
            Ok(Answer { id: id.clone(), rows: rules.rows.clone(), output })
        };
        rules.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// What holds for the answer with this id. Where no request has it, a client may still take it for an answer: then
    /// all rules hold.
    pub(super) fn of(&self, id: Option<Value<'_>>) -> Vec<&Answer> {
        let same = |answer: &&Answer| id.is_some_and(|id| is_same(&answer.id, id));
        let matching: Vec<&Answer> = self.0.iter().filter(same).collect();
        if matching.is_empty() { self.0.iter().collect() } else { matching }
    }

    /// Whether this is the id of a request, as the client chose it.
    pub(super) fn asked(&self, id: Value<'_>) -> bool {
        plain(id).is_some_and(|id| self.0.iter().any(|answer| of_token(&answer.id).as_ref() == Some(&id)))
    }

    /// Whether a client might take this for the id of a request.
    pub(super) fn is_of_one(&self, id: Value<'_>) -> bool {
        self.0.iter().any(|answer| is_same(&answer.id, id))
    }

    /// Whether there is a rule about the form of an answer.
    pub(super) fn bind(&self) -> bool {
        self.0.iter().any(|answer| !answer.rows.is_empty() || answer.output.is_some())
    }
}

/// Whether a client might take `id` for `asked`, which is a JSON token. Clients correlate loosely: `1`, `1.0` and `"1"`
/// are the same to one or another of them.
pub(super) fn is_same(asked: &str, id: Value<'_>) -> bool {
    if asked == id.raw() {
        return true;
    }
    let (Some(asked), Some(id)) = (of_token(asked), plain(id)) else { return false };
    asked == id || number(&asked).is_some_and(|asked| number(&id) == Some(asked))
}

fn of_token(token: &str) -> Option<String> {
    let limits = Limits { max_bytes: token.len(), max_depth: 0, max_tokens: 1, numbers: Numbers::Exact };
    plain(Document::parse(token.as_bytes(), &limits).ok()?.root())
}

fn plain(id: Value<'_>) -> Option<String> {
    match id.kind() {
        Kind::String(text) => Some(text.into_owned()),
        Kind::Number(token) => Some(token.to_owned()),
        _ => None,
    }
}

fn number(id: &str) -> Option<f64> {
    id.parse().ok()
}
