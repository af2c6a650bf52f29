//! Taking elements out of an array, or members out of an object.

use std::ops::Range;

use interdict_mcp::edit::Edit;

/// The edits that take out those parts of one array or object that are marked `true`, each with the comma that goes with
/// it. `parts` are all of them in order, with their spans (a member's begins at its name); what stays keeps its bytes.
pub(crate) fn remove(parts: impl Iterator<Item = (bool, Range<usize>)>) -> Vec<Edit> {
    let mut edits = Vec::new();
    // End of the last part that stays, and the run of parts that go behind it.
    let mut kept: Option<usize> = None;
    let mut run: Option<Range<usize>> = None;
    for (goes, span) in parts {
        match (goes, run.take()) {
            (true, Some(gone)) => run = Some(gone.start..span.end),
            (true, None) => run = Some(span),
            (false, gone) => {
                // The comma behind goes along, since something follows.
                edits.extend(gone.map(|gone| edit(gone.start..span.start)));
                kept = Some(span.end);
            }
        }
    }
    // Nothing follows: the comma in front goes along, if there is one.
    edits.extend(run.map(|gone| edit(kept.unwrap_or(gone.start)..gone.end)));
    edits
}

fn edit(span: Range<usize>) -> Edit {
    Edit { start: span.start, end: span.end, text: String::new() }
}

#[cfg(test)]
mod tests {
    use interdict_mcp::edit::apply;
    use interdict_mcp::json::{Document, Limits};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_stays_keeps_its_bytes_and_the_commas_are_right(
            elements in proptest::collection::vec((any::<bool>(), "[0-9]|\"[a-z]{0,3}\"|\\[ \\]", " ?", " ?"), 0..8)
        ) {
            let elements: Vec<_> = elements.iter().map(|(goes, text, before, behind)|
                (*goes, text.replace('0', "7"), before, behind)).collect();
            let text = elements.iter().map(|(_, text, before, behind)| format!("{before}{text}{behind}"))
                .collect::<Vec<_>>().join(",");
            let text = format!("[{text}]");
            let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
            let parts = elements.iter().zip(document.root().elements()).map(|(part, value)| (part.0, value.span()));
            let edited = apply(text.as_bytes(), &remove(parts)).unwrap();
            let again = Document::parse(&edited, &Limits::default()).unwrap();
            let left: Vec<&str> = again.root().elements().map(|value| value.raw()).collect();
            let kept: Vec<&str> = elements.iter().filter(|part| !part.0).map(|part| part.1.as_str()).collect();
            prop_assert_eq!(left, kept);
        }
    }
}
