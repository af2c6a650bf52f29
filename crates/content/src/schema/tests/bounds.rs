//! What is refused, and what ends.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

#[test]
fn only_references_inside_of_the_schema_are_followed() {
    for reference in [
        "https://example.com/s.json",
        "file:///etc/passwd",
        "other.json",
        "other.json#/a",
        "//x/y",
        "urn:x:y",
        "http://json-schema.org/draft-07/schema#",
        "$defs/a",
    ] {
        assert_eq!(code(&json!({"$ref": reference})), "schema.remote_ref", "{reference}");
        assert_eq!(
            code(&json!({"properties": {"a": {"$dynamicRef": reference}}})),
            "schema.remote_ref",
            "{reference}"
        );
    }
    for reference in
        ["#/$defs/a", "#a", "#/%24defs/a", "https://x.example/s#/$defs/a", "https://x.example/s#a"]
    {
        let schema = json!({"$id": "https://x.example/s", "$defs": {"a": {"$anchor": "a"}}, "items": {"$ref": reference}});
        assert_eq!(code(&schema), "fine", "{reference}");
    }
    for reference in ["#/$defs/b", "#b", "#/$defs/a/x", "#%zz", "#/items/00"] {
        assert_eq!(
            code(&json!({"$defs": {"a": {}}, "$ref": reference})),
            "schema.dangling_ref",
            "{reference}"
        );
    }
    assert_eq!(code(&json!({"items": {"$id": "https://x.example/other"}})), "schema.remote_ref");
    assert_eq!(code(&json!({"$schema": "https://x.example/dialect"})), "schema.dialect");
}

#[test]
fn what_is_no_schema_is_refused() {
    for text in [
        "",
        "{",
        "[]",
        "7",
        r#"{"a":1,"a":2}"#,
        r#"{"type":"any"}"#,
        r#"{"type":[]}"#,
        r#"{"properties":[]}"#,
        r#"{"allOf":{}}"#,
        r#"{"items":7}"#,
        r#"{"maxLength":-1}"#,
        r#"{"maxLength":"1"}"#,
        r#"{"minimum":"1"}"#,
        r#"{"required":"a"}"#,
        r#"{"required":[1]}"#,
        r#"{"pattern":1}"#,
        r#"{"multipleOf":0}"#,
        r#"{"$ref":1}"#,
        r##"{"$ref":"#/type","type":"object"}"##,
    ] {
        assert!(Validator::new(text).is_err(), "{text}");
    }
    assert!(Validator::new("true").is_ok());
}

#[test]
fn schemas_that_are_too_deep_or_too_many_are_refused() {
    let nested = |depth: usize| format!("{}true{}", r#"{"items":"#.repeat(depth), "}".repeat(depth));
    assert!(Validator::new(&nested(MAX_DEPTH - 1)).is_ok());
    assert_eq!(Validator::new(&nested(MAX_DEPTH)).unwrap_err().code, "schema.too_large");
    assert_eq!(Validator::new(&nested(100_000)).unwrap_err().code, "schema.too_large");
    let many = |count: usize| json!({"anyOf": vec![json!({}); count]});
    assert_eq!(code(&many(MAX_SUBSCHEMAS - 1)), "fine");
    assert_eq!(code(&many(MAX_SUBSCHEMAS)), "schema.too_large");
    assert_eq!(code(&json!({"description": "x".repeat(MAX_BYTES)})), "schema.too_large");
}

#[test]
fn patterns_that_cannot_run_in_linear_time_or_bounded_memory_are_refused() {
    for pattern in
        ["(?=a)b", r"(a)\1", "(((a{1,1000}){1,1000}){1,1000})", "(", &"a".repeat(MAX_PATTERN_BYTES + 1)]
    {
        assert_eq!(code(&json!({"pattern": pattern})), "schema.pattern");
        assert_eq!(code(&json!({"patternProperties": {pattern: {}}})), "schema.pattern");
    }
    let many = |count: usize| json!({"allOf": (0..count).map(|at| json!({"pattern": format!("a{at}")})).collect::<Vec<_>>()});
    assert_eq!(code(&many(MAX_PATTERNS)), "fine");
    assert_eq!(code(&many(MAX_PATTERNS + 1)), "schema.pattern");
    // One pattern in many places is one.
    assert_eq!(code(&json!({"allOf": vec![json!({"pattern": "^a"}); 500]})), "fine");
}

/// Attack: a pattern with so many states that each byte of a text costs thousands of steps.
#[test]
fn a_pattern_costs_what_it_takes_for_a_text() {
    let validator = |pattern| Validator::new(&json!({"items": {"pattern": pattern}}).to_string()).unwrap();
    let mut seed = 1_u32;
    let letters = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if seed >> 31 == 0 { 'a' } else { 'b' }
    });
    let mixed = json!([letters.take(20_000).collect::<String>()]).to_string();
    assert_eq!(verdict(&validator(".{400}b.{100}c"), &mixed), "budget");
    assert_eq!(verdict(&validator("^[a-z]*$"), &mixed), "fine");
    // What repeats itself is soon learnt.
    let same = json!(["abcab ".repeat(20_000)]).to_string();
    assert_eq!(verdict(&validator(".{400}b.{100}c"), &same), "pattern /0");
    let rows = json!((0..1000).map(|row| format!("a text of an honest row {row}")).collect::<Vec<_>>());
    for pattern in ["^.{1,255}$", r"^[\w .-]{3,64}$", r"^(\w{1,60}\s?){1,40}$", r"^\p{L}[\p{L}\d ]+$"] {
        assert_eq!(verdict(&validator(pattern), &rows.to_string()), "fine", "{pattern}");
    }
}

#[test]
fn a_schema_that_applies_itself_to_the_same_value_is_refused() {
    assert_eq!(code(&json!({"$ref": "#"})), "schema.cycle");
    assert_eq!(code(&json!({"allOf": [{"anyOf": [{"$ref": "#"}]}]})), "schema.cycle");
    assert_eq!(
        code(&json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}})),
        "schema.cycle"
    );
    assert_eq!(code(&json!({"dependentSchemas": {"a": {"if": {"$ref": "#"}}}})), "schema.cycle");
    assert_eq!(code(&json!({"properties": {"a": {"$ref": "#"}}, "items": {"$ref": "#"}})), "fine");
}

#[test]
fn deep_values_of_recursive_schemas_end() {
    let validator =
        Validator::new(r##"{"anyOf":[{"items":{"$ref":"#"},"type":"array"},{"type":"integer"}]}"##).unwrap();
    let nested = |depth: usize, end: &str| format!("{}{end}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(verdict(&validator, &nested(64, "1")), "fine");
    assert_eq!(verdict(&validator, &nested(64, "\"\"")), "anyOf");
}

/// For ever would be longer, on a busy machine too.
const SOON: Duration = Duration::from_secs(60);

/// Runs and says how long it took.
fn timed(validator: &Validator, text: &str) -> (String, Duration) {
    let start = Instant::now();
    (verdict(validator, text), start.elapsed())
}

#[test]
fn schemas_that_would_take_for_ever_run_out_of_budget() {
    // Every level asks twice: 2^60 without a budget.
    let mut defs = serde_json::Map::new();
    for level in 0..60 {
        let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
        defs.insert(format!("l{level}"), json!({"allOf": [next, next]}));
    }
    defs.insert("l60".into(), json!({"type": "integer"}));
    let first = json!({"$ref": "#/$defs/l0"});
    for (keyword, schema, value) in [
        ("allOf", json!([first]), "1"),
        ("not", first.clone(), "1"),
        ("not", json!({"not": first}), "1"),
        ("anyOf", json!([first, true]), "1"),
        ("contains", first.clone(), "[1]"),
        ("propertyNames", json!({"not": {"$ref": "#/$defs/l0"}}), "{\"a\":1}"),
    ] {
        let mut root = json!({"$defs": defs});
        root[keyword] = schema;
        if keyword == "propertyNames" {
            root["$defs"]["l60"] = json!({"type": "string"});
        }
        let validator = Validator::new(&root.to_string()).unwrap();
        let (verdict, took) = timed(&validator, value);
        assert_eq!(verdict, "budget", "{keyword}");
        assert!(took < SOON, "{took:?}");
    }
}

#[test]
fn huge_enums_and_huge_values_are_checked_in_reasonable_time() {
    let values: Vec<_> = (0..50_000).map(|at| json!(format!("value {at}"))).collect();
    let validator =
        Validator::new(&json!({"items": {"enum": values}, "uniqueItems": true}).to_string()).unwrap();
    let (verdict, took) = timed(&validator, &json!(values).to_string());
    assert_eq!(verdict, "fine");
    assert!(took < SOON, "{took:?}");
    let names: Vec<_> = (0..20_000).map(|at| format!("m{at}")).collect();
    let object = serde_json::Value::Object(names.iter().map(|name| (name.clone(), json!(1))).collect());
    let validator = Validator::new(&json!({"required": names}).to_string()).unwrap();
    let (verdict, took) = timed(&validator, &object.to_string());
    assert_eq!(verdict, "budget");
    assert!(took < SOON, "{took:?}");
}

#[test]
fn counting_a_long_text_over_and_over_runs_out_of_budget() {
    let branches: Vec<_> = (0..9_000).map(|at| json!({"maxLength": at})).collect();
    let validator = Validator::new(&json!({"anyOf": branches}).to_string()).unwrap();
    let (verdict, took) = timed(&validator, &json!("é".repeat(500_000)).to_string());
    assert_eq!(verdict, "budget");
    assert!(took < SOON, "{took:?}");
}

#[test]
fn the_deepest_work_fits_into_a_small_stack() {
    // A value as deep as its reader allows, under a schema that takes several steps for every level.
    let step = json!({"allOf": [{"anyOf": [{"oneOf": [{"items": {"$ref": "#"}}]}]}]});
    let validator = Validator::new_strict(&step.to_string()).unwrap();
    let text = format!("{}{}", "[".repeat(64), "]".repeat(64));
    let work = move || verdict(&validator, &text);
    let verdict = std::thread::Builder::new().stack_size(768 << 10).spawn(work).unwrap().join().unwrap();
    assert!(verdict == "budget" || verdict == "fine", "{verdict}");
}

fn any_keywords() -> impl Strategy<Value = serde_json::Value> {
    const NAMES: [&str; 30] = [
        "$ref",
        "$id",
        "$anchor",
        "$defs",
        "type",
        "enum",
        "const",
        "multipleOf",
        "maximum",
        "minLength",
        "pattern",
        "uniqueItems",
        "required",
        "dependentRequired",
        "dependentSchemas",
        "dependencies",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "then",
        "properties",
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "items",
        "contains",
        "unevaluatedItems",
        "unevaluatedProperties",
    ];
    let word = prop_oneof![
        Just("#"),
        Just("#/$defs/type"),
        Just("#a"),
        Just("integer"),
        Just("^a.*$"),
        Just("a"),
        Just("items")
    ];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Into::into),
        any::<i8>().prop_map(Into::into),
        word.prop_map(Into::into)
    ];
    leaf.prop_recursive(5, 60, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            proptest::collection::btree_map(proptest::sample::select(&NAMES[..]), inner, 0..4).prop_map(
                |members| members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            ),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_compiles_can_be_asked_about_anything(schema in any_keywords(), value in any_keywords()) {
        let Ok(validator) = Validator::new(&schema.to_string()) else { return Ok(()) };
        let text = value.to_string();
        let valid = with(&text, |value| validator.validate(value)).is_ok();
        let strict = Validator::new_strict(&schema.to_string()).unwrap();
        // Strict and lenient differ from the plain reading in one direction each.
        prop_assert!(valid || with(&text, |value| strict.validate(value)).is_err());
        let found = with(&text, |value| validator.undeclared(value));
        prop_assert!(!valid || found.is_ok());
        if let Ok(found) = found {
            let edited = apply(text.as_bytes(), &found.edits).unwrap();
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&edited).is_ok());
        }
    }
}
