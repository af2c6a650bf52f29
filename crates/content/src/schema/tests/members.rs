//! Members that a schema does not declare.

use proptest::prelude::*;

use super::*;

fn strict(schema: &serde_json::Value, value: &serde_json::Value) -> String {
    verdict(&Validator::new_strict(&schema.to_string()).unwrap(), &value.to_string())
}

fn dropped(schema: &serde_json::Value, value: &serde_json::Value) -> serde_json::Value {
    let validator = Validator::new(&schema.to_string()).unwrap();
    let text = value.to_string();
    let found = with(&text, |value| validator.undeclared(value)).unwrap();
    serde_json::from_slice(&apply(text.as_bytes(), &found.edits).unwrap()).unwrap()
}

#[test]
fn unknown_arguments_are_refused_unless_the_schema_allows_them() {
    let value = json!({"a": 1, "b": 2});
    for (schema, verdict) in [
        (json!({"properties": {"a": {}}}), "undeclared"),
        (json!({"properties": {}}), "undeclared"),
        (json!({"properties": {"a": {}}, "additionalProperties": true}), "fine"),
        (json!({"properties": {"a": {}}, "additionalProperties": {"type": "integer"}}), "fine"),
        (json!({"properties": {"a": {}}, "unevaluatedProperties": {}}), "fine"),
        (json!({"properties": {"a": {}}, "patternProperties": {"^b": {}}}), "fine"),
        (json!({"properties": {"a": {}}, "additionalProperties": false}), "additionalProperties"),
        (json!({"type": "object"}), "fine"),
        (json!({"properties": {"a": {}}, "allOf": [{"properties": {"b": {}}}]}), "fine"),
        (
            json!({"properties": {"a": {}}, "$ref": "#/$defs/b", "$defs": {"b": {"properties": {"b": {}}}}}),
            "fine",
        ),
        (
            json!({"properties": {"a": {}}, "anyOf": [{"properties": {"b": {"type": "string"}}}, {}]}),
            "undeclared",
        ),
        (json!({"properties": {"a": {}}, "anyOf": [{"properties": {"b": {"type": "integer"}}}, {}]}), "fine"),
        (
            json!({"properties": {"a": {}}, "not": {"properties": {"b": {"type": "string"}}, "required": ["b"]}}),
            "undeclared",
        ),
        (json!({"properties": {"a": {}}, "required": ["b"]}), "fine"),
    ] {
        assert_eq!(strict(&schema, &value), verdict, "{schema}");
    }
}

#[test]
fn what_is_below_is_closed_as_well() {
    let schema =
        json!({"properties": {"list": {"items": {"properties": {"a": {}}}}, "free": {"type": "object"}}});
    assert_eq!(strict(&schema, &json!({"list": [{"a": 1}], "free": {"x": {"y": 1}}})), "fine");
    assert_eq!(strict(&schema, &json!({"list": [{"a": 1}, {"a": 1, "secret": 2}]})), "undeclared /list/1");
}

#[test]
fn two_schemas_of_one_place_declare_together() {
    let half = |name: &str| json!({"properties": {"user": {"properties": {name: {}}}}});
    let schema = json!({"allOf": [half("name"), half("id")]});
    assert_eq!(strict(&schema, &json!({"user": {"name": "a", "id": 1}})), "fine");
    assert_eq!(strict(&schema, &json!({"user": {"name": "a", "id": 1, "x": 1}})), "undeclared /user");
}

#[test]
fn undeclared_members_are_taken_out_at_every_depth() {
    let user = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let schema = json!({"$defs": {"user": user}, "properties": {"users": {"items": {"$ref": "#/$defs/user"}},
        "owner": {"anyOf": [{"$ref": "#/$defs/user"}, {"type": "null"}]}, "map": {"additionalProperties": {"$ref": "#/$defs/user"}}}});
    let with_hash = json!({"name": "a", "password_hash": "$2b$"});
    let value = json!({"users": [with_hash, {"name": "b"}], "owner": with_hash, "map": {"k": with_hash}, "debug": with_hash});
    let clean = json!({"name": "a"});
    assert_eq!(
        dropped(&schema, &value),
        json!({"users": [clean, {"name": "b"}], "owner": clean, "map": {"k": clean}})
    );
}

#[test]
fn closed_schemas_lose_members_instead_of_being_violated() {
    let closed = |name: &str| json!({"type": "object", "properties": {name: {}}, "required": [name], "additionalProperties": false});
    assert_eq!(dropped(&closed("a"), &json!({"x": 1, "a": 2})), json!({"a": 2}));
    assert_eq!(
        dropped(&json!({"type": "object", "additionalProperties": false}), &json!({"x": 1})),
        json!({})
    );
    assert_eq!(
        dropped(&json!({"properties": {"a": {}}, "unevaluatedProperties": false}), &json!({"a": 1, "x": 1})),
        json!({"a": 1})
    );
    // A branch that holds as it is wins over one that holds without them.
    let either = json!({"oneOf": [closed("a"), {"type": "object", "properties": {"x": {}, "a": {}}, "required": ["x"]}]});
    assert_eq!(dropped(&either, &json!({"x": 1, "a": 2})), json!({"x": 1, "a": 2}));
    assert_eq!(
        dropped(&json!({"anyOf": [closed("a"), {"type": "null"}]}), &json!({"a": 1, "x": 2})),
        json!({"a": 1})
    );
    assert_eq!(
        dropped(&json!({"oneOf": [closed("a"), closed("b")]}), &json!({"a": 1, "x": 2})),
        json!({"a": 1})
    );
    let both = Validator::new(&json!({"oneOf": [closed("a"), closed("b")]}).to_string()).unwrap();
    assert_eq!(with(r#"{"a":1,"b":1}"#, |value| both.undeclared(value)).unwrap_err().keyword, "oneOf");
}

#[test]
fn a_value_that_is_wrong_otherwise_is_a_violation() {
    let validator = Validator::new(r#"{"properties":{"a":{"type":"string"}}}"#).unwrap();
    let violation = with(r#"{"a":7,"x":1}"#, |value| validator.undeclared(value)).unwrap_err();
    assert_eq!((violation.keyword, violation.pointer.as_str()), ("type", "/a"));
}

#[test]
fn names_of_objects_that_hold_undeclared_members_are_told_only_if_the_schema_has_them() {
    let validator =
        Validator::new(r#"{"properties":{"known":{"additionalProperties":{"properties":{"a":{}}}}}}"#)
            .unwrap();
    let found = with(r#"{"known":{"secret":{"x":1}}}"#, |value| validator.undeclared(value)).unwrap();
    assert_eq!((found.first.as_deref(), found.count), (Some("/known/…"), 1));
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        "[a-c]{0,3}".prop_map(Into::into)
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map("[a-e]", inner, 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_schema() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(true)),
        Just(json!({"type": "integer"})),
        Just(json!({"type": "object"})),
        Just(json!({"maxLength": 2}))
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let members = proptest::collection::btree_map("[a-e]", inner.clone(), 0..4);
        let list = proptest::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            members.clone().prop_map(|members| json!({"properties": members})),
            (members, inner.clone())
                .prop_map(|(members, rest)| json!({"properties": members, "additionalProperties": rest})),
            inner.clone().prop_map(|items| json!({"items": items})),
            (prop_oneof![Just("allOf"), Just("anyOf"), Just("oneOf")], list)
                .prop_map(|(name, list)| json!({name: list})),
            (inner.clone(), inner).prop_map(|(one, other)| json!({"if": one, "then": other})),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_left_is_valid_json_with_nothing_undeclared_and_nothing_changed(schema in any_schema(), value in any_value()) {
        let validator = Validator::new(&schema.to_string()).unwrap();
        let text = serde_json::to_string_pretty(&value).unwrap();
        let Ok(found) = with(&text, |value| validator.undeclared(value)) else { return Ok(()) };
        prop_assert_eq!(with(&text, |value| validator.validate(value)), Ok(()));
        let edited = String::from_utf8(apply(text.as_bytes(), &found.edits).unwrap()).unwrap();
        let again: serde_json::Value = serde_json::from_str(&edited).unwrap();
        prop_assert!(is_part(&again, &value));
        let strict = Validator::new_strict(&schema.to_string()).unwrap();
        prop_assert_eq!(found.count == 0, with(&text, |value| strict.validate(value)).is_ok());
    }
}

/// Whether one is the other without some members.
fn is_part(part: &serde_json::Value, whole: &serde_json::Value) -> bool {
    match (part, whole) {
        (serde_json::Value::Object(part), serde_json::Value::Object(whole)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|whole| is_part(value, whole)))
        }
        (serde_json::Value::Array(part), serde_json::Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_part(part, whole))
        }
        _ => part == whole,
    }
}
