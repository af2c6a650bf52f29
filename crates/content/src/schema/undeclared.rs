//! Members that a schema does not declare.

use std::collections::{BTreeMap, BTreeSet};

use interdict_mcp::edit::Edit;
use interdict_mcp::json::Value;

use super::keywords::Compiled;
use super::run::{Run, What, push_step};
use super::{Undeclared, Violation};
use crate::remove::remove;

/// Validates, and finds none.
pub(super) fn none(schema: &Compiled, value: Value<'_>) -> Result<(), Violation> {
    let found = run(schema, value, false)?;
    match found.first {
        Some(pointer) => Err(Violation { pointer, keyword: "undeclared" }),
        None => Ok(()),
    }
}

/// Validates as if they were not there, and finds them.
pub(super) fn find(schema: &Compiled, value: Value<'_>) -> Result<Undeclared, Violation> {
    run(schema, value, true)
}

fn run(schema: &Compiled, value: Value<'_>, lenient: bool) -> Result<Undeclared, Violation> {
    let mut run = Run::new(schema);
    run.noting = true;
    run.lenient = lenient;
    run.root(value)?;
    // Names that are declared, by the objects that are described.
    let mut objects: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for note in run.notes.iter().filter(|note| matches!(note.what, What::Described)) {
        objects.entry(note.at).or_default();
    }
    for note in &run.notes {
        if let What::Member(name) | What::Required(name) = note.what
            && let Some(declared) = objects.get_mut(&note.at)
        {
            declared.insert(name);
        }
    }
    Ok(take_out(schema, value, &objects))
}

fn take_out(schema: &Compiled, root: Value<'_>, objects: &BTreeMap<usize, BTreeSet<usize>>) -> Undeclared {
    let mut found = Undeclared::default();
    let mut first: Option<usize> = None;
    let mut waiting = vec![root];
    while let Some(value) = waiting.pop() {
        waiting.extend(value.elements());
        let declared = objects.get(&value.span().start).filter(|_| value.is_object());
        let goes = |name: usize| declared.is_some_and(|declared| !declared.contains(&name));
        let parts =
            || value.members().map(|(_, name, value)| (goes(name.start), name.start..value.span().end));
        let count = parts().filter(|part| part.0).count();
        if count > 0 {
            found.count += count;
            found.edits.extend(remove(parts()));
            first = Some(first.map_or(value.span().start, |first| first.min(value.span().start)));
        }
        // What is below a member that goes, goes with it.
        waiting.extend(value.members().filter(|(_, name, _)| !goes(name.start)).map(|(_, _, value)| value));
    }
    found.edits.sort_by_key(|edit: &Edit| edit.start);
    found.first = first.map(|place| pointer(schema, root, place));
    found
}

/// The pointer to the value that begins at `place`.
fn pointer(schema: &Compiled, root: Value<'_>, place: usize) -> String {
    let mut out = String::new();
    let mut at = root;
    while at.span().start != place {
        let holds = |value: &Value<'_>| value.span().contains(&place);
        if let Some((index, element)) = at.elements().enumerate().find(|(_, element)| holds(element)) {
            push_step(Some(&index.to_string()), &mut out);
            at = element;
        } else if let Some((name, _, value)) = at.members().find(|(_, _, value)| holds(value)) {
            push_step(schema.names.get(name.as_ref()).map(String::as_str), &mut out);
            at = value;
        } else {
            break;
        }
    }
    out
}
