use interdict_mcp::edit::apply;
use interdict_mcp::json::{Document, Limits, Numbers};
use serde_json::json;

use super::*;

mod bounds;
mod members;
mod values;

const LIMITS: Limits =
    Limits { max_bytes: 8 << 20, max_depth: 64, max_tokens: 400_000, numbers: Numbers::Exact };

fn with<T>(text: &str, look: impl FnOnce(Value<'_>) -> T) -> T {
    look(Document::parse(text.as_bytes(), &LIMITS).unwrap().root())
}

fn code(schema: &serde_json::Value) -> &'static str {
    Validator::new(&schema.to_string()).map_or_else(|error| error.code, |_| "fine")
}

/// What a validator says about a text: `fine`, or keyword and pointer.
fn verdict(validator: &Validator, text: &str) -> String {
    with(text, |value| validator.validate(value)).map_or_else(
        |violation| format!("{} {}", violation.keyword, violation.pointer).trim_end().to_owned(),
        |()| "fine".to_owned(),
    )
}
