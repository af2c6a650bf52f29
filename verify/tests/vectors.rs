//! Capabilities E2, E3: what nobody can do to a log unnoticed. Every case lies in `tests/vectors/audit/<case>/`, with
//! what the verifier has to say in `expect.json`.
//!
//! The cases are made by `support`; after a change of the format
//! `INTERDICT_WRITE_VECTORS=1 cargo test -p interdict-verify --test vectors` writes them anew.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops where it cannot go on"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::cases::{self, Case};

fn verify(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_interdict-verify"))
        .args(arguments)
        .arg(folder)
        .output()
        .expect("it runs")
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/audit")
}

fn write(case: &Case, folder: &Path) {
    case.folder.write(folder);
    for (name, text) in &case.spoil {
        match text {
            Some(text) => std::fs::write(folder.join(name), text).unwrap(),
            None => std::fs::remove_file(folder.join(name)).unwrap(),
        }
    }
    let mut expect = json!({ "exit": case.exit, "why": case.why });
    if !case.code.is_empty() {
        expect["code"] = case.code.into();
    }
    let text = format!("{}\n", serde_json::to_string_pretty(&expect).unwrap());
    std::fs::write(folder.join("expect.json"), text).unwrap();
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

#[test]
fn the_vectors_in_the_repository_are_those_that_the_cases_make() {
    let made = tempfile::tempdir().unwrap();
    for case in cases::all() {
        write(&case, &made.path().join(case.name));
    }
    if std::env::var_os("INTERDICT_WRITE_VECTORS").is_some() {
        let _ = std::fs::remove_dir_all(vectors());
        for case in cases::all() {
            write(&case, &vectors().join(case.name));
        }
    }
    let relative = |root: &Path| -> BTreeMap<PathBuf, Vec<u8>> {
        let strip = |path: PathBuf| path.strip_prefix(root).unwrap().to_path_buf();
        files(root).into_iter().map(|(path, bytes)| (strip(path), bytes)).collect()
    };
    let (made, stored) = (relative(made.path()), relative(&vectors()));
    assert_eq!(made.keys().collect::<Vec<_>>(), stored.keys().collect::<Vec<_>>());
    for (path, bytes) in &made {
        assert!(stored[path] == *bytes, "{} is not what its case makes", path.display());
    }
}

#[test]
fn the_verifier_ends_as_every_vector_expects_and_says_why() {
    let mut seen = 0;
    for entry in std::fs::read_dir(vectors()).unwrap() {
        let folder = entry.unwrap().path();
        let expect: Value =
            serde_json::from_slice(&std::fs::read(folder.join("expect.json")).unwrap()).unwrap();
        let output = verify(&["--json"], &folder);
        let text = String::from_utf8(output.stdout).unwrap();
        let name = folder.display();
        assert_eq!(output.status.code().map(Value::from), Some(expect["exit"].clone()), "{name}\n{text}");
        let report: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let verdict = ["whole", "tampered", "unusable"][expect["exit"].as_u64().unwrap() as usize];
        assert_eq!(report["verdict"], verdict, "{name}");
        if let Some(code) = expect.get("code") {
            let codes: Vec<&Value> = match report.get("findings") {
                Some(findings) => {
                    findings.as_array().unwrap().iter().map(|finding| &finding["code"]).collect()
                }
                None => vec![&report["code"]],
            };
            assert!(codes.contains(&code), "{name}: {codes:?} lacks {code}");
        }
        seen += 1;
    }
    assert_eq!(seen, cases::all().len());
}

#[test]
fn every_single_value_that_a_record_shows_is_covered() {
    let log = support::Log::story();
    let written = tempfile::tempdir().unwrap();
    let honest = log.whole();
    honest.write(written.path());
    let mut changed = 0;
    for (place, entry) in log.entries.iter().enumerate() {
        let record: Value = serde_json::from_slice(entry).unwrap();
        for pointer in pointers(&record, String::new()) {
            let mut edited = record.clone();
            let value = edited.pointer_mut(&pointer).unwrap();
            *value = match &*value {
                Value::String(text) => Value::from(format!("{text}0")),
                Value::Number(number) => Value::from(number.as_u64().unwrap() + 1),
                Value::Bool(truth) => Value::from(!*truth),
                _ => json!({}),
            };
            let mut records = honest.records.clone();
            records[place] = serde_json::to_vec(&edited).unwrap();
            std::fs::write(written.path().join("records.jsonl"), records.join(&b'\n')).unwrap();
            let report = interdict_audit::verify::verify(written.path(), None, false).unwrap();
            assert_eq!(report.verdict, interdict_audit::verify::Verdict::Tampered, "{place} {pointer}");
            changed += 1;
        }
    }
    assert!(changed > 200, "{changed} values");
}

/// Attack: a byte of what is shown or signed is another, be it in the middle of a word or of a signature.
#[test]
fn no_byte_of_a_record_or_a_checkpoint_can_be_another() {
    let made = tempfile::tempdir().unwrap();
    let log = support::Log::story();
    log.package(&[(12, 13)], &[log.entries.len()]).write(made.path());
    // Of the record some bytes of every word; of the checkpoint each.
    for (name, step) in [("records.jsonl", 3), ("checkpoints.jsonl", 1)] {
        let path = made.path().join(name);
        let honest = std::fs::read(&path).unwrap();
        for at in (0..honest.len() - 1).step_by(step) {
            let mut changed = honest.clone();
            changed[at] ^= 1;
            std::fs::write(&path, changed).unwrap();
            let found = interdict_audit::verify::verify(made.path(), None, false);
            let whole = found.is_ok_and(|report| report.verdict == interdict_audit::verify::Verdict::Whole);
            assert!(!whole, "byte {at} of {name}");
        }
        std::fs::write(&path, honest).unwrap();
    }
    let honest = interdict_audit::verify::verify(made.path(), None, false).unwrap();
    assert_eq!(honest.verdict, interdict_audit::verify::Verdict::Whole, "the control");
}

fn pointers(value: &Value, path: String) -> Vec<String> {
    match value {
        Value::Object(members) => {
            members.iter().flat_map(|(name, value)| pointers(value, format!("{path}/{name}"))).collect()
        }
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.flat_map(|(at, value)| pointers(value, format!("{path}/{at}"))).collect()
        }
        _ => vec![path],
    }
}

#[test]
fn a_part_of_the_log_is_not_enough_where_the_whole_is_demanded() {
    assert_eq!(verify(&[], &vectors().join("one-decision")).status.code(), Some(0));
    let output = verify(&["--complete"], &vectors().join("one-decision"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("verify.incomplete"));
    assert_eq!(verify(&["--complete"], &vectors().join("whole")).status.code(), Some(0));
}

#[test]
fn the_trust_of_the_auditor_takes_the_place_of_that_in_the_package() {
    let folder = vectors().join("whole");
    let own = vectors().join("replaced-key/trust.json");
    let output = verify(&["--json", "--trust", own.to_str().unwrap()], &folder);
    assert_eq!(output.status.code(), Some(0), "the same keys");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["trust"], "auditor");

    let made = tempfile::tempdir().unwrap();
    let stranger = made.path().join("trust.json");
    let key = support::log_key(77).verifier().to_string();
    std::fs::write(&stranger, json!({ "v": 1, "log_keys": [key] }).to_string()).unwrap();
    let output = verify(&["--trust", stranger.to_str().unwrap()], &folder);
    assert_eq!(output.status.code(), Some(1), "whoever signed this is not trusted");
}

/// Attack: a package that keeps the verifier waiting.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    for name in ["records.jsonl", "package.json", "checkpoints.jsonl"] {
        let made = tempfile::tempdir().unwrap();
        support::Log::story().whole().write(made.path());
        let pipe = made.path().join(name);
        std::fs::remove_file(&pipe).unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let output = verify(&["--json"], made.path());
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("verify.unreadable"), "{name}");
    }
}

#[test]
fn a_reader_that_goes_away_changes_nothing_about_the_exit_code() {
    for entry in std::fs::read_dir(vectors()).unwrap() {
        let folder = entry.unwrap().path();
        let expect: Value =
            serde_json::from_slice(&std::fs::read(folder.join("expect.json")).unwrap()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_interdict-verify"))
            .arg(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        drop((child.stdout.take(), child.stderr.take()));
        let code = child.wait().unwrap().code().map(Value::from);
        assert_eq!(code, Some(expect["exit"].clone()), "{}", folder.display());
        let text = String::from_utf8(verify(&[], &folder).stdout).unwrap();
        assert!(text.matches("verify.root:").count() <= 1, "a wrong root is told once: {text}");
    }
}
