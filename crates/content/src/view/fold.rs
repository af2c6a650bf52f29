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

/// Zeros of the decimal digits (Unicode's category Nd) of scripts other than Latin.
const ZEROS: [u32; 70] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0,
    0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0x104a0, 0x10d30, 0x10d40,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da,
    0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11de0, 0x11f50, 0x16130, 0x16a60,
    0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// Ones of circled digits that NFKC leaves alone.
const CIRCLED: [u32; 4] = [0x24f5, 0x2776, 0x2780, 0x278a];

/// Whether nobody sees an ASCII character: a control character that breaks no line.
pub(crate) const fn is_unseen(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0x7f
}

/// The ASCII character that a tag character is the tag of.
pub(crate) fn tag(character: char) -> Option<char> {
    let code = (character as u32).checked_sub(0xe0000)?;
    char::from_u32(code).filter(|tag| matches!(tag, ' '..='~'))
}

/// What becomes of a character that is not printable ASCII.
pub(crate) fn fold(character: char) -> Fold {
    match character as u32 {
        // Line separators break lines.
        0x85 | 0x2028 | 0x2029 => ascii(b'\n'),
        code @ 0..0x80 => match u8::try_from(code) {
            Ok(byte) if is_unseen(byte) => Fold::Drop,
            _ => Fold::Keep,
        },
        0x80..=0x9f
        | 0xad
        | 0x300..=0x36f
        | 0x61c
        | 0x115f
        | 0x1160
        | 0x17b4
        | 0x17b5
        | 0x180b..=0x180f
        | 0x1ab0..=0x1aff
        | 0x1dc0..=0x1dff
        | 0x200b..=0x200f
        | 0x202a..=0x202e
        | 0x2060..=0x206f
        | 0x20d0..=0x20ff
        | 0x3164
        | 0xfe00..=0xfe0f
        | 0xfe20..=0xfe2f
        | 0xfeff
        | 0xffa0
        | 0xfff9..=0xfffb
        | 0xe0000..=0xe0fff => Fold::Drop,
        // A full stop at the end of a sentence, not a separator.
        0x2026 => Fold::Keep,
        0x2010..=0x2015 | 0x2212 => ascii(b'-'),
        code @ (0x24f5..=0x24fe | 0x2776..=0x2793) => circled(code),
        0x24ff => ascii(b'0'),
        0xa0..=0xbf
        | 0x2000..=0x2fff
        | 0x3000..=0x303f
        | 0x3200..=0x33ff
        | 0xfb00..=0xfb06
        | 0xfe10..=0xfe6f
        | 0xff00..=0xffef
        | 0x1d400..=0x1d7ff
        | 0x1f100..=0x1f1ff => compatible(character),
        code @ (0x660..=0x1c59 | 0xa620..=0xabf9 | 0x104a0..=0x1fbf9) => {
            digit(code, &ZEROS, 0).unwrap_or(Fold::Keep)
        }
        _ => Fold::Keep,
    }
}

const fn ascii(byte: u8) -> Fold {
    Fold::Ascii([byte, 0, 0, 0])
}

/// The digit that `code` is, counted from the last of `starts`, which stand for `first`.
fn digit(code: u32, starts: &[u32], first: u8) -> Option<Fold> {
    let below = starts.partition_point(|start| *start <= code);
    let start = below.checked_sub(1).and_then(|at| starts.get(at))?;
    let digit = u8::try_from(code - start).ok()?.checked_add(first)?;
    (digit < 10).then(|| ascii(b'0' + digit))
}

fn circled(code: u32) -> Fold {
    digit(code, &CIRCLED, 1).unwrap_or(Fold::Keep)
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
        for (character, expected) in [
            ('４', b'4'),
            ('𝟜', b'4'),
            ('٤', b'4'),
            ('४', b'4'),
            ('꘤', b'4'),
            ('᠔', b'4'),
            ('❹', b'4'),
            ('④', b'4'),
            ('＠', b'@'),
            ('\u{a0}', b' '),
            ('\u{2028}', b'\n'),
        ] {
            assert_eq!(fold(character), ascii(expected), "{character}");
        }
        for character in
            ['\u{200b}', '\u{ad}', '\u{feff}', '\u{2060}', '\u{e0041}', '\u{fe0f}'].into_iter().chain([
                '\0',
                '\u{7}',
                '\u{1b}',
                '\u{7f}',
                '\u{9b}',
                '\u{301}',
                '\u{332}',
                '\u{20e3}',
                '\u{e0100}',
            ])
        {
            assert_eq!(fold(character), Fold::Drop, "{character:?}");
        }
        for character in
            ['é', 'ß', '漢', 'я', '“', '’', '…', '😀', '½', 'ก', '\n', '\t', '\r', 'a', ' ', '❿', 'ि', '零']
        {
            assert_eq!(fold(character), Fold::Keep, "{character}");
        }
    }

    #[test]
    fn every_decimal_digit_is_one() {
        for start in ZEROS {
            for value in 0..10u8 {
                let character = char::from_u32(start + u32::from(value)).unwrap();
                assert_eq!(fold(character), ascii(b'0' + value), "{start:x}");
            }
        }
        assert!(ZEROS.is_sorted() && CIRCLED.is_sorted());
    }

    #[test]
    fn a_tag_is_the_character_it_is_the_tag_of() {
        assert_eq!(
            [tag('\u{e0034}'), tag('\u{e0041}'), tag('4'), tag('\u{e0001}')],
            [Some('4'), Some('A'), None, None]
        );
    }
}
