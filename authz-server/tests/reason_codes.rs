//! Operators search for reason codes, so each has a line in the documentation.

// Helpers outside of test functions fail a test the same way as the tests themselves.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const STAGES: [&str; 15] = [
    "parse",
    "http",
    "identity",
    "registry",
    "content",
    "tool",
    "totals",
    "pin",
    "quarantine",
    "bundle",
    "approval",
    "enforcer",
    "audit",
    "admin",
    "internal",
];

/// Key paths of the configuration and names of files look like codes and are none.
const KEYS: [&str; 7] = [
    "quarantine.key",
    "admin.token",
    "identity.issuers",
    "identity.leeway_seconds",
    "identity.mtls",
    "identity.resource_metadata",
    "http.send",
];

#[test]
fn every_reason_code_in_the_source_is_documented() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let documented: String =
        ["docs/reason-codes.md", "docs/identity.md", "docs/bundles.md", "docs/admin-api.md"]
            .map(|page| fs::read_to_string(project.join(page)).unwrap())
            .concat();
    let mut codes = BTreeSet::new();
    for room in ["crates/mcp/src", "filter/src", "authz-server/src"] {
        for file in sources(&project.join(room)) {
            codes.extend(codes_of(&STAGES, &fs::read_to_string(&file).unwrap()));
        }
    }
    assert!(codes.len() > 80, "the search found only {codes:?}");
    let settings = fs::read_to_string(project.join("docs/configuration.md")).unwrap();
    let is_in = |page: &str, word: &str| page.contains(&format!("`{word}`"));
    let missing: Vec<_> =
        codes.iter().filter(|code| !is_in(&documented, code) && !is_in(&settings, code)).collect();
    assert!(missing.is_empty(), "not in docs/reason-codes.md: {missing:?}");
}

/// What the shipped policies say is looked up in the same place.
#[test]
fn every_reason_code_of_the_default_policies_is_documented() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(project.join("docs/reason-codes.md")).unwrap();
    let mut codes = BTreeSet::new();
    for file in files(&project.join("policies"), &|name| name.ends_with(".rego") && !name.contains("_test")) {
        let text = fs::read_to_string(&file).unwrap();
        // A mistake refuses the bundle and is no answer to a call.
        let lines = text.lines().filter(|line| !line.starts_with("mistake"));
        let behind = lines.filter_map(|line| line.split_once(r#""code": ""#));
        codes.extend(behind.filter_map(|(_, rest)| Some(rest.split_once('"')?.0.to_owned())));
    }
    assert!(codes.len() > 45, "the search found only {codes:?}");
    let missing: Vec<_> = codes.iter().filter(|code| !page.contains(&format!("`policy.{code}`"))).collect();
    assert!(missing.is_empty(), "not in docs/reason-codes.md: {missing:?}");
}

#[test]
fn every_reason_code_of_an_answer_is_on_the_filters_page_and_pointed_to() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = ["docs/filter.md", "docs/reason-codes.md"]
        .map(|page| fs::read_to_string(project.join(page)).unwrap());
    let mut codes = BTreeSet::new();
    for file in sources(&project.join("crates/content/src/response")) {
        codes.extend(codes_of(&["response"], &fs::read_to_string(&file).unwrap()));
    }
    assert!(codes.len() >= 5, "the search found only {codes:?}");
    for code in codes {
        assert!(pages.iter().all(|page| page.contains(&format!("`{code}`"))), "{code}");
    }
}

/// Auditors look up what the verifier said, and the page says nothing that it could not say.
#[test]
fn the_auditors_page_has_the_codes_of_the_verifier_and_no_others() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(project.join("docs/audit.md")).unwrap();
    let documented = codes_of(&["verify"], &page.replace('`', "\""));
    let mut codes = BTreeSet::new();
    for file in sources(&project.join("crates/audit/src")) {
        codes.extend(codes_of(&["verify"], &fs::read_to_string(&file).unwrap()));
    }
    assert!(codes.len() > 20, "the search found only {codes:?}");
    assert_eq!(documented, codes);
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    files(folder, &|name| name.ends_with(".rs") && !name.trim_end_matches(".rs").contains("test"))
}

/// All files below a folder whose name fits, those in folders of tests left out.
fn files(folder: &Path, fits: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.contains("test") {
            found.extend(files(&path, fits));
        } else if path.is_file() && fits(&name) {
            found.push(path);
        }
    }
    found
}

/// String literals of the form `stage.snake_case` before the file's test module.
fn codes_of(stages: &[&str], text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.split('"')
        .filter(|literal| {
            literal.split_once('.').is_some_and(|(stage, rest)| {
                stages.contains(&stage)
                    && !rest.is_empty()
                    && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            }) && !KEYS.contains(literal)
        })
        .map(str::to_owned)
        .collect()
}
