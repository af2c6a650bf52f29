use interdict_mcp::edit::apply;
use interdict_mcp::json::{Document, Limits};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn rule(path: &str, max: u64, over: Over) -> RowRule {
    let path = path.split('/').filter(|step| !step.is_empty()).map(str::to_owned).collect();
    RowRule { path, max, over }
}

/// The result that is left, and what was told.
fn capped(result: &Json, rule: &RowRule) -> Result<(Json, Capped), OverCeiling> {
    let text = serde_json::to_string_pretty(result).unwrap();
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let capped = cap(document.root(), rule)?;
    Ok((serde_json::from_slice(&apply(text.as_bytes(), &capped.edits).unwrap()).unwrap(), capped))
}

fn cut(result: &Json, path: &str, max: u64) -> Json {
    capped(result, &rule(path, max, Over::Cut)).unwrap().0
}

fn text(value: &Json) -> Json {
    json!({"type": "text", "text": serde_json::to_string_pretty(value).unwrap()})
}

#[test]
fn rows_beyond_the_ceiling_are_cut_off() {
    let result = json!({"structuredContent": {"rows": [1, 2, 3], "total": 3}, "content": []});
    assert_eq!(
        cut(&result, "rows", 2),
        json!({"structuredContent": {"rows": [1, 2], "total": 3}, "content": []})
    );
    assert_eq!(cut(&result, "rows", 0)["structuredContent"]["rows"], json!([]));
    assert_eq!(cut(&result, "rows", 3), result);
    let told = capped(&result, &rule("rows", 2, Over::Cut)).unwrap().1;
    assert_eq!((told.rows, told.cut, told.missing), (3, 1, false));
}

#[test]
fn more_rows_than_may_pass_can_be_refused() {
    let result = json!({"structuredContent": {"rows": [1, 2, 3]}});
    assert_eq!(capped(&result, &rule("rows", 2, Over::Deny)).unwrap_err(), OverCeiling { rows: 3, max: 2 });
    assert!(capped(&result, &rule("rows", 3, Over::Deny)).is_ok());
    let result = json!({"content": [text(&json!({"rows": [1, 2, 3]}))]});
    assert_eq!(capped(&result, &rule("rows", 2, Over::Deny)).unwrap_err(), OverCeiling { rows: 3, max: 2 });
}

#[test]
fn the_rows_of_all_arrays_count_together() {
    let result =
        json!({"structuredContent": {"tables": [{"rows": [1, 2]}, {"rows": [3, 4]}, {"rows": [5]}]}});
    let left = cut(&result, "tables/*/rows", 3);
    assert_eq!(
        left,
        json!({"structuredContent": {"tables": [{"rows": [1, 2]}, {"rows": [3]}, {"rows": []}]}})
    );
}

#[test]
fn a_text_that_repeats_the_structured_content_is_cut_with_it() {
    let structured = json!({"rows": [{"a": 1.0}, {"a": 2}, {"a": 3}], "b": "é\n"});
    let mut result = json!({"structuredContent": structured, "content": [text(&structured), {"type": "text", "text": "3 rows"}]});
    let left = cut(&result, "rows", 1);
    let said: Json = serde_json::from_str(left["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(said, json!({"rows": [{"a": 1.0}], "b": "é\n"}));
    assert_eq!(said, left["structuredContent"]);
    assert_eq!(left["content"][1]["text"], "3 rows");
    // The rows without their wrapper.
    result["content"] = json!([text(&structured["rows"])]);
    assert_eq!(
        cut(&result, "rows", 1)["content"][0]["text"],
        "[\n      {\n        \"a\": 1.0\n      }\n    ]"
    );
}

#[test]
fn a_block_for_every_row_goes_with_its_row() {
    let rows = [json!({"id": 1}), json!({"id": 2}), json!({"id": 3})];
    let result =
        json!({"structuredContent": {"result": rows}, "content": rows.iter().map(text).collect::<Vec<_>>()});
    let left = cut(&result, "result", 2);
    assert_eq!(left["content"].as_array().unwrap().len(), 2);
    assert_eq!(cut(&result, "result", 0)["content"], json!([]));
    // A row that stays may be repeated as often as it was.
    let result = json!({"structuredContent": {"result": [rows[0], rows[0]]}, "content": [text(&rows[0]), text(&rows[0])]});
    assert_eq!(cut(&result, "result", 1)["content"].as_array().unwrap().len(), 2);
}

#[test]
fn other_json_texts_have_one_ceiling_together() {
    let result = json!({"content": [text(&json!({"rows": [1, 2]})), text(&json!({"rows": [3, 4]})),
        {"type": "resource", "resource": {"uri": "x:y", "text": "{\"rows\":[5]}"}}]});
    let (left, told) = capped(&result, &rule("rows", 3, Over::Cut)).unwrap();
    let said =
        |at: usize| serde_json::from_str::<Json>(left["content"][at]["text"].as_str().unwrap()).unwrap();
    assert_eq!((said(0), said(1)), (json!({"rows": [1, 2]}), json!({"rows": [3]})));
    assert_eq!(left["content"][2]["resource"]["text"], "{\"rows\":[]}");
    assert_eq!((told.rows, told.cut), (5, 2));
    // An array for itself.
    assert_eq!(cut(&json!({"content": [{"text": "[1, 2, 3]"}]}), "", 2)["content"][0]["text"], "[1, 2]");
}

#[test]
fn where_the_path_leads_nowhere_that_is_told() {
    for result in [
        json!({"structuredContent": {"other": [1]}, "content": [{"type": "text", "text": "a | b\n1 | 2"}]}),
        json!({"structuredContent": {"rows": {"1": {}}}}),
        json!({"content": [{"type": "text", "text": "{\"rows\": [1,]}"}]}),
        json!({"resultType": "input_required"}),
        json!([]),
    ] {
        let (left, told) = capped(&result, &rule("rows", 0, Over::Cut)).unwrap();
        assert_eq!((left, told.missing, told.rows), (result, true, 0));
    }
}

/// Attack: the server says the rows under another name, and the ceiling holds nothing back.
#[test]
fn where_too_many_are_refused_structure_without_the_path_is_refused_too() {
    let refused =
        |result: &Json, over: Over| capped(result, &rule("groups/*/rows", 5, over)).unwrap().1.unreadable;
    for result in [
        json!({"structuredContent": {"data": [1, 2, 3]}}),
        json!({"structuredContent": {"groups": [{"rows": {"1": {}}}]}}),
        json!({"content": [{"type": "text", "text": "{\"data\": [1, 2]}"}]}),
        json!({"content": [{"type": "text", "text": "[1, 2]"}]}),
    ] {
        assert!(refused(&result, Over::Deny), "{result}");
        assert!(!refused(&result, Over::Cut), "{result}");
    }
    for result in [
        json!({"structuredContent": {"groups": []}}),
        json!({"structuredContent": {"groups": [{"rows": null}]}}),
        json!({"structuredContent": {"groups": [{"rows": [1]}], "more": 7}}),
        json!({"content": [{"type": "text", "text": "no orders"}]}),
        json!({"content": [{"type": "text", "text": "7"}]}),
        json!({"task": {"taskId": "1"}}),
    ] {
        assert!(!refused(&result, Over::Deny), "{result}");
    }
}

/// Attack: a decoy where the path leads, and the rows elsewhere.
#[test]
fn a_ceiling_that_refuses_is_not_passed_by_a_decoy() {
    let many = json!([{"n": 1}, {"n": 2}, {"n": 3}]);
    let result = json!({"structuredContent": {"rows": [], "rows2": many}, "content": []});
    assert_eq!(capped(&result, &rule("rows", 2, Over::Deny)).unwrap_err(), OverCeiling { rows: 3, max: 2 });
    assert_eq!(cut(&result, "rows", 2), result, "one that cuts follows its path and nothing else");
    let brackets = json!({"structuredContent": {"rows": []}, "content": [{"type": "text", "text": "[\"".repeat(90_000)}]});
    assert!(capped(&brackets, &rule("rows", 2, Over::Deny)).unwrap().1.unreadable);
}

proptest! {
    #[test]
    fn as_many_rows_as_may_pass_are_left_everywhere(
        tables in proptest::collection::vec(proptest::collection::vec("[a-c\"\\\\é]{0,4}", 0..5), 0..4),
        max in 0..8u64, structured in any::<bool>(), texts in proptest::collection::vec(any::<bool>(), 0..3),
    ) {
        let value = json!({"t": tables.iter().map(|rows| json!({"r": rows})).collect::<Vec<_>>()});
        let other = json!({"more": 1, "t": value["t"]});
        let mut result = json!({"content": texts.iter().map(|same| text(if *same { &value } else { &other })).collect::<Vec<_>>()});
        if structured {
            result["structuredContent"] = value.clone();
        }
        let left = cut(&result, "t/*/r", max);
        let rows = |value: &Json| value["t"].as_array().unwrap().iter().flat_map(|t| t["r"].as_array().unwrap().clone()).collect::<Vec<_>>();
        let all = rows(&value);
        let expected = &all[..all.len().min(max as usize)];
        if structured {
            prop_assert_eq!(rows(&left["structuredContent"]), expected);
        }
        let mut others = 0;
        for block in left["content"].as_array().unwrap() {
            let said: Json = serde_json::from_str(block["text"].as_str().unwrap()).unwrap();
            if structured && said.get("more").is_none() {
                prop_assert_eq!(rows(&said), expected);
            } else {
                others += rows(&said).len() as u64;
            }
        }
        prop_assert!(others <= max);
    }
}

/// Attack: rows in a text that lenient readers take for JSON, and ours does not.
#[test]
fn a_text_that_only_some_read_as_json_is_told_as_unreadable() {
    let of = |text: &str| {
        let result = json!({"content": [{"type": "text", "text": text}]});
        capped(&result, &rule("rows", 2, Over::Cut)).unwrap().1.unreadable
    };
    for lenient in [
        r#"{"rows":[1,2,3],"x":NaN}"#,
        r#"{"rows":[],"rows":[1,2,3]}"#,
        r#"{"rows":[1,2,3],"x":"\ud800"}"#,
        "\u{feff}{\"rows\":[1,2,3]}",
        "\u{a0}[{\"a\":1},]",
    ] {
        assert!(of(lenient), "{lenient}");
    }
    for other in [r#"{"rows":[1]}"#, "12 rows", "[note] 3 rows", ""] {
        assert!(!of(other), "{other}");
    }
}
