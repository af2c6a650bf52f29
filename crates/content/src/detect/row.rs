//! Groups of digits in a row with the same thing between all of them, whatever it is: a comma, a line break, ` | `.

use std::ops::Range;

use super::digits::is_separator;
use super::text::Text;

/// Longest thing between two groups.
const GAP: usize = 8;
/// Most groups; a card's number has at most 19 digits.
const GROUPS: usize = 20;

/// The row that starts with the group of digits `first`, all of it. `None` where the row started before, goes on for long,
/// has one ordinary separator between its groups (those are clusters), or touches a letter.
pub(crate) fn collect(text: &Text<'_>, first: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let next = text.run(first.end, GAP + 1, |byte| !byte.is_ascii_digit());
    let gap = text.bytes().get(first.end..next)?;
    let ordinary = matches!(gap, [byte] if is_separator(*byte));
    if !(1..=GAP).contains(&gap.len()) || ordinary || !text.byte(next).is_ascii_digit() {
        return None;
    }
    let before = first.start.checked_sub(gap.len() + 1).map_or(0, |digit| text.byte(digit));
    if text.tail_before(first.start, gap.len()) == gap && before.is_ascii_digit() {
        return None;
    }
    let mut groups = vec![first.clone()];
    let mut end = first.end;
    while text.bytes().get(end..end + gap.len()) == Some(gap) && text.byte(end + gap.len()).is_ascii_digit() {
        let start = end + gap.len();
        end = text.run(start, GROUPS, |byte| byte.is_ascii_digit());
        if groups.len() >= GROUPS {
            return None;
        }
        groups.push(start..end);
    }
    text.stands_alone(&(first.start..end)).then_some(groups)
}
