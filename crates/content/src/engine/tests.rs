//! Views, places and what becomes of what is found.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use interdict_mcp::edit::apply;
use interdict_mcp::json::{Document, Limits};
use proptest::prelude::*;

use super::*;
use crate::detect::exact;
use crate::finding::Place;
use crate::profile::Pattern;
use crate::redact::redact;

const CARD: &str = "4111 1111 1111 1111";
const KEY: SessionKey = SessionKey::new([3; 32]);

fn profile(classes: &[(&str, Action)]) -> Profile {
    let classes = classes.iter().map(|(class, action)| ((*class).to_owned(), *action)).collect();
    Profile { v: 1, classes, regions: vec![], patterns: vec![], exact: vec![], injection: None }
}

fn engine() -> Engine {
    let all =
        ["secret", "card", "account", "contact", "network", "mrz"].map(|family| (family, Action::Redact));
    Engine::new(&profile(&all)).unwrap()
}

fn scan(engine: &Engine, json: &str) -> Scan {
    let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
    engine.scan(document.root(), &KEY)
}

fn redacted(engine: &Engine, json: &str) -> String {
    let scan = scan(engine, json);
    assert!(!scan.incomplete);
    let edits = redact(&scan.findings).unwrap();
    String::from_utf8(apply(json.as_bytes(), &edits).unwrap()).unwrap()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn tag(character: char) -> char {
    char::from_u32(0xe_0000 + u32::from(character)).unwrap()
}

/// Attack: a token of a class that is only counted around a value of one that is refused.
#[test]
fn what_is_inside_of_a_token_is_treated_as_strictly_as_outside() {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = part(&format!("{{\"sub\":\"1\",\"note\":\"{CARD}\"}}"));
    let jwt = [part("{\"alg\":\"HS256\"}"), claims, part("signature of it")].join(".");
    let body = STANDARD.encode(format!("the card is {CARD} and this is more text about it"));
    let pem = format!("-----BEGIN PRIVATE KEY-----\\n{body}\\n-----END PRIVATE KEY-----");
    for (outer, value) in [("jwt", jwt), ("private_key", pem)] {
        let json = format!("\"see {value} .\"");
        for (action, family) in [(Action::Count, outer), (Action::Count, "secret"), (Action::Redact, outer)] {
            let engine = Engine::new(&profile(&[(family, action), ("card", Action::Deny)])).unwrap();
            let found = scan(&engine, &json).findings;
            assert!(found.iter().any(|finding| &*finding.class == "pan"), "{outer} {action:?}");
        }
        let both = Engine::new(&profile(&[(outer, Action::Redact), ("card", Action::Redact)])).unwrap();
        let marked = redacted(&both, &json);
        assert!(
            marked.starts_with(&format!("\"see [[dlp:{outer}:")) && marked.ends_with("]] .\""),
            "{marked}"
        );
        let allowed = Engine::new(&profile(&[(outer, Action::Allow), ("card", Action::Deny)])).unwrap();
        assert!(scan(&allowed, &json).findings.is_empty(), "a person allowed {outer}");
    }
}

#[test]
fn a_value_is_found_in_every_view_and_replaced_in_the_document() {
    let engine = engine();
    let hex: String = CARD.bytes().map(|byte| format!("{byte:02x}")).collect();
    for written in [
        CARD.to_owned(),
        "4111\\u00201111\\u00201111\\u00201111".into(),
        "\\u0034111 1111 1111 1111".into(),
        "４１１１ １１１１ １１１１ １１１１".into(),
        "4111\u{200b}1111\u{ad}1111\u{feff}1111".into(),
        "4111\u{a0}1111\u{a0}1111\u{a0}1111".into(),
        "4\\u00001\\u00071\u{7f}1\u{9b} 1111 1111 1111".into(),
        "4\u{301}111\u{20e3}\u{fe0f} 1\u{332}111 1111 1111".into(),
        "꘤꘡꘡꘡ ᠑᠑᠑᠑ 1111 1111".into(),
        CARD.chars().map(tag).collect(),
        CARD.chars().flat_map(|c| [c, tag('7')]).take(37).collect(),
        percent(CARD),
        percent(&percent(CARD)),
        "4111&nbsp;1111&#32;1111&#x20;1111".into(),
        STANDARD.encode(format!("card {CARD} of somebody")),
        URL_SAFE_NO_PAD.encode(format!("card {CARD}")),
        STANDARD.encode(STANDARD.encode(format!("card {CARD}"))),
        hex,
        percent(&STANDARD.encode(CARD)),
    ] {
        let json = format!(r#"{{"a":["see {written} there"]}}"#);
        let found = scan(&engine, &json);
        let classes: Vec<_> = found.findings.iter().map(|finding| &*finding.class).collect();
        assert_eq!(classes, ["pan"], "{written}");
        let finding = &found.findings[0];
        assert_eq!((finding.path.as_str(), finding.place), ("/a/0", Place::Text));
        let span = finding.span.clone().unwrap();
        let mut edited = json.clone();
        edited.replace_range(span, "X");
        assert_eq!(edited, r#"{"a":["see X there"]}"#, "{written}");
    }
}

/// Attack: thousands of short strings that each unpack to what one string may unpack to.
#[test]
fn what_a_document_unpacks_to_is_bounded_as_a_whole() {
    let zipped = miniz_oxide::deflate::compress_to_vec_zlib("call me at a@b ".repeat(4_000).as_bytes(), 6);
    let leaf = format!("\"{}\"", STANDARD.encode(zipped));
    let of = |leaves: usize| scan(&engine(), &format!("[{}]", vec![leaf.as_str(); leaves].join(",")));
    assert!(!of(10).incomplete);
    assert!(of(40).incomplete);
}

#[test]
fn json_in_a_string_is_looked_through() {
    let inner = format!(r#"{{"user":{{"card":"{CARD}"}}}}"#);
    let once = serde_json::to_string(&inner).unwrap();
    let twice =
        serde_json::to_string(&serde_json::to_string(&serde_json::Value::from(once.clone())).unwrap())
            .unwrap();
    for json in [once, twice] {
        let edited = redacted(&engine(), &json);
        assert!(!edited.contains("4111"), "{edited}");
        assert!(serde_json::from_str::<serde_json::Value>(&edited).is_ok());
    }
}

#[test]
fn numbers_and_names_are_found_and_cannot_be_redacted() {
    let engine = engine();
    for (json, place, path) in [
        (r#"{"n":4111111111111111}"#, Place::Number, "/n"),
        (r#"{"a":{"4111111111111111":true}}"#, Place::Name, "/a/…"),
    ] {
        let found = scan(&engine, json).findings;
        assert_eq!(found.len(), 1, "{json}");
        assert_eq!((found[0].place, found[0].path.as_str(), &found[0].span), (place, path, &None));
        let refused = redact(&found).unwrap_err();
        assert_eq!((&*refused.class, refused.path.as_str()), ("pan", path));
    }
}

#[test]
fn a_number_is_what_readers_make_of_its_fraction_and_exponent() {
    let engine = engine();
    for json in [
        "4.734840338931615e15",
        "4734840338931615.0",
        "-4.734840338931615E+15",
        "473484033893161500000e-5",
        "0.0004734840338931615e0019",
        "4734840338931.615e3",
    ] {
        let found = scan(&engine, json);
        assert_eq!((found.findings.len(), found.incomplete), (1, false), "{json}");
        assert_eq!((&*found.findings[0].class, found.findings[0].place), ("pan", Place::Number), "{json}");
    }
    for json in ["4.734840338931615e14", "4.734840338931615e291", "4.734840338931615e-9"] {
        assert_eq!(scan(&engine, json).findings, [], "{json}");
    }
}

#[test]
fn paths_never_hold_a_value() {
    let found = scan(&engine(), r#"{"me@example.org":{"a/b~c":["x","you@example.org"]}}"#).findings;
    let paths: Vec<_> = found.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["/…", "/…/a~1b~0c/1"]);
    let long = format!(r#"{{"{}":"me@example.org"}}"#, "x".repeat(65));
    assert_eq!(scan(&engine(), &long).findings[0].path, "/…");
}

#[test]
fn a_member_name_says_what_its_value_is() {
    let value = ["q7Rk2ZpX9v", "Lm4TcN8bWj5"].concat();
    let engine = engine();
    for name in ["password", "apiKey", "client_secret", "X-Api-Key", "token"] {
        let found = scan(&engine, &format!(r#"{{"{name}":["{value}"]}}"#)).findings;
        assert_eq!(found.len(), 1, "{name}");
    }
    for name in ["text", "nextPageToken", "key_id", "progressToken", "tokenCount"] {
        assert_eq!(scan(&engine, &format!(r#"{{"{name}":"{value}"}}"#)).findings, [], "{name}");
    }
}

#[test]
fn equal_values_have_equal_marks_within_a_session_only() {
    let engine = engine();
    let found = scan(&engine, r#"["4111 1111 1111 1111","4111111111111111","5555555555554444"]"#).findings;
    assert_eq!(found[0].mark, found[1].mark);
    assert_ne!(found[0].mark, found[2].mark);
    let other = engine.scan_text(CARD, &SessionKey::new([4; 32])).findings;
    assert_ne!(found[0].mark, other[0].mark);
}

#[test]
fn a_class_wins_over_its_family_and_the_strictest_over_the_others() {
    let both = [("secret", Action::Count), ("connection_string", Action::Deny), ("email", Action::Redact)];
    let engine = Engine::new(&profile(&both)).unwrap();
    let found = engine.scan_text("postgres://app:s3cr3tPw@db.example.org", &KEY).findings;
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].class, found[0].action), ("connection_string", Action::Deny));
}

#[test]
fn nothing_of_a_longer_value_is_left_around_a_surer_one() {
    let mut own = profile(&[("staff", Action::Redact), ("generic_secret", Action::Redact)]);
    own.patterns.push(Pattern { class: "staff".into(), pattern: r"EMP-\d{5}".into(), near: vec![] });
    let engine = Engine::new(&own).unwrap();
    assert_eq!(redacted(&engine, r#"{"password":"q7REMP-00123k2ZpX9v"}"#).matches("[[dlp:").count(), 1);
    assert!(!redacted(&engine, r#"{"password":"q7REMP-00123k2ZpX9v"}"#).contains("k2Z"));
}

#[test]
fn what_a_person_allowed_is_not_taken_for_something_vaguer() {
    let key = ["sk_live_", "q7Rk2ZpX9vLm4TcN8bWj5HsD"].concat();
    let text = format!("token={key}");
    let allowed = profile(&[("secret", Action::Deny), ("stripe_key", Action::Allow)]);
    assert_eq!(Engine::new(&allowed).unwrap().scan_text(&text, &KEY).findings, []);
    let denied = Engine::new(&profile(&[("secret", Action::Deny)])).unwrap().scan_text(&text, &KEY).findings;
    assert_eq!(denied.iter().map(|finding| &*finding.class).collect::<Vec<_>>(), ["stripe_key"]);
}

#[test]
fn an_operators_patterns_and_values_are_classes_like_others() {
    let mut own = profile(&[("staff", Action::Redact), ("canary", Action::Deny), ("name", Action::Count)]);
    own.patterns.push(Pattern {
        class: "staff".into(),
        pattern: r"\bEMP-\d{5}\b".into(),
        near: vec!["Staff".into()],
    });
    own.exact.push(exact::build("canary", &[9; 32], ["canary 7f3a-99"]).0);
    own.exact.push(exact::build("name", &[9; 32], ["Jan de Vries"]).0);
    let engine = Engine::new(&own).unwrap();
    let found =
        scan(&engine, r#"{"a":"staff EMP-00123, Canary-7F3A-99, JAN DE VRIES","b":"EMP-00124"}"#).findings;
    let told: Vec<_> = found.iter().map(|finding| (&*finding.class, finding.action)).collect();
    assert_eq!(told, [("staff", Action::Redact), ("canary", Action::Deny), ("name", Action::Count)]);
}

#[test]
fn profiles_that_ask_for_what_does_not_exist_are_refused() {
    let code = |profile: &Profile| Engine::new(profile).unwrap_err().code;
    let base = profile(&[("own", Action::Deny)]);
    assert_eq!(code(&base), "content.unknown_class");
    assert_eq!(code(&Profile { v: 2, ..base.clone() }), "content.bad_version");
    assert_eq!(code(&Profile { regions: vec!["zz".into()], ..profile(&[]) }), "content.unknown_region");
    let own = |class: &str, pattern: &str| {
        let pattern = Pattern { class: class.into(), pattern: pattern.into(), near: vec![] };
        Profile {
            classes: BTreeMap::from([(class.to_owned(), Action::Deny)]),
            patterns: vec![pattern],
            ..base.clone()
        }
    };
    assert_eq!(code(&own("pan", "x")), "content.bad_class");
    assert_eq!(code(&own("A b", "x")), "content.bad_class");
    for pattern in ["", "x*", "(", r"(?=x)y", r"\b", &"x".repeat(513)] {
        assert_eq!(code(&own("own", pattern)), "content.bad_pattern", "{pattern}");
    }
    assert_eq!(code(&own("own", r"(\w{100}){100}")), "content.too_large");
    assert!(Engine::new(&own("own", r"\p{Greek}+")).is_ok());
}

#[test]
fn what_is_encoded_too_deep_or_too_long_is_told() {
    let engine = engine();
    let mut text = format!("card {CARD} of somebody");
    for _ in 0..3 {
        text = STANDARD.encode(text);
    }
    assert!(scan(&engine, &format!("\"{text}\"")).incomplete);
    let long = STANDARD.encode("all work and no play ".repeat(4000));
    assert!(scan(&engine, &format!("\"{long}\"")).incomplete);
    let many = format!("[{}]", vec![format!("\"{CARD}\""); 10_001].join(","));
    let found = scan(&engine, &many);
    assert!(found.incomplete && found.findings.len() == 10_000);
}

#[test]
fn marks_are_no_values_and_nothing_can_be_dressed_up_as_one() {
    let engine = engine();
    assert_eq!(engine.scan_text("password: [[dlp:generic_secret:0a1b2c]]", &KEY).findings, []);
    let key = ["sk_live_", "q7Rk2ZpX9vLm4TcN8bWj5HsD"].concat();
    assert_eq!(engine.scan_text(&format!("[[dlp:{key}:0a1b2c]]"), &KEY).findings.len(), 1);
}

#[test]
fn debug_forms_and_errors_hold_no_value() {
    let engine = engine();
    let found = scan(&engine, &format!("[\"{CARD}\",\"me@example.org\"]"));
    let shown = format!("{found:?} {engine:?}");
    assert!(!shown.contains("4111") && !shown.contains("me@"), "{shown}");
}

/// A piece of text that may hold something, and how it may be written.
fn piece() -> impl Strategy<Value = String> {
    let secret = ["ghx_", "sk_live_", "q7Rk2ZpX9vLm4TcN8bWj5HsD"];
    let values = prop_oneof![
        Just(CARD.to_owned()),
        Just("5555555555554444".to_owned()),
        Just("NL91 ABNA 0417 1643 00".to_owned()),
        Just("me@example.org".to_owned()),
        Just("+31 6 12345678".to_owned()),
        Just("10.0.0.7".to_owned()),
        Just(secret[1..].concat()),
        Just(format!("password={}", secret[2])),
        Just("postgres://app:s3cr3t-Pw@db.example.org/x".to_owned()),
        "[a-zé 0-9\"\\\\/\n%&=:.@_-]{0,20}",
    ];
    (values, 0..6).prop_map(|(value, written)| match written {
        1 => percent(&value),
        2 => STANDARD.encode(value),
        3 => serde_json::to_string(&value).unwrap(),
        4 => value.chars().flat_map(|c| [c, '\u{200b}']).collect(),
        _ => value,
    })
}

fn document() -> impl Strategy<Value = serde_json::Value> {
    let text =
        proptest::collection::vec(piece(), 0..4).prop_map(|pieces| serde_json::Value::from(pieces.join(" ")));
    text.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::btree_map("[a-z]{1,8}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_redacted_document_is_json_and_holds_nothing_any_more(value in document(), pretty in any::<bool>()) {
        let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let engine = engine();
        let found = scan(&engine, &json);
        prop_assume!(!found.incomplete);
        let edits = redact(&found.findings).unwrap();
        let edited = String::from_utf8(apply(json.as_bytes(), &edits).unwrap()).unwrap();
        prop_assert!(serde_json::from_str::<serde_json::Value>(&edited).is_ok(), "{}", edited);
        let again = scan(&engine, &edited);
        prop_assert!(again.findings.is_empty(), "{}\n{}\n{:?}", json, edited, again.findings);
    }

    #[test]
    fn no_text_makes_it_panic_and_spans_lie_on_characters(text in "\\PC{0,200}") {
        for finding in engine().scan_text(&text, &KEY).findings {
            prop_assert!(text.get(finding.span.unwrap()).is_some());
        }
    }
}
