//! From findings to edits.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use interdict_mcp::edit::Edit;

use crate::finding::Finding;
use crate::profile::Action;

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

/// What stands in the place of a value. The same value of the same class has the same mark within a session.
#[must_use]
pub fn mark_text(finding: &Finding) -> String {
    let [a, b, c, ..] = finding.mark;
    format!("[[dlp:{}:{a:02x}{b:02x}{c:02x}]]", finding.class)
}

/// The edits that put a mark in the place of every finding whose action is `Redact` or `Tokenise`: sorted, not
/// overlapping, inside of string literals.
///
/// # Errors
/// [`CannotRedact`] if one of them has no span.
pub fn redact(findings: &[Finding]) -> Result<Vec<Edit>, CannotRedact> {
    let mut judged: Vec<(&Range<usize>, &Finding)> = Vec::new();
    for finding in
        findings.iter().filter(|finding| matches!(finding.action, Action::Redact | Action::Tokenise))
    {
        let Some(span) = &finding.span else {
            return Err(CannotRedact { class: finding.class.clone(), path: finding.path.clone() });
        };
        judged.push((span, finding));
    }
    judged.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
    let mut edits: Vec<Edit> = Vec::with_capacity(judged.len());
    for (span, finding) in judged {
        match edits.last_mut().filter(|last| span.start < last.end) {
            // One mark for bytes that several values share.
            Some(last) => last.end = last.end.max(span.end),
            None => edits.push(Edit { start: span.start, end: span.end, text: mark_text(finding) }),
        }
    }
    Ok(edits)
}
