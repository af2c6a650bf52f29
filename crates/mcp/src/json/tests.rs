use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Document<'_>, JsonError> {
    Document::parse(text.as_bytes(), &Limits::default())
}

fn code(text: &str) -> &'static str {
    parse(text).map(|_| "accepted").unwrap_or_else(|error| error.code)
}

/// The document as serde_json sees it, rebuilt from our nodes.
fn to_serde(value: Value<'_>) -> serde_json::Value {
    match value.kind() {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool(value) => value.into(),
        Kind::Number(token) => serde_json::from_str(token).unwrap(),
        Kind::String(text) => text.into_owned().into(),
        Kind::Array => value.elements().map(to_serde).collect(),
        Kind::Object => {
            value.members().map(|(name, _, value)| (name.into_owned(), to_serde(value))).collect()
        }
    }
}

#[test]
fn spans_and_raw_text_survive() {
    let text = r#" {"a" : [1.0, 1e3, "x\u0041"], "b":{"c":null}} "#;
    let document = parse(text).unwrap();
    let root = document.root();
    assert_eq!(root.span(), 1..text.len() - 1);
    let elements: Vec<_> = root.get("a").unwrap().elements().collect();
    assert_eq!(elements.iter().map(Value::raw).collect::<Vec<_>>(), ["1.0", "1e3", r#""x\u0041""#]);
    assert_eq!(elements[2].as_str().unwrap(), "xA");
    let (name, span, value) = root.members().nth(1).unwrap();
    assert_eq!((name.as_ref(), text.get(span).unwrap(), value.raw()), ("b", r#""b""#, r#"{"c":null}"#));
    assert!(root.get("b").unwrap().get("c").unwrap().is_null());
    assert!(root.get("c").is_none());
}

#[test]
fn escaped_member_names_are_found_decoded() {
    let document = parse(r#"{"\u006eame":1,"a\/b":2,"\ud83d\ude00":3}"#).unwrap();
    for name in ["name", "a/b", "😀"] {
        assert!(document.root().get(name).is_some(), "{name}");
    }
}

#[test]
fn malformed_text_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1,]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        "[1 2]",
        r#"{"a":1 "b":2}"#,
        "{1:2}",
        "{a:1}",
        "'a'",
        "nul",
        "nulll",
        "True",
        "NaN",
        "Infinity",
        "-Infinity",
        "-",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "0x1",
        "1_0",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"a\nb\"",
        "\"\t\"",
        "\"\u{0}\"",
        "[1}",
        "{\"a\":1]",
        "// c\n1",
        "/**/1",
        "\u{a0}1",
        "\u{feff}1",
        "[,1]",
        ",1",
        "1;",
        "[]]",
        "{}{}",
        "1 2",
        "\u{2028}1",
    ] {
        assert_ne!(code(text), "accepted", "{text:?}");
    }
}

#[test]
fn bytes_behind_the_value_are_refused() {
    assert_eq!(code("{} x"), "parse.trailing_bytes");
    assert_eq!(code("{}\0"), "parse.trailing_bytes");
    assert_eq!(code("{}\r\n\t "), "accepted");
}

#[test]
fn a_byte_order_mark_and_other_encodings_are_refused() {
    assert_eq!(
        Document::parse(b"\xef\xbb\xbf{}", &Limits::default()).unwrap_err().code,
        "parse.byte_order_mark"
    );
    for bytes in [
        &b"\xff\xfe{\0}\0"[..],
        b"\"\xc0\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\xe2\x82\"",
    ] {
        assert_eq!(Document::parse(bytes, &Limits::default()).unwrap_err().code, "parse.invalid_utf8");
    }
    assert_eq!(Document::parse(b"{\0}\0", &Limits::default()).unwrap_err().code, "parse.syntax");
}

#[test]
fn duplicate_members_are_refused_at_any_depth_and_after_decoding() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"[[{"x":{"y":1,"z":2,"y":3}}]]"#,
        r#"{"":1,"":2}"#,
        r#"{"a/b":1,"a\/b":2}"#,
        r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"c":1}"#,
    ] {
        assert_eq!(code(text), "parse.duplicate_member", "{text}");
    }
    assert_eq!(code(r#"{"a":{"a":{"a":1}},"A":1}"#), "accepted");
}

#[test]
fn a_member_named_proto_is_refused_at_any_depth_and_after_decoding() {
    for text in [r#"{"__proto__":{}}"#, r#"[{"a":{"__pro\u0074o__":1}}]"#] {
        assert_eq!(code(text), "parse.prototype_member", "{text}");
    }
    assert_eq!(code(r#"{"a":"__proto__","constructor":{},"__proto":1}"#), "accepted");
}

#[test]
fn the_second_of_two_equal_names_is_reported() {
    let error = parse(r#"{"a":1,"b":2,"a":3}"#).unwrap_err();
    assert_eq!(error.offset, 13);
}

#[test]
fn lone_surrogates_are_refused_and_pairs_accepted() {
    for text in [
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud800x""#,
        r#"{"\udfff":1}"#,
    ] {
        assert_eq!(code(text), "parse.lone_surrogate", "{text}");
    }
    assert_eq!(parse(r#""\ud83d\ude00\u0000""#).unwrap().root().as_str().unwrap(), "😀\0");
    // A broken escape behind half a pair is a syntax error, not a lone surrogate.
    assert_eq!(code(r#""\ud800\u12""#), "parse.syntax");
}

#[test]
fn numbers_outside_i_json_are_refused_unless_exact() {
    let exact = Limits { numbers: Numbers::Exact, ..Limits::default() };
    for text in [
        "9007199254740992",
        "-9007199254740992",
        "12345678901234567890",
        "1e309",
        "-1e309",
        "1.5e999999999999",
        "1e-400",
        "0.1e-9999",
    ] {
        assert_eq!(code(text), "parse.number_out_of_range", "{text}");
        assert_eq!(Document::parse(text.as_bytes(), &exact).unwrap().root().raw(), text);
    }
    for text in [
        "9007199254740991",
        "-9007199254740991",
        "0",
        "-0",
        "-0.0",
        "0e-9999",
        "0.000",
        "1.0",
        "1e3",
        "1E+3",
        "1.7976931348623157e308",
        "5e-324",
        "3.14159265358979323846",
    ] {
        assert_eq!(code(text), "accepted", "{text}");
    }
}

#[test]
fn limits_hold_exactly_at_their_border() {
    let limits = Limits { max_bytes: 32, max_depth: 3, max_tokens: 5, numbers: Numbers::IJson };
    let code =
        |text: &str| Document::parse(text.as_bytes(), &limits).map(|_| "accepted").unwrap_or_else(|e| e.code);
    assert_eq!(code(&format!("{:32}", 1)), "accepted");
    assert_eq!(code(&format!("{:33}", 1)), "parse.too_large");
    assert_eq!(code("[[[1]]]"), "accepted");
    assert_eq!(code("[[[[]]]]"), "parse.too_deep");
    assert_eq!(code("[1,2,3,4]"), "accepted");
    assert_eq!(code("[1,2,3,4,5]"), "parse.too_many_tokens");
    assert_eq!(code(r#"{"a":1,"b":2}"#), "accepted");
    assert_eq!(code(r#"{"a":1,"b":[2]}"#), "parse.too_many_tokens");
}

#[test]
fn a_mebibyte_of_brackets_neither_overflows_the_stack_nor_is_accepted() {
    let limits = Limits { max_depth: usize::MAX, max_tokens: usize::MAX, ..Limits::default() };
    let deep = "[".repeat(1 << 20);
    assert_eq!(Document::parse(deep.as_bytes(), &limits).unwrap_err().code, "parse.syntax");
    let closed = "[".repeat(1 << 19) + &"]".repeat(1 << 19);
    assert!(Document::parse(closed.as_bytes(), &limits).is_ok());
    assert_eq!(code(&closed), "parse.too_deep");
}

#[test]
fn many_members_with_a_common_prefix_are_checked_quickly() {
    let prefix = "x".repeat(30);
    let members: Vec<_> = (0..20_000).map(|n| format!("\"{prefix}{n}\":0")).collect();
    let body = format!("{{{}}}", members.join(","));
    let started = std::time::Instant::now();
    assert_eq!(code(&body), "accepted");
    // Quadratic work would take minutes; the bound is generous for a busy machine.
    assert!(started.elapsed().as_secs() < 60);
}

/// Text with escapes, borders of the eight-byte scan and characters of every UTF-8 length.
fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just("\"".to_owned()),
            Just("\\".to_owned()),
            Just("\u{1}".to_owned()),
            Just("é€😀".to_owned()),
            "[a-z ]{0,12}"
        ],
        0..6,
    )
    .prop_map(|parts| parts.concat())
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        (-(1i64 << 53) + 1..(1i64 << 53)).prop_map(serde_json::Value::from),
        any_text().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(any_text(), inner, 0..12)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_writes_is_read_back_equal(value in any_json()) {
        for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            let document = parse(&text).unwrap();
            prop_assert_eq!(to_serde(document.root()), value.clone());
        }
    }

    #[test]
    fn what_is_accepted_serde_accepts_with_the_same_value(bytes in proptest::collection::vec(prop_oneof![
        proptest::sample::select(br#"{}[]",:\u0123eE.+-tfn null true 1"#.to_vec()), any::<u8>()], 0..40))
    {
        if let Ok(document) = Document::parse(&bytes, &Limits::default()) {
            let theirs: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(to_serde(document.root()), theirs);
        }
    }

    #[test]
    fn the_span_of_a_value_reads_as_the_same_value(value in any_json()) {
        let text = serde_json::to_string(&value).unwrap();
        let document = parse(&text).unwrap();
        for (_, _, member) in document.root().members() {
            let again = parse(text.get(member.span()).unwrap()).unwrap();
            prop_assert_eq!(to_serde(again.root()), to_serde(member));
        }
    }
}
