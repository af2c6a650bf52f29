//! What is told about values, and numbers as they are written. The rest is held against the official suite.

use super::*;

#[test]
fn a_violation_names_place_and_keyword_and_never_a_value_or_a_name_it_does_not_know() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a/b": {"type": "array", "items": {"type": "string", "maxLength": 3}},
            "map": {"type": "object", "additionalProperties": {"type": "integer"}},
            "kind": {"enum": ["x", "y"]},
            "any": {"anyOf": [{"type": "string"}, {"type": "null"}]}
        },
        "required": ["kind"]
    });
    let validator = Validator::new(&schema.to_string()).unwrap();
    assert_eq!(verdict(&validator, r#"{"kind":"x","a/b":["abc"]}"#), "fine");
    assert_eq!(verdict(&validator, r#"{"kind":"x","a/b":["abc","secret"]}"#), "maxLength /a~1b/1");
    assert_eq!(verdict(&validator, r#"{"kind":"x","map":{"4111111111111111":"secret"}}"#), "type /map/…");
    assert_eq!(verdict(&validator, r#"{"kind":"secret"}"#), "enum /kind");
    assert_eq!(verdict(&validator, r#"{"kind":"x","any":7}"#), "anyOf /any");
    assert_eq!(verdict(&validator, "{}"), "required");
    assert_eq!(verdict(&validator, "[]"), "type");
    assert!(!format!("{validator:?}").contains("kind"));
}

#[test]
fn numbers_are_compared_as_they_are_written() {
    let validator = Validator::new(r#"{"maximum":9007199254740992,"multipleOf":0.01}"#).unwrap();
    assert_eq!(verdict(&validator, "9007199254740993"), "maximum");
    assert_eq!(verdict(&validator, "9007199254740992"), "fine");
    assert_eq!(verdict(&validator, "4.02"), "fine");
    assert_eq!(verdict(&validator, "4.021"), "multipleOf");
    assert_eq!(verdict(&validator, "-1e400"), "fine");
    let validator = Validator::new(r#"{"const":9007199254740993}"#).unwrap();
    assert_eq!(verdict(&validator, "9007199254740992"), "const");
    assert_eq!(verdict(&validator, "9007199254740993.0"), "fine");
    let validator = Validator::new(r#"{"type":"integer"}"#).unwrap();
    assert_eq!(verdict(&validator, "1.0e2"), "fine");
    assert_eq!(verdict(&validator, "1e-2"), "type");
}

#[test]
fn the_words_of_older_drafts_are_understood() {
    let validator = Validator::new(
        r##"{"definitions":{"pair":{"items":[{"type":"string"},{"type":"integer"}],"additionalItems":false}},
            "properties":{"p":{"$ref":"#/definitions/pair"}},"dependencies":{"p":["q"]}}"##,
    )
    .unwrap();
    assert_eq!(verdict(&validator, r#"{"p":["a",1],"q":0}"#), "fine");
    assert_eq!(verdict(&validator, r#"{"p":["a",1,2],"q":0}"#), "false /p/2");
    assert_eq!(verdict(&validator, r#"{"p":["a","b"],"q":0}"#), "type /p/1");
    assert_eq!(verdict(&validator, r#"{"p":["a",1]}"#), "dependentRequired");
}
