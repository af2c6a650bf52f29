//! The difference of two texts, line by line, as a person reads it.

use std::fmt::Write as _;

/// Lines around a change.
const AROUND: usize = 3;
/// Texts with more different lines than this are shown one after the other.
const MOST: usize = 2_000;
/// Characters around the first difference of two lines.
const BESIDE: usize = 30;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Line<'t> {
    Same(&'t str),
    Gone(&'t str),
    Come(&'t str),
}

/// The unified form. Under a changed line it says where the first difference is: in a long description one letter is
/// easily missed.
pub(super) fn unified(old: &str, new: &str) -> String {
    let lines = lines(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let is_change = |line: &Line<'_>| !matches!(line, Line::Same(_));
    let near = |at: usize| {
        let (from, to) = (at.saturating_sub(AROUND), (at + AROUND + 1).min(lines.len()));
        lines.get(from..to).unwrap_or_default().iter().any(is_change)
    };
    let mut out = String::from("--- approved\n+++ seen\n");
    let mut hidden = false;
    for (at, line) in lines.iter().enumerate() {
        if !near(at) {
            hidden = true;
            continue;
        }
        if std::mem::take(&mut hidden) {
            out.push_str("@@\n");
        }
        let (mark, text) = match *line {
            Line::Same(text) => (' ', text),
            Line::Gone(text) => ('-', text),
            Line::Come(text) => ('+', text),
        };
        // Writing to a String does not fail.
        let _ = writeln!(out, "{mark}{text}");
        if let Line::Come(new) = *line
            && let Some(Line::Gone(old)) = at.checked_sub(1).and_then(|before| lines.get(before)).copied()
        {
            out.push_str(&first_difference(old, new));
        }
    }
    out
}

/// Where two lines part, with the characters by their numbers: look-alikes are told apart only so.
fn first_difference(old: &str, new: &str) -> String {
    let same = old.chars().zip(new.chars()).take_while(|(old, new)| old == new).count();
    let name = |text: &str| match text.chars().nth(same) {
        Some(character) => format!("`{character}` (U+{:04X})", u32::from(character)),
        None => "the end".to_owned(),
    };
    let around =
        |text: &str| -> String { text.chars().skip(same.saturating_sub(BESIDE)).take(2 * BESIDE).collect() };
    format!(
        "?  from character {} on: {} was {}\n?  approved …{}…\n?  seen     …{}…\n",
        same + 1,
        name(new),
        name(old),
        around(old),
        around(new)
    )
}

/// The lines of both, in order: a longest common subsequence between a common beginning and end.
fn lines<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (old.get(head..).unwrap_or_default(), new.get(head..).unwrap_or_default());
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let middle = |rest: &[&'t str]| rest.iter().copied().take(rest.len() - tail).collect::<Vec<_>>();
    let (gone, come) = (middle(old_rest), middle(new_rest));
    let mut out: Vec<_> = old.iter().take(head).map(|line| Line::Same(line)).collect();
    if gone.len().max(come.len()) > MOST {
        out.extend(gone.into_iter().map(Line::Gone));
        out.extend(come.into_iter().map(Line::Come));
    } else {
        out.extend(subsequence(&gone, &come));
    }
    out.extend(old_rest.iter().skip(old_rest.len() - tail).map(|line| Line::Same(line)));
    out
}

fn subsequence<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    // `common[i][j]`: length of the longest common subsequence of `old[i..]` and `new[j..]`.
    let mut common = vec![vec![0_u16; new.len() + 1]; old.len() + 1];
    let at = |common: &[Vec<u16>], i: usize, j: usize| -> u16 {
        common.get(i).and_then(|row| row.get(j)).copied().unwrap_or_default()
    };
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let best = if old.get(i) == new.get(j) {
                at(&common, i + 1, j + 1) + 1
            } else {
                at(&common, i + 1, j).max(at(&common, i, j + 1))
            };
            if let Some(cell) = common.get_mut(i).and_then(|row| row.get_mut(j)) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::with_capacity(old.len() + new.len());
    loop {
        match (old.get(i), new.get(j)) {
            (Some(before), Some(after)) if before == after => {
                out.push(Line::Same(before));
                (i, j) = (i + 1, j + 1);
            }
            (Some(before), after) if after.is_none() || at(&common, i + 1, j) >= at(&common, i, j + 1) => {
                out.push(Line::Gone(before));
                i += 1;
            }
            (_, Some(after)) => {
                out.push(Line::Come(after));
                j += 1;
            }
            _ => return out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_its_neighbours_and_the_character_that_differs() {
        let old = (0..20).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n");
        let new = old.replace("line 9", "line \u{43e}9").replace("line 19", "line 19\nline 20");
        let diff = unified(&old, &new);
        assert!(diff.contains(
            "-line 9\n+line \u{43e}9\n?  from character 6 on: `\u{43e}` (U+043E) was `9` (U+0039)"
        ));
        assert!(diff.contains(" line 8\n") && !diff.contains("line 2\n"), "{diff}");
        assert!(diff.ends_with("+line 20\n"), "{diff}");
    }

    #[test]
    fn every_line_of_both_texts_is_in_the_difference_once() {
        let (old, new) = (["a", "b", "c", "d"], ["x", "b", "d", "c", "y"]);
        let all = lines(&old, &new);
        let of = |gone: bool| {
            all.iter()
                .filter_map(|line| match line {
                    Line::Same(text) => Some(*text),
                    Line::Gone(text) => gone.then_some(*text),
                    Line::Come(text) => (!gone).then_some(*text),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(of(true), old);
        assert_eq!(of(false), new);
    }

    #[test]
    fn texts_that_have_nothing_in_common_and_are_long_are_still_shown() {
        let old = (0..5_000).map(|line| format!("old {line}")).collect::<Vec<_>>().join("\n");
        let new = (0..5_000).map(|line| format!("new {line}")).collect::<Vec<_>>().join("\n");
        assert_eq!(unified(&old, &new).lines().filter(|line| line.starts_with("+new")).count(), 5_000);
    }
}
