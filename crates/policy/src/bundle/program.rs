//! What engines are made from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regorus::{Engine, Value};

use super::check::{MISTAKE, Topics};
use super::fast::{self, Unfit};
use super::files::SourceFile;
use super::guards::{Guard, Simple};
use super::ordering;
use super::rego::Module;
use super::strict;

/// Policies, data and the sets to evaluate.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    policies: Vec<Policy>,
    data: serde_json::Value,
    sets: Vec<Set>,
}

/// One file as the engine gets it.
#[derive(Debug, Clone)]
struct Policy {
    name: String,
    /// Name inside of its root: all of it that the bundle's digest covers.
    inner_name: String,
    /// With strict comparisons, for the interpreter.
    text: String,
    /// As it was written, for the bytecode machine, where comparisons are checked otherwise.
    plain: String,
    package: Vec<String>,
    references: BTreeSet<Vec<String>>,
    interpreter_only: Option<&'static str>,
}

/// One set of one topic.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) topic: String,
    /// `allow`, `deny`, `intercept` or `obligation`.
    pub(crate) name: String,
    /// Path of the rule.
    pub(crate) path: String,
    /// The guards of every body of every file.
    bodies: Vec<Vec<Guard>>,
}

impl Set {
    /// Whether the set may have an element for this input.
    pub(crate) fn may_hold(&self, input: &Value, data: &Value) -> bool {
        self.bodies.iter().any(|body| body.iter().all(|guard| guard.holds(input, data)))
    }
}

pub(crate) fn path_of_set(topic: &str, set: &str) -> String {
    format!("data.interdict.policy.{topic}.{set}")
}

impl Program {
    pub(crate) fn new(data: serde_json::Value, files: &[(&SourceFile, Module)], topics: &Topics) -> Self {
        let packages: Vec<&[String]> = files.iter().map(|(_, module)| module.package.as_slice()).collect();
        let mut sets = Vec::new();
        for (topic, names) in topics {
            let of_topic = || {
                files.iter().map(|(_, module)| module).filter(|module| {
                    matches!(module.package.as_slice(), [_, _, last] if last == topic && module.package.starts_with(&["interdict".into(), "policy".into()]))
                })
            };
            let mut simple: BTreeMap<String, Option<Simple>> = BTreeMap::new();
            for rule in of_topic().flat_map(|module| &module.rules) {
                // Defined more than once: what it is depends on the input.
                simple
                    .entry(rule.name.clone())
                    .and_modify(|known| *known = None)
                    .or_insert_with(|| rule.simple.clone());
            }
            for name in names.iter().filter(|name| *name != MISTAKE) {
                let rules = of_topic().flat_map(|module| &module.rules).filter(|rule| rule.name == *name);
                let bodies = rules.flat_map(|rule| &rule.bodies).map(|body| {
                    let guards = body.iter().filter_map(|guard| guard.clone().resolve(&simple));
                    // What a rule computes is not in the data document.
                    let plain = |guard: &Guard| {
                        guard.data_path().is_none_or(|path| {
                            !path.is_empty() && !packages.iter().any(|package| related(&path, package))
                        })
                    };
                    guards.filter(plain).collect()
                });
                let path = path_of_set(topic, name);
                sets.push(Set { topic: topic.clone(), name: name.clone(), path, bodies: bodies.collect() });
            }
        }
        Self { policies: Vec::new(), data, sets }
    }

    pub(crate) fn add(&mut self, file: &SourceFile, text: String, module: &Module) {
        self.policies.push(Policy {
            name: file.path.display().to_string(),
            inner_name: file.name.clone(),
            text,
            plain: file.text.clone(),
            interpreter_only: module.interpreter_only,
            package: module.package.clone(),
            references: module.references.clone(),
        });
    }

    /// The name inside of its root of the file that the engine knows by its path.
    pub(crate) fn name_of(&self, path: &str) -> Option<&str> {
        self.policies.iter().find(|policy| policy.name == path).map(|policy| policy.inner_name.as_str())
    }

    pub(crate) fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// The data document, without anything that rules compute.
    pub(crate) fn data(&self) -> Value {
        Value::from(self.data.clone())
    }

    pub(crate) fn raw_data(&self) -> &serde_json::Value {
        &self.data
    }

    /// A new engine with strict built-in errors, without data, prepared for nothing yet. With a topic it holds only
    /// the files that the topic can reach: every reference to `data` makes the engine walk over all of its files.
    pub(crate) fn engine(&self, topic: Option<&str>) -> Result<Engine, String> {
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        ordering::install(&mut engine)?;
        strict::install(&mut engine)?;
        let reachable = topic.map(|topic| self.reachable(topic));
        for (index, policy) in self.policies.iter().enumerate() {
            if reachable.as_ref().is_none_or(|reachable| reachable.contains(&index)) {
                let added = engine.add_policy(policy.name.clone(), policy.text.clone());
                added.map_err(|error| error.to_string())?;
            }
        }
        Ok(engine)
    }

    /// The set as a program for the bytecode machine, made anew: threads that share one slow each other down.
    pub(crate) fn fast(&self, set: &Set) -> Result<Arc<regorus::rvm::Program>, Unfit> {
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        for index in self.reachable(&set.topic) {
            let Some(policy) = self.policies.get(index) else { continue };
            if let Some(construct) = policy.interpreter_only {
                return Err(format!("{construct} in {}", policy.name));
            }
            let added = engine.add_policy(policy.name.clone(), policy.plain.clone());
            added.map_err(|error| error.to_string())?;
        }
        fast::compile(&mut engine, &set.path)
    }

    /// The files of the topic and, transitively, every file of which the package is above or below a path that one of
    /// them refers to.
    fn reachable(&self, topic: &str) -> BTreeSet<usize> {
        let start = ["interdict".to_owned(), "policy".to_owned(), topic.to_owned()];
        let mut found = BTreeSet::new();
        let mut open: Vec<&[String]> = vec![&start];
        let mut seen: BTreeSet<&[String]> = BTreeSet::new();
        while let Some(path) = open.pop() {
            if !seen.insert(path) {
                continue;
            }
            for (index, policy) in self.policies.iter().enumerate() {
                if related(path, &policy.package) && found.insert(index) {
                    open.push(&policy.package);
                    open.extend(policy.references.iter().map(Vec::as_slice));
                }
            }
        }
        found
    }
}

/// Whether one path is the other or above it.
fn related(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}
