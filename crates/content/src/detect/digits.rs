//! Digits with separators between them: what cards, accounts, national numbers and telephone numbers are made of.

use std::ops::Range;

use super::text::Text;

/// Most separators between two groups of digits.
const GAP: usize = 3;
/// Most groups looked at together; longer rows of numbers are looked at piece by piece.
pub(crate) const GROUPS: usize = 64;

/// Groups of digits with nothing but separators between them.
pub(crate) struct Cluster<'c> {
    pub(crate) text: Text<'c>,
    pub(crate) groups: &'c [Range<usize>],
    /// A bit for each size that a group has.
    sizes: u32,
}

/// Some neighbouring groups.
pub(crate) struct Window {
    /// From the first to the last digit.
    pub(crate) range: Range<usize>,
    /// The digits alone.
    pub(crate) digits: String,
    /// The separator, where all are the same single byte.
    pub(crate) separator: Option<u8>,
}

pub(crate) fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b'_' | b'(' | b')' | b'\t')
}

/// Collects groups from the digit at `at` on; returns the offset behind the last one.
pub(crate) fn collect(text: &Text<'_>, mut at: usize, groups: &mut Vec<Range<usize>>) -> usize {
    groups.clear();
    loop {
        let end = text.run(at, usize::MAX, |byte| byte.is_ascii_digit());
        groups.push(at..end);
        let next = text.run(end, GAP, is_separator);
        if next == end || groups.len() >= GROUPS || !text.byte(next).is_ascii_digit() {
            return end;
        }
        at = next;
    }
}

/// The bit of a group's size; what is larger than any number shares one.
fn size_bit(size: usize) -> u32 {
    1 << size.min(31)
}

impl<'c> Cluster<'c> {
    /// Of these groups.
    pub(crate) fn new(text: Text<'c>, groups: &'c [Range<usize>]) -> Self {
        let sizes = groups.iter().fold(0, |sizes, group| sizes | size_bit(group.len()));
        Self { text, groups, sizes }
    }

    /// Whether there is a group of each of the sizes; if not, no windows have them.
    fn has(&self, sizes: &[usize]) -> bool {
        sizes.len() <= self.groups.len() && sizes.iter().all(|size| self.sizes & size_bit(*size) != 0)
    }

    /// Digits of all groups.
    pub(crate) fn total(&self) -> usize {
        self.groups.iter().map(ExactSizeIterator::len).sum()
    }

    /// The windows whose groups have exactly these sizes and whose separators are all the same byte, and that stand
    /// alone.
    pub(crate) fn windows(&self, sizes: &[usize]) -> impl Iterator<Item = Window> {
        self.all_windows(sizes).filter(|window| self.text.stands_alone(&window.range))
    }

    /// The same, also where letters touch them.
    pub(crate) fn all_windows(&self, sizes: &[usize]) -> impl Iterator<Item = Window> {
        let groups = if self.has(sizes) { self.groups } else { &[] };
        groups
            .windows(sizes.len().max(1))
            .filter(move |groups| groups.iter().zip(sizes).all(|(group, size)| group.len() == *size))
            .map(|groups| self.window(groups))
            .filter(move |window| sizes.len() == 1 || window.separator.is_some())
            .filter(|window| !self.is_decimal(window))
    }

    /// All groups together.
    pub(crate) fn whole(&self) -> Window {
        self.window(self.groups)
    }

    /// Whether no letter or digit touches it, and it is not a part of a decimal number.
    pub(crate) fn is_whole(&self, window: &Window) -> bool {
        self.text.stands_alone(&window.range) && !self.is_decimal(window)
    }

    fn is_decimal(&self, window: &Window) -> bool {
        let (text, range) = (&self.text, &window.range);
        let fraction = text.before(range.start) == b'.'
            && range.start.checked_sub(1).is_some_and(|at| text.before(at).is_ascii_digit())
            && window.separator.is_none();
        let behind = text.run(range.end + 1, 40, |byte| byte.is_ascii_digit());
        let decimals = text.slice(range.end + 1..behind);
        let decimal = text.byte(range.end) == b'.'
            && window.separator.is_none()
            && decimals.bytes().any(|digit| digit != b'0');
        fraction || decimal
    }

    fn window(&self, groups: &[Range<usize>]) -> Window {
        let mut digits = String::with_capacity(20);
        let mut separators = groups.iter().zip(groups.iter().skip(1)).map(|(left, right)| {
            (right.start - left.end == 1).then(|| self.text.byte(left.end)).filter(|byte| *byte != b'(')
        });
        let first = separators.next().flatten();
        let separator = first.filter(|_| separators.all(|other| other == first));
        for group in groups {
            digits.push_str(self.text.slice(group.clone()));
        }
        let start = groups.first().map_or(0, |group| group.start);
        Window { range: start..groups.last().map_or(start, |group| group.end), digits, separator }
    }
}

/// The values of ASCII digits.
pub(crate) fn values(digits: &str) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + Clone {
    digits.bytes().map(|digit| u32::from(digit.wrapping_sub(b'0')))
}

/// The Luhn check of ISO/IEC 7812.
pub(crate) fn luhn(digits: &str) -> bool {
    let sum: u32 = values(digits)
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => digit,
            (_, double @ 0..10) => double,
            (_, double) => double - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Sum of the digits, each times its weight.
pub(crate) fn weighted(digits: &str, weights: &[u32]) -> u32 {
    values(digits).zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The number that a few digits are.
pub(crate) fn number(digits: &str, range: Range<usize>) -> u64 {
    digits.get(range).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Whether all digits are the same one.
pub(crate) fn monotone(digits: &str) -> bool {
    let mut bytes = digits.bytes();
    let first = bytes.next();
    bytes.all(|digit| Some(digit) == first)
}

/// Whether month and day can be those of a date.
pub(crate) fn date(month: u64, day: u64) -> bool {
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 29,
        1..=12 => 31,
        _ => return false,
    };
    (1..=longest).contains(&day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sizes_that_no_group_has_have_no_windows(
            text in "[0-9]{1,5}([ -][0-9]{1,40}){0,4}",
            sizes in prop::collection::vec(1..40_usize, 1..4),
        ) {
            let text = Text { text: &text, name: "", number: false };
            let mut groups = Vec::new();
            collect(&text, 0, &mut groups);
            let cluster = Cluster::new(text, &groups);
            let lengths: Vec<usize> = groups.iter().map(ExactSizeIterator::len).collect();
            let some = lengths.windows(sizes.len()).any(|lengths| lengths == sizes);
            prop_assert!(cluster.has(&sizes) || !some, "{lengths:?} {sizes:?}");
        }
    }
}
