//! Machine readable zones of travel documents (ICAO 9303): lines of 44, 36 or 30 characters with check digits.

use std::ops::Range;

use super::classes::Builtin;
use super::hit::{Certainty, Found};
use super::text::Text;
use crate::finding::Facet;

fn is_zone(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<'
}

/// Looks for a zone one line of which the `<` at `at` is in; returns where it has looked up to.
pub(crate) fn find(text: &Text<'_>, at: usize, found: &mut Found) -> usize {
    let start = text.run_back(at, 45, is_zone);
    let line = start..text.run(at, 45, is_zone);
    if !matches!(line.len(), 30 | 36 | 44) {
        return line.end;
    }
    let next = neighbour(text, &line);
    let lines = [Some(line.clone()), next.clone(), next.and_then(|next| neighbour(text, &next))];
    let last = lines.iter().flatten().map(|line| line.end).max().unwrap_or(line.end);
    let checked = lines.iter().flatten().find(|line| checks(text.slice((*line).clone()).as_bytes()));
    if let Some(checked) = checked {
        let country = country(text.slice(checked.clone()));
        let value: String = lines.iter().flatten().map(|line| text.slice(line.clone())).collect();
        let facet = Facet { country, ..Facet::default() };
        found.add(Builtin::MRZ, line.start..last, value, Certainty::Checked, facet);
    }
    last
}

/// The line behind a line, if it is as long.
fn neighbour(text: &Text<'_>, line: &Range<usize>) -> Option<Range<usize>> {
    let start = text.run(line.end, 3, |byte| byte.is_ascii_whitespace());
    let end = text.run(start, 45, is_zone);
    (start > line.end && end - start == line.len()).then_some(start..end)
}

/// Whether the check digits of a line fit. Passports and visas have 44 or 36 characters with number, birth and expiry on
/// the second line; cards have 30 and carry birth and expiry on their second line.
fn checks(line: &[u8]) -> bool {
    let fits = |range: Range<usize>| {
        let digit = line.get(range.end).filter(|digit| digit.is_ascii_digit());
        line.get(range)
            .is_some_and(|field| digit.is_some_and(|digit| check(field) == u32::from(digit - b'0')))
    };
    match line.len() {
        30 => fits(0..6) && fits(8..14),
        _ => fits(0..9) && fits(13..19) && fits(21..27),
    }
}

/// Weights 7, 3, 1; letters count from ten, the filler counts nothing.
fn check(field: &[u8]) -> u32 {
    let weights = [7, 3, 1].into_iter().cycle();
    field
        .iter()
        .zip(weights)
        .map(|(byte, weight)| char::from(*byte).to_digit(36).unwrap_or(0) * weight)
        .sum::<u32>()
        % 10
}

/// The ICAO country of the holder, where its first two letters are a country's too.
fn country(line: &str) -> Option<String> {
    let code = line.get(if line.len() == 30 { 15..18 } else { 10..13 })?;
    let known = [
        ("NLD", "nl"),
        ("GBR", "gb"),
        ("USA", "us"),
        ("FRA", "fr"),
        ("BEL", "be"),
        ("ITA", "it"),
        ("ESP", "es"),
    ];
    known.iter().find(|(icao, _)| *icao == code).map(|(_, iso)| (*iso).to_owned())
}
