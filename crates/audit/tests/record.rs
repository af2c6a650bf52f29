//! The record, from the outside: `examples.jsonl` is a whole little log, and these tests hold the types, the examples
//! and the schema to each other.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

mod samples;

use interdict_audit::record::{AnyBody, Entry, Kind, Moment, NO_PREV, RecordError, wrap};
use interdict_audit::{canonical, hex};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

const EXAMPLES: &str = include_str!("examples.jsonl");
const SCHEMA: &str = include_str!("../../../docs/audit-record.schema.json");

fn entries() -> impl Iterator<Item = &'static str> {
    EXAMPLES.lines()
}

fn leaf_hash(entry: &[u8]) -> String {
    hex::encode(Sha256::new().chain_update([0]).chain_update(entry).finalize())
}

/// The bodies of `samples` as the log of one tenant.
fn written() -> String {
    let start = Moment::parse("2026-11-21T14:30:00.000Z").unwrap().unix_ms();
    let mut prev = NO_PREV.to_owned();
    let mut lines = String::new();
    for (seq, body) in (0_u64..).zip(samples::bodies()) {
        let ts = Moment::from_unix_ms(start + 137 * seq.cast_signed());
        let entry = wrap(body.kind(), &prev, seq, "acme", ts, &body.to_bytes().unwrap());
        prev = leaf_hash(&entry);
        lines.push_str(str::from_utf8(&entry).unwrap());
        lines.push('\n');
    }
    lines
}

/// Run with `INTERDICT_BLESS=1` to write the file anew; what changes there is a change of the format.
#[test]
fn the_examples_are_what_the_types_write() {
    let written = written();
    if std::env::var_os("INTERDICT_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples.jsonl"), &written).unwrap();
        return;
    }
    for (line, (ours, example)) in written.lines().zip(entries()).enumerate() {
        assert_eq!(ours, example, "line {}", line + 1);
    }
    assert_eq!(written, EXAMPLES);
}

#[test]
fn there_is_an_example_of_every_kind() {
    for kind in Kind::ALL {
        assert!(entries().any(|entry| Entry::read(entry.as_bytes()).unwrap().kind == *kind), "{kind}");
    }
}

/// serde writes the fields in the order of their declaration; this is what makes that order canonical.
#[test]
fn what_serde_writes_of_a_body_is_canonical() {
    for body in samples::bodies() {
        let bytes = body.to_bytes().unwrap();
        assert_eq!(canonical::check(&bytes), Ok(()), "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn an_entry_that_is_read_and_written_again_is_the_same() {
    for example in entries() {
        let entry = Entry::read(example.as_bytes()).unwrap();
        let body = entry.body().unwrap();
        assert_eq!(body.kind(), entry.kind);
        let bytes = body.to_bytes().unwrap();
        let again = wrap(entry.kind, &hex::encode(entry.prev), entry.seq, entry.tenant, entry.ts, &bytes);
        assert_eq!(String::from_utf8(again).unwrap(), example);
    }
}

#[test]
fn every_entry_names_the_hash_of_the_one_before() {
    let mut prev = NO_PREV.to_owned();
    for (seq, example) in (0_u64..).zip(entries()) {
        let entry = Entry::read(example.as_bytes()).unwrap();
        assert_eq!((hex::encode(entry.prev), entry.seq), (prev, seq));
        prev = leaf_hash(example.as_bytes());
    }
}

#[test]
fn the_decision_of_an_entry_is_found_in_every_kind_that_has_one() {
    let having: Vec<_> = Kind::ALL
        .iter()
        .filter(|kind| {
            samples::bodies().iter().any(|body| body.kind() == **kind && body.decision_id().is_some())
        })
        .collect();
    assert_eq!(having, [&Kind::Decision, &Kind::Outcome, &Kind::OutcomeMissing, &Kind::ReplayDifference]);
}

// === strictness ===

/// Every way to spoil one place of the value: the spoilt values, with where it was done.
fn spoilt(value: &Value, path: &str, out: &mut Vec<(String, Value)>) {
    let mut add = |what: &str, spoilt: Value| out.push((format!("{path}: {what}"), spoilt));
    match value {
        Value::Object(members) => {
            let mut more = members.clone();
            more.insert("zz".into(), 1.into());
            add("an unknown member", more.into());
            for (name, member) in members {
                let with = |member: Value| {
                    let mut changed: Map<String, Value> = members.clone();
                    changed.insert(name.clone(), member);
                    Value::from(changed)
                };
                let mut inner = vec![(format!("{path}.{name}: null"), Value::Null)];
                spoilt(member, &format!("{path}.{name}"), &mut inner);
                out.extend(inner.into_iter().map(|(what, member)| (what, with(member))));
            }
        }
        Value::Array(items) => {
            add("a text for a list", "x".into());
            for (at, item) in items.iter().enumerate() {
                let mut inner = Vec::new();
                spoilt(item, &format!("{path}[{at}]"), &mut inner);
                out.extend(inner.into_iter().map(|(what, item)| {
                    let mut changed = items.clone();
                    changed[at] = item;
                    (what, changed.into())
                }));
            }
        }
        Value::String(_) => add("a number for a text", 1.into()),
        Value::Number(_) => add("a text for a number", "1".into()),
        Value::Bool(_) => add("a number for a flag", 0.into()),
        Value::Null => {}
    }
}

fn read(bytes: &[u8]) -> Result<AnyBody, RecordError> {
    Entry::read(bytes)?.body()
}

/// Attack: two readers see one entry, and one of them looks past what it does not know.
#[test]
fn an_entry_with_a_spoilt_place_is_refused_whatever_the_place() {
    let mut tried = 0;
    for example in entries() {
        let value: Value = serde_json::from_str(example).unwrap();
        let mut all = Vec::new();
        spoilt(&value, "", &mut all);
        for (what, value) in all {
            let bytes = serde_json_canonicalizer::to_vec(&value).unwrap();
            assert!(read(&bytes).is_err(), "{what}: {value}");
            tried += 1;
        }
    }
    assert!(tried > 500, "only {tried}");
}

#[test]
fn a_frame_of_another_version_tenant_kind_or_time_is_refused() {
    let first = entries().next().unwrap();
    for (from, to) in [
        (r#""v":1"#, r#""v":2"#),
        (r#""v":1"#, r#""v":0"#),
        (r#""tenant":"acme""#, r#""tenant":"""#),
        (r#""tenant":"acme""#, r#""tenant":"..""#),
        (r#""tenant":"acme""#, r#""tenant":"a/b""#),
        (r#""tenant":"acme""#, r#""tenant":"a\"b""#),
        (r#""kind":"start""#, r#""kind":"begin""#),
        (r#""kind":"start""#, r#""kind":"stop""#),
        ("30:00.000Z", "30:00.0000Z"),
        ("30:00.000Z", "30:00Z"),
        ("30:00.000Z", "30:60.000Z"),
        ("T14:30:00.000Z", "T14:30:00.000z"),
        (r#""prev":"0000"#, r#""prev":"000"#),
        (r#""prev":"0000"#, r#""prev":"000A"#),
        (r#""seq":0"#, r#""seq":-1"#),
        (r#""seq":0"#, r#""seq":0.0"#),
        (r#"{"body":{"build""#, r#"{"body": {"build""#),
    ] {
        let changed = first.replacen(from, to, 1);
        assert_ne!(changed, first, "{from} is not there");
        assert!(read(changed.as_bytes()).is_err(), "{changed}");
    }
}

#[test]
fn every_error_has_a_code() {
    let code = |text: &str| read(text.as_bytes()).map_err(|error| error.code());
    let first = entries().next().unwrap();
    assert_eq!(code("{ }"), Err("audit.not_canonical"));
    assert_eq!(code("{}"), Err("audit.bad_frame"));
    assert_eq!(code(&first.replace(r#""v":1"#, r#""v":7"#)), Err("audit.bad_frame"));
    assert_eq!(code(&first.replace(r#""kind":"start""#, r#""kind":"stop""#)), Err("audit.bad_body"));
}

// === the schema ===

/// Walks the members of every object of the schema: path of the definition, name, and its own schema.
fn properties(schema: &Value, path: &str, out: &mut Vec<(String, Value)>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        out.push((path.clone(), property.clone()));
        properties(property, &path, out);
        properties(&property["items"], &path, out);
    }
}

fn schema_properties() -> Vec<(String, Value)> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut out = Vec::new();
    properties(&schema, "", &mut out);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        properties(definition, name, &mut out);
    }
    out
}

/// The paths of an entry's members, as the schema names them.
fn paths(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{path}.{name}");
                out.push(path.clone());
                paths(member, &path, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, path, out)),
        _ => {}
    }
}

#[test]
fn every_member_of_the_schema_says_what_it_is() {
    for (path, property) in schema_properties() {
        assert!(property["description"].as_str().is_some_and(|text| text.ends_with('.')), "{path}");
    }
}

#[test]
fn the_examples_show_exactly_the_members_of_the_schema() {
    let mut shown = Vec::new();
    for example in entries() {
        let value: Value = serde_json::from_str(example).unwrap();
        for name in value.as_object().unwrap().keys() {
            shown.push(format!(".{name}"));
        }
        paths(&value["body"], value["kind"].as_str().unwrap(), &mut shown);
    }
    let mut described: Vec<_> = schema_properties().into_iter().map(|(path, _)| path).collect();
    for list in [&mut shown, &mut described] {
        list.sort();
        list.dedup();
    }
    assert_eq!(shown, described);
}

#[test]
fn the_words_of_the_schema_are_those_of_the_types() {
    use interdict_audit::record::*;

    let labels = |words: Vec<&'static str>| Value::from(words);
    macro_rules! of {
        ($name:ident) => {
            labels($name::ALL.iter().map(|word| word.label()).collect())
        };
    }
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let body = |pointer: &str| schema.pointer(&format!("/$defs/{pointer}/enum")).cloned().unwrap();
    assert_eq!(schema["properties"]["kind"]["enum"], of!(Kind));
    assert_eq!(body("verdict"), of!(Verdict));
    assert_eq!(body("decision/properties/stage"), of!(Stage));
    assert_eq!(body("decision/properties/enforcer/properties/kind"), of!(EnforcerKind));
    assert_eq!(body("decision/properties/action/properties/kind"), of!(ActionKind));
    let reasons = "decision/properties/judgements/items/properties/reasons/items/properties/kind";
    assert_eq!(body(reasons), of!(ReasonKind));
    assert_eq!(body("outcome/properties/ended"), of!(Ended));
    assert_eq!(body("outcome/properties/rpc"), of!(Rpc));
    assert_eq!(body("outcome/properties/treated"), of!(Treated));
    assert_eq!(body("approval/properties/event"), of!(ApprovalEvent));
    assert_eq!(body("bundle/properties/event"), of!(BundleEvent));
    assert_eq!(body("pin/properties/event"), of!(PinEvent));
    assert_eq!(body("pin/properties/kind"), of!(Defined));
    assert_eq!(body("lift/properties/event"), of!(LiftEvent));
    assert_eq!(body("key/properties/event"), of!(KeyEvent));
    assert_eq!(body("health/properties/event"), of!(HealthEvent));
    assert_eq!(body("start/properties/durability"), of!(Durability));
    for kind in Kind::ALL {
        assert_eq!(Kind::from_label(kind.label()), Some(*kind));
    }
    assert_eq!(Kind::from_label("Decision"), None);
}
