use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn takes(text: &str) -> bool {
    check(text.as_bytes()).is_ok()
}

/// The other way to the same answer: what a general reader and a general writer make of the bytes.
fn is_its_own_canonical_form(bytes: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return false };
    is_ours(&value, 0) && serde_json_canonicalizer::to_vec(&value).is_ok_and(|canonical| canonical == bytes)
}

/// Whether a record could hold the value.
fn is_ours(value: &Value, depth: usize) -> bool {
    match value {
        Value::Number(number) => {
            number.as_f64().is_some_and(|number| number.fract() == 0.0 && number.abs() <= MAX_SAFE as f64)
                && number.as_i64().is_none_or(|number| number.unsigned_abs() <= MAX_SAFE)
        }
        Value::Array(items) => depth < MAX_DEPTH && items.iter().all(|item| is_ours(item, depth + 1)),
        Value::Object(members) => {
            depth < MAX_DEPTH && members.values().all(|member| is_ours(member, depth + 1))
        }
        _ => true,
    }
}

#[test]
fn what_a_record_holds_is_taken() {
    for text in [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9007199254740991",
        "-9007199254740991",
        "\"\"",
        "[]",
        "{}",
        r#"{"a":1,"b":[true,null,"x"]}"#,
        r#"{"":0,"A":1,"a":2,"é":3}"#,
        "\"\u{7f}\u{2028}€\u{1f600}/\"",
        r#""\"\\\b\t\n\f\r\u0000\u001f\u000b""#,
    ] {
        assert!(takes(text), "{text}");
        assert!(is_its_own_canonical_form(text.as_bytes()), "{text}");
    }
}

#[test]
fn numbers_have_one_spelling_and_every_reader_carries_them() {
    for text in [
        "-0",
        "00",
        "01",
        "-01",
        "1.0",
        "0.5",
        "1e2",
        "1E2",
        "1e-2",
        "1e+21",
        "+1",
        "-",
        ".5",
        "1.",
        "0x1",
        "NaN",
        "Infinity",
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993",
        "18446744073709551616",
        "99999999999999999999999999999999999999",
        "333333333.33333329",
        "1E30",
        "4.50",
        "2e-3",
    ] {
        assert!(!takes(text), "{text}");
        assert!(!takes(&format!("[{text}]")), "[{text}]");
    }
}

#[test]
fn an_escape_is_there_only_if_it_must_be_and_in_its_shortest_form() {
    for text in [
        r#""\/""#,
        r#""\u0041""#,
        r#""\u000a""#,
        r#""\u0008""#,
        r#""\u0009""#,
        r#""\u000c""#,
        r#""\u000d""#,
        r#""\u001F""#,
        r#""\u000B""#,
        r#""\u0022""#,
        r#""\u005c""#,
        r#""\u007f""#,
        r#""\u20ac""#,
        r#""\ud83d\ude00""#,
        r#""\uD83D""#,
        r#""\udead""#,
        r#""\ud800\ud800""#,
        r#""\a""#,
        r#""\U0000""#,
        r#""\u00""#,
        r#""\"#,
        r#""\""#,
        "\"\n\"",
        "\"\0\"",
        "\"\u{1f}\"",
        "\"a",
        "'a'",
    ] {
        assert!(!takes(text), "{text}");
    }
}

#[test]
fn there_is_nothing_around_and_between_the_values() {
    for text in [
        "",
        " ",
        " 1",
        "1 ",
        "1\n",
        "1 2",
        "[1, 2]",
        "[1 ,2]",
        "[ ]",
        "{ }",
        r#"{"a": 1}"#,
        r#"{"a" :1}"#,
        "[1,]",
        "[,1]",
        r#"{"a":1,}"#,
        "{,}",
        "[",
        "]",
        "{",
        "}",
        "[1",
        r#"{"a""#,
        r#"{"a":"#,
        r#"{"a":1"#,
        r#"{a:1}"#,
        "{1:1}",
        "tru",
        "nul",
        "True",
        "truex",
        "\u{feff}1",
        "//1",
        "[1}",
        r#"{"a":1]"#,
    ] {
        assert!(!takes(text), "{text}");
    }
}

/// The example of RFC 8785, section 3.2.3, with numbers for its texts: order by UTF-16 unit, not by code point.
#[test]
fn names_are_in_the_order_of_their_utf16_units() {
    let names = ["\\r", "1", "\u{80}", "\u{f6}", "\u{20ac}", "\u{1f600}", "\u{fb33}"];
    let text = |names: &[&str]| {
        let members: Vec<_> = names.iter().map(|name| format!("\"{name}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(takes(&text(&names)));
    for at in 1..names.len() {
        let mut swapped = names;
        swapped.swap(at - 1, at);
        assert!(!takes(&text(&swapped)), "{swapped:?}");
    }
}

/// Attack: an escape is longer than its character and begins with a byte that sorts elsewhere.
#[test]
fn escaped_names_are_ordered_by_what_they_mean() {
    assert!(takes(
        r#"{"\u0000":0,"\b":0,"\t":0,"\n":0,"\u000b":0,"\f":0,"\r":0," ":0,"\"":0,"A":0,"\\":0,"a":0}"#
    ));
    assert!(!takes(r#"{"A":0,"\n":0}"#));
    assert!(!takes(r#"{"a":0,"\\":0}"#));
    assert!(!takes(r#"{"\n":0,"\n":0}"#));
}

#[test]
fn a_name_stands_once() {
    for text in
        [r#"{"a":1,"a":1}"#, r#"{"a":1,"b":2,"a":3}"#, r#"{"":0,"":0}"#, "{\"\u{1f600}\":0,\"\u{1f600}\":0}"]
    {
        assert!(!takes(text), "{text}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_where_they_stand() {
    for bytes in
        [&b"\"\xff\""[..], b"\"\xc0\xaf\"", b"\"\xed\xa0\x80\"", b"\"\xf4\x90\x80\x80\"", b"\"\xe2\x82\""]
    {
        assert_eq!(check(bytes), Err(NotCanonical { offset: 1, what: "not UTF-8" }));
    }
}

#[test]
fn nesting_ends_at_thirty_two() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(takes(&nested(MAX_DEPTH)));
    assert_eq!(check(nested(MAX_DEPTH + 1).as_bytes()).map_err(|error| error.offset), Err(MAX_DEPTH));
    assert!(!takes(&"[".repeat(1_000_000)));
    assert!(!takes(&"{\"a\":".repeat(1_000_000)));
}

#[test]
fn the_error_says_where() {
    let offset = |text: &str| check(text.as_bytes()).map_err(|error| error.offset);
    assert_eq!(offset(r#"{"a":1,"a":2}"#), Err(7));
    assert_eq!(offset(r#"{"a":1.5}"#), Err(5));
    assert_eq!(offset(r#"["abcdefghijk\/"]"#), Err(13));
    assert_eq!(offset("1 "), Err(1));
    let error = check(br#"{"a": 1}"#).unwrap_err();
    assert_eq!(error.to_string(), "not canonical at byte 5: no value begins like this");
}

#[test]
fn every_single_byte_of_a_string_is_judged_like_the_reference_does() {
    // At every offset within the eight bytes that are looked at together.
    for at in 0..16 {
        for byte in 0..=255_u8 {
            let mut bytes = b"\"abcdefghijklmnop\"".to_vec();
            bytes[at + 1] = byte;
            assert_eq!(check(&bytes).is_ok(), is_its_own_canonical_form(&bytes), "{byte:#x} at {at}");
        }
    }
}

/// Texts of the characters that matter: escapes, borders of the encodings, plain ones.
fn text() -> impl Strategy<Value = String> {
    let special = "\"\\/\u{8}\t\n\u{b}\u{c}\r\0\u{1f} ~\u{7f}\u{80}\u{7ff}\u{800}\u{2028}\u{d7ff}\u{e000}\u{fb33}\u{ffff}\u{10000}\u{10ffff}abcdefgh09.";
    let special: Vec<char> = special.chars().collect();
    let character = prop_oneof![6 => prop::sample::select(special), 1 => any::<char>()];
    prop::collection::vec(character, 0..12).prop_map(|characters| characters.into_iter().collect())
}

fn value() -> impl Strategy<Value = Value> {
    let safe = MAX_SAFE.cast_signed();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-safe..=safe).prop_map(Value::from),
        (-20_i64..20).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// One change of a text.
fn mutated(mut bytes: Vec<u8>, at: usize, byte: u8, how: u8) -> Vec<u8> {
    let at = at % bytes.len().max(1);
    match how % 5 {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        2 => drop(bytes.remove(at)),
        3 => bytes.truncate(at),
        _ => {
            let other = usize::from(byte) % bytes.len();
            bytes.swap(at, other);
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_the_reference_writes_is_taken(value in value()) {
        let bytes = serde_json_canonicalizer::to_vec(&value).unwrap();
        prop_assert_eq!(check(&bytes), Ok(()));
    }

    #[test]
    fn a_changed_text_is_taken_exactly_if_it_is_its_own_canonical_form(
        value in value(),
        at: usize,
        byte in prop_oneof![prop::sample::select(&b"\"\\{}[],:0123456789-.eE+u/nbt \xc3\x80\xf0"[..]), any::<u8>()],
        how: u8,
    ) {
        let bytes = serde_json_canonicalizer::to_vec(&value).unwrap();
        let bytes = mutated(bytes, at, byte, how);
        prop_assert_eq!(check(&bytes).is_ok(), is_its_own_canonical_form(&bytes), "{}", bytes.escape_ascii());
    }

    #[test]
    fn names_in_any_order_are_taken_exactly_in_the_right_one(names in prop::collection::vec(text(), 0..5)) {
        let members: Vec<_> = names.iter().map(|name| format!("{}:0", serde_json::to_string(name).unwrap())).collect();
        let bytes = format!("{{{}}}", members.join(",")).into_bytes();
        prop_assert_eq!(check(&bytes).is_ok(), is_its_own_canonical_form(&bytes), "{}", bytes.escape_ascii());
    }
}

#[test]
fn the_members_of_an_object_are_its_own_texts() {
    let found = |text: &'static str| {
        members(text.as_bytes(), ["a", "b"], "").map(|found| found.map(|(texts, _)| texts))
    };
    assert_eq!(found(r#"{"a":[1,"x"],"b":{"a":0,"b":0}}"#), Ok(Some([r#"[1,"x"]"#, r#"{"a":0,"b":0}"#])));
    for other in [
        "{}",
        "1",
        "[]",
        r#"{"a":1}"#,
        r#"{"b":1}"#,
        r#"{"a":1,"c":1}"#,
        r#"{"a":1,"b":1,"c":1}"#,
        r#"{"a":1,"aa":1,"b":1}"#,
        r#"[{"a":1,"b":1}]"#,
        r#"{"A":0,"a":1,"b":1}"#,
    ] {
        assert_eq!(found(other), Ok(None), "{other}");
    }
    for wrong in [
        "",
        "{",
        r#"{"b":1,"a":1}"#,
        r#"{"a":1,"b":1"#,
        r#"{"a":1,"b":1}}"#,
        r#"{"a":1,"b":1} "#,
        r#"{"a":1,"b":1.0}"#,
        r#"{"a": 1,"b":1}"#,
        r#"{"a":1,"b":1,"b":1}"#,
        r#"{"\u0061":1,"b":1}"#,
        r#"{"a":,"b":1}"#,
        r#"{"a":1,,"b":1}"#,
        r#"{"a":1,"b":1,}"#,
        "{\"a\":\"\n\",\"b\":1}",
    ] {
        assert_eq!(found(wrong).map_err(|_| ()), Err(()), "{wrong}");
    }
}

#[test]
fn a_member_that_is_sought_is_one_of_an_object_in_the_outermost_one() {
    let sought = |text: &'static str| members(text.as_bytes(), ["a", "b"], "x").unwrap().unwrap().1;
    assert_eq!(sought(r#"{"a":{"w":1,"x":[1,{"x":2}]},"b":0}"#), Some(r#"[1,{"x":2}]"#));
    assert_eq!(sought(r#"{"a":0,"b":{"x":"\n"}}"#), Some(r#""\n""#));
    for elsewhere in [
        r#"{"a":0,"b":0}"#,
        r#"{"a":{"w":{"x":1}},"b":[{"x":1}]}"#,
        r#"{"a":{"xx":1},"b":{"":0}}"#,
        r#"{"a":"x","b":["x"]}"#,
    ] {
        assert_eq!(sought(elsewhere), None, "{elsewhere}");
    }
}

/// The depth is counted from the outermost value in both ways of reading.
#[test]
fn members_are_nested_no_deeper_than_in_a_check() {
    for depth in [MAX_DEPTH - 1, MAX_DEPTH] {
        let text = format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(members(text.as_bytes(), ["a"], "").is_ok(), check(text.as_bytes()).is_ok(), "{depth}");
        assert_eq!(takes(&text), depth < MAX_DEPTH);
    }
}
