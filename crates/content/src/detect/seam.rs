//! A first look at the place where one text ends and the next one begins: whether any value can stand on both sides of it.
//!
//! Texts of words come one after another all the time, and reading each behind all that came before costs more than
//! everything else. What is said here holds for the whole of what came before and for every end of it. Whoever adds a
//! detector has to ask here what its values may consist of; whatever is not known to be clean is read.

use std::ops::Range;

use super::digits::is_separator;
use super::hit::Found;
use super::sweep::{LONG, Visitor, sweep};
use super::text::Text;
use super::{Detectors, generic, iban};
use crate::view::textual;

/// Values without a blank in them that are this long or longer are not looked at here.
const SEAM: usize = 40;
/// Between two groups of digits in a row stand at most eight bytes.
const ROW: usize = 9;
/// Longest account number, with something between all of its characters.
const ACCOUNT: usize = 110;
/// Between two bytes in hex stand at most three.
const GAP: usize = 3;

/// Values of more than one line, and such as anything may stand in.
const FAR: [&str; 3] = ["<<", "KEY-----", "hooks.slack.com/services/"];

impl Detectors {
    /// Whether nothing that is looked for can be in `text` on both sides of `border`, wherever `text` begins.
    pub(crate) fn nothing_crosses(&self, text: &str, border: usize) -> bool {
        let text = Text { text, name: "", number: false };
        let seam = text.run_back(border, SEAM, is_solid)..text.run(border, SEAM, is_solid);
        self.built_in_only
            && seam.len() < SEAM
            && is_dull(text.slice(seam.clone()))
            && !digits_meet(&text, border)
            && !lines_meet(&text, &seam)
            && !hex_meets(&text, border)
            && !FAR.iter().any(|far| text.text.contains(far))
            && !(seam.len() >= generic::SHORTEST && generic::may_name_a_value(&text, border))
            && !account_crosses(&text, border)
            && !textual::is_anything_encoded(text.text)
    }
}

fn is_solid(byte: u8) -> bool {
    !byte.is_ascii_whitespace()
}

/// Whether the sweep has nothing to show in a text.
fn is_dull(text: &str) -> bool {
    struct Shown(bool);
    impl Visitor for Shown {
        fn word(&mut self, _: &Text<'_>, _: Range<usize>, _: u8) {
            self.0 = true;
        }
        fn mark(&mut self, _: &Text<'_>, _: u8, _: usize) {
            self.0 = true;
        }
    }
    let mut shown = Shown(false);
    sweep(&Text { text, name: "", number: false }, &mut shown);
    !shown.0
}

/// Whether there are digits at the border, but for separators and up to three characters, or in a row with anything between.
fn digits_meet(text: &Text<'_>, border: usize) -> bool {
    let has_digit = |range: Range<usize>| {
        let bytes = text.bytes().get(range.start..range.end.min(text.bytes().len()));
        bytes.is_some_and(|bytes| bytes.iter().any(u8::is_ascii_digit))
    };
    let left = text.run_back(border, usize::MAX, is_separator);
    let right = text.run(border, usize::MAX, is_separator);
    has_digit(left.saturating_sub(3)..border)
        || has_digit(border..right + 3)
        || (has_digit(border.saturating_sub(ROW)..border) && has_digit(border..border + ROW))
}

/// Whether a line ends at the seam: base64 goes on in the next one.
fn lines_meet(text: &Text<'_>, seam: &Range<usize>) -> bool {
    [text.before(seam.start), text.byte(seam.end)].iter().any(|byte| matches!(byte, b'\n' | b'\r'))
}

/// Whether the characters on both sides may be of bytes in hex that are spread out.
fn hex_meets(text: &Text<'_>, border: usize) -> bool {
    let other = |byte: u8| !byte.is_ascii_alphanumeric();
    let before = text.before(text.run_back(border, GAP, other));
    let start = text.run(border, GAP, other);
    let behind = text.run(start, 5, |byte| byte.is_ascii_alphanumeric());
    let is_digit = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X');
    is_digit(before) && behind - start <= 4 && text.slice(start..behind).bytes().all(is_digit)
}

/// Whether an account's number starts before the border and ends behind it.
fn account_crosses(text: &Text<'_>, border: usize) -> bool {
    let mut found = Found::default();
    // Digits at the border itself were seen already.
    (border.saturating_sub(ACCOUNT)..border).any(|start| {
        let starts = matches!(text.bytes().get(start..start + 3), Some([first, second, digit])
            if first.is_ascii_alphabetic() && second.is_ascii_alphabetic() && digit.is_ascii_digit());
        if starts {
            // As if nothing stood in front: it may be the end of another text.
            let rest = Text { text: text.text.get(start..).unwrap_or_default(), ..*text };
            iban::find(&rest, 2, &mut found);
        }
        found.hits.drain(..).any(|hit| start + hit.range.end > border)
    })
}

// The sweep shows words that are long, and a seam has room for some.
const _: () = assert!(LONG < SEAM);
