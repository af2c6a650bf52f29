//! National numbers, by country: only those of the profile's regions are looked for.
//!
//! Check digits of nine or ten digits let one in ten or eleven random numbers through. Such a number is found only as
//! people write it, with its separators, or beside a word that says what it is.

mod checks;
mod letters;

use super::classes::Builtin;
use super::digits::{Cluster, Window};
use super::hit::{Certainty, Found};
use super::text::Text;
use crate::finding::Facet;
use std::ops::Range;

/// Numbers that are one word with letters in it.
pub(crate) const WITH_LETTERS: [Builtin; 6] =
    [Builtin::ES_DNI, Builtin::IT_CF, Builtin::FI_HETU, Builtin::SG_NRIC, Builtin::CN_ID, Builtin::FR_NIR];

/// One country's number made of digits.
struct Digits {
    class: Builtin,
    /// How it is written.
    forms: &'static [Form],
    valid: fn(&str) -> bool,
    words: &'static [&'static str],
}

/// Sizes of the groups, the separators allowed between them, and whether this alone says enough.
struct Form(&'static [usize], &'static [u8], bool);

const DIGITS: &[Digits] = &[
    Digits {
        class: Builtin::US_SSN,
        forms: &[Form(&[3, 2, 4], b"-", true), Form(&[3, 2, 4], b" .", false), Form(&[9], b"", false)],
        valid: checks::us_ssn,
        words: &["ssn", "social security", "social_security", "socialsecurity", "social", "taxpayer", "tin"],
    },
    Digits {
        class: Builtin::US_ITIN,
        forms: &[Form(&[3, 2, 4], b"-", true), Form(&[3, 2, 4], b" ", false), Form(&[9], b"", false)],
        valid: checks::us_itin,
        words: &["itin", "taxpayer", "tin", "tax id", "tax_id"],
    },
    Digits {
        class: Builtin::NL_BSN,
        forms: &[Form(&[9], b"", false), Form(&[4, 2, 3], b". ", false), Form(&[3, 3, 3], b". -", false)],
        valid: checks::nl_bsn,
        words: &["bsn", "burgerservicenummer", "sofi", "sofinummer", "citizen service", "persoonsnummer"],
    },
    Digits {
        class: Builtin::GB_NHS,
        forms: &[Form(&[3, 3, 4], b" ", true), Form(&[3, 3, 4], b"-", false), Form(&[10], b"", false)],
        valid: checks::gb_nhs,
        words: &["nhs", "patient", "health service"],
    },
    Digits {
        class: Builtin::DE_STEUER_ID,
        forms: &[Form(&[2, 3, 3, 3], b" ", true), Form(&[11], b"", false)],
        valid: checks::de_steuer_id,
        words: &["steuer", "idnr", "tin", "tax", "identifikationsnummer", "steueridentifikationsnummer"],
    },
    Digits {
        class: Builtin::FR_NIR,
        forms: &[
            Form(&[15], b"", true),
            Form(&[1, 2, 2, 2, 3, 3, 2], b" .-", true),
            Form(&[13, 2], b" ", true),
        ],
        valid: checks::fr_nir,
        words: &[],
    },
    Digits {
        class: Builtin::SE_PNR,
        forms: &[
            Form(&[6, 4], b"-", true),
            Form(&[8, 4], b"-", true),
            Form(&[12], b"", true),
            Form(&[10], b"", false),
        ],
        valid: checks::se_pnr,
        words: &["personnummer", "personal", "pnr", "samordningsnummer"],
    },
    Digits {
        class: Builtin::PL_PESEL,
        forms: &[Form(&[11], b"", false)],
        valid: checks::pl_pesel,
        words: &["pesel"],
    },
    Digits {
        class: Builtin::BE_NRN,
        forms: &[Form(&[11], b"", false), Form(&[6, 3, 2], b"- ", true)],
        valid: checks::be_nrn,
        words: &["rijksregister", "registre", "national", "insz", "niss", "nrn"],
    },
    Digits {
        class: Builtin::DK_CPR,
        forms: &[Form(&[6, 4], b"-", true), Form(&[10], b"", false)],
        valid: checks::dk_cpr,
        words: &["cpr", "personnummer"],
    },
    Digits {
        class: Builtin::NO_FNR,
        forms: &[Form(&[11], b"", true), Form(&[6, 5], b" ", true)],
        valid: checks::no_fnr,
        words: &[],
    },
    Digits {
        class: Builtin::CH_AHV,
        forms: &[Form(&[13], b"", true), Form(&[3, 4, 4, 2], b". ", true)],
        valid: checks::ch_ahv,
        words: &[],
    },
    Digits {
        class: Builtin::PT_NIF,
        forms: &[Form(&[9], b"", false), Form(&[3, 3, 3], b" ", false)],
        valid: checks::pt_nif,
        words: &["nif", "contribuinte", "fiscal"],
    },
    Digits {
        class: Builtin::CA_SIN,
        forms: &[Form(&[3, 3, 3], b"- ", true), Form(&[9], b"", false)],
        valid: checks::ca_sin,
        words: &["sin", "social insurance", "insurance"],
    },
    Digits {
        class: Builtin::AU_TFN,
        forms: &[Form(&[9], b"", false), Form(&[3, 3, 3], b" -", false)],
        valid: checks::au_tfn,
        words: &["tfn", "tax file", "tax"],
    },
    Digits {
        class: Builtin::IN_AADHAAR,
        forms: &[Form(&[4, 4, 4], b" -", true), Form(&[12], b"", false)],
        valid: checks::in_aadhaar,
        words: &["aadhaar", "aadhar", "uid", "uidai"],
    },
    Digits {
        class: Builtin::BR_CPF,
        forms: &[Form(&[3, 3, 3, 2], b".", true), Form(&[11], b"", false)],
        valid: checks::br_cpf,
        words: &["cpf", "cadastro", "contribuinte"],
    },
    Digits { class: Builtin::ZA_ID, forms: &[Form(&[13], b"", true)], valid: checks::za_id, words: &[] },
    Digits { class: Builtin::CN_ID, forms: &[Form(&[18], b"", true)], valid: checks::cn_id, words: &[] },
    Digits {
        class: Builtin::KR_RRN,
        forms: &[Form(&[6, 7], b"-", true), Form(&[13], b"", false)],
        valid: checks::kr_rrn,
        words: &["rrn", "resident", "registration"],
    },
];

/// Looks for numbers made of digits.
pub(crate) fn find(cluster: &Cluster<'_>, wanted: impl Fn(Builtin) -> bool, found: &mut Found) {
    if cluster.total() < 9 {
        return;
    }
    for number in DIGITS.iter().filter(|number| wanted(number.class)) {
        for Form(sizes, separators, sure) in number.forms {
            for window in windows(cluster, sizes, separators) {
                let at = window.range.start;
                if (number.valid)(&window.digits) && (*sure || cluster.text.near(at, number.words)) {
                    add(number.class, window.range, window.digits, found);
                }
            }
        }
    }
    if wanted(Builtin::BR_CPF) || wanted(Builtin::BE_NRN) {
        mixed(cluster, wanted, found);
    }
}

fn windows(cluster: &Cluster<'_>, sizes: &[usize], separators: &[u8]) -> impl Iterator<Item = Window> {
    cluster
        .windows(sizes)
        .filter(move |window| window.separator.is_none_or(|byte| separators.contains(&byte)))
}

/// The two numbers that are written with different separators: 123.456.789-09 and 85.07.30-033.28.
fn mixed(cluster: &Cluster<'_>, wanted: impl Fn(Builtin) -> bool, found: &mut Found) {
    let sized = |sizes: &[usize]| cluster.groups.iter().map(ExactSizeIterator::len).eq(sizes.iter().copied());
    let (class, valid): (_, fn(&str) -> bool) = match () {
        () if sized(&[3, 3, 3, 2]) => (Builtin::BR_CPF, checks::br_cpf),
        () if sized(&[2, 2, 2, 3, 2]) => (Builtin::BE_NRN, checks::be_nrn),
        () => return,
    };
    let whole = cluster.whole();
    if whole.separator.is_none() && wanted(class) && cluster.is_whole(&whole) && valid(&whole.digits) {
        add(class, whole.range, whole.digits, found);
    }
}

/// Looks for numbers that hold letters: `word` holds a digit.
pub(crate) fn find_letters(
    text: &Text<'_>,
    word: &Range<usize>,
    wanted: impl Fn(Builtin) -> bool,
    found: &mut Found,
) {
    let inside = text.slice(word.clone());
    if !(8..=20).contains(&inside.len()) {
        return;
    }
    // Nothing is allocated: most words with a digit come here, and are none of these.
    let mut plain = [0; 20];
    let kept = inside.bytes().filter(|byte| *byte != b'-').map(|byte| byte.to_ascii_uppercase());
    let length = plain.iter_mut().zip(kept).map(|(place, byte)| *place = byte).count();
    let value = plain.get(..length).and_then(|plain| std::str::from_utf8(plain).ok());
    let value = value.unwrap_or_default();
    for (class, valid) in letters::CHECKS {
        // A Finnish code keeps its hyphen: it tells the century.
        let value = if *class == Builtin::FI_HETU { inside } else { value };
        if wanted(*class) && valid(value) {
            add(*class, word.clone(), value.to_owned(), found);
        }
    }
}

/// Looks for a British national insurance number whose digits start at `digits`: `AB 12 34 56 C`.
pub(crate) fn find_nino(text: &Text<'_>, digits: usize, found: &mut Found) {
    let start = if text.before(digits) == b' ' { digits.saturating_sub(3) } else { digits.saturating_sub(2) };
    // Almost no digits stand behind two letters.
    if !text.byte(start).is_ascii_alphabetic() || !text.byte(start + 1).is_ascii_alphabetic() {
        return;
    }
    let (mut value, mut at) = (String::with_capacity(9), start);
    while value.len() < 9 {
        match text.byte(at) {
            b' ' | b'-' if !value.is_empty() && text.before(at) != b' ' => {}
            byte if byte.is_ascii_alphanumeric() => value.push(char::from(byte.to_ascii_uppercase())),
            _ => return,
        }
        at += 1;
    }
    if text.stands_alone(&(start..at)) && letters::gb_nino(&value) {
        add(Builtin::GB_NINO, start..at, value, found);
    }
}

fn add(class: Builtin, range: Range<usize>, value: String, found: &mut Found) {
    let country = class.info().map(|info| info.country.to_owned());
    found.add(class, range, value, Certainty::Checked, Facet { country, ..Facet::default() });
}

#[cfg(test)]
mod tests;
