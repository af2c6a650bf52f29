//! Where things are in what a schema describes.

use serde_json::Value;

/// Deepest member that is looked at, and most of them.
const MAX_DEPTH: usize = 4;
const MAX_PLACES: usize = 500;

/// A place in the arguments, or in a result.
pub(super) struct Place<'s> {
    /// Member names from the top; `*`, once, is every element of an array.
    pub(super) path: Vec<String>,
    /// The last name.
    pub(super) name: &'s str,
    /// What the schema says of it.
    pub(super) schema: &'s Value,
    /// Whether every object down to it must have it.
    pub(super) required: bool,
}

impl Place<'_> {
    pub(super) fn is(&self, kind: &str) -> bool {
        match self.schema.get("type") {
            Some(Value::String(of)) => of == kind,
            Some(Value::Array(several)) => several.iter().any(|of| of == kind),
            _ => false,
        }
    }

    pub(super) fn is_number(&self) -> bool {
        self.is("number") || self.is("integer")
    }

    /// A single text, or a list of them.
    pub(super) fn is_text(&self) -> bool {
        self.is("string")
    }

    pub(super) fn has_format(&self, format: &str) -> bool {
        self.schema.get("format").and_then(Value::as_str) == Some(format)
    }
}

/// All members that a schema describes, without following references.
pub(super) fn places(schema: &Value) -> Vec<Place<'_>> {
    let mut found = Vec::new();
    walk(schema, &[], true, &mut found);
    found
}

fn walk<'s>(schema: &'s Value, path: &[String], required: bool, found: &mut Vec<Place<'s>>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let needed = |name: &str| {
        let list = schema.get("required").and_then(Value::as_array);
        required && list.is_some_and(|list| list.iter().any(|one| one == name))
    };
    for (name, member) in properties {
        if found.len() >= MAX_PLACES || path.len() >= MAX_DEPTH {
            return;
        }
        let required = needed(name);
        let mut path = path.to_vec();
        path.push(name.clone());
        found.push(Place { path: path.clone(), name, schema: member, required });
        walk(member, &path, required, found);
        let elements = member.get("items").filter(|_| !path.iter().any(|part| part == "*"));
        if let Some(elements) = elements {
            path.push("*".to_owned());
            found.push(Place { path: path.clone(), name, schema: elements, required });
            walk(elements, &path, required, found);
        }
    }
}
