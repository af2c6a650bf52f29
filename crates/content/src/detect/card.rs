//! Payment cards: length, issuer range, Luhn.

use std::ops::Range;

use super::classes::Builtin;
use super::digits::{Cluster, Window, luhn, monotone};
use super::hit::{Certainty, Found, last_four};
use super::row;
use super::text::Text;
use crate::finding::Facet;

/// An issuer's numbers: those that start with `low..=high` and have one of the lengths.
struct Issuer {
    low: u32,
    high: u32,
    /// Digits of `low` and `high`, at most six.
    prefix: u32,
    lengths: &'static [usize],
    /// Whether numbers of these lengths are found without a word that says what they are.
    sure: bool,
}

const fn issuer(low: u32, high: u32, prefix: u32, lengths: &'static [usize], sure: bool) -> Issuer {
    Issuer { low, high, prefix, lengths, sure }
}

const ISSUERS: &[Issuer] = &[
    // Visa. Thirteen digits are also bar codes and nineteen also counters.
    issuer(4, 4, 1, &[16], true),
    issuer(4, 4, 1, &[13, 19], false),
    // Mastercard
    issuer(51, 55, 2, &[16], true),
    issuer(2221, 2720, 4, &[16], true),
    // American Express
    issuer(34, 34, 2, &[15], true),
    issuer(37, 37, 2, &[15], true),
    // Discover
    issuer(6011, 6011, 4, &[16], true),
    issuer(644, 659, 3, &[16], true),
    issuer(6011, 6011, 4, &[17, 18, 19], false),
    issuer(644, 659, 3, &[17, 18, 19], false),
    // JCB
    issuer(3528, 3589, 4, &[16], true),
    issuer(3528, 3589, 4, &[17, 18, 19], false),
    issuer(2131, 2131, 4, &[15], false),
    issuer(1800, 1800, 4, &[15], false),
    // Diners Club
    issuer(300, 305, 3, &[14], true),
    issuer(309, 309, 3, &[14], true),
    issuer(36, 36, 2, &[14], true),
    issuer(38, 39, 2, &[14], true),
    // UnionPay
    issuer(62, 62, 2, &[16], true),
    issuer(62, 62, 2, &[17, 18, 19], false),
    issuer(81, 81, 2, &[16, 17, 18, 19], false),
    // Maestro
    issuer(50, 50, 2, &[12, 13, 14, 15, 16, 17, 18, 19], false),
    issuer(56, 58, 2, &[12, 13, 14, 15, 16, 17, 18, 19], false),
    issuer(63, 63, 2, &[12, 13, 14, 15, 16, 17, 18, 19], false),
    issuer(67, 67, 2, &[12, 13, 14, 15, 16, 17, 18, 19], false),
    // Mir, Troy, RuPay, Verve
    issuer(2200, 2204, 4, &[16], true),
    issuer(2200, 2204, 4, &[17, 18, 19], false),
    issuer(9792, 9792, 4, &[16], true),
    issuer(60, 60, 2, &[16], false),
    issuer(82, 82, 2, &[16], false),
    issuer(506_099, 506_198, 6, &[16, 19], true),
];

/// How issuers print numbers.
const PRINTED: &[&[usize]] = &[
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 3],
    &[4, 4, 4, 2],
    &[4, 4, 4, 1],
    &[4, 4, 5],
    &[4, 4, 4, 4, 1],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4],
    &[8, 8],
    &[6, 10],
    &[6, 13],
];

const WORDS: &[&str] = &[
    "card",
    "credit",
    "creditcard",
    "debit",
    "visa",
    "mastercard",
    "amex",
    "maestro",
    "discover",
    "diners",
    "jcb",
    "pan",
    "cc",
    "payment",
    "pay",
    "ccn",
    "kreditkarte",
    "carte",
    "tarjeta",
    "charge",
    "billing",
];

/// Whether digits are a card's number, and whether they need a word that says so.
fn read(digits: &str) -> Option<bool> {
    // Of ten numbers nine are done with here.
    if !luhn(digits) || few_digits(digits) {
        return None;
    }
    let start: u32 = digits.get(..6)?.parse().ok()?;
    let matching = ISSUERS.iter().filter(|issuer| {
        let prefix = || start / 10_u32.pow(6 - issuer.prefix);
        issuer.lengths.contains(&digits.len()) && (issuer.low..=issuer.high).contains(&prefix())
    });
    matching.map(|issuer| issuer.sure).max()
}

/// Numbers such as 4000000000000000 that nobody was given: one digit and zeros.
fn few_digits(digits: &str) -> bool {
    digits.get(1..).is_some_and(monotone) && digits.get(2..).is_some_and(|rest| rest.starts_with('0'))
}

/// Looks for cards among the groups.
pub(crate) fn find(cluster: &Cluster<'_>, found: &mut Found) {
    let total = cluster.total();
    if total < 12 {
        return;
    }
    for length in 12..=19 {
        for window in cluster.all_windows(&[length]) {
            take(cluster, &window, false, found);
        }
    }
    for sizes in PRINTED {
        for window in cluster.all_windows(sizes) {
            take(cluster, &window, sizes.len() > 2, found);
        }
    }
    if cluster.groups.len() > 1 && total <= 19 {
        let whole = cluster.whole();
        let uniform = whole.separator.is_some() && evenly(cluster);
        let decimal = cluster.groups.len() == 2 && whole.separator == Some(b'.');
        if !decimal && cluster.is_whole(&whole) && (uniform || cluster.text.near(whole.range.start, WORDS)) {
            take(cluster, &whole, false, found);
        }
    }
}

/// Looks for a card whose first group is `first`, with something else than an ordinary separator between the groups. Groups
/// of other sizes than those of printed numbers need a word that says what they are.
// Seldom needed, and would make the pass over every word larger.
#[inline(never)]
pub(crate) fn find_row(text: &Text<'_>, first: &Range<usize>, found: &mut Found) {
    let Some(groups) = row::collect(text, first) else { return };
    let total: usize = groups.iter().map(ExactSizeIterator::len).sum();
    if !(12..=19).contains(&total) {
        return;
    }
    let digits: String = groups.iter().map(|group| text.slice(group.clone())).collect();
    let sizes = || groups.iter().map(ExactSizeIterator::len);
    let printed = PRINTED.iter().any(|printed| printed.len() > 2 && printed.iter().copied().eq(sizes()));
    if read(&digits).is_some() && (printed || text.near(first.start, WORDS)) {
        let range = first.start..groups.last().map_or(first.end, |group| group.end);
        add(range, digits, found);
    }
}

fn add(range: Range<usize>, digits: String, found: &mut Found) {
    let facet = Facet { last_four: last_four(&digits), ..Facet::default() };
    found.add(Builtin::PAN, range, digits, Certainty::Checked, facet);
}

/// Whether all groups but the last have the same size: somebody spread the digits.
fn evenly(cluster: &Cluster<'_>) -> bool {
    let size = cluster.groups.first().map_or(0, ExactSizeIterator::len);
    let last = cluster.groups.last().map_or(0, ExactSizeIterator::len);
    last <= size && cluster.groups.iter().rev().skip(1).all(|group| group.len() == size)
}

fn take(cluster: &Cluster<'_>, window: &Window, printed: bool, found: &mut Found) {
    let Some(sure) = read(&window.digits) else { return };
    // What has the length of a sure number is one even where somebody put a letter in front.
    let alone = cluster.text.stands_alone(&window.range);
    if sure || (printed && alone) || alone && cluster.text.near(window.range.start, WORDS) {
        add(window.range.clone(), window.digits.clone(), found);
    }
}
