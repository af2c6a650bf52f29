//! Frames in text that is written otherwise: escapes of a string in a string (what many servers make of `<`), percent,
//! HTML entities.
//!
//! Only where something is written so that a frame begins with, and only for what is rare in honest text. Entities are how
//! pages show markup to people, so a comment that is written with them hides nothing.

use super::triggers::{Candidates, Groups};
use super::{Found, markup, template, triggers};
use crate::view::Mapped;
use crate::view::textual::{Changed, undo};

pub(super) fn find(text: &[u8], candidates: &Candidates, found: &mut Found) {
    for part in candidates.parts(Groups::WRITTEN, text) {
        let mut view = Mapped::default();
        if undo(&String::from_utf8_lossy(part), &mut view) == Changed::No {
            continue;
        }
        let inner = triggers::scan(&view.text);
        template::find(view.text.as_bytes(), &inner, found);
        let is_shown = part.windows(3).any(|bytes| bytes.eq_ignore_ascii_case(b"&lt"));
        if !is_shown {
            markup::find_hidden(view.text.as_bytes(), &inner, found);
        }
    }
}
