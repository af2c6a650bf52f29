//! Taking out of a list what is not as it was approved.

use interdict_mcp::json::Value;

use super::Listed;
use crate::injection::Injection;
use crate::rules::ListRules;

/// Holds the `result` of a list, of `initialize` or of `server/discover` against what was approved.
///
/// Works on whichever of the lists the result has. `shown_before` are the names shown on earlier pages of the same listing
/// (not of earlier listings).
#[must_use]
pub fn filter(
    result: Value<'_>,
    rules: &ListRules,
    injection: Option<&Injection>,
    shown_before: &[String],
) -> Listed {
    let _ = (result, rules, injection, shown_before);
    Listed::default()
}
