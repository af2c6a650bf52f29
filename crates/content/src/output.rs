//! Output contracts: what a structured answer may look like.

use interdict_mcp::edit::Edit;
use interdict_mcp::json::{Document, Limits, Numbers, Value};

use crate::rules::{OutputRule, Undeclared};
use crate::schema::{SchemaError, Validator, Violation};
use crate::texts::{edited, mirror};

/// An [`OutputRule`], compiled.
#[derive(Debug)]
pub struct CompiledOutput {
    validator: Validator,
    undeclared: Undeclared,
}

impl CompiledOutput {
    /// Compiles the rule's schema.
    ///
    /// # Errors
    /// As [`Validator::new`].
    pub fn new(rule: &OutputRule) -> Result<Self, SchemaError> {
        Ok(Self { validator: Validator::new(&rule.schema)?, undeclared: rule.undeclared })
    }
}

/// Holds the `result` of a tool call against what it may look like.
///
/// With [`Undeclared::Schema`], structured content has to be what the schema says, and texts are not looked at. Otherwise
/// structured content and every JSON text is held against it: a text that repeats the structured content or a part of it
/// loses what that loses, any other has to be what the schema says. Text that is not JSON passes. An error is held against
/// the same: whether a result is one is the server's word.
///
/// # Errors
/// [`Violation`]: the answer must not pass. Its pointer leads from the result.
pub fn apply(result: Value<'_>, output: &CompiledOutput) -> Result<Vec<Edit>, Violation> {
    let structured = result.get("structuredContent");
    if output.undeclared == Undeclared::Schema {
        let valid = structured.map_or(Ok(()), |value| output.validator.validate(value));
        return valid.map(|()| Vec::new()).map_err(within(STRUCTURED));
    }
    let mut edits =
        structured.map_or(Ok(Vec::new()), |value| output.treat(value).map_err(within(STRUCTURED)))?;
    let mirrored = mirror(result, structured, &edits);
    for text in &mirrored.others {
        let place = format!("/content/{}/text", text.block);
        match text.document() {
            Some(document) => {
                edits.extend(text.edited(&output.treat(document.root()).map_err(within(&place))?))
            }
            None if text.is_structure() => return Err(Violation { pointer: place, keyword: "text" }),
            None => {}
        }
    }
    edits.extend(mirrored.edits);
    Ok(edits)
}

const STRUCTURED: &str = "/structuredContent";

fn within(place: &str) -> impl Fn(Violation) -> Violation + '_ {
    move |violation| Violation { pointer: format!("{place}{}", violation.pointer), ..violation }
}

impl CompiledOutput {
    /// The edits that take out of one document what is not declared.
    fn treat(&self, value: Value<'_>) -> Result<Vec<Edit>, Violation> {
        let found = self.validator.undeclared(value)?;
        if let Some(pointer) = found.first.filter(|_| self.undeclared == Undeclared::Deny) {
            return Err(Violation { pointer, keyword: "undeclared" });
        }
        // What is left has to hold by itself: nobody downstream knows what was there.
        if let Some(text) = edited(value, &found.edits) {
            let limits = Limits {
                max_bytes: text.len(),
                max_tokens: 200_000,
                numbers: Numbers::Exact,
                ..Limits::default()
            };
            let document = Document::parse(text.as_bytes(), &limits)
                .map_err(|_| Violation { pointer: String::new(), keyword: "undeclared" })?;
            self.validator.validate(document.root())?;
        }
        Ok(found.edits)
    }
}

#[cfg(test)]
mod tests;
