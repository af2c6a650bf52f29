//! What a Rego file says, as far as loading must know: its package, rules, calls and ordering comparisons.
//!
//! regorus keeps its syntax tree to itself but hands it out as JSON; this is the one place that reads it.

#![allow(
    clippy::indexing_slicing,
    reason = "reading a JSON or Rego value by key never panics: what is missing is null"
)]

use std::collections::BTreeSet;
use std::path::Path;

use regorus::Engine;
use serde_json::Value;

use super::files::SourceFile;
use super::guards::{self, Guard, Simple};
use crate::BundleError;

/// One parsed file.
#[derive(Debug)]
pub(crate) struct Module {
    /// `["interdict", "policy", "tools"]`.
    pub(crate) package: Vec<String>,
    /// Alias and full path (`["data", …]`) of each import.
    pub(crate) imports: Vec<(String, Vec<String>)>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) calls: Vec<Call>,
    pub(crate) orderings: Vec<Ordering>,
    /// Paths below `data` that the file refers to, without `data`: constant keys up to the first other one.
    pub(crate) references: BTreeSet<Vec<String>>,
    /// A construct that regorus' bytecode machine is known to get wrong.
    pub(crate) interpreter_only: Option<&'static str>,
}

/// One rule head.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) kind: RuleKind,
    pub(crate) line: Option<u32>,
    /// Of a set: the guards of each body; an empty list for a body that may always hold.
    pub(crate) bodies: Vec<Vec<Guard>>,
    /// What the rule is, when it is nothing but a constant or a place.
    pub(crate) simple: Option<Simple>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleKind {
    /// `name contains …`.
    Set,
    /// `name(…)`, default or not.
    Function,
    /// Everything else.
    Value,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) path: Vec<String>,
    pub(crate) line: Option<u32>,
}

/// One `<`, `<=`, `>` or `>=`.
#[derive(Debug)]
pub(crate) struct Ordering {
    pub(crate) function: &'static str,
    pub(crate) operator: &'static str,
    /// Byte offsets of the whole expression and of the gap between its operands.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) gap: std::ops::Range<usize>,
    pub(crate) line: Option<u32>,
}

/// The syntax tree of a text that stands in `file`.
pub(crate) fn tree(file: &Path, text: &str) -> Result<Value, BundleError> {
    if let Some(line) = super::nesting::too_deep(text) {
        let message = "Brackets nest deeper than 14, or too much of them does; name the inner parts.";
        return Err(BundleError::new("bundle.too_nested", message).at(file, Some(line)));
    }
    let mut engine = Engine::new();
    engine
        .add_policy(file.display().to_string(), text.to_owned())
        .map_err(|error| syntax_error(file, &error.to_string()))?;
    let text = engine.get_ast_as_json().map_err(|error| syntax_error(file, &error.to_string()))?;
    let mut tree =
        serde_json::from_str::<Value>(&text).map_err(|error| syntax_error(file, &error.to_string()))?;
    Ok(tree.pointer_mut("/0/ast").map(Value::take).unwrap_or_default())
}

/// Parses one file.
pub(crate) fn parse(file: &SourceFile) -> Result<Module, BundleError> {
    let tree = &tree(&file.path, &file.text)?;
    let Some(package) = path_of(&tree["package"]["refr"]) else {
        return Err(syntax_error(&file.path, "the package is not a plain path"));
    };
    let mut module = Module {
        package,
        imports: Vec::new(),
        rules: Vec::new(),
        calls: Vec::new(),
        orderings: Vec::new(),
        references: BTreeSet::new(),
        interpreter_only: interpreter_only(&tree["rules"]),
    };
    let mut locals = guards::locals(tree, &file.text);
    for import in elements(&tree["imports"]) {
        if let Some(path) = path_of(&import["refr"]) {
            let alias = text_of_span(&file.text, &import["as"]).map(str::to_owned);
            if let Some(alias) = alias.or_else(|| path.last().cloned()) {
                if matches!(alias.as_str(), "input" | "data") && path.len() > 1 {
                    let message =
                        format!("An import may not be called `{alias}`; give it another name with `as`.");
                    return Err(
                        BundleError::new("bundle.import_name", message).at(&file.path, line_of(import))
                    );
                }
                locals.insert(alias.clone());
                if path.first().is_some_and(|root| root == "data") {
                    module.references.insert(path.get(1..).unwrap_or_default().to_vec());
                }
                module.imports.push((alias, path));
            }
        }
    }
    for rule in elements(&tree["rules"]) {
        module
            .rules
            .push(rule_of(rule, &locals).ok_or_else(|| syntax_error(&file.path, "a rule without a name"))?);
    }
    walk(&tree["rules"], &file.text, &mut module);
    references(&tree["rules"], &mut module.references);
    Ok(module)
}

/// regorus' message has the shape `--> file:line:column`, an excerpt, and `error: text`.
pub(crate) fn syntax_error(file: &Path, text: &str) -> BundleError {
    let message = text.rsplit_once("error: ").map_or(text, |(_, message)| message).trim();
    BundleError::new("bundle.rego", format!("{message}.")).at(file, location(text).map(|(_, line)| line))
}

/// File and line of the first `--> file:line:column`.
pub(crate) fn location(text: &str) -> Option<(&str, u32)> {
    let rest = text.split_once("--> ")?.1.lines().next()?;
    let (rest, _column) = rest.trim().rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some((file, line.parse().ok()?))
}

pub(crate) fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn line_of(node: &Value) -> Option<u32> {
    node["span"]["line"].as_u64().and_then(|line| u32::try_from(line).ok())
}

fn offset(node: &Value, end: &str) -> Option<usize> {
    node["span"][end].as_u64().and_then(|offset| usize::try_from(offset).ok())
}

pub(crate) fn text_of_span<'t>(text: &'t str, span: &Value) -> Option<&'t str> {
    let start = usize::try_from(span["start"].as_u64()?).ok()?;
    let end = usize::try_from(span["end"].as_u64()?).ok()?;
    text.get(start..end)
}

/// `a.b["c"]` as its parts; `None` for anything else.
pub(crate) fn path_of(expr: &Value) -> Option<Vec<String>> {
    if let Some(var) = expr.get("Var") {
        return Some(vec![var["value"].as_str()?.to_owned()]);
    }
    let (refr, last) = if let Some(node) = expr.get("RefDot") {
        (&node["refr"], node["field"][1].as_str()?)
    } else {
        let node = expr.get("RefBrack")?;
        (&node["refr"], node["index"]["String"]["value"].as_str()?)
    };
    let mut path = path_of(refr)?;
    path.push(last.to_owned());
    Some(path)
}

/// The leftmost name of a rule head.
fn root_name(expr: &Value) -> Option<String> {
    match expr.get("Var") {
        Some(var) => Some(var["value"].as_str()?.to_owned()),
        None => {
            let node = expr.get("RefDot").or_else(|| expr.get("RefBrack"))?;
            root_name(&node["refr"])
        }
    }
}

fn rule_of(rule: &Value, locals: &BTreeSet<String>) -> Option<Rule> {
    if let Some(rule) = rule.get("Default") {
        let function = elements(&rule["args"]).next().is_some();
        let kind = if function { RuleKind::Function } else { RuleKind::Value };
        let name = root_name(&rule["refr"])?;
        return Some(Rule { name, kind, line: line_of(rule), bodies: Vec::new(), simple: None });
    }
    let spec = rule.get("Spec")?;
    let (head, node) = spec["head"].as_object()?.iter().next()?;
    let kind = match head.as_str() {
        "Set" if node["refr"].get("Var").is_some() => RuleKind::Set,
        "Func" => RuleKind::Function,
        _ => RuleKind::Value,
    };
    let has_else = elements(&spec["bodies"]).any(|body| body["is_else"] != false);
    let mut bodies: Vec<Vec<Guard>> = match has_else {
        true => Vec::new(),
        false => elements(&spec["bodies"]).map(|body| guards::of_body(body, locals)).collect(),
    };
    if bodies.is_empty() {
        bodies.push(Vec::new());
    }
    Some(Rule {
        name: root_name(&node["refr"])?,
        kind,
        line: line_of(spec),
        bodies,
        simple: guards::simple(spec),
    })
}

/// Collects every path below `data`. A reference counts once, at its full length.
fn references(node: &Value, found: &mut BTreeSet<Vec<String>>) {
    match node {
        Value::Object(members) => {
            if let Some(path) = data_path(node, found) {
                found.insert(path);
                return;
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// What the bytecode machine of regorus 0.14.1 does differently without any instruction of it failing.
fn interpreter_only(node: &Value) -> Option<&'static str> {
    match node {
        Value::Object(members) => members.iter().find_map(|(key, member)| {
            let found = match key.as_str() {
                // The default of a function is lost.
                "Default" => Some("default"),
                // The key is not looked at.
                "Membership" if !member["key"].is_null() => Some("membership with a key"),
                // The iteration over the keys is moved in front of the negation.
                "NotExpr" if iterates(member) => Some("a variable as key under not"),
                "AssignExpr" if contains(&member["lhs"], "Object") || contains(&member["rhs"], "Object") => {
                    Some("an object in an assignment")
                }
                "Func" if contains(&member["args"], "Object") => Some("an object as parameter"),
                "SomeIn" if contains(&member["key"], "Object") || contains(&member["value"], "Object") => {
                    Some("an object as pattern")
                }
                _ => None,
            };
            found.or_else(|| interpreter_only(member))
        }),
        Value::Array(items) => items.iter().find_map(interpreter_only),
        _ => None,
    }
}

fn contains(node: &Value, kind: &str) -> bool {
    match node {
        Value::Object(members) => {
            members.contains_key(kind) || members.values().any(|member| contains(member, kind))
        }
        Value::Array(items) => items.iter().any(|item| contains(item, kind)),
        _ => false,
    }
}

/// Whether a reference in brackets has a variable as key.
fn iterates(node: &Value) -> bool {
    match node {
        Value::Object(members) => {
            members.get("RefBrack").is_some_and(|node| node["index"].get("Var").is_some())
                || members.values().any(iterates)
        }
        Value::Array(items) => items.iter().any(iterates),
        _ => false,
    }
}

/// The constant part of a reference that starts at `data`; what stands in brackets is searched on its own.
fn data_path(expr: &Value, found: &mut BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let mut keys: Vec<Option<String>> = Vec::new();
    let mut brackets = Vec::new();
    let mut expr = expr;
    loop {
        if let Some(var) = expr.get("Var") {
            (var["value"] == "data").then_some(())?;
            break;
        }
        if let Some(node) = expr.get("RefDot") {
            keys.push(Some(node["field"][1].as_str()?.to_owned()));
            expr = &node["refr"];
        } else {
            let node = expr.get("RefBrack")?;
            keys.push(node["index"]["String"]["value"].as_str().map(str::to_owned));
            brackets.push(&node["index"]);
            expr = &node["refr"];
        }
    }
    brackets.into_iter().for_each(|index| references(index, found));
    Some(keys.into_iter().rev().map_while(|key| key).collect())
}

/// Collects calls and comparisons in the order of the text, outer before inner.
fn walk(node: &Value, text: &str, module: &mut Module) {
    match node {
        Value::Object(members) => {
            if let Some(call) = members.get("Call") {
                // A function that is not a plain path cannot be resolved; an empty path is refused later.
                module
                    .calls
                    .push(Call { path: path_of(&call["fcn"]).unwrap_or_default(), line: line_of(call) });
            }
            if let Some(ordering) = members.get("BoolExpr").and_then(|node| ordering_of(node, text)) {
                module.orderings.push(ordering);
            }
            members.values().for_each(|member| walk(member, text, module));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, text, module)),
        _ => {}
    }
}

/// The span of a string literal lies inside of its quotes. Nothing else starts right after a quote or ends right
/// before one, so a quote there belongs to the literal.
fn outside_of_quote(text: &str, offset: usize, end: bool) -> usize {
    let quote = |at: usize| matches!(text.as_bytes().get(at), Some(b'"' | b'`'));
    match end {
        true if quote(offset) => offset + 1,
        false if offset > 0 && quote(offset - 1) => offset - 1,
        _ => offset,
    }
}

fn ordering_of(node: &Value, text: &str) -> Option<Ordering> {
    let operator = match node["op"].as_str()? {
        "Lt" => "<",
        "Le" => "<=",
        "Gt" => ">",
        "Ge" => ">=",
        _ => return None,
    };
    let function = super::ordering::function_of(&node["op"])?;
    let inner = |side: &str| node[side].as_object().and_then(|node| node.values().next());
    Some(Ordering {
        function,
        operator,
        start: outside_of_quote(text, offset(node, "start")?, false),
        end: outside_of_quote(text, offset(node, "end")?, true),
        gap: outside_of_quote(text, offset(inner("lhs")?, "end")?, true)
            ..outside_of_quote(text, offset(inner("rhs")?, "start")?, false),
        line: line_of(node),
    })
}
