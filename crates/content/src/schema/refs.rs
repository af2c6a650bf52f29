//! Finding what a reference leads to, inside of the one schema there is.

use std::collections::BTreeMap;

use interdict_mcp::json::Value;

use super::SchemaError;

/// The document that references lead into.
pub(super) struct Refs<'d> {
    root: Value<'d>,
    /// `$id` of the root without its fragment.
    base: String,
    anchors: BTreeMap<String, Value<'d>>,
}

impl<'d> Refs<'d> {
    pub(super) fn new(root: Value<'d>) -> Self {
        let id = root.get("$id").and_then(|id| id.as_str()).unwrap_or_default();
        let base = id.split('#').next().unwrap_or_default().to_owned();
        Self { root, base, anchors: BTreeMap::new() }
    }

    /// Notes the anchors of a subschema, which are found before anything refers to them.
    ///
    /// # Errors
    /// An `$id` below the root: the references below it would lead elsewhere.
    pub(super) fn note(&mut self, schema: Value<'d>) -> Result<(), SchemaError> {
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(name) = schema.get(keyword).and_then(|name| name.as_str()) {
                self.anchors.insert(name.into_owned(), schema);
            }
        }
        let Some(id) = schema.get("$id") else { return Ok(()) };
        let text = id.as_str().ok_or_else(|| error("schema.keyword", id))?;
        if let Some((_, anchor)) =
            text.split_once('#').filter(|(base, anchor)| base.is_empty() && !anchor.is_empty())
        {
            self.anchors.insert(anchor.to_owned(), schema);
        } else if schema.span() != self.root.span() && text.split('#').next() != Some(&self.base) {
            return Err(error("schema.remote_ref", id));
        }
        Ok(())
    }

    /// What a `$ref` leads to.
    pub(super) fn resolve(&self, reference: Value<'d>) -> Result<Value<'d>, SchemaError> {
        let text = reference.as_str().ok_or_else(|| error("schema.keyword", reference))?;
        let (base, fragment) = text.split_once('#').unwrap_or((&text, ""));
        if !base.is_empty() && base != self.base {
            return Err(error("schema.remote_ref", reference));
        }
        let fragment = percent_decoded(fragment).ok_or_else(|| error("schema.dangling_ref", reference))?;
        let found = match fragment.strip_prefix('/') {
            Some(steps) => steps.split('/').try_fold(self.root, |value, step| step_into(value, step)),
            None if fragment.is_empty() => Some(self.root),
            None => self.anchors.get(&fragment).copied(),
        };
        found.ok_or_else(|| error("schema.dangling_ref", reference))
    }
}

fn step_into<'d>(value: Value<'d>, step: &str) -> Option<Value<'d>> {
    if value.is_array() {
        let canonical = step == "0" || !step.starts_with(['0', '+']);
        return value.elements().nth(step.parse().ok().filter(|_| canonical)?);
    }
    value.get(&step.replace("~1", "/").replace("~0", "~"))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

pub(super) fn error(code: &'static str, at: Value<'_>) -> SchemaError {
    SchemaError { code, offset: at.span().start }
}
