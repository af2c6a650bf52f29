//! The content address of a bundle, and the form in which it is kept.

use crate::common::{Folder, agent, call, limits, project, server};
use interdict_policy::{Bundle, BundleFile, KeptBundle};
use serde_json::{Value, json};

const RULES: &str = "package interdict.policy.own\n\nallow contains {\"code\": \"a\", \"message\": \"m\"}\n";
const NONE: &str = "agents: []\n";

fn file(root: &str, name: &str, text: &str) -> BundleFile {
    BundleFile { root: root.into(), name: name.into(), text: text.into() }
}

/// A kept bundle, changed.
fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let bundle =
        Bundle::from_files(vec![file("", "a.rego", RULES), file("", "data.yaml", "x: 1\n")]).unwrap();
    let mut kept: Value = serde_json::from_slice(&bundle.keep(&[])).unwrap();
    change(&mut kept);
    serde_json::to_vec(&kept).unwrap()
}

#[test]
fn the_file_list_is_canonical_and_its_digest_is_that_of_the_bundle() {
    let bundle =
        Bundle::from_files(vec![file("", "b/ä.rego", RULES), file("", "a/data.yaml", "x: 1\n")]).unwrap();
    let list = bundle.file_list();
    let value: Value = serde_json::from_slice(&list).unwrap();
    assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), list);
    assert_eq!(value["files"][0]["name"], "a/data.yaml");
    assert_eq!(value["files"][1]["size"], RULES.len());
    let hashed = [b"interdict bundle 2\n".as_slice(), &list].concat();
    use sha2::Digest as _;
    let digest: String = sha2::Sha256::digest(hashed).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(bundle.digest(), digest);
}

#[test]
fn the_digest_does_not_depend_on_the_order_of_roots_and_a_name_may_be_in_two() {
    let one = vec![
        file("x", "agents/a.yaml", NONE),
        file("y", "agents/a.yaml", "agents: [] # y\n"),
        file("y", "a.rego", RULES),
    ];
    let other = one.iter().rev().cloned().collect();
    let (one, other) = (Bundle::from_files(one).unwrap(), Bundle::from_files(other).unwrap());
    assert_eq!(one.digest(), other.digest());
    let kept = Bundle::from_kept(&one.keep(&[])).unwrap();
    assert_eq!((kept.digest(), kept.files().count()), (one.digest(), 3));
    assert_eq!(kept.keep(&[]), one.keep(&[]), "kept again, it is the same");
}

#[test]
fn a_name_that_is_twice_in_one_root_is_refused() {
    let twice = vec![file("x", "a.rego", RULES), file("x", "a.rego", RULES)];
    assert_eq!(Bundle::from_files(twice).unwrap_err().code, "bundle.duplicate_file");
}

#[test]
fn tests_and_notes_are_not_kept_and_the_manifest_is() {
    let folder = Folder::new(&[
        ("a.rego", RULES),
        ("a_test.rego", "package t\n\ntest_x if true\n"),
        ("README.md", "notes"),
        (".manifest", "{\"revision\": \"r7\"}"),
        (".signatures.json", "{}"),
        (".hidden", "x"),
    ]);
    let bundle = folder.load().unwrap();
    let names: Vec<String> = bundle.files().map(|file| file.name).collect();
    assert_eq!(names, [".manifest", "a.rego"]);
    assert_eq!(bundle.manifest().unwrap().revision.as_deref(), Some("r7"));
    let before = bundle.digest().to_owned();
    folder.write("a_test.rego", "package t\n\ntest_y if true\n");
    assert_eq!(folder.load().unwrap().digest(), before);
    folder.write(".manifest", "{\"revision\": \"r8\"}");
    assert_ne!(folder.load().unwrap().digest(), before);
}

#[test]
fn the_default_bundle_decides_the_same_after_it_was_kept() {
    let bundle = Bundle::load(&[project("policies"), project("examples/quickstart/bundle")]).unwrap();
    let kept = Bundle::from_kept(&bundle.keep(&["a.b.c".into()])).unwrap();
    assert_eq!(kept.digest(), bundle.digest());
    let (agent, server, arguments) = (agent(), server("payments"), json!({"amount": 5, "to": "x"}));
    for tool in ["transfer", "get_balance", "nothing"] {
        let input = call(&agent, &server, tool, &arguments);
        let (one, other) =
            (bundle.evaluator(limits()).decide(&input), kept.evaluator(limits()).decide(&input));
        assert_eq!(one, other);
    }
}

#[test]
fn signatures_come_back_as_they_were_kept() {
    let bundle = Bundle::from_files(vec![file("", "a.rego", RULES)]).unwrap();
    let kept = KeptBundle::read(&bundle.keep(&["a.b.c".into()])).unwrap();
    assert_eq!((kept.signatures, kept.digest.as_str()), (vec!["a.b.c".to_owned()], bundle.digest()));
    assert!(KeptBundle::read(&bundle.keep(&[])).unwrap().signatures.is_empty());
}

#[test]
fn a_kept_bundle_with_any_change_is_refused() {
    let text = "package interdict.policy.own\n\nallow contains {\"code\": \"b\", \"message\": \"m\"}\n";
    let one = |value: &mut Value, key: &str, to: Value| value[key] = to;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("text", changed(|kept| one(&mut kept["files"][0], "text", json!(text)))),
        ("name", changed(|kept| one(&mut kept["files"][0], "name", json!("b.rego")))),
        ("hash", changed(|kept| one(&mut kept["files"][0], "sha256", json!("0".repeat(64))))),
        ("digest", changed(|kept| one(kept, "digest", json!("0".repeat(64))))),
        ("listed size", changed(|kept| one(&mut kept["manifest"]["files"][0], "size", json!(1)))),
        ("listed name", changed(|kept| one(&mut kept["manifest"]["files"][0], "name", json!("z")))),
        ("file gone", changed(|kept| drop(kept["files"].as_array_mut().unwrap().pop()))),
        (
            "file more",
            changed(|kept| {
                let more = kept["files"][0].clone();
                kept["files"].as_array_mut().unwrap().push(more);
            }),
        ),
        (
            "order",
            changed(|kept| {
                for list in ["/files", "/manifest/files"] {
                    kept.pointer_mut(list).unwrap().as_array_mut().unwrap().reverse();
                }
            }),
        ),
        ("version", changed(|kept| one(kept, "v", json!(2)))),
        ("list version", changed(|kept| one(&mut kept["manifest"], "v", json!(3)))),
        ("unknown member", changed(|kept| one(kept, "note", json!("x")))),
        ("cut off", changed(|_| ()).into_iter().take(100).collect()),
        ("no json", b"kept".to_vec()),
    ];
    for (what, bytes) in cases {
        let error = Bundle::from_kept(&bytes).unwrap_err();
        assert_eq!(error.code, "bundle.kept", "{what}: {error}");
    }
}

#[test]
fn a_kept_bundle_holds_nothing_that_decides_nothing() {
    use sha2::Digest as _;
    for name in ["a_test.rego", "README.md", "../a.rego", "/a.rego", "a//b.rego"] {
        let sha256: String = sha2::Sha256::digest(RULES).iter().map(|byte| format!("{byte:02x}")).collect();
        let bytes = changed(|kept| {
            let file = json!({"name": name, "sha256": sha256, "text": RULES});
            kept["files"].as_array_mut().unwrap().insert(0, file);
        });
        assert_eq!(Bundle::from_kept(&bytes).unwrap_err().code, "bundle.kept", "{name}");
    }
}

#[test]
fn a_manifest_is_read_strictly() {
    let term = |text: &str| format!("{{\"metadata\": {{\"interdict\": {text}}}}}");
    for (text, code) in [
        ("{", "bundle.json"),
        ("{\"revision\": \"a\", \"revision\": \"b\"}", "bundle.json"),
        ("{\"revison\": \"a\"}", "bundle.manifest"),
        ("{\"rego_version\": 0}", "bundle.manifest"),
        ("{\"file_rego_versions\": {\"/a.rego\": 0}}", "bundle.manifest"),
        ("{\"wasm\": [{\"entrypoint\": \"x\"}]}", "bundle.wasm"),
        (&term("{\"sequence\": 1}"), "bundle.manifest"),
        (&term("{\"sequence\": -1, \"expires_at\": \"2027-01-01T00:00:00Z\"}"), "bundle.manifest"),
        (&term("{\"sequence\": 9007199254740992, \"expires_at\": \"2027-01-01T00:00:00Z\"}"), "bundle.json"),
        (&term("{\"sequence\": 1, \"expires_at\": \"soon\"}"), "bundle.manifest"),
        (
            &term("{\"sequence\": 1, \"expires_at\": \"2027-01-01T00:00:00Z\", \"expire\": 1}"),
            "bundle.manifest",
        ),
        (
            &term(
                "{\"sequence\": 1, \"not_before\": \"2027-01-02T00:00:00Z\", \"expires_at\": \"2027-01-01T00:00:00Z\"}",
            ),
            "bundle.manifest",
        ),
    ] {
        let error = Folder::new(&[("a.rego", RULES), (".manifest", text)]).load().unwrap_err();
        assert_eq!(error.code, code, "{text}: {error}");
    }
    let good = "{\"revision\": \"r\", \"roots\": [\"\"], \"rego_version\": 1, \"metadata\": {\"owner\": {\"x\": 1}, \
                \"interdict\": {\"sequence\": 7, \"expires_at\": \"2027-01-01T00:00:00Z\"}}}";
    let bundle = Folder::new(&[("a.rego", RULES), (".manifest", good)]).load().unwrap();
    assert_eq!(bundle.manifest().unwrap().term().unwrap().sequence, 7);
}

#[test]
fn what_lies_outside_of_the_roots_of_a_manifest_is_refused() {
    let roots = "{\"roots\": [\"interdict/policy/own\", \"house/limits\"]}";
    let load =
        |name: &str, text: &str| Folder::new(&[("a.rego", RULES), (".manifest", roots), (name, text)]).load();
    load("house/limits/data.yaml", "a: 1\n").unwrap();
    load("data.yaml", "house: {limits: {a: 1}}\n").unwrap();
    for (name, text) in [
        ("data.yaml", "house: {limit: {a: 1}}\n"),
        ("data.yaml", "house: 1\n"),
        ("house/data.yaml", "other: 1\n"),
        ("b.rego", "package house.other\n\nx := 1\n"),
    ] {
        assert_eq!(load(name, text).unwrap_err().code, "bundle.outside_of_roots", "{name}: {text}");
    }
}

#[test]
fn a_bundle_without_allow_and_deny_decides_nothing() {
    assert!(Bundle::from_files(vec![file("", "a.rego", RULES)]).unwrap().decides());
    assert!(!Bundle::from_files(vec![file("", "a.rego", "package house\n\nx := 1\n")]).unwrap().decides());
}
