//! Characters that another reader takes for ASCII, and characters that nobody sees.
//!
//! What the detectors look for is ASCII, so of NFKC only what ends in ASCII matters; taking it character by character
//! keeps track of where every byte comes from. Digits of other scripts, which NFKC leaves alone, are folded too.

use unicode_normalization::char::decompose_compatible;

/// What becomes of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    /// It stays.
    Keep,
    /// It is taken out.
    Drop,
    /// It stands for a short ASCII text.
    Ascii([u8; 4]),
}

/// Zeros of the decimal digits of scripts other than Latin that are in daily use.
const ZEROS: [u32; 16] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0e50,
    0x0ed0, 0x0f20, 0x1040,
];

/// What becomes of a character that is not ASCII.
pub(crate) fn fold(character: char) -> Fold {
    match character as u32 {
        0xad
        | 0x34f
        | 0x61c
        | 0x115f
        | 0x1160
        | 0x17b4
        | 0x17b5
        | 0x180b..=0x180f
        | 0x200b..=0x200f
        | 0x202a..=0x202e
        | 0x2060..=0x206f
        | 0x3164
        | 0xfe00..=0xfe0f
        | 0xfeff
        | 0xffa0
        | 0xfff9..=0xfffb
        | 0xe0000..=0xe0fff => Fold::Drop,
        // A full stop at the end of a sentence, not a separator.
        0x2026 => Fold::Keep,
        0x2010..=0x2015 | 0x2212 => ascii(b'-'),
        code @ 0x660..=0x1049 => digit(code),
        0xa0..=0xbf
        | 0x2000..=0x2fff
        | 0x3000..=0x303f
        | 0x3200..=0x33ff
        | 0xfb00..=0xfb06
        | 0xfe10..=0xfe6f
        | 0xff00..=0xffef
        | 0x1d400..=0x1d7ff
        | 0x1f100..=0x1f1ff
        | 0x1fbf0..=0x1fbf9 => compatible(character),
        _ => Fold::Keep,
    }
}

const fn ascii(byte: u8) -> Fold {
    Fold::Ascii([byte, 0, 0, 0])
}

fn digit(code: u32) -> Fold {
    let below = ZEROS.partition_point(|zero| *zero <= code);
    let zero = below.checked_sub(1).and_then(|at| ZEROS.get(at));
    match zero.and_then(|zero| u8::try_from(code - zero).ok()).filter(|digit| *digit < 10) {
        Some(digit) => ascii(b'0' + digit),
        None => Fold::Keep,
    }
}

/// NFKC, where the result is ASCII.
fn compatible(character: char) -> Fold {
    let (mut bytes, mut length, mut is_ascii) = ([0; 4], 0, true);
    decompose_compatible(character, |part| match bytes.get_mut(length) {
        Some(byte) if part.is_ascii() => {
            *byte = part as u8;
            length += 1;
        }
        _ => is_ascii = false,
    });
    if is_ascii && length > 0 { Fold::Ascii(bytes) } else { Fold::Keep }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_ascii_becomes_ascii_and_what_nobody_sees_goes() {
        for (character, expected) in
            [('４', b'4'), ('𝟜', b'4'), ('٤', b'4'), ('४', b'4'), ('＠', b'@'), ('\u{a0}', b' ')]
        {
            assert_eq!(fold(character), ascii(expected), "{character}");
        }
        for character in ['\u{200b}', '\u{ad}', '\u{feff}', '\u{2060}', '\u{e0041}', '\u{fe0f}'] {
            assert_eq!(fold(character), Fold::Drop, "{character:?}");
        }
        for character in ['é', 'ß', '漢', 'я', '“', '’', '…', '😀', '½', 'ก'] {
            assert_eq!(fold(character), Fold::Keep, "{character}");
        }
    }
}
