//! Telephone numbers: international ones (E.164) everywhere, national ones for the profile's regions.

use std::cell::LazyCell;
use std::ops::Range;

use super::classes::Builtin;
use super::digits::{Cluster, monotone};
use super::hit::{Certainty, Found, last_four};
use super::text::{Text, Words};
use crate::finding::Facet;

/// Country codes with their country and how many digits follow.
const CODES: &[(&str, &str, usize, usize)] = &[
    ("1", "us", 10, 10),
    ("20", "eg", 8, 10),
    ("27", "za", 9, 9),
    ("30", "gr", 10, 10),
    ("31", "nl", 9, 9),
    ("32", "be", 8, 9),
    ("33", "fr", 9, 9),
    ("34", "es", 9, 9),
    ("36", "hu", 8, 9),
    ("39", "it", 8, 11),
    ("40", "ro", 9, 9),
    ("41", "ch", 9, 9),
    ("43", "at", 7, 13),
    ("44", "gb", 9, 10),
    ("45", "dk", 8, 8),
    ("46", "se", 7, 10),
    ("47", "no", 8, 8),
    ("48", "pl", 9, 9),
    ("49", "de", 7, 12),
    ("51", "pe", 8, 9),
    ("52", "mx", 10, 11),
    ("54", "ar", 10, 11),
    ("55", "br", 10, 11),
    ("56", "cl", 9, 9),
    ("57", "co", 8, 10),
    ("58", "ve", 10, 10),
    ("60", "my", 8, 10),
    ("61", "au", 9, 9),
    ("62", "id", 8, 12),
    ("63", "ph", 8, 10),
    ("64", "nz", 8, 10),
    ("65", "sg", 8, 8),
    ("66", "th", 8, 9),
    ("7", "ru", 10, 10),
    ("81", "jp", 9, 10),
    ("82", "kr", 8, 11),
    ("84", "vn", 9, 10),
    ("86", "cn", 10, 11),
    ("90", "tr", 10, 10),
    ("91", "in", 10, 10),
    ("92", "pk", 9, 10),
    ("93", "af", 9, 9),
    ("94", "lk", 9, 9),
    ("95", "mm", 7, 10),
    ("98", "ir", 10, 10),
    ("2", "", 8, 11),
    ("3", "", 7, 11),
    ("42", "", 8, 9),
    ("5", "", 7, 10),
    ("6", "", 5, 8),
    ("8", "", 7, 12),
    ("9", "", 7, 11),
];

/// Countries' national numbers: the digit they start with, and how many digits there are with it.
const NATIONAL: &[(&str, &str, usize, usize)] = &[
    ("nl", "0", 10, 10),
    ("be", "0", 9, 10),
    ("fr", "0", 10, 10),
    ("de", "0", 9, 12),
    ("gb", "0", 10, 11),
    ("ch", "0", 10, 10),
    ("at", "0", 8, 13),
    ("it", "3", 9, 10),
    ("it", "0", 9, 11),
    ("es", "6", 9, 9),
    ("es", "7", 9, 9),
    ("es", "9", 9, 9),
    ("se", "0", 8, 10),
    ("pl", "", 9, 9),
    ("dk", "", 8, 8),
    ("no", "", 8, 8),
    ("fi", "0", 8, 11),
    ("pt", "2", 9, 9),
    ("pt", "9", 9, 9),
    ("ie", "0", 9, 10),
    ("au", "0", 10, 10),
    ("in", "", 10, 10),
    ("br", "", 10, 11),
    ("za", "0", 10, 10),
    ("jp", "0", 10, 11),
    ("kr", "0", 9, 11),
    ("cn", "1", 11, 11),
    ("sg", "", 8, 8),
    ("mx", "", 10, 10),
    ("nz", "0", 9, 11),
];

const WORDS: Words<'_> = Words::new(&[
    "phone",
    "telephone",
    "tel",
    "mobile",
    "cell",
    "call",
    "fax",
    "msisdn",
    "whatsapp",
    "sms",
    "telefoon",
    "telefon",
    "handy",
    "mobiel",
    "téléphone",
    "telefono",
    "teléfono",
    "contact",
    "dial",
    "ring",
    "text",
    "number",
    "reach",
    "ph",
]);

/// Whether national numbers of a country are known.
pub(crate) fn knows(region: &str) -> bool {
    matches!(region, "us" | "ca") || NATIONAL.iter().any(|(country, ..)| *country == region)
}

/// Most groups that a number is written in.
const GROUPS: usize = 8;
/// Fewest digits.
pub(crate) const LEAST: usize = 7;

/// Looks for numbers among the groups; of those that start with a group the longest counts.
pub(crate) fn find(cluster: &Cluster<'_>, regions: &[String], found: &mut Found) {
    let mut rest = cluster.groups;
    // There are no words inside of a cluster: one look before it is enough.
    let start = rest.first().map_or(0, |group| group.start);
    let said = LazyCell::new(|| cluster.text.near_any(start, &WORDS));
    let said = || *said;
    while !rest.is_empty() && !cluster.text.number {
        let taken = longest(&cluster.text, rest, regions, &said, found);
        rest = rest.get(taken.unwrap_or(1)..).unwrap_or_default();
    }
}

/// How many of the groups, from the first one on, are a number, which is then noted.
fn longest(
    text: &Text<'_>,
    groups: &[Range<usize>],
    regions: &[String],
    said: &impl Fn() -> bool,
    found: &mut Found,
) -> Option<usize> {
    let most = groups.len().min(GROUPS);
    let some = |count: usize| groups.get(..count).unwrap_or_default();
    let mut digits: usize = some(most).iter().map(ExactSizeIterator::len).sum();
    for count in (1..=most).rev() {
        if digits < LEAST {
            break;
        }
        // Not a row of single ones.
        let fits = digits <= 15 && digits + 2 >= 2 * count && may_start(text, groups, digits, regions, said);
        if fits && starts(&Cluster::new(*text, some(count)), regions, said, found) {
            return Some(count);
        }
        digits -= some(count).last().map_or(0, ExactSizeIterator::len);
    }
    None
}

/// Whether groups with so many digits may be a number: they start with a plus sign or a zero, or are as many as those of a
/// region. The numbers of North America need no word.
fn may_start(
    text: &Text<'_>,
    groups: &[Range<usize>],
    digits: usize,
    regions: &[String],
    said: &impl Fn() -> bool,
) -> bool {
    let start = groups.first().map_or(0, |group| group.start);
    let first = text.byte(start);
    let of_region = |(country, trunk, least, most): &(&str, &str, usize, usize)| {
        (*least..=*most).contains(&digits)
            && trunk.bytes().next().is_none_or(|trunk| trunk == first)
            && regions.iter().any(|region| region == country)
    };
    first == b'0'
        || plus(text, start).is_some()
        || (!regions.is_empty() && matches!(digits, 10 | 11))
        || (NATIONAL.iter().any(of_region) && said())
}

/// Whether all groups together are a number, which is then noted.
fn starts(cluster: &Cluster<'_>, regions: &[String], said: &impl Fn() -> bool, found: &mut Found) -> bool {
    let Some(first) = cluster.groups.first() else { return false };
    let text = &cluster.text;
    let plus = plus(text, first.start);
    // Without a plus sign it is a number of a region or starts with two zeros.
    if plus.is_none()
        && regions.is_empty()
        && (text.byte(first.start), text.byte(first.start + 1)) != (b'0', b'0')
    {
        return false;
    }
    let whole = cluster.whole();
    let end = whole.range.end;
    let digits = whole.digits.as_str();
    if text.byte(end).is_ascii_alphanumeric() || monotone(digits) {
        return false;
    }
    if let Some(start) = plus {
        let country = international(digits);
        return country.map(|country| add(start..end, format!("+{digits}"), country, found)).is_some();
    }
    if text.before(first.start).is_ascii_alphanumeric() {
        return false;
    }
    let start = if text.before(first.start) == b'(' { first.start - 1 } else { first.start };
    if let Some(abroad) = digits.strip_prefix("00")
        && let Some(country) = international(abroad)
        && (cluster.groups.len() > 1 || said())
    {
        add(start..end, format!("+{abroad}"), country, found);
        return true;
    }
    match regions.iter().find(|region| national(digits, region, cluster, said)) {
        Some(region) => {
            add(start..end, digits.to_owned(), region, found);
            true
        }
        None => false,
    }
}

/// Where a number starts whose digits start at `digits`, if there is a plus sign before them.
fn plus(text: &Text<'_>, digits: usize) -> Option<usize> {
    let sign = text.run_back(digits, 2, |byte| matches!(byte, b'(' | b' '));
    let sign = [digits, sign].into_iter().find(|at| text.before(*at) == b'+')?.checked_sub(1)?;
    (!text.before(sign).is_ascii_alphanumeric()).then_some(sign)
}

/// The country of a number that starts with its code; empty where the code is only known to be one.
fn international(digits: &str) -> Option<&'static str> {
    // `+31 (0)20`: the zero is for callers at home.
    let code =
        CODES.iter().filter(|(code, ..)| digits.starts_with(code)).max_by_key(|(code, ..)| code.len())?;
    let (code, country, least, most) = code;
    let rest = digits.len() - code.len();
    let with_zero = digits.get(code.len()..).is_some_and(|rest| rest.starts_with('0'));
    (*least..=*most + usize::from(with_zero)).contains(&rest).then_some(*country)
}

fn national(digits: &str, region: &str, cluster: &Cluster<'_>, said: impl Fn() -> bool) -> bool {
    let sized = |sizes: &[usize]| {
        sizes.len() == cluster.groups.len()
            && cluster.groups.iter().map(ExactSizeIterator::len).eq(sizes.iter().copied())
    };
    if matches!(region, "us" | "ca") {
        let short = digits.strip_prefix('1').filter(|rest| rest.len() == 10).unwrap_or(digits);
        let bytes = short.as_bytes();
        let fits = bytes.len() == 10
            && bytes.first().is_some_and(|digit| *digit >= b'2')
            && bytes.get(3).is_some_and(|digit| *digit >= b'2');
        return fits && (sized(&[3, 3, 4]) || sized(&[1, 3, 3, 4]) || said());
    }
    // Written like 01-02-2024 it is more likely to be something else.
    let written = cluster.groups.len() > 1
        && digits.starts_with('0')
        && cluster.groups.first().is_some_and(|first| first.len() > 2);
    (written || said())
        && NATIONAL.iter().any(|(country, trunk, least, most)| {
            (*least..=*most).contains(&digits.len())
                && (trunk.is_empty() || trunk.as_bytes().first() == digits.as_bytes().first())
                && !digits.starts_with("00")
                && *country == region
        })
}

fn add(range: Range<usize>, value: String, country: &str, found: &mut Found) {
    let country = Some(country.to_owned()).filter(|country| !country.is_empty());
    let facet = Facet { last_four: last_four(&value), country, ..Facet::default() };
    found.add(Builtin::PHONE, range, value, Certainty::Shape, facet);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        #[test]
        fn what_cannot_start_a_number_is_none(
            before in "(call |id |\\+|\\(|\\+\\(| )?",
            digits in "[0-9]{1,6}([ .-][0-9]{1,4}){0,4}",
            regions in prop::sample::subsequence(vec!["us", "nl", "dk", "es", "pl", "it", "fr"], 0..=7),
        ) {
            let text = format!("{before}{digits}");
            let text = Text { text: &text, name: "", number: false };
            let regions: Vec<String> = regions.into_iter().map(str::to_owned).collect();
            let mut groups = Vec::new();
            super::super::digits::collect(&text, before.len(), &mut groups);
            let cluster = Cluster::new(text, &groups);
            let said = || text.near_any(before.len(), &WORDS);
            let mut found = Found::default();
            if !may_start(&text, &groups, cluster.total(), &regions, &said) {
                prop_assert!(!starts(&cluster, &regions, &said, &mut found), "{}", text.text);
            }
        }
    }
}
