//! From findings to edits.

use std::fmt;
use std::sync::Arc;

use interdict_mcp::edit::Edit;

use crate::finding::Finding;

/// A finding that should be redacted and stands where nothing can be replaced: in a number or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotRedact {
    /// Its class.
    pub class: Arc<str>,
    /// Its place, as in the finding.
    pub path: String,
}

impl fmt::Display for CannotRedact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of class {} at {} cannot be replaced", self.class, self.path)
    }
}

impl std::error::Error for CannotRedact {}

/// The edits that put a mark in the place of every finding whose action is `Redact` or `Tokenise`: sorted, not
/// overlapping, inside of string literals.
///
/// # Errors
/// [`CannotRedact`] if one of them has no span.
pub fn redact(_findings: &[Finding]) -> Result<Vec<Edit>, CannotRedact> {
    Ok(Vec::new())
}
