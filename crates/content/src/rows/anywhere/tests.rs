use serde_json::{Value as Json, json};

use super::*;

fn held(result: &Json, max: u64) -> Result<(), Stop> {
    let text = result.to_string();
    super::result(parse(&text).unwrap().root(), max)
}

fn said(text: &str) -> Json {
    json!({"structuredContent": {"rows": []}, "content": [{"type": "text", "text": text}]})
}

fn rows(count: usize) -> Json {
    (0..count).map(|at| json!({"n": at})).collect()
}

/// Attack: the path leads to an empty array, and the rows are beside it.
#[test]
fn rows_are_found_wherever_they_stand() {
    let of = |count: usize| {
        let rows = rows(count);
        let quoted = json!({"rows": rows}).to_string();
        [
            json!({"structuredContent": {"rows": [], "rows2": rows}}),
            json!({"structuredContent": {"rows": null, "data": {"deep": rows}}}),
            json!({"structuredContent": {"rows": [rows]}}),
            json!({"structuredContent": {"rows": [], "note": quoted}}),
            json!({"content": [], "data": rows}),
            said(&json!({"data": rows}).to_string()),
            said(&json!(quoted).to_string()),
            said(&json!({"a": json!({"b": quoted}).to_string()}).to_string()),
            said(&format!("Result: {rows}")),
            said(&format!("Found [some]:\n```json\n{quoted}\n```\n")),
            said(&format!("{{broken {rows}")),
            json!({"structuredContent": {"rows": []}, "content": (0..count).map(|at| json!({"text": json!({"n": at}).to_string()})).collect::<Vec<_>>()}),
            said(&(0..count).map(|at| format!("row: {}\n", json!({"n": at}))).collect::<String>()),
            json!({"content": [{"type": "resource", "resource": {"uri": "a:b", "text": format!("# {rows}")}}]}),
        ]
    };
    for result in of(4) {
        assert_eq!(held(&result, 3), Err(Stop::Over(OverCeiling { rows: 4, max: 3 })), "{result}");
    }
    for result in of(3) {
        assert_eq!(held(&result, 3), Ok(()), "{result}");
    }
}

#[test]
fn rows_of_columns_count_once_and_rows_of_rows_each() {
    let structured = |value: Json| held(&json!({"structuredContent": value}), 3);
    assert_eq!(structured(json!([[1, "a", {}], [2, "b", {}], [3, "c", {}]])), Ok(()));
    assert_eq!(structured(json!([{"items": [{}, {}, {}]}, {"items": [{}, {}, {}]}])), Ok(()));
    assert_eq!(structured(json!([[{}, {}], [{}, {}]])), Err(Stop::Over(OverCeiling { rows: 4, max: 3 })));
    assert_eq!(structured(json!([[[[1, 2, 3, 4]]]])), Err(Stop::Over(OverCeiling { rows: 4, max: 3 })));
}

#[test]
fn prose_with_brackets_is_no_rows() {
    let text = "See [1], [2], [3], [4] and [5] [note, draft, final, last]; fn main() { [a; 3] } {x} ]]]";
    assert_eq!(held(&said(text), 1), Ok(()));
    assert_eq!(held(&said("{\"rows\":[]}"), 0), Ok(()));
    let own = json!({"_meta": {"a": [1, 2]}, "content": [{"text": "x", "annotations": {"audience": ["user", "assistant"]}}]});
    assert_eq!(held(&own, 1), Ok(()));
}

/// Attack: brackets that make a reader begin anew at each.
#[test]
fn work_is_bounded_by_the_length() {
    for text in [
        "[1,".repeat(300_000),
        "[".repeat(900_000),
        "[\"".repeat(400_000),
        "{x ".repeat(50) + &"y ".repeat(400_000),
    ] {
        assert_eq!(held(&said(&text), 3), Err(Stop::Unreadable), "{}", text.get(..9).unwrap_or_default());
    }
}
