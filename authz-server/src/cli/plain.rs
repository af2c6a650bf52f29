//! Text from elsewhere on a person's terminal. An approver must see what will run: names and arguments come from an
//! agent, and an escape sequence or a right-to-left mark in them could show something else.

use std::fmt::Write;

use crate::store::name::is_hidden;

/// The text with every control and invisible formatting character written as `\u{..}`; line breaks stay.
pub(super) fn text(from: &str) -> String {
    escape(from, true)
}

/// The same on one line.
pub(super) fn line(from: &str) -> String {
    escape(from, false)
}

fn escape(from: &str, keep_breaks: bool) -> String {
    let mut out = String::with_capacity(from.len());
    for character in from.chars() {
        if (character == '\n' && keep_breaks) || !is_hidden(character) {
            out.push(character);
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_an_approver_is_written_out() {
        assert_eq!(text("rm \u{202e}txt.exe\u{1b}[2K\r\n"), "rm \\u{202e}txt.exe\\u{1b}[2K\\u{d}\n");
        assert_eq!(line("a\nb"), "a\\u{a}b");
        assert_eq!(text("Überweisung 100 € 転送"), "Überweisung 100 € 転送");
    }
}
