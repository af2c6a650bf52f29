//! Reading the keywords of one subschema.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use interdict_mcp::json::{Kind, Value};

use super::SchemaError;
use super::compile::Compiler;
use super::decimal::{Decimal, Divisor};
use super::keywords::{Id, Keyword, Out, Properties, Types, Unit};
use super::refs::error;
use crate::definition::normal;

const ONE: [&str; 10] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "additionalProperties",
    "additionalItems",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const MAPS: [&str; 5] = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];

type Read<T> = Result<T, SchemaError>;

fn wrong<T>(at: Value<'_>) -> Read<T> {
    Err(error("schema.keyword", at))
}

/// Every subschema right below `schema`, where a schema is expected.
pub(super) fn subschemas<'d>(schema: Value<'d>) -> Read<Vec<Value<'d>>> {
    if schema.as_bool().is_some() {
        return Ok(Vec::new());
    }
    if !schema.is_object() {
        return wrong(schema);
    }
    let mut found: Vec<Value<'d>> = ONE.iter().filter_map(|name| schema.get(name)).collect();
    for name in LISTS {
        found.extend(list(schema, name)?.unwrap_or_default());
    }
    for name in MAPS {
        found.extend(map(schema, name)?.into_iter().flatten().map(|(_, below)| below));
    }
    if let Some(items) = schema.get("items") {
        if items.is_array() { found.extend(items.elements()) } else { found.push(items) }
    }
    found.extend(
        map(schema, "dependencies")?.into_iter().flatten().map(|(_, below)| below).filter(|v| !v.is_array()),
    );
    Ok(found)
}

fn list<'d>(schema: Value<'d>, name: &str) -> Read<Option<Vec<Value<'d>>>> {
    match schema.get(name) {
        None => Ok(None),
        Some(value) if value.is_array() => Ok(Some(value.elements().collect())),
        Some(value) => wrong(value),
    }
}

fn map<'d>(schema: Value<'d>, name: &str) -> Read<Option<Vec<(String, Value<'d>)>>> {
    match schema.get(name) {
        None => Ok(None),
        Some(value) if value.is_object() => {
            Ok(Some(value.members().map(|(name, _, value)| (name.into_owned(), value)).collect()))
        }
        Some(value) => wrong(value),
    }
}

fn number(schema: Value<'_>, name: &str) -> Read<Option<Decimal>> {
    match schema.get(name).map(|value| (value, value.kind())) {
        None => Ok(None),
        Some((_, Kind::Number(text))) => Ok(Some(Decimal::read(text))),
        Some((value, _)) => wrong(value),
    }
}

fn count(schema: Value<'_>, name: &str) -> Read<Option<u64>> {
    let Some(number) = number(schema, name)? else { return Ok(None) };
    number.count().map(Some).ok_or_else(|| error("schema.keyword", schema))
}

fn strings(value: Value<'_>) -> Read<Vec<String>> {
    if !value.is_array() {
        return wrong(value);
    }
    value.elements().map(|name| name.as_str().map(Into::into).map_or_else(|| wrong(name), Ok)).collect()
}

/// Compiles the keywords of `schema`. What is unevaluated comes last.
pub(super) fn keywords<'d>(compiler: &mut Compiler<'d>, schema: Value<'d>) -> Read<Vec<Keyword>> {
    let mut all = Vec::new();
    for name in ["$ref", "$dynamicRef", "$recursiveRef"] {
        if let Some(reference) = schema.get(name) {
            // With one resource there is no dynamic scope to speak of.
            all.push(Keyword::Ref(compiler.target(reference)?));
        }
    }
    if compiler.legacy && schema.get("$ref").is_some() {
        return Ok(all);
    }
    types(schema, &mut all)?;
    bounds(schema, &mut all)?;
    sizes(schema, &mut all)?;
    if let Some(at) = schema.get("pattern") {
        let Some(text) = at.as_str() else { return wrong(at) };
        all.push(Keyword::Pattern(compiler.pattern(&text, at)?));
    }
    names(compiler, schema, &mut all)?;
    in_place(compiler, schema, &mut all)?;
    properties(compiler, schema, &mut all)?;
    items(compiler, schema, &mut all)?;
    unevaluated(compiler, schema, &mut all)?;
    Ok(all)
}

fn types(schema: Value<'_>, all: &mut Vec<Keyword>) -> Read<()> {
    if let Some(at) = schema.get("type") {
        let names =
            if at.is_array() { strings(at)? } else { at.as_str().map(Into::into).into_iter().collect() };
        let mut types = Types::default();
        for name in &names {
            types = types.with(Types::named(name).map_or_else(|| wrong(at), Ok)?);
        }
        if names.is_empty() {
            return wrong(at);
        }
        all.push(Keyword::Type(types));
    }
    if let Some(values) = list(schema, "enum")? {
        all.push(Keyword::Values("enum", values.into_iter().map(normal).collect()));
    }
    if let Some(value) = schema.get("const") {
        all.push(Keyword::Values("const", BTreeSet::from([normal(value)])));
    }
    if schema.get("uniqueItems").and_then(|value| value.as_bool()) == Some(true) {
        all.push(Keyword::UniqueItems);
    }
    Ok(())
}

fn bounds(schema: Value<'_>, all: &mut Vec<Keyword>) -> Read<()> {
    const BOUNDS: [(&str, Ordering, bool); 4] = [
        ("maximum", Ordering::Greater, false),
        ("exclusiveMaximum", Ordering::Greater, true),
        ("minimum", Ordering::Less, false),
        ("exclusiveMinimum", Ordering::Less, true),
    ];
    for (keyword, side, itself) in BOUNDS {
        if let Some(limit) = number(schema, keyword)? {
            all.push(Keyword::Bound { keyword, limit, out: Out { side, itself } });
        }
    }
    if let Some(divisor) = number(schema, "multipleOf")? {
        let divisor = Divisor::new(&divisor).ok_or_else(|| error("schema.number", schema))?;
        all.push(Keyword::MultipleOf(divisor));
    }
    Ok(())
}

fn sizes(schema: Value<'_>, all: &mut Vec<Keyword>) -> Read<()> {
    const SIZES: [(&str, Unit, Ordering); 6] = [
        ("maxLength", Unit::Characters, Ordering::Greater),
        ("minLength", Unit::Characters, Ordering::Less),
        ("maxItems", Unit::Elements, Ordering::Greater),
        ("minItems", Unit::Elements, Ordering::Less),
        ("maxProperties", Unit::Members, Ordering::Greater),
        ("minProperties", Unit::Members, Ordering::Less),
    ];
    for (keyword, unit, out) in SIZES {
        if let Some(limit) = count(schema, keyword)? {
            all.push(Keyword::Size { keyword, unit, limit, out });
        }
    }
    Ok(())
}

/// Keywords about which members there are.
fn names<'d>(compiler: &mut Compiler<'d>, schema: Value<'d>, all: &mut Vec<Keyword>) -> Read<()> {
    if let Some(at) = schema.get("required") {
        all.push(Keyword::Required(strings(at)?));
    }
    let mut required = BTreeMap::new();
    let mut schemas = Vec::new();
    for (name, value) in map(schema, "dependentRequired")?.into_iter().flatten() {
        required.insert(name, strings(value)?);
    }
    for (name, value) in map(schema, "dependentSchemas")?.into_iter().flatten() {
        schemas.push((name, compiler.id(value)?));
    }
    // The older drafts have one keyword for both.
    for (name, value) in map(schema, "dependencies")?.into_iter().flatten() {
        if value.is_array() {
            required.entry(name).or_insert_with(Vec::new).extend(strings(value)?);
        } else {
            schemas.push((name, compiler.id(value)?));
        }
    }
    if !required.is_empty() {
        all.push(Keyword::DependentRequired(required));
    }
    if !schemas.is_empty() {
        all.push(Keyword::DependentSchemas(schemas));
    }
    Ok(())
}

fn ids<'d>(compiler: &mut Compiler<'d>, schemas: Vec<Value<'d>>) -> Read<Vec<Id>> {
    schemas.into_iter().map(|schema| compiler.id(schema)).collect()
}

fn one<'d>(compiler: &mut Compiler<'d>, schema: Value<'d>, name: &str) -> Read<Option<Id>> {
    schema.get(name).map(|schema| compiler.id(schema)).transpose()
}

fn in_place<'d>(compiler: &mut Compiler<'d>, schema: Value<'d>, all: &mut Vec<Keyword>) -> Read<()> {
    for name in ["allOf", "anyOf", "oneOf"] {
        if let Some(schemas) = list(schema, name)? {
            let ids = ids(compiler, schemas)?;
            all.push(match name {
                "allOf" => Keyword::AllOf(ids),
                "anyOf" => Keyword::AnyOf(ids),
                _ => Keyword::OneOf(ids),
            });
        }
    }
    if let Some(id) = one(compiler, schema, "not")? {
        all.push(Keyword::Not(id));
    }
    if let Some(condition) = one(compiler, schema, "if")? {
        let (then, otherwise) = (one(compiler, schema, "then")?, one(compiler, schema, "else")?);
        all.push(Keyword::If { condition, then, otherwise });
    }
    Ok(())
}

fn properties<'d>(compiler: &mut Compiler<'d>, schema: Value<'d>, all: &mut Vec<Keyword>) -> Read<()> {
    let mut properties = Properties::default();
    if let Some(named) = map(schema, "properties")? {
        properties.described = true;
        for (name, schema) in named {
            compiler.compiled.names.insert(name.clone());
            properties.named.insert(name, compiler.id(schema)?);
        }
    }
    if let Some(patterns) = schema.get("patternProperties") {
        for (pattern, span, below) in patterns.members() {
            let pattern = compiler
                .pattern(&pattern, below)
                .map_err(|wrong| SchemaError { offset: span.start, ..wrong })?;
            properties.patterns.push((pattern, compiler.id(below)?));
        }
    }
    properties.additional = one(compiler, schema, "additionalProperties")?;
    if properties.described || !properties.patterns.is_empty() || properties.additional.is_some() {
        all.push(Keyword::Properties(properties));
    }
    if let Some(id) = one(compiler, schema, "propertyNames")? {
        all.push(Keyword::PropertyNames(id));
    }
    Ok(())
}

fn items<'d>(compiler: &mut Compiler<'d>, schema: Value<'d>, all: &mut Vec<Keyword>) -> Read<()> {
    // The older drafts have the list in `items`, and what follows it in `additionalItems`.
    let tuple = schema.get("items").filter(|items| items.is_array());
    let (first, rest) = match tuple {
        Some(tuple) => (tuple.elements().collect(), one(compiler, schema, "additionalItems")?),
        None => (list(schema, "prefixItems")?.unwrap_or_default(), one(compiler, schema, "items")?),
    };
    if !first.is_empty() || rest.is_some() {
        all.push(Keyword::Items { first: ids(compiler, first)?, rest });
    }
    if let Some(id) = one(compiler, schema, "contains")? {
        let (min, max) = (count(schema, "minContains")?, count(schema, "maxContains")?);
        all.push(Keyword::Contains { schema: id, min: min.unwrap_or(1), max: max.unwrap_or(u64::MAX) });
    }
    Ok(())
}

fn unevaluated<'d>(compiler: &mut Compiler<'d>, schema: Value<'d>, all: &mut Vec<Keyword>) -> Read<()> {
    if let Some(id) = one(compiler, schema, "unevaluatedItems")? {
        all.push(Keyword::UnevaluatedItems(id));
        compiler.compiled.unevaluated = true;
    }
    if let Some(id) = one(compiler, schema, "unevaluatedProperties")? {
        all.push(Keyword::UnevaluatedProperties(id));
        compiler.compiled.unevaluated = true;
    }
    Ok(())
}
