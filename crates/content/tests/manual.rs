//! What `docs/content.md` says is so: every class is in it, and its figures are those of the last `make corpus`.
//!
//! `INTERDICT_WRITE_DOCS=1` writes the figures anew.

// Helpers outside of test functions fail a test the same way as the tests themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use interdict_content::engine::CLASSES;
use serde_json::Value;

const FROM: &str = "<!-- from bench/results/corpus.json by crates/content/tests/manual.rs -->\n";
const TO: &str = "<!-- end -->\n";

fn project(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

fn page() -> String {
    std::fs::read_to_string(project("docs/content.md")).unwrap()
}

#[test]
fn the_manual_has_every_class_with_its_family() {
    let page = page();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        let family = cells.next()?.strip_prefix('`')?;
        CLASSES.iter().any(|class| family.starts_with(class.family)).then(|| format!("{name} {family}"))
    });
    let said: BTreeSet<String> = rows.collect();
    let known: BTreeSet<String> = CLASSES
        .iter()
        .map(|class| match class.country {
            "" => format!("{} {}`", class.name, class.family),
            country => format!("{} {}`, {country}", class.name, class.family),
        })
        .collect();
    assert_eq!(said, known);
}

#[test]
fn the_manual_has_the_figures_of_the_last_run() {
    let page = page();
    let (before, rest) = page.split_once(FROM).unwrap();
    let (said, after) = rest.split_once(TO).unwrap();
    let figures = figures();
    if said != figures && std::env::var_os("INTERDICT_WRITE_DOCS").is_some() {
        std::fs::write(project("docs/content.md"), format!("{before}{FROM}{figures}{TO}{after}")).unwrap();
        return;
    }
    assert_eq!(said, figures, "INTERDICT_WRITE_DOCS=1 cargo test -p interdict-content --test manual");
}

fn figures() -> String {
    let text = std::fs::read_to_string(project("bench/results/corpus.json")).unwrap();
    let corpus: Value = serde_json::from_str(&text).unwrap();
    let (values, injection) = (&corpus["values"], &corpus["injection"]);
    let mut out =
        String::from("\n| values | cases | found | precision | goal 98 % |\n|---|---|---|---|---|\n");
    for goal in values["goals"].as_array().unwrap() {
        let met = if goal["met"] == true { "met" } else { "**missed**" };
        let (what, cases) = (goal["what"].as_str().unwrap(), &goal["cases"]);
        let (recall, precision) = (percent(&goal["recall"]), percent(&goal["precision"]));
        out += &format!("| {what} | {cases} | {recall} | {precision} | {met} |\n");
    }
    let attacks = cases(&injection["attacks"]);
    let benign = cases(&injection["benign"]);
    out += &format!(
        "\n| tier | of {attacks} attacks are marked | of {benign} benign texts are marked |\n|---|---|---|\n"
    );
    for tier in ["structural", "contextual", "lexical"] {
        let marked = &injection["precision"][tier];
        out += &format!("| {tier} | {} | {} |\n", marked["attacks"], marked["benign"]);
    }
    for goal in injection["goals"].as_array().unwrap() {
        let met = if goal["met"] == true { "met" } else { "**missed**" };
        out += &format!(
            "\n{}: {} of {}, goal at most {}: {met}.\n",
            capital(goal["what"].as_str().unwrap()),
            goal["false_positives"],
            goal["cases"],
            percent(&goal["at_most"]),
        );
    }
    out + "\n"
}

/// Cases of all corpora of a section.
fn cases(section: &Value) -> u64 {
    let parts = section.as_object().unwrap().values().flat_map(|corpus| corpus.as_object().unwrap().values());
    parts.map(|part| part["cases"].as_u64().unwrap()).sum()
}

fn percent(share: &Value) -> String {
    format!("{:.1} %", share.as_f64().unwrap() * 100.0)
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
