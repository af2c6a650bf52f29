//! Canonical forms, digests and skeletons.

use proptest::prelude::*;

use super::*;

fn form(text: &str) -> String {
    with(text, |value| canonical(EntryKind::Prompt, value))
}

#[test]
fn numbers_are_written_as_ecmascript_does() {
    // The samples of RFC 8785, appendix B, as decimals.
    let samples = [
        ("0", "0"),
        ("-0", "0"),
        ("5e-324", "5e-324"),
        ("-5e-324", "-5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("9007199254740992.0", "9007199254740992"),
        ("295147905179352830000.0", "295147905179352830000"),
        ("9.999999999999997e22", "9.999999999999997e+22"),
        ("1e23", "1e+23"),
        ("1.0000000000000001e23", "1.0000000000000001e+23"),
        ("999999999999999700000.0", "999999999999999700000"),
        ("1e21", "1e+21"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("333333333.3333332", "333333333.3333332"),
        ("1.50", "1.5"),
        ("10.0", "10"),
        ("-123.456e1", "-1234.56"),
        ("0.00123", "0.00123"),
        // Half way between two shortest texts.
        ("-879779754731141.25", "-879779754731141.2"),
        ("5e-7", "5e-7"),
        ("9.5367431640625e-7", "9.5367431640625e-7"),
    ];
    for (written, canonical) in samples {
        assert_eq!(form(written), canonical, "{written}");
    }
}

#[test]
fn numbers_beyond_doubles_stay_apart() {
    assert_ne!(form("9007199254740993"), form("9007199254740992"));
    assert_ne!(form("1e400"), form("1e401"));
    assert_ne!(form("1e-400"), form("0"));
}

#[test]
fn names_are_in_the_order_of_their_utf16_units() {
    // The sample of RFC 8785, 3.2.3.
    let text = r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#;
    assert_eq!(
        form(text),
        "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
    );
    assert_eq!(form(r#""\u0008\u000b\/\u007f\u2028""#), "\"\\b\\u000b/\u{7f}\u{2028}\"");
}

#[test]
fn a_digest_says_what_a_model_reads_and_nothing_else() {
    let a = r#"{"name":"add","description":"Adds","inputSchema":{"type":"object","properties":{"a":{"minimum":1.0}}}}"#;
    let same = r#" { "inputSchema":{"properties":{"a":{"minimum":1}},"type":"object"}, "_meta":{"x":1}, "other":2,
        "description":"\u0041dds","name":"add"}"#;
    assert_eq!(with(a, digest), with(same, digest));
    assert_eq!(with(a, digest).len(), 64);
    for changed in [
        r#"{"name":"add","description":"adds","inputSchema":{"type":"object","properties":{"a":{"minimum":1.0}}}}"#,
        r#"{"name":"add","description":"Adds","inputSchema":{"type":"object","properties":{"a":{"minimum":2}}}}"#,
        r#"{"name":"add","description":"Adds","title":"","inputSchema":{"type":"object","properties":{"a":{"minimum":1}}}}"#,
    ] {
        assert_ne!(with(a, digest), with(changed, digest), "{changed}");
    }
    // RFC 8785 and SHA-256 by others' hands.
    let known = "{\"name\":\"add\"}";
    assert_eq!(with(known, digest), digest_text(known));
    assert_eq!(digest_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn prompts_count_whole_but_for_their_meta() {
    let of = |text| with(text, |value| digest_of(EntryKind::Prompt, value));
    assert_eq!(of(r#"{"name":"a","_meta":1}"#), of(r#"{"name":"a"}"#));
    assert_ne!(of(r#"{"name":"a","other":1}"#), of(r#"{"name":"a"}"#));
}

#[test]
fn names_that_look_alike_have_one_skeleton() {
    for (one, other) in [
        ("read_file", "read-file"),
        ("read_file", "readFile"),
        ("read_file", "READ_FILE"),
        ("read_file", "rеad_file"),         // Cyrillic е
        ("read_file", "read_fi\u{200b}le"), // zero width space
        ("read_file", "read_fıle"),         // dotless i
        ("read_file", "read_fi1e"),
        ("delete", "deIete"),
        ("list", "LIST"),
        ("paypal", "раураl"),
        ("send_mail", "send_ｍail"),
        ("exec", "ехес"),
        ("modern", "rnodern"),
        ("tool0", "toolO"),
        ("transfer", "transfer\u{ad}"),
    ] {
        assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
    }
    for (one, other) in [("read_file", "read_files"), ("add", "sub"), ("get_user", "set_user"), ("a", "b")] {
        assert_ne!(skeleton(one), skeleton(other), "{one} {other}");
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (-(1i64 << 53) + 1..1 << 53).prop_map(Into::into),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_canonical_form_is_the_one_of_another_writer(value in any_json()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        // An object loses its `_meta`; the generator makes none.
        prop_assert_eq!(form(&text), serde_json_canonicalizer::to_string(&value).unwrap());
    }

    #[test]
    fn case_and_separators_make_no_other_skeleton(name in "[a-zA-Z0-9]{1,12}", at in 0usize..12) {
        let mut other = name.to_uppercase();
        other.insert(at.min(name.len()), '_');
        prop_assert_eq!(skeleton(&name), skeleton(&other));
        prop_assert_eq!(skeleton(&name), skeleton(&name.to_lowercase()));
    }
}
