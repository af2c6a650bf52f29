//! What a Rego file says, as far as loading must know: its package, rules, calls and ordering comparisons.
//!
//! regorus keeps its syntax tree to itself but hands it out as JSON; this is the one place that reads it.

use std::path::Path;

use regorus::Engine;
use serde_json::Value;

use super::files::SourceFile;
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
}

/// One rule head.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) kind: RuleKind,
    pub(crate) line: Option<u32>,
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

/// Parses one file.
pub(crate) fn parse(file: &SourceFile) -> Result<Module, BundleError> {
    let name = file.path.display().to_string();
    let mut engine = Engine::new();
    engine
        .add_policy(name, file.text.clone())
        .map_err(|error| syntax_error(&file.path, &error.to_string()))?;
    let tree = engine
        .get_ast_as_json()
        .map_err(|error| syntax_error(&file.path, &error.to_string()))
        .and_then(|text| {
            serde_json::from_str::<Value>(&text).map_err(|error| syntax_error(&file.path, &error.to_string()))
        })?;
    let tree = &tree[0]["ast"];
    let Some(package) = path_of(&tree["package"]["refr"]) else {
        return Err(syntax_error(&file.path, "the package is not a plain path"));
    };
    let mut module =
        Module { package, imports: Vec::new(), rules: Vec::new(), calls: Vec::new(), orderings: Vec::new() };
    for import in elements(&tree["imports"]) {
        if let Some(path) = path_of(&import["refr"]) {
            let alias = text_of_span(&file.text, &import["as"]).map(str::to_owned);
            if let Some(alias) = alias.or_else(|| path.last().cloned()) {
                module.imports.push((alias, path));
            }
        }
    }
    for rule in elements(&tree["rules"]) {
        module.rules.push(rule_of(rule).ok_or_else(|| syntax_error(&file.path, "a rule without a name"))?);
    }
    walk(&tree["rules"], &mut module);
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

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn line_of(node: &Value) -> Option<u32> {
    node["span"]["line"].as_u64().and_then(|line| u32::try_from(line).ok())
}

fn offset(node: &Value, end: &str) -> Option<usize> {
    node["span"][end].as_u64().and_then(|offset| usize::try_from(offset).ok())
}

fn text_of_span<'t>(text: &'t str, span: &Value) -> Option<&'t str> {
    let start = usize::try_from(span["start"].as_u64()?).ok()?;
    let end = usize::try_from(span["end"].as_u64()?).ok()?;
    text.get(start..end)
}

/// `a.b["c"]` as its parts; `None` for anything else.
fn path_of(expr: &Value) -> Option<Vec<String>> {
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

fn rule_of(rule: &Value) -> Option<Rule> {
    if let Some(rule) = rule.get("Default") {
        let function = elements(&rule["args"]).next().is_some();
        let kind = if function { RuleKind::Function } else { RuleKind::Value };
        return Some(Rule { name: root_name(&rule["refr"])?, kind, line: line_of(rule) });
    }
    let spec = rule.get("Spec")?;
    let (head, node) = spec["head"].as_object()?.iter().next()?;
    let kind = match head.as_str() {
        "Set" if node["refr"].get("Var").is_some() => RuleKind::Set,
        "Func" => RuleKind::Function,
        _ => RuleKind::Value,
    };
    Some(Rule { name: root_name(&node["refr"])?, kind, line: line_of(spec) })
}

/// Collects calls and comparisons in the order of the text, outer before inner.
fn walk(node: &Value, module: &mut Module) {
    match node {
        Value::Object(members) => {
            if let Some(call) = members.get("Call") {
                // A function that is not a plain path cannot be resolved; an empty path is refused later.
                module
                    .calls
                    .push(Call { path: path_of(&call["fcn"]).unwrap_or_default(), line: line_of(call) });
            }
            if let Some(ordering) = members.get("BoolExpr").and_then(ordering_of) {
                module.orderings.push(ordering);
            }
            members.values().for_each(|member| walk(member, module));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, module)),
        _ => {}
    }
}

fn ordering_of(node: &Value) -> Option<Ordering> {
    let (function, operator) = match node["op"].as_str()? {
        "Lt" => (super::ordering::LESS, "<"),
        "Le" => (super::ordering::LESS_OR_EQUAL, "<="),
        "Gt" => (super::ordering::GREATER, ">"),
        "Ge" => (super::ordering::GREATER_OR_EQUAL, ">="),
        _ => return None,
    };
    let inner = |side: &str| node[side].as_object().and_then(|node| node.values().next());
    Some(Ordering {
        function,
        operator,
        start: offset(node, "start")?,
        end: offset(node, "end")?,
        gap: offset(inner("lhs")?, "end")?..offset(inner("rhs")?, "start")?,
        line: line_of(node),
    })
}
