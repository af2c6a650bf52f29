//! How deep brackets nest in a policy. The parser (regorus 0.14.1) tries every opening bracket as a comprehension, then as
//! a set, then as an object, and so takes twice as long with each level: one line of twenty takes minutes, a few more take
//! years. What would take long is refused before it is parsed.

use std::iter::Peekable;
use std::str::CharIndices;

/// Deepest nesting.
const MAX_DEPTH: u32 = 14;

/// Most work in one file: every opening bracket counts as two to the power of its depth. Measured: 20 µs a unit.
const MAX_WORK: u64 = 1 << 20;

/// The line on which brackets nest too deep, or too much of them.
pub(super) fn too_deep(text: &str) -> Option<u32> {
    let (mut line, mut depth, mut work) = (1_u32, 0_u32, 0_u64);
    let mut characters = text.char_indices().peekable();
    while let Some((_, character)) = characters.next() {
        match character {
            '\n' => line = line.saturating_add(1),
            '#' => skip_comment(&mut characters),
            '"' => skip_string(&mut characters),
            '`' => line = line.saturating_add(skip_raw(&mut characters)),
            '(' | '[' | '{' => {
                depth = depth.saturating_add(1);
                work = work.saturating_add(1_u64.checked_shl(depth).unwrap_or(u64::MAX));
                if depth > MAX_DEPTH || work > MAX_WORK {
                    return Some(line);
                }
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn skip_comment(characters: &mut Peekable<CharIndices<'_>>) {
    while characters.next_if(|(_, character)| *character != '\n').is_some() {}
}

/// A string ends on its line, whatever happens.
fn skip_string(characters: &mut Peekable<CharIndices<'_>>) {
    while let Some((_, character)) = characters.next_if(|(_, character)| *character != '\n') {
        match character {
            '"' => return,
            '\\' => {
                characters.next_if(|(_, character)| *character != '\n');
            }
            _ => {}
        }
    }
}

/// The number of lines in it.
fn skip_raw(characters: &mut Peekable<CharIndices<'_>>) -> u32 {
    let mut lines = 0_u32;
    for (_, character) in characters {
        match character {
            '`' => break,
            '\n' => lines = lines.saturating_add(1),
            _ => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_nesting_is_found_on_its_line() {
        let deep = |depth: usize| format!("package p\n\nx := {}1{}\n", "{".repeat(depth), "}".repeat(depth));
        assert_eq!(too_deep(&deep(14)), None);
        assert_eq!(too_deep(&deep(15)), Some(3));
        assert_eq!(too_deep(&"x := [[[[[[[[[[[[[1]]]]]]]]]]]]]\n".repeat(2_000)), Some(65));
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_nest() {
        let many = "[".repeat(40);
        for text in [format!("# {many}\n"), format!("x := \"\\\"{many}\"\n"), format!("x := `\n{many}\n`\n")]
        {
            assert_eq!(too_deep(&text), None, "{text}");
        }
        assert_eq!(too_deep(&format!("x := `\n` + \"a\" # b\n{many}")), Some(3));
    }

    #[test]
    fn the_default_bundle_is_far_from_the_bounds() {
        for file in ["limits/limits_test.rego", "destructive/destructive_test.rego", "lib/arguments.rego"] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies").join(file);
            assert_eq!(too_deep(&std::fs::read_to_string(path).unwrap().repeat(20)), None, "{file}");
        }
    }
}
