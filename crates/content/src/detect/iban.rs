//! International bank account numbers (ISO 13616): the country's length, and what is left of 97.

use super::classes::Builtin;
use super::hit::{Certainty, Found, last_four};
use super::text::Text;
use crate::finding::Facet;

/// Most bytes between two groups of four.
const GAP: usize = 3;

/// Countries of the IBAN registry and the length of their numbers.
const LENGTHS: &[(&str, u8)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// The lengths by the two letters, 26 times the first and the second.
const TABLE: [u8; 676] = table();

const fn table() -> [u8; 676] {
    let mut table = [0; 676];
    let mut rest: &[(&str, u8)] = LENGTHS;
    while let [(country, length), behind @ ..] = rest {
        if let [first, second] = country.as_bytes() {
            #[expect(clippy::indexing_slicing, reason = "two letters, at compile time")]
            {
                table[(*first - b'A') as usize * 26 + (*second - b'A') as usize] = *length;
            }
        }
        rest = behind;
    }
    table
}

/// The length of the numbers of the country whose letters stand before `digits`.
fn length(text: &Text<'_>, digits: usize) -> Option<usize> {
    let place = |byte: u8| usize::from(byte.to_ascii_uppercase().wrapping_sub(b'A'));
    let (first, second) = (place(text.before(digits.checked_sub(1)?)), place(text.before(digits)));
    let length = TABLE.get(first * 26 + second).filter(|length| **length > 0 && second < 26)?;
    Some(usize::from(*length))
}

/// Looks for a number whose check digits stand at `digits`.
pub(crate) fn find(text: &Text<'_>, digits: usize, found: &mut Found) {
    let Some(length) = length(text, digits) else { return };
    let start = digits - 2;
    if text.before(start).is_ascii_alphanumeric() {
        return;
    }
    let Some((value, end)) = collect(text, start, length) else { return };
    if remainder(&value) == Some(1) {
        let country = value.get(..2).map(str::to_ascii_lowercase);
        let facet = Facet { last_four: last_four(&value), country, ..Facet::default() };
        found.add(Builtin::IBAN, start..end, value, Certainty::Checked, facet);
    }
}

/// `length` letters and digits from `start` on, single separators between them left out; of others only those behind every
/// four, as in print.
fn collect(text: &Text<'_>, start: usize, length: usize) -> Option<(String, usize)> {
    let (mut value, mut at) = (String::with_capacity(length), start);
    while value.len() < length {
        let byte = text.byte(at);
        if byte.is_ascii_alphanumeric() {
            value.push(char::from(byte.to_ascii_uppercase()));
            at += 1;
            continue;
        }
        let gap = text.run(at, GAP, |byte| !byte.is_ascii_alphanumeric());
        let ordinary = gap - at == 1 && matches!(byte, b' ' | b'-' | b'.' | b'/');
        if !(ordinary || value.len().is_multiple_of(4)) || !text.byte(gap).is_ascii_alphanumeric() {
            return None;
        }
        at = gap;
    }
    (!text.byte(at).is_ascii_alphanumeric()).then_some((value, at))
}

/// ISO 7064, mod 97-10. The check digits are digits: other words may have letters in their place.
fn remainder(value: &str) -> Option<u32> {
    let (head, tail) = value.split_at_checked(4)?;
    if !head.bytes().skip(2).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    tail.chars().chain(head.chars()).try_fold(0u32, |rest, character| {
        let digit = character.to_digit(36)?;
        Some((if digit < 10 { rest * 10 } else { rest * 100 } + digit) % 97)
    })
}
