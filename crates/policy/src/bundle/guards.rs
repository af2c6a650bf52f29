//! Which bodies of a set cannot hold for an input, seen without the engine.
//!
//! A body of `deny contains … if { … }` is a conjunction. When one of its plain conditions is false, the body adds
//! nothing, whatever the rest says. Conditions of three kinds are read out of the syntax tree at load and checked in
//! Rust: a member of the input equals a constant or is one of several, and a value of the input or of the data is
//! there. When no body of a set can hold, the set is empty and the engine is not asked: a topic that has no data for
//! the tool that is called costs a map lookup instead of an evaluation.
//!
//! Everything that is not one of these forms is no guard, so the body counts as one that can hold. The differential
//! test in `tests/guards.rs` decides with and without guards and compares.

#![allow(
    clippy::indexing_slicing,
    reason = "reading a JSON or Rego value by key never panics: what is missing is null"
)]

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;
use serde_json::Value as Tree;

use super::rego::{elements, path_of};

/// A place in the input, or in the data with members of the input as keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    in_data: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(Value),
    /// The value at this place of the input.
    Input(Vec<Value>),
}

/// A condition; the body cannot hold when it is false.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Guard {
    /// The value at the place is one of these.
    OneOf(Place, Vec<Value>),
    /// There is a value at the place.
    Defined(Place),
    /// There is a value at the place, and it is not `false`.
    True(Place),
    /// A rule of the same package must be true; resolved when all files are known.
    Rule { name: String, truthy: bool },
    /// The value at the place is in a constant rule of the same package; resolved when all files are known.
    InRule(Place, String),
}

/// A rule that is nothing but a constant collection or a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Simple {
    Collection(Vec<Value>),
    Place(Place),
}

impl Guard {
    /// Whether the body may hold.
    pub(crate) fn holds(&self, input: &Value, data: &Value) -> bool {
        match self {
            Self::OneOf(place, values) => place.find(input, data).is_none_or(|value| values.contains(value)),
            Self::Defined(place) => place.find(input, data) != Some(&Value::Undefined),
            Self::True(place) => {
                !matches!(place.find(input, data), Some(Value::Undefined | Value::Bool(false)))
            }
            Self::Rule { .. } | Self::InRule(..) => true,
        }
    }

    /// Puts what the package's rules mean into a guard about a rule; `None` when that is not known.
    pub(crate) fn resolve(self, rules: &BTreeMap<String, Option<Simple>>) -> Option<Self> {
        let simple = |name: &str| rules.get(name).cloned().flatten();
        match self {
            Self::Rule { name, truthy } => match simple(&name)? {
                Simple::Place(place) if truthy => Some(Self::True(place)),
                Simple::Place(place) => Some(Self::Defined(place)),
                Simple::Collection(_) => None,
            },
            Self::InRule(place, name) => match simple(&name)? {
                Simple::Collection(values) => Some(Self::OneOf(place, values)),
                Simple::Place(_) => None,
            },
            guard => Some(guard),
        }
    }

    /// The part of the data that the guard reads, without `data`: constant keys up to the first other one.
    pub(crate) fn data_path(&self) -> Option<Vec<String>> {
        let (Self::OneOf(place, _) | Self::Defined(place) | Self::True(place)) = self else { return None };
        place.in_data.then(|| {
            let constant = place.steps.iter().map_while(|step| match step {
                Step::Key(Value::String(key)) => Some(key.to_string()),
                _ => None,
            });
            constant.collect()
        })
    }
}

impl Place {
    /// The value; `Undefined` when there is none; `None` when the guard cannot tell.
    fn find<'v>(&self, input: &'v Value, data: &'v Value) -> Option<&'v Value> {
        let mut value = if self.in_data { data } else { input };
        for step in &self.steps {
            value = match step {
                Step::Key(key) => &value[key],
                Step::Input(path) => match path.iter().fold(input, |value, key| &value[key]) {
                    Value::Undefined => return Some(&Value::Undefined),
                    // The engine looks numbers up as text too; that is its business.
                    key @ Value::String(_) => &value[key],
                    _ => return None,
                },
            };
        }
        Some(value)
    }

    /// `input.a["b"]`, or `data.a[input.b].c`.
    fn read(expr: &Tree) -> Option<Self> {
        if let Some(var) = expr.get("Var") {
            return match var["value"].as_str()? {
                "input" => Some(Self { in_data: false, steps: Vec::new() }),
                "data" => Some(Self { in_data: true, steps: Vec::new() }),
                _ => None,
            };
        }
        if let Some(node) = expr.get("RefDot") {
            let mut place = Self::read(&node["refr"])?;
            place.steps.push(Step::Key(node["field"][1].as_str()?.into()));
            return Some(place);
        }
        let node = expr.get("RefBrack")?;
        let mut place = Self::read(&node["refr"])?;
        if let Some(key) = constant(&node["index"]) {
            matches!(key, Value::String(_)).then_some(())?;
            place.steps.push(Step::Key(key));
            return Some(place);
        }
        let key = Self::read(&node["index"])?;
        if key.in_data || key.steps.is_empty() {
            return None;
        }
        let keys = key.steps.into_iter().map(|step| match step {
            Step::Key(key) => Some(key),
            Step::Input(_) => None,
        });
        place.steps.push(Step::Input(keys.collect::<Option<Vec<_>>>()?));
        Some(place)
    }

    fn read_below(expr: &Tree) -> Option<Self> {
        Self::read(expr).filter(|place| !place.steps.is_empty())
    }
}

/// The guards of one body. `locals` are names that are variables somewhere in the file.
pub(crate) fn of_body(body: &Tree, locals: &BTreeSet<String>) -> Vec<Guard> {
    elements(&body["query"]["stmts"])
        .filter(|statement| elements(&statement["with_mods"]).next().is_none())
        .filter_map(|statement| of_literal(&statement["literal"], locals))
        .collect()
}

fn of_literal(literal: &Tree, locals: &BTreeSet<String>) -> Option<Guard> {
    if let Some(some_in) = literal.get("SomeIn") {
        let collection = &some_in["collection"];
        return match rule_name(collection, locals) {
            Some(name) => Some(Guard::Rule { name, truthy: false }),
            None => Place::read_below(collection).map(Guard::Defined),
        };
    }
    let expr = &literal.get("Expr")?["expr"];
    if let Some(node) = expr.get("BoolExpr") {
        (node["op"] == "Eq").then_some(())?;
        let (place, value) = match Place::read_below(&node["lhs"]) {
            Some(place) => (place, constant(&node["rhs"])?),
            None => (Place::read_below(&node["rhs"])?, constant(&node["lhs"])?),
        };
        return Some(Guard::OneOf(place, vec![value]));
    }
    if let Some(node) = expr.get("Membership") {
        node["key"].is_null().then_some(())?;
        let place = Place::read_below(&node["value"])?;
        return match rule_name(&node["collection"], locals) {
            Some(name) => Some(Guard::InRule(place, name)),
            None => Some(Guard::OneOf(place, collection(&node["collection"])?)),
        };
    }
    match rule_name(expr, locals) {
        Some(name) => Some(Guard::Rule { name, truthy: true }),
        None => Place::read_below(expr).map(Guard::True),
    }
}

/// What a rule without body is, when it is simple.
pub(crate) fn simple(spec: &Tree) -> Option<Simple> {
    elements(&spec["bodies"]).next().is_none().then_some(())?;
    let head = spec["head"].get("Compr")?;
    head["refr"].get("Var")?;
    let value = &head["assign"]["value"];
    collection(value).map(Simple::Collection).or_else(|| Place::read_below(value).map(Simple::Place))
}

fn rule_name(expr: &Tree, locals: &BTreeSet<String>) -> Option<String> {
    let name = expr.get("Var")?["value"].as_str()?;
    (!locals.contains(name) && !matches!(name, "input" | "data")).then(|| name.to_owned())
}

fn constant(expr: &Tree) -> Option<Value> {
    let (kind, node) = expr.as_object()?.iter().next()?;
    match kind.as_str() {
        "String" | "RawString" => Some(node["value"].as_str()?.into()),
        "Bool" => Some(node["value"].as_bool()?.into()),
        "Number" => Some(node["value"].as_i64()?.into()),
        "Null" => Some(Value::Null),
        _ => None,
    }
}

fn collection(expr: &Tree) -> Option<Vec<Value>> {
    let node = expr.get("Set").or_else(|| expr.get("Array"))?;
    elements(&node["items"]).map(constant).collect()
}

/// Every name that is bound as a variable anywhere in the file, and every import: such a name may hide a rule.
pub(crate) fn locals(tree: &Tree, text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    gather(&tree["rules"], text, &mut names);
    names
}

fn gather(node: &Tree, text: &str, names: &mut BTreeSet<String>) {
    match node {
        Tree::Object(members) => {
            for (key, member) in members {
                match key.as_str() {
                    "SomeVars" => elements(&member["vars"]).for_each(|span| add_span(span, text, names)),
                    "SomeIn" => {
                        add_vars(&member["key"], names);
                        add_vars(&member["value"], names);
                    }
                    "Every" => {
                        add_span(&member["key"], text, names);
                        add_span(&member["value"], text, names);
                    }
                    "AssignExpr" => {
                        add_vars(&member["lhs"], names);
                        add_vars(&member["rhs"], names);
                    }
                    "Func" => add_vars(&member["args"], names),
                    _ => {}
                }
                gather(member, text, names);
            }
        }
        Tree::Array(items) => items.iter().for_each(|item| gather(item, text, names)),
        _ => {}
    }
}

fn add_span(span: &Tree, text: &str, names: &mut BTreeSet<String>) {
    if let Some(name) = super::rego::text_of_span(text, span) {
        names.insert(name.to_owned());
    }
}

fn add_vars(node: &Tree, names: &mut BTreeSet<String>) {
    match node {
        Tree::Object(members) => {
            if let Some(path) = members.get("Var").and_then(|_| path_of(node)) {
                names.extend(path);
            }
            members.values().for_each(|member| add_vars(member, names));
        }
        Tree::Array(items) => items.iter().for_each(|item| add_vars(item, names)),
        _ => {}
    }
}
