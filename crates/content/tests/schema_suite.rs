//! The official test suite of JSON Schema: what is not refused when it is compiled is judged as the suite says.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use interdict_content::schema::Validator;
use interdict_mcp::json::{Document, Limits, Numbers, Value};

/// Groups of the suite whose schema is refused: for references to other documents and to resources inside of the document
/// (an `$id` below the root), and for anything else.
struct Refused {
    remote: usize,
    others: Vec<String>,
}

fn run(draft: &str) -> (usize, Refused) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/json-schema-test-suite").join(draft);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut judged, mut refused) = (0, Refused { remote: 0, others: Vec::new() });
    let mut wrong = Vec::new();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let limits = Limits { numbers: Numbers::Exact, ..Limits::default() };
        // One group a line, so that a group that our strict reader refuses takes no others with it.
        for line in String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(|line| line.trim_end_matches(','))
            .filter(|line| line.len() > 1)
        {
            let Ok(document) = Document::parse(line.as_bytes(), &limits) else {
                refused.others.push(format!("unreadable: {line:.80}"));
                continue;
            };
            let group = document.root();
            let text = |value: Value<'_>, name: &str| value.get(name).unwrap().as_str().unwrap().into_owned();
            let name = format!("{}: {}", file.file_stem().unwrap().display(), text(group, "description"));
            // A group of draft 7 does not say so.
            let mut schema = group.get("schema").unwrap().raw().to_owned();
            if draft == "draft7" && schema.starts_with('{') && !schema.contains("\"$schema\"") {
                let comma = if schema == "{}" { "" } else { "," };
                schema = schema.replacen(
                    '{',
                    &format!("{{\"$schema\":\"http://json-schema.org/draft-07/schema#\"{comma}"),
                    1,
                );
            }
            let validator = match Validator::new(&schema) {
                Ok(validator) => validator,
                Err(error) if error.code == "schema.remote_ref" => {
                    refused.remote += 1;
                    continue;
                }
                Err(error) => {
                    refused.others.push(format!("{}: {name}", error.code));
                    continue;
                }
            };
            for case in group.get("tests").unwrap().elements() {
                let verdict = validator.validate(case.get("data").unwrap());
                if verdict.is_ok() != case.get("valid").unwrap().as_bool().unwrap() {
                    wrong.push(format!("{name} / {} {verdict:?}", text(case, "description")));
                }
                judged += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    (judged, refused)
}

#[test]
fn draft_2020_12_is_judged_as_the_suite_says() {
    let (judged, refused) = run("draft2020-12");
    assert_eq!((judged, refused.remote), (977, 34));
    // Both hold a member `__proto__`, which is never read.
    assert!(refused.others.len() == 2 && refused.others.iter().all(|other| other.starts_with("unreadable")));
}

#[test]
fn draft_7_is_judged_as_the_suite_says() {
    let (judged, refused) = run("draft7");
    assert_eq!((judged, refused.remote), (741, 12));
    assert!(refused.others.len() == 2 && refused.others.iter().all(|other| other.starts_with("unreadable")));
}
