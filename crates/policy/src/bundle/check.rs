//! Checks over all Rego files together: packages, rule names, calls.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::builtins;
use super::rego::{Module, RuleKind};
use crate::BundleError;

/// The four sets that a topic may define.
pub(crate) const SETS: [&str; 4] = ["allow", "deny", "intercept", "obligation"];

/// The set that a topic may define for the load: what is wrong with the data that it reads.
pub(crate) const MISTAKE: &str = "mistake";

/// Topic -> the sets that it defines.
pub(crate) type Topics = BTreeMap<String, BTreeSet<String>>;

/// Full paths of all functions of the bundle, without `data.`.
pub(crate) fn functions<'a>(modules: impl Iterator<Item = &'a Module>) -> BTreeSet<String> {
    let mut functions = BTreeSet::new();
    for module in modules {
        for rule in module.rules.iter().filter(|rule| rule.kind == RuleKind::Function) {
            functions.insert(format!("{}.{}", module.package.join("."), rule.name));
        }
    }
    functions
}

/// Checks one file that takes part in decisions and notes which sets its topic defines.
pub(crate) fn policy(
    path: &Path,
    module: &Module,
    functions: &BTreeSet<String>,
    topics: &mut Topics,
) -> Result<(), BundleError> {
    let package: Vec<&str> = module.package.iter().map(String::as_str).collect();
    let topic = match package.as_slice() {
        ["interdict", "policy", topic] => Some(*topic),
        ["interdict", "lib", ..] => None,
        ["interdict", ..] => {
            let message = format!(
                "Package `{}` is read by nobody. A topic is `interdict.policy.<topic>`, helpers are \
                 `interdict.lib.<name>` or any package of your own.",
                package.join(".")
            );
            return Err(BundleError::new("bundle.package", message).at(path, Some(1)));
        }
        _ => None,
    };
    for rule in &module.rules {
        let at = |code, message: String| Err(BundleError::new(code, message).at(path, rule.line));
        if rule.name.starts_with("__") {
            return at(
                "bundle.rule_name",
                format!("Names that start with `__`, as `{}`, are reserved.", rule.name),
            );
        }
        let is_set = SETS.contains(&rule.name.as_str()) || (rule.name == MISTAKE && topic.is_some());
        if !is_set {
            continue;
        }
        match topic {
            None => {
                let message = format!(
                    "`{}` in package `{}` decides nothing; it counts only in a package `interdict.policy.<topic>`.",
                    rule.name,
                    package.join(".")
                );
                return at("bundle.set_outside_of_topic", message);
            }
            Some(_) if rule.kind != RuleKind::Set => {
                let message = format!(
                    "`{0}` of a topic is a set: `{0} contains {{\"code\": \"…\", \"message\": \"…\"}} if {{ … }}`.",
                    rule.name
                );
                return at("bundle.not_a_set", message);
            }
            Some(topic) => {
                if !is_identifier(topic) {
                    let message = format!(
                        "Topic `{topic}` is named with lower-case letters, digits and `_`, a letter first."
                    );
                    return at("bundle.topic_name", message);
                }
                topics.entry(topic.to_owned()).or_default().insert(rule.name.clone());
            }
        }
    }
    calls(path, module, functions, &[])
}

/// Checks the calls of one file; `extra` names built-ins that are allowed on top (in tests).
pub(crate) fn calls(
    path: &Path,
    module: &Module,
    functions: &BTreeSet<String>,
    extra: &[&str],
) -> Result<(), BundleError> {
    for call in &module.calls {
        let name = call.path.join(".");
        if functions.contains(&resolve(module, &call.path))
            || builtins::is_pure(&name)
            || extra.contains(&&*name)
        {
            continue;
        }
        let (code, message) = builtins::refusal(&name);
        return Err(BundleError::new(code, message).at(path, call.line));
    }
    Ok(())
}

/// The full path, without `data.`, that a call would have as a rule of the bundle.
fn resolve(module: &Module, path: &[String]) -> String {
    let Some((first, rest)) = path.split_first() else { return String::new() };
    if let Some((_, import)) = module.imports.iter().find(|(alias, _)| alias == first) {
        let full = import.iter().chain(rest).skip(1).cloned().collect::<Vec<_>>();
        return full.join(".");
    }
    if first == "data" { rest.join(".") } else { format!("{}.{}", module.package.join("."), path.join(".")) }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
