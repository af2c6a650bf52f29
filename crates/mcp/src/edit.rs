//! Changing exactly the bytes that have to change.

use std::fmt;
use std::ops::Range;

use crate::json::Value;
use crate::reply::quote;

/// Replaces the bytes `start..end` of a body by `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// First byte replaced.
    pub start: usize,
    /// First byte kept again.
    pub end: usize,
    /// What stands there instead.
    pub text: String,
}

/// Edits that cannot be applied to a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditError {
    /// A range lies outside the body or is reversed.
    OutOfRange,
    /// Two edits touch the same bytes, or insert at the same place.
    Overlap,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EditError::OutOfRange => "an edit lies outside the body",
            EditError::Overlap => "two edits touch the same bytes",
        })
    }
}

impl std::error::Error for EditError {}

/// The body with `edits` applied; they may come in any order. Every byte outside the ranges stays as it is.
///
/// # Errors
/// [`EditError`] if an edit lies outside the body or two overlap.
pub fn apply(body: &[u8], edits: &[Edit]) -> Result<Vec<u8>, EditError> {
    let mut ordered: Vec<&Edit> = edits.iter().collect();
    ordered.sort_by_key(|edit| (edit.start, edit.end));
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut edited = Vec::with_capacity(body.len() + added);
    let mut kept = 0;
    let mut previous: Option<&Edit> = None;
    for edit in ordered {
        if edit.start > edit.end || edit.end > body.len() {
            return Err(EditError::OutOfRange);
        }
        // Two insertions at one place have no order of their own.
        if previous.is_some_and(|previous| edit.start < previous.end || edit.start == previous.start) {
            return Err(EditError::Overlap);
        }
        edited.extend_from_slice(body.get(kept..edit.start).ok_or(EditError::OutOfRange)?);
        edited.extend_from_slice(edit.text.as_bytes());
        kept = edit.end;
        previous = Some(edit);
    }
    edited.extend_from_slice(body.get(kept..).ok_or(EditError::OutOfRange)?);
    Ok(edited)
}

/// The edit that takes the member `name` out of `object`, with the comma that goes with it. `None` if it is not there.
///
/// Two members of one object may be next to each other and then share a comma; take them out with [`remove_members`].
#[must_use]
pub fn remove_member(object: Value<'_>, name: &str) -> Option<Edit> {
    remove_members(object, &[name]).into_iter().next()
}

/// The edits that take every member out of `object` whose name is one of `names`; they never overlap.
#[must_use]
pub fn remove_members(object: Value<'_>, names: &[&str]) -> Vec<Edit> {
    let members: Vec<(bool, Range<usize>)> = object
        .members()
        .map(|(name, key, value)| (names.contains(&name.as_ref()), key.start..value.span().end))
        .collect();
    let mut edits = Vec::new();
    let mut at = 0;
    // End of the last member that stays, if any.
    let mut kept_end = None;
    while let Some((remove, span)) = members.get(at) {
        if !remove {
            kept_end = Some(span.end);
            at += 1;
            continue;
        }
        // A run of neighbours goes in one edit.
        let mut end = span.end;
        let start = span.start;
        while let Some((true, next)) = members.get(at) {
            end = next.end;
            at += 1;
        }
        let range = match (kept_end, members.get(at)) {
            // The comma behind goes along if a member follows, otherwise the comma in front.
            (_, Some((_, next))) => start..next.start,
            (Some(kept), None) => kept..end,
            (None, None) => start..end,
        };
        edits.push(Edit { start: range.start, end: range.end, text: String::new() });
    }
    edits
}

/// The edit that puts the string `text` in place of `value`.
#[must_use]
pub fn replace_string(value: Value<'_>, text: &str) -> Edit {
    let span = value.span();
    let mut quoted = String::with_capacity(text.len() + 2);
    quote(text, &mut quoted);
    Edit { start: span.start, end: span.end, text: quoted }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::{Document, Limits};

    fn removed(text: &str, names: &[&str]) -> String {
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let edits = remove_members(document.root(), names);
        String::from_utf8(apply(text.as_bytes(), &edits).unwrap()).unwrap()
    }

    #[test]
    fn a_member_goes_with_its_comma_and_nothing_else_changes() {
        let text = r#"{ "a" : 1.0 , "b":[1e3] ,"c":"x" }"#;
        assert_eq!(removed(text, &["a"]), r#"{ "b":[1e3] ,"c":"x" }"#);
        assert_eq!(removed(text, &["b"]), r#"{ "a" : 1.0 , "c":"x" }"#);
        assert_eq!(removed(text, &["c"]), r#"{ "a" : 1.0 , "b":[1e3] }"#);
        assert_eq!(removed(text, &["a", "b", "c"]), "{  }");
        assert_eq!(removed(text, &["b", "c"]), r#"{ "a" : 1.0 }"#);
        assert_eq!(removed(text, &["d"]), text);
        assert_eq!(removed(r#"{"\u0061":1}"#, &["a"]), "{}");
    }

    #[test]
    fn a_replaced_string_is_escaped() {
        let text = r#"{"a":"x"}"#;
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let edit = replace_string(document.root().get("a").unwrap(), "\"\\\n\u{1}é");
        let edited = apply(text.as_bytes(), &[edit]).unwrap();
        let again: serde_json::Value = serde_json::from_slice(&edited).unwrap();
        assert_eq!(again["a"], "\"\\\n\u{1}é");
    }

    #[test]
    fn edits_outside_the_body_and_overlapping_ones_are_refused() {
        let edit = |start, end| Edit { start, end, text: String::new() };
        assert_eq!(apply(b"abc", &[edit(2, 4)]), Err(EditError::OutOfRange));
        assert_eq!(apply(b"abc", &[edit(2, 1)]), Err(EditError::OutOfRange));
        assert_eq!(apply(b"abc", &[edit(0, 2), edit(1, 3)]), Err(EditError::Overlap));
        assert_eq!(apply(b"abc", &[edit(1, 1), edit(1, 1)]), Err(EditError::Overlap));
        assert_eq!(apply(b"abc", &[edit(2, 3), edit(0, 1)]), Ok(b"b".to_vec()));
        assert_eq!(apply(b"abc", &[edit(0, 3)]), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn removing_members_equals_removing_them_from_the_value(
            names in proptest::collection::btree_set("[a-f]", 0..6),
            gone in proptest::collection::vec("[a-f]", 0..4),
            pretty in any::<bool>(),
        ) {
            let mut object: serde_json::Map<String, serde_json::Value> =
                names.into_iter().map(|name| (name, serde_json::json!({"a": [1, {"b": 2}]}))).collect();
            let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.unwrap();
            let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
            let edited = removed(&text, &gone);
            object.retain(|name, _| !gone.contains(&name.as_str()));
            let again: serde_json::Value = serde_json::from_str(&edited).unwrap();
            prop_assert_eq!(again, serde_json::Value::Object(object));
        }
    }
}
