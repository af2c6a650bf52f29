//! National numbers that hold letters. The functions get them in upper case, without separators.

use super::checks;
use crate::detect::classes::Builtin;
use crate::detect::digits::{date, number};

/// Whether a value is one of the numbers.
pub(super) type Check = fn(&str) -> bool;

/// Numbers that are one word.
pub(super) const CHECKS: &[(Builtin, Check)] = &[
    (Builtin::ES_DNI, es_dni),
    (Builtin::IT_CF, it_cf),
    (Builtin::FI_HETU, fi_hetu),
    (Builtin::SG_NRIC, sg_nric),
    (Builtin::CN_ID, cn_id),
    (Builtin::FR_NIR, fr_nir),
];

/// Whether `text` has this shape: `9` is a digit, `A` an upper-case letter, `*` either of them.
fn shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, kind)| match kind {
            b'9' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        })
}

/// Eight digits and a letter for citizens; X, Y or Z, seven digits and a letter for foreigners.
fn es_dni(value: &str) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let digits = match value.as_bytes().first() {
        Some(b'X') if shaped(value, "A9999999A") => number(value, 1..8),
        Some(b'Y') if shaped(value, "A9999999A") => 10_000_000 + number(value, 1..8),
        Some(b'Z') if shaped(value, "A9999999A") => 20_000_000 + number(value, 1..8),
        _ if shaped(value, "99999999A") => number(value, 0..8),
        _ => return false,
    };
    value.as_bytes().last() == LETTERS.get((digits % 23) as usize)
}

/// What an Italian code has in place of a digit, 0 to 9, where two persons would have the same one (omocodia).
const OMOCODIA: &[u8; 10] = b"LMNPQRSTUV";

/// Sixteen characters; the day of birth of women is 40 higher.
fn it_cf(value: &str) -> bool {
    const ODD: [u32; 36] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12,
        14, 16, 10, 22, 25, 24, 23,
    ];
    if !shaped(value, "AAAAAA**A**A***A") {
        return false;
    }
    let digit = |at: usize| {
        let byte = value.as_bytes().get(at)?;
        let letter = || OMOCODIA.iter().position(|letter| letter == byte);
        byte.is_ascii_digit().then(|| usize::from(byte - b'0')).or_else(letter)
    };
    let day = digit(9).zip(digit(10)).map(|(tens, ones)| tens * 10 + ones);
    let digits = [6, 7, 12, 13, 14].into_iter().all(|at| digit(at).is_some());
    if !digits || !matches!(day, Some(1..=31 | 41..=71)) {
        return false;
    }
    let Some((body, check)) = value.split_at_checked(15) else { return false };
    let sum: u32 = body
        .chars()
        .enumerate()
        .map(|(at, character)| {
            let code = character.to_digit(36).unwrap_or(0);
            match at % 2 {
                0 => ODD.get(code as usize).copied().unwrap_or(0),
                _ if code < 10 => code,
                _ => code - 10,
            }
        })
        .sum();
    let month =
        matches!(value.as_bytes().get(8), Some(b'A'..=b'E' | b'H' | b'L' | b'M' | b'P' | b'R'..=b'T'));
    month && check.chars().next().and_then(|check| check.to_digit(36)) == Some(sum % 26 + 10)
}

/// Date of birth, a sign for the century, three digits and a check character.
fn fi_hetu(value: &str) -> bool {
    const CHECKS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let [d, e, f, g, h, i, sign, a, b, c, check] = value.as_bytes() else { return false };
    let digits = [*d, *e, *f, *g, *h, *i, *a, *b, *c];
    let Some(digits) = std::str::from_utf8(&digits).ok().filter(|digits| shaped(digits, "999999999")) else {
        return false;
    };
    let born = date(number(digits, 2..4), number(digits, 0..2));
    let century = matches!(sign, b'-' | b'+' | b'A'..=b'F' | b'U'..=b'Y');
    born && century && CHECKS.get((number(digits, 0..9) % 31) as usize) == Some(check)
}

fn sg_nric(value: &str) -> bool {
    if !shaped(value, "A9999999A") {
        return false;
    }
    let sum = crate::detect::digits::weighted(value.get(1..8).unwrap_or_default(), &[2, 7, 6, 5, 4, 3, 2]);
    let (letters, add): (&[u8; 11], u32) = match value.as_bytes().first() {
        Some(b'S') => (b"JZIHGFEDCBA", 0),
        Some(b'T') => (b"JZIHGFEDCBA", 4),
        Some(b'F') => (b"XWUTRQPNMLK", 0),
        Some(b'G') => (b"XWUTRQPNMLK", 4),
        Some(b'M') => (b"XWUTRQPNJLK", 3),
        _ => return false,
    };
    value.as_bytes().last() == letters.get(((sum + add) % 11) as usize)
}

fn cn_id(value: &str) -> bool {
    value.ends_with('X') && shaped(value, "99999999999999999A") && checks::cn_id(value)
}

/// Corsica: 2A counts as 19 and 2B as 18.
fn fr_nir(value: &str) -> bool {
    let digits = if shaped(value, "999992A99999999") && value.get(6..7) == Some("A") {
        value.replacen("2A", "19", 1)
    } else if shaped(value, "999992A99999999") && value.get(6..7) == Some("B") {
        value.replacen("2B", "18", 1)
    } else {
        return false;
    };
    checks::fr_nir(&digits)
}

/// Two letters, six digits, one of A to D; some letters were never given out.
pub(super) fn gb_nino(value: &str) -> bool {
    let bytes = value.as_bytes();
    let (first, second) = (bytes.first().copied().unwrap_or(0), bytes.get(1).copied().unwrap_or(0));
    shaped(value, "AA999999A")
        && !matches!(first, b'D' | b'F' | b'I' | b'Q' | b'U' | b'V')
        && !matches!(second, b'D' | b'F' | b'I' | b'O' | b'Q' | b'U' | b'V')
        && !matches!(
            (first, second),
            (b'B', b'G')
                | (b'G', b'B')
                | (b'K', b'N')
                | (b'N', b'K')
                | (b'N', b'T')
                | (b'T', b'N')
                | (b'Z', b'Z')
        )
        && matches!(bytes.last(), Some(b'A'..=b'D'))
}
