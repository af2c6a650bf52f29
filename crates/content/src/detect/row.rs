//! Groups of digits in a row with the same thing between all of them, whatever it is: a comma, a line break, ` | `.

use std::ops::Range;

use super::digits::is_separator;
use super::text::Text;

/// Longest thing between two groups.
const GAP: usize = 8;
/// Most groups; a card's number has at most 19 digits.
const GROUPS: usize = 20;

/// Whether a row may start with the group of digits `first`: it has such a size, and what stands behind it is no letter and
/// not one ordinary separator (groups with those are clusters).
#[inline]
pub(crate) fn may_start(text: &Text<'_>, first: &Range<usize>) -> bool {
    let (byte, next) = (text.byte(first.end), text.byte(first.end + 1));
    matches!(first.len(), 1 | 4 | 6 | 8)
        && byte != 0
        && !byte.is_ascii_alphanumeric()
        && !(is_separator(byte) && next.is_ascii_digit())
}

/// The row that starts with the group of digits `first`, all of it. `None` where the row started before, goes on for long,
/// or touches a letter.
pub(crate) fn collect(text: &Text<'_>, first: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let next = text.run(first.end, GAP + 1, |byte| !byte.is_ascii_digit());
    let digits = text.run(next, GROUPS, |byte| byte.is_ascii_digit()) - next;
    let fits =
        next - first.end <= GAP && (digits == first.len() || (first.len() > 2 && digits > first.len()));
    fits.then(|| groups(text, first, next)).flatten()
}

fn groups(text: &Text<'_>, first: &Range<usize>, next: usize) -> Option<Vec<Range<usize>>> {
    let gap = text.bytes().get(first.end..next)?;
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
