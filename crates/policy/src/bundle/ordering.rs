//! Ordering comparisons that fail on mixed types.
//!
//! Rego orders values of different types (number before string), so `input.mcp.arguments.amount > "100"` is false
//! for every number, and a `deny` rule with it never fires. Before a file goes to the engine, each `<`, `<=`, `>`,
//! `>=` in it becomes a call of a function of ours that compares two numbers or two strings and fails on anything
//! else; an error is a Deny. The edit stays inside of the line, so messages and coverage keep their line numbers.

use regorus::{Engine, Value};

use super::files::SourceFile;
use super::rego::{Module, Ordering};
use crate::BundleError;

pub(crate) const LESS: &str = "__interdict_lt";
pub(crate) const LESS_OR_EQUAL: &str = "__interdict_le";
pub(crate) const GREATER: &str = "__interdict_gt";
pub(crate) const GREATER_OR_EQUAL: &str = "__interdict_ge";

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
    Ok(text)
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
    let functions: [(&str, fn(std::cmp::Ordering) -> bool); 4] = [
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
