use interdict_mcp::edit::apply;
use interdict_mcp::json::{Document, Limits, Numbers, Value};
use serde_json::json;

use super::*;
use crate::rules::ListRules;

mod forms;
mod hostile;
mod lists;
mod poison;

/// Limits as of the reader of lists.
const LIMITS: Limits =
    Limits { max_bytes: 8 << 20, max_depth: 64, max_tokens: 400_000, numbers: Numbers::Exact };

fn with<T>(text: &str, look: impl FnOnce(Value<'_>) -> T) -> T {
    look(Document::parse(text.as_bytes(), &LIMITS).unwrap().root())
}

fn tool(name: &str, description: &str) -> serde_json::Value {
    json!({"name": name, "description": description, "inputSchema": {"type": "object"}})
}

fn digest_json(entry: &serde_json::Value) -> String {
    with(&entry.to_string(), digest)
}

/// Rules that pin these tools as they are.
fn pinning(tools: &[serde_json::Value]) -> ListRules {
    let pins = tools.iter().map(|tool| (tool["name"].as_str().unwrap().to_owned(), digest_json(tool)));
    ListRules { tools: Some(pins.collect()), ..ListRules::default() }
}

/// What the client gets, and what was told about each entry.
fn filtered(result: &serde_json::Value, rules: &ListRules) -> (serde_json::Value, Vec<(String, SeenState)>) {
    let text = result.to_string();
    let listed = with(&text, |value| filter(value, rules, None, &|_| false));
    let edited = apply(text.as_bytes(), &listed.edits).unwrap();
    let told = listed.seen.into_iter().map(|seen| (seen.name, seen.state)).collect();
    (serde_json::from_slice(&edited).unwrap(), told)
}

fn names(result: &serde_json::Value) -> Vec<&str> {
    result["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}
