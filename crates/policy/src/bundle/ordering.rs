//! Ordering comparisons that fail on mixed types.
//!
//! Rego orders values of different types (number before string), so `input.mcp.arguments.amount > "100"` is false
//! for every number, and a `deny` rule with it never fires. Before a file goes to the engine, each `<`, `<=`, `>`,
//! `>=` in it becomes a call of a function of ours that compares two numbers or two strings and fails on anything
//! else; an error is a Deny. The edit stays inside of the line, so messages and coverage keep their line numbers.

#![allow(
    clippy::indexing_slicing,
    reason = "reading a JSON or Rego value by key never panics: what is missing is null"
)]

use regorus::{Engine, Value};
use serde_json::Value as Tree;

use super::files::SourceFile;
use super::rego::{Module, Ordering};
use crate::BundleError;

const LESS: &str = "__interdict_lt";
const LESS_OR_EQUAL: &str = "__interdict_le";
const GREATER: &str = "__interdict_gt";
const GREATER_OR_EQUAL: &str = "__interdict_ge";

/// The file's text with every ordering comparison made strict.
pub(crate) fn make_strict(file: &SourceFile, module: &Module) -> Result<String, BundleError> {
    // (offset, bytes to remove, text to insert); a stable sort keeps outer before inner at one place.
    let mut edits: Vec<(usize, usize, String)> = Vec::new();
    for ordering in &module.orderings {
        let Some(operator) = operator_offset(&file.text, ordering) else {
            let message = "This comparison is written in a form that cannot be checked; write it on one line without \
                           comments in between.";
            return Err(BundleError::new("bundle.comparison", message).at(&file.path, ordering.line));
        };
        edits.push((ordering.start, 0, format!("{}(", ordering.function)));
        edits.push((operator, ordering.operator.len(), ",".into()));
        edits.push((ordering.end, 0, ")".into()));
    }
    edits.sort_by_key(|(offset, ..)| *offset);
    let mut text = String::with_capacity(file.text.len() + edits.len() * 20);
    let mut done = 0;
    for (offset, remove, insert) in edits {
        text.push_str(file.text.get(done..offset).unwrap_or_default());
        text.push_str(&insert);
        done = offset + remove;
    }
    text.push_str(file.text.get(done..).unwrap_or_default());
    let unsure = |line| {
        let message = "A comparison in this file is written in a form that cannot be checked; write it on one line \
                       without comments in between.";
        BundleError::new("bundle.comparison", message).at(&file.path, line)
    };
    let before = super::rego::tree(&file.path, &file.text)?;
    let after = super::rego::tree(&file.path, &text).map_err(|_| unsure(None))?;
    let first = module.orderings.first().and_then(|ordering| ordering.line);
    let same =
        ["package", "imports", "rules"].iter().all(|part| same_but_strict(&before[part], &after[part]));
    if same { Ok(text) } else { Err(unsure(first)) }
}

/// Whether the second tree is the first with every ordering comparison turned into a call, and nothing else: the proof
/// that the edit hit what it was meant to hit.
fn same_but_strict(before: &Tree, after: &Tree) -> bool {
    match (before, after) {
        (Tree::Object(old), Tree::Object(new)) => {
            if let Some(node) = old.get("BoolExpr")
                && let Some(function) = function_of(&node["op"])
            {
                let Some(call) = new.get("Call") else { return false };
                let [left, right] = call["params"].as_array().map_or(&[][..], Vec::as_slice) else {
                    return false;
                };
                return call["fcn"]["Var"]["value"] == function
                    && same_but_strict(&node["lhs"], left)
                    && same_but_strict(&node["rhs"], right);
            }
            let position = |key: &str| {
                matches!(key, "span" | "eidx" | "sidx" | "qidx" | "line" | "col" | "start" | "end")
            };
            old.len() == new.len()
                && old.iter().all(|(key, value)| {
                    new.get(key).is_some_and(|other| position(key) || same_but_strict(value, other))
                })
        }
        (Tree::Array(old), Tree::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_but_strict(old, new))
        }
        _ => before == after,
    }
}

pub(crate) fn function_of(operator: &Tree) -> Option<&'static str> {
    Some(match operator.as_str()? {
        "Lt" => LESS,
        "Le" => LESS_OR_EQUAL,
        "Gt" => GREATER,
        "Ge" => GREATER_OR_EQUAL,
        _ => return None,
    })
}

/// Between the operands there are only closing brackets, blanks, the operator, blanks and opening brackets.
fn operator_offset(text: &str, ordering: &Ordering) -> Option<usize> {
    let gap = text.get(ordering.gap.clone())?;
    let before = gap.find(ordering.operator)?;
    let after = gap.get(before + ordering.operator.len()..)?;
    let blank = |c: char| c.is_ascii_whitespace();
    let fine = gap.get(..before)?.chars().all(|c| blank(c) || c == ')')
        && after.chars().all(|c| blank(c) || c == '(');
    fine.then_some(ordering.gap.start + before)
}

/// Gives the engine the functions that [`make_strict`] calls.
pub(crate) fn install(engine: &mut Engine) -> Result<(), String> {
    type Holds = fn(std::cmp::Ordering) -> bool;
    let functions: [(&str, Holds); 4] = [
        (LESS, std::cmp::Ordering::is_lt),
        (LESS_OR_EQUAL, std::cmp::Ordering::is_le),
        (GREATER, std::cmp::Ordering::is_gt),
        (GREATER_OR_EQUAL, std::cmp::Ordering::is_ge),
    ];
    for (name, holds) in functions {
        let compare = move |arguments: Vec<Value>| match arguments.as_slice() {
            [Value::Number(left), Value::Number(right)] => Ok(Value::Bool(holds(left.cmp(right)))),
            [Value::String(left), Value::String(right)] => Ok(Value::Bool(holds(left.cmp(right)))),
            _ => Err(MIXED.into()),
        };
        engine.add_extension(name.into(), 2, Box::new(compare)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Names no value: messages of the engine may reach a log.
const MIXED: MixedTypes = MixedTypes;

#[derive(Debug, thiserror::Error)]
#[error("only two numbers or two strings have an order")]
struct MixedTypes;
