//! Text from elsewhere on a person's terminal. An approver must see what will run: names and arguments come from an
//! agent, and an escape sequence or a right-to-left mark in them could show something else.

use std::fmt::Write;

use super::Failure;
use crate::store::name::is_hidden;

/// The text with every control and invisible formatting character written as `\u{..}`; line breaks stay.
pub(super) fn text(from: &str) -> String {
    escape(from, true)
}

/// The same on one line.
pub(super) fn line(from: &str) -> String {
    escape(from, false)
}

/// A JSON text that says the same and that a terminal obeys in nothing: what [`text`] would write out is a `\u` escape here.
/// Such characters stand in strings only, so every parser reads the same value as before.
pub(super) fn json(from: &str) -> String {
    let mut out = String::with_capacity(from.len());
    for character in from.chars() {
        match character {
            '\n' | '\t' => out.push(character),
            // White space between members, because a string cannot hold it.
            '\r' => out.push(' '),
            _ if is_hidden(character) || is_format(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a String does not fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            _ => out.push(character),
        }
    }
    out
}

/// Prints a value as such a text, on one line.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::failed(error.to_string()))?;
    println!("{}", json(&text));
    Ok(())
}

/// Characters of category Cf that have a shape in some script, and so may stand in a name that is shown.
fn is_format(character: char) -> bool {
    matches!(u32::from(character),
        0x600..=0x605 | 0x6DD | 0x70F | 0x890..=0x891 | 0x8E2 | 0x110BD | 0x110CD | 0x13430..=0x1345F)
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

    #[test]
    fn json_on_a_terminal_has_no_control_or_format_character_and_reads_the_same() {
        let value = serde_json::json!({
            "a\u{202e}b": ["\u{80}\u{9b}2K\u{9f}", "\u{7f}\u{ad}\u{200b}\u{2066}\u{feff}", "\u{e0041}\u{600}", "\n\r\t\u{1b}"],
            "plain": "Ü € 転送 \u{1f600}",
        });
        for raw in [value.to_string(), serde_json::to_string_pretty(&value).unwrap().replace('\n', "\r\n")] {
            let shown = json(&raw);
            assert!(!shown.chars().any(|one| one != '\n' && (is_hidden(one) || is_format(one))), "{shown}");
            assert!(
                shown.contains("\\u202e") && shown.contains("\\udb40\\udc41") && shown.contains("転送"),
                "{shown}"
            );
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}
