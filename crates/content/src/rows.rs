//! Ceilings on rows.

mod anywhere;

use std::fmt;

use interdict_mcp::edit::Edit;
use interdict_mcp::json::Value;

use crate::remove::remove;
use crate::rules::{Over, RowRule};
use crate::texts::mirror;

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
    /// There may be rows that could not be counted: a text that some readers take for a structure has no single reading.
    /// Where the rule refuses what is too much, also: the path leads nowhere in what is structured, or a text has more
    /// brackets than are looked at.
    pub unreadable: bool,
}

/// Holds the rows of a result against a ceiling.
///
/// Of several arrays that the path leads to (through `*`), the rows of all count together. A text that repeats the
/// structured content, or a part of it, follows what is done to that; in another JSON text the path is followed anew.
/// What is not JSON, as a table of lines, is not counted.
///
/// A rule that cuts trusts the server to put its rows where the path leads. One that refuses does not: no array of the
/// answer may be longer, wherever it stands, also in JSON that stands in a text.
///
/// # Errors
/// [`OverCeiling`] if there are more and the rule says so.
pub fn cap(result: Value<'_>, rule: &RowRule) -> Result<Capped, OverCeiling> {
    let mut capped = follow(result, rule)?;
    if rule.over == Over::Deny {
        match anywhere::result(result, rule.max) {
            Ok(()) => {}
            Err(anywhere::Stop::Over(over)) => return Err(over),
            Err(anywhere::Stop::Unreadable) => capped.unreadable = true,
        }
    }
    Ok(capped)
}

/// Whether an error, or the params of a message of the server, may pass beside an answer with this ceiling. Nothing is
/// ever cut in them: a rule that cuts lets them pass, one that refuses takes no longer array in them than in a result.
#[must_use]
pub fn may_pass(part: Value<'_>, rule: &RowRule) -> bool {
    rule.over == Over::Cut || anywhere::members(part, rule.max).is_ok()
}

/// Holds what the path leads to against the ceiling.
fn follow(result: Value<'_>, rule: &RowRule) -> Result<Capped, OverCeiling> {
    let structured = result.get("structuredContent");
    let mut ceiling = Ceiling { max: rule.max, left: rule.max, rows: 0, found: false };
    let mut edits = structured.map(|value| ceiling.cut(value, &rule.path)).unwrap_or_default();
    let mut capped = ceiling.capped(rule)?;
    let mut anything = structured.is_some_and(|value| value.is_object() || value.is_array());
    let mirrored = mirror(result, structured, &edits);
    // All other texts together have the same ceiling anew: they may say the same in other words.
    let mut ceiling = Ceiling { max: rule.max, left: rule.max, rows: 0, found: false };
    for text in &mirrored.others {
        match text.document() {
            Some(document) => {
                anything |= document.root().is_object() || document.root().is_array();
                edits.extend(text.edited(&ceiling.cut(document.root(), &rule.path)));
            }
            // `NaN`, a member twice, half of a surrogate pair: lenient readers find rows in there.
            None => capped.unreadable |= text.is_structure(),
        }
    }
    let others = ceiling.capped(rule)?;
    capped.rows = capped.rows.max(others.rows);
    capped.cut = capped.cut.max(others.cut);
    capped.missing &= others.missing;
    capped.unreadable |= capped.missing && anything && rule.over == Over::Deny;
    edits.extend(mirrored.edits);
    Ok(Capped { edits, ..capped })
}

/// Rows as they are counted.
struct Ceiling {
    max: u64,
    /// Rows that may still pass.
    left: u64,
    rows: u64,
    found: bool,
}

impl Ceiling {
    /// Counts the rows of one document; the edits that take out those that are too many.
    fn cut(&mut self, root: Value<'_>, path: &[String]) -> Vec<Edit> {
        let mut edits = Vec::new();
        let (arrays, empty) = arrays(root, path);
        self.found |= empty;
        for array in arrays {
            self.found = true;
            let count = array.elements().count() as u64;
            self.rows = self.rows.saturating_add(count);
            let keep = count.min(self.left);
            self.left -= keep;
            edits.extend(remove(
                array.elements().enumerate().map(|(at, row)| (at as u64 >= keep, row.span())),
            ));
        }
        edits
    }

    fn capped(&self, rule: &RowRule) -> Result<Capped, OverCeiling> {
        let cut = self.rows.saturating_sub(self.max);
        if cut > 0 && rule.over == Over::Deny {
            return Err(OverCeiling { rows: self.rows, max: self.max });
        }
        Ok(Capped { edits: Vec::new(), rows: self.rows, cut, missing: !self.found, unreadable: false })
    }
}

/// The arrays that a path leads to, and whether it comes to an end where there is nothing: a list on the way without
/// elements, or null.
fn arrays<'d>(root: Value<'d>, path: &[String]) -> (Vec<Value<'d>>, bool) {
    let (mut values, mut empty) = (vec![root], false);
    for step in path {
        values = match step.as_str() {
            "*" => {
                empty |= values.iter().any(|value| value.is_array() && value.elements().next().is_none());
                values.into_iter().flat_map(|value| value.elements()).collect()
            }
            name => values.into_iter().filter_map(|value| value.get(name)).collect(),
        };
    }
    empty |= values.iter().any(Value::is_null);
    values.retain(Value::is_array);
    (values, empty)
}

#[cfg(test)]
mod tests;
