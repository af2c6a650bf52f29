//! Check digits of national numbers. Every function gets as many digits as one of the number's forms has.

use crate::detect::digits::{date, luhn, monotone, number, values, weighted};

/// Area, group and serial number are ones that were given out.
pub(super) fn us_ssn(digits: &str) -> bool {
    let (area, group, serial) = (number(digits, 0..3), number(digits, 3..5), number(digits, 5..9));
    let advertised = matches!(digits, "078051120" | "219099999" | "123456789");
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !advertised && !monotone(digits)
}

pub(super) fn us_itin(digits: &str) -> bool {
    let group = number(digits, 3..5);
    number(digits, 0..3) >= 900 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// The elfproef: the last digit weighs minus one.
pub(super) fn nl_bsn(digits: &str) -> bool {
    let sum = weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2]) + 10 * values(digits).next_back().unwrap_or(0);
    sum.is_multiple_of(11) && !monotone(digits)
}

pub(super) fn gb_nhs(digits: &str) -> bool {
    let check = 11 - weighted(digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    values(digits).next_back() == Some(check % 11) && check != 10 && !monotone(digits)
}

/// Of the first ten digits one occurs twice or three times and all others at most once; ISO 7064 mod 11,10.
pub(super) fn de_steuer_id(digits: &str) -> bool {
    let mut counts = [0u8; 10];
    let (mut product, mut last) = (10, 0);
    for (at, digit) in values(digits).enumerate() {
        last = digit;
        if at < 10 {
            if let Some(count) = counts.get_mut(digit as usize) {
                *count += 1;
            }
            let sum = (digit + product) % 10;
            product = if sum == 0 { 10 } else { sum } * 2 % 11;
        }
    }
    let repeated = counts.iter().filter(|count| **count > 1).count();
    let fits = repeated == 1 && counts.iter().all(|count| *count <= 3);
    !digits.starts_with('0') && fits && (11 - product) % 10 == last
}

pub(super) fn fr_nir(digits: &str) -> bool {
    let month = number(digits, 3..5);
    let plausible = matches!(digits.as_bytes().first(), Some(b'1'..=b'4' | b'7' | b'8'))
        && matches!(month, 1..=12 | 20..=42 | 50..=99);
    plausible && 97 - number(digits, 0..13) % 97 == number(digits, 13..15)
}

pub(super) fn se_pnr(digits: &str) -> bool {
    let (century, short) = digits.split_at_checked(digits.len().saturating_sub(10)).unwrap_or_default();
    let day = number(short, 4..6);
    // Coordination numbers add 60 to the day.
    matches!(century, "" | "18" | "19" | "20")
        && date(number(short, 2..4), if day > 60 { day - 60 } else { day })
        && luhn(short)
}

pub(super) fn pl_pesel(digits: &str) -> bool {
    let sum = weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    sum.is_multiple_of(10) && date(number(digits, 2..4) % 20, number(digits, 4..6))
}

pub(super) fn be_nrn(digits: &str) -> bool {
    let (first, check) = (number(digits, 0..9), number(digits, 9..11));
    let fits = 97 - first % 97 == check || 97 - (2_000_000_000 + first) % 97 == check;
    fits && date(number(digits, 2..4), number(digits, 4..6))
}

pub(super) fn dk_cpr(digits: &str) -> bool {
    date(number(digits, 2..4), number(digits, 0..2))
}

/// Two check digits; 40 is added to the day or the month of some.
pub(super) fn no_fnr(digits: &str) -> bool {
    let day = number(digits, 0..2);
    let month = number(digits, 2..4);
    date(if month > 40 { month - 40 } else { month }, if day > 40 { day - 40 } else { day })
        && weighted(digits, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && weighted(digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

pub(super) fn ch_ahv(digits: &str) -> bool {
    let sum = weighted(digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]);
    digits.starts_with("756") && sum.is_multiple_of(10)
}

pub(super) fn pt_nif(digits: &str) -> bool {
    let rest = weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let check = if rest < 2 { 0 } else { 11 - rest };
    matches!(digits.as_bytes().first(), Some(b'1'..=b'3' | b'5' | b'6' | b'8' | b'9'))
        && values(digits).next_back() == Some(check)
}

pub(super) fn ca_sin(digits: &str) -> bool {
    luhn(digits) && !matches!(digits.as_bytes().first(), Some(b'0' | b'8')) && !monotone(digits)
}

pub(super) fn au_tfn(digits: &str) -> bool {
    weighted(digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !monotone(digits)
}

/// Verhoeff's check in the dihedral group of order ten.
pub(super) fn in_aadhaar(digits: &str) -> bool {
    const STEP: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    if !matches!(digits.as_bytes().first(), Some(b'2'..=b'9')) {
        return false;
    }
    let rest = values(digits).rev().enumerate().fold(0, |rest, (at, digit)| {
        let permuted = (0..at % 8).fold(digit, |digit, _| STEP.get(digit as usize).copied().unwrap_or(0));
        dihedral(rest, permuted)
    });
    rest == 0 && !monotone(digits)
}

/// The product of two elements: below five a rotation, from five on a reflection.
fn dihedral(left: u32, right: u32) -> u32 {
    match (left < 5, right < 5) {
        (true, true) => (left + right) % 5,
        (true, false) => (left + right - 5) % 5 + 5,
        (false, true) => (left - 5 + 5 - right) % 5 + 5,
        (false, false) => (left + 5 - right) % 5,
    }
}

pub(super) fn br_cpf(digits: &str) -> bool {
    let check = |weights: &[u32]| match weighted(digits, weights) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    let first = check(&[10, 9, 8, 7, 6, 5, 4, 3, 2]);
    let second = check(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    number(digits, 9..11) == u64::from(first * 10 + second) && !monotone(digits)
}

pub(super) fn za_id(digits: &str) -> bool {
    let citizen = matches!(digits.as_bytes().get(10), Some(b'0' | b'1'));
    citizen && date(number(digits, 2..4), number(digits, 4..6)) && luhn(digits)
}

/// ISO 7064 mod 11-2 over seventeen digits; the eighteenth may be an X.
pub(super) fn cn_id(number_text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    let Some((digits, last)) = number_text.split_at_checked(17) else { return false };
    let born =
        matches!(number(digits, 6..8), 19 | 20) && date(number(digits, 10..12), number(digits, 12..14));
    let check = CHECKS.get(weighted(digits, &WEIGHTS) as usize % 11);
    born && !digits.starts_with('0') && last.as_bytes().first() == check
}

pub(super) fn kr_rrn(digits: &str) -> bool {
    let sum = weighted(digits, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    let check = (11 - sum % 11) % 10;
    matches!(digits.as_bytes().get(6), Some(b'1'..=b'8'))
        && date(number(digits, 2..4), number(digits, 4..6))
        && values(digits).next_back() == Some(check)
}
