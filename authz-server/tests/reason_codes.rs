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
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains("test"));
        if path.is_dir() && !is_test {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
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
