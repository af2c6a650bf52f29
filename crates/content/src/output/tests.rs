use interdict_mcp::edit::apply as edit;
use interdict_mcp::json::Limits;
use serde_json::{Value as Json, json};

use super::*;

fn schema() -> Json {
    json!({"type": "object", "properties": {"result": {"type": "array", "items": {"type": "object",
        "properties": {"name": {"type": "string"}}, "required": ["name"]}}}, "required": ["result"]})
}

fn applied(result: &Json, schema: &Json, undeclared: Undeclared) -> Result<Json, String> {
    let output = CompiledOutput::new(&OutputRule { schema: schema.to_string(), undeclared }).unwrap();
    let text = result.to_string();
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let edits = apply(document.root(), &output)
        .map_err(|violation| format!("{} {}", violation.keyword, violation.pointer))?;
    Ok(serde_json::from_slice(&edit(text.as_bytes(), &edits).unwrap()).unwrap())
}

fn text(value: &Json) -> Json {
    json!({"type": "text", "text": serde_json::to_string_pretty(value).unwrap()})
}

fn said(result: &Json, block: usize) -> Json {
    serde_json::from_str(result["content"][block]["text"].as_str().unwrap()).unwrap()
}

fn user() -> Json {
    json!({"name": "ann", "password_hash": "$2b$12$"})
}

#[test]
fn by_default_structured_content_has_to_be_what_the_schema_says() {
    let fine = json!({"structuredContent": {"result": [user()]}, "content": [text(&user())]});
    assert_eq!(applied(&fine, &schema(), Undeclared::Schema), Ok(fine));
    let wrong = json!({"structuredContent": {"result": [{"name": 7}]}});
    assert_eq!(
        applied(&wrong, &schema(), Undeclared::Schema),
        Err("type /structuredContent/result/0/name".into())
    );
    // Attack: a word of the server does not free it from what was approved.
    let error = json!({"isError": true, "structuredContent": {}});
    assert_eq!(applied(&error, &schema(), Undeclared::Schema), Err("required /structuredContent".into()));
    for other in [
        json!({"isError": true, "content": [text(&json!({"reason": "none"}))]}),
        json!({"content": []}),
        json!({"task": {"taskId": "1"}}),
    ] {
        assert_eq!(applied(&other, &schema(), Undeclared::Schema), Ok(other));
    }
}

#[test]
fn undeclared_members_reach_nobody_in_whatever_way_the_server_repeats_them() {
    let clean = json!({"name": "ann"});
    for content in [
        json!([text(&json!({"result": [user()]}))]),
        json!([text(&json!([user()]))]),
        json!([text(&user())]),
        json!([{"type": "resource", "resource": {"uri": "x:y", "text": user().to_string()}}]),
        // In other words than the structured content, but what the schema says.
        json!([text(&json!({"result": [user(), user()]}))]),
        json!([]),
    ] {
        let result =
            json!({"structuredContent": {"result": [user()], "debug": {"sql": "x"}}, "content": content});
        let left = applied(&result, &schema(), Undeclared::Drop).unwrap();
        assert_eq!(left["structuredContent"], json!({"result": [clean]}));
        assert!(!left.to_string().contains("hash"), "{left}");
    }
    let result = json!({"structuredContent": {"result": [user()]}, "content": [text(&user()), text(&json!({"result": [user()]}))]});
    let left = applied(&result, &schema(), Undeclared::Drop).unwrap();
    assert_eq!((said(&left, 0), said(&left, 1)), (clean.clone(), json!({"result": [clean]})));
}

#[test]
fn a_text_that_repeats_only_what_went_goes() {
    let result = json!({"structuredContent": {"result": [], "debug": {"sql": "x"}}, "content": [text(&json!({"sql": "x"})), {"type": "text", "text": "ok"}]});
    let left = applied(&result, &schema(), Undeclared::Drop).unwrap();
    assert_eq!(
        left,
        json!({"structuredContent": {"result": []}, "content": [{"type": "text", "text": "ok"}]})
    );
}

#[test]
fn an_answer_without_structured_content_is_held_against_the_schema_by_its_text() {
    let result = json!({"content": [text(&json!({"result": [user()]}))]});
    assert_eq!(
        said(&applied(&result, &schema(), Undeclared::Drop).unwrap(), 0),
        json!({"result": [{"name": "ann"}]})
    );
    let result = json!({"content": [{"type": "text", "text": "All is well. {see}"}, {"type": "text", "text": "[2026-11-21] started"}]});
    assert_eq!(applied(&result, &schema(), Undeclared::Drop), Ok(result));
}

#[test]
fn json_that_is_not_what_the_schema_says_is_refused_where_members_are_at_stake() {
    for (block, violation) in [
        (text(&json!({"users": [user()]})), "required /content/0/text"),
        (json!({"text": "{'name': 'ann', 'password_hash': 1}"}), "text /content/0/text"),
        (json!({"text": "[{\"name\":NaN}]"}), "text /content/0/text"),
        (json!({"text": "{\"result\":[]}\n{\"result\":[]}"}), "text /content/0/text"),
    ] {
        for undeclared in [Undeclared::Drop, Undeclared::Deny] {
            for is_error in [false, true] {
                let result =
                    json!({"structuredContent": {"result": []}, "content": [block], "isError": is_error});
                assert_eq!(applied(&result, &schema(), undeclared), Err(violation.into()));
            }
        }
    }
}

#[test]
fn undeclared_members_can_be_refused() {
    let result = json!({"structuredContent": {"result": [{"name": "ann"}, user()]}});
    assert_eq!(
        applied(&result, &schema(), Undeclared::Deny),
        Err("undeclared /structuredContent/result/1".into())
    );
    let result =
        json!({"structuredContent": {"result": []}, "content": [text(&json!({"result": [], "x": 1}))]});
    assert_eq!(applied(&result, &schema(), Undeclared::Deny), Err("undeclared /content/0/text".into()));
    let result = json!({"structuredContent": {"result": []}, "content": [text(&json!({"result": []}))]});
    assert_eq!(applied(&result, &schema(), Undeclared::Deny), Ok(result));
}

#[test]
fn what_is_left_is_valid_by_itself() {
    let schema = json!({"type": "object", "properties": {"a": {}}, "minProperties": 2});
    let result = json!({"structuredContent": {"a": 1, "x": 2}});
    assert_eq!(applied(&result, &schema, Undeclared::Drop), Err("minProperties /structuredContent".into()));
    let closed = json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false});
    assert_eq!(applied(&result, &closed, Undeclared::Drop), Ok(json!({"structuredContent": {"a": 1}})));
}

#[test]
fn thousands_of_texts_that_repeat_thousands_of_equal_rows_end_soon() {
    let rows = vec![user(); 3_000];
    let texts: Vec<_> = rows.iter().map(|row| json!({"type": "text", "text": row.to_string()})).collect();
    let result = json!({"structuredContent": {"result": rows}, "content": texts});
    let start = std::time::Instant::now();
    let left = applied(&result, &schema(), Undeclared::Drop).unwrap();
    assert!(start.elapsed() < std::time::Duration::from_secs(60));
    assert_eq!(left["content"].as_array().unwrap().len(), 3_000);
    assert!(!left.to_string().contains("hash"));
}
