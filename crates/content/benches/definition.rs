//! What judging lists and structured values costs.
//!
//! `cargo bench -p interdict-content --bench definition`. A list is judged whenever a client asks for it; a schema is
//! compiled once for every pin and validates every call.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::BTreeMap;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use interdict_content::definition::{digest, filter, skeleton};
use interdict_content::output::{CompiledOutput, apply};
use interdict_content::rows::cap;
use interdict_content::rules::{ListRules, OutputRule, Over, RowRule, Undeclared};
use interdict_content::schema::Validator;
use interdict_mcp::json::{Document, Limits};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

fn tool(at: usize) -> Value {
    json!({
        "name": format!("crm_tool_{at}"),
        "title": "Find customers",
        "description": "Finds customers by name, city or customer number. Gives at most 50 of them, newest first.",
        "inputSchema": schema(),
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
    })
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "query": {"type": "string", "minLength": 1, "maxLength": 200, "description": "What to look for"},
            "city": {"anyOf": [{"type": "string", "pattern": "^[\\w .-]{1,80}$"}, {"type": "null"}], "default": null},
            "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10},
            "fields": {"type": "array", "items": {"enum": ["name", "city", "number"]}, "uniqueItems": true},
            "range": {"$ref": "#/$defs/range"},
        },
        "required": ["query"],
        "$defs": {"range": {"type": "object", "properties": {"from": {"type": "string"}, "to": {"type": "string"}}}},
    })
}

fn arguments() -> String {
    json!({"query": "jansen", "city": "Den Haag", "limit": 20, "fields": ["name", "city"],
        "range": {"from": "2026-01-01", "to": "2026-11-21"}})
    .to_string()
}

fn output() -> Value {
    let row = json!({"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"},
        "city": {"type": "string"}, "mail": {"type": "string"}}, "required": ["id"]});
    json!({"type": "object", "properties": {"rows": {"type": "array", "items": row}}})
}

/// About ten kilobytes, half of it the text of the other half.
fn answer(extra: bool) -> String {
    let row = |at: usize| {
        let mut row = json!({"id": at, "name": "Jan Jansen", "city": "Den Haag", "mail": "jan@example.com"});
        if extra {
            row["password_hash"] = json!("$2b$12$");
        }
        row
    };
    let structured = json!({"rows": (0..60).map(row).collect::<Vec<_>>()});
    json!({"content": [{"type": "text", "text": structured.to_string()}], "structuredContent": structured})
        .to_string()
}

fn list(count: usize) -> String {
    json!({"tools": (0..count).map(tool).collect::<Vec<_>>()}).to_string()
}

fn rules(list: &str, pinned: bool) -> ListRules {
    let mut pins = BTreeMap::new();
    if let (Ok(document), true) = (Document::parse(list.as_bytes(), &Limits::default()), pinned) {
        for tool in document.root().get("tools").into_iter().flat_map(|tools| tools.elements()) {
            let name = tool.get("name").and_then(|name| name.as_str()).unwrap_or_default();
            pins.insert(name.into_owned(), digest(tool));
        }
    }
    ListRules { tools: Some(pins), ..ListRules::default() }
}

#[divan::bench(args = [true, false])]
fn list_of_100_tools(bencher: Bencher<'_, '_>, pinned: bool) {
    let list = list(100);
    let rules = rules(&list, pinned);
    let Ok(document) = Document::parse(list.as_bytes(), &Limits::default()) else { return };
    bencher
        .counter(BytesCount::new(list.len()))
        .counter(ItemsCount::new(100usize))
        .bench(|| filter(black_box(document.root()), &rules, None, &|_| false));
}

#[divan::bench]
fn one_skeleton() -> String {
    skeleton(black_box("crm_find_customers"))
}

#[divan::bench]
fn compile_a_schema(bencher: Bencher<'_, '_>) {
    let schema = schema().to_string();
    bencher.bench(|| Validator::new_strict(black_box(&schema)).is_ok());
}

#[divan::bench]
fn validate_arguments(bencher: Bencher<'_, '_>) {
    let (schema, arguments) = (schema().to_string(), arguments());
    let Ok(validator) = Validator::new_strict(&schema) else { return };
    let Ok(document) = Document::parse(arguments.as_bytes(), &Limits::default()) else { return };
    assert_eq!(validator.validate(document.root()), Ok(()));
    bencher
        .counter(BytesCount::new(arguments.len()))
        .bench(|| validator.validate(black_box(document.root())).is_ok());
}

#[divan::bench(args = ["schema", "drop_nothing", "drop_60_members"])]
fn output_contract(bencher: Bencher<'_, '_>, case: &str) {
    let undeclared = if case == "schema" { Undeclared::Schema } else { Undeclared::Drop };
    let Ok(output) = CompiledOutput::new(&OutputRule { schema: output().to_string(), undeclared }) else {
        return;
    };
    let answer = answer(case == "drop_60_members");
    let Ok(document) = Document::parse(answer.as_bytes(), &Limits::default()) else { return };
    assert!(apply(document.root(), &output).is_ok());
    bencher
        .counter(BytesCount::new(answer.len()))
        .bench(|| apply(black_box(document.root()), &output).is_ok());
}

#[divan::bench(args = [50, 60])]
fn row_ceiling(bencher: Bencher<'_, '_>, max: u64) {
    let rule = RowRule { path: vec!["rows".to_owned()], max, over: Over::Cut };
    let answer = answer(false);
    let Ok(document) = Document::parse(answer.as_bytes(), &Limits::default()) else { return };
    bencher.counter(BytesCount::new(answer.len())).bench(|| cap(black_box(document.root()), &rule).is_ok());
}
