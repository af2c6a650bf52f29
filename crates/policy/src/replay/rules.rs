//! Where the rule stands that has a reason's code.

#![allow(
    clippy::indexing_slicing,
    reason = "reading a JSON value by key never panics: what is missing is null"
)]

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::bundle::{elements, path_of, tree};
use crate::{BundleFile, Reason, ReasonKind};

/// A place in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Name of the file inside of its root.
    pub file: String,
    /// Line, starting at 1.
    pub line: u64,
}

/// The rules that can give this reason: those of its set that hold the code, or that refer to the named object that holds
/// it (`deny contains reasons.missing`). When neither is found, the places of the code in the topic's files. Empty for
/// a reason that no rule gives, as `policy.no_allow`.
pub(super) fn places(files: &[BundleFile], reason: &Reason) -> Vec<Place> {
    let set = match reason.kind {
        ReasonKind::Deny => "deny",
        ReasonKind::Intercept => "intercept",
        ReasonKind::Allow => "allow",
        ReasonKind::Error => return Vec::new(),
    };
    let Some(code) = reason.code.strip_prefix("policy.") else { return Vec::new() };
    if reason.topic.is_empty() {
        return Vec::new();
    }
    let trees: Vec<(&str, Value)> = files.iter().filter_map(|file| of_topic(file, &reason.topic)).collect();
    let rules =
        || trees.iter().flat_map(|(file, tree)| elements(&tree["rules"]).map(move |rule| (*file, rule)));
    let of_set = || rules().filter(|(_, rule)| set_name(rule) == Some(set));
    let found = sorted(of_set().filter(|(_, rule)| code_line(rule, code).is_some()));
    if !found.is_empty() {
        return found;
    }
    let named: Vec<Vec<String>> = rules().filter_map(|(_, rule)| holder(rule, code)).collect();
    let found = sorted(of_set().filter(|(_, rule)| named.iter().any(|path| refers(rule, path))));
    if !found.is_empty() {
        return found;
    }
    let place =
        |(file, rule): (&str, &Value)| Some(Place { file: file.to_owned(), line: code_line(rule, code)? });
    rules().filter_map(place).collect()
}

/// Name and syntax tree of a file that belongs to the topic.
fn of_topic<'f>(file: &'f BundleFile, topic: &str) -> Option<(&'f str, Value)> {
    let policy = file.name.ends_with(".rego") && !file.name.ends_with("_test.rego");
    let tree = policy.then(|| tree(Path::new(&file.name), &file.text).ok()).flatten()?;
    let package = path_of(&tree["package"]["refr"])?;
    (package == ["interdict", "policy", topic]).then_some((file.name.as_str(), tree))
}

fn sorted<'t>(rules: impl Iterator<Item = (&'t str, &'t Value)>) -> Vec<Place> {
    let place = |(file, rule): (&str, &Value)| {
        Some(Place { file: file.to_owned(), line: rule["Spec"]["span"]["line"].as_u64()? })
    };
    let mut places: Vec<Place> = rules.filter_map(place).collect();
    places.sort();
    places.dedup();
    places
}

/// The set that the rule adds to.
fn set_name(rule: &Value) -> Option<&str> {
    rule["Spec"]["head"]["Set"]["refr"]["Var"]["value"].as_str()
}

/// The line of the first `"code": "<code>"` in the node.
fn code_line(node: &Value, code: &str) -> Option<u64> {
    match node {
        Value::Object(members) => fields(node)
            .find(|(key, value)| key["value"] == "code" && value["String"]["value"] == code)
            .and_then(|(_, value)| value["String"]["span"]["line"].as_u64())
            .or_else(|| members.values().find_map(|member| code_line(member, code))),
        Value::Array(items) => items.iter().find_map(|item| code_line(item, code)),
        _ => None,
    }
}

/// Key (the string's node) and value of each field, if the node is an object of the policy.
fn fields(node: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    elements(&node["Object"]["fields"]).map(|field| (&field[1]["String"], &field[2]))
}

/// `["reasons", "missing"]` for `reasons := {"missing": {"code": "<code>", …}}`, `["reason"]` for `reason := {"code": …}`.
fn holder(rule: &Value, code: &str) -> Option<Vec<String>> {
    let head = &rule["Spec"]["head"]["Compr"];
    let mut path = path_of(&head["refr"])?;
    let value = &head["assign"]["value"];
    code_line(value, code)?;
    let key = fields(value).find(|(_, member)| code_line(member, code).is_some());
    if let Some((key, _)) = key {
        path.push(key["value"].as_str()?.to_owned());
    }
    Some(path)
}

/// Whether the rule refers to exactly this path.
fn refers(node: &Value, path: &[String]) -> bool {
    match node {
        Value::Object(members) => {
            path_of(node).is_some_and(|found| found == path)
                || members.values().any(|member| refers(member, path))
        }
        Value::Array(items) => items.iter().any(|item| refers(item, path)),
        _ => false,
    }
}
