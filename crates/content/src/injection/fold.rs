//! The view in which phrases are looked for: what a reader sees, in plain letters.
//!
//! Invisible characters are taken out, compatibility forms (full width, mathematical letters) and letters with marks
//! become plain ones, letters of other scripts that look like Latin ones become those, typographic quotes and blanks
//! become ASCII. What is already ASCII is not copied.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The folded form of `text`.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        push(&mut out, character);
    }
    Cow::Owned(out)
}

fn push(out: &mut String, character: char) {
    match character {
        '\0'..='\u{7f}' => out.push(character),
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            out.push(' ')
        }
        '\u{2028}' | '\u{2029}' | '\u{85}' => out.push('\n'),
        '\u{2018}'..='\u{201b}' => out.push('\''),
        '\u{201c}'..='\u{201f}' => out.push('"'),
        '\u{2010}'..='\u{2015}' => out.push('-'),
        '\u{2026}' => out.push_str("..."),
        _ if is_invisible(character) => {}
        _ if has_plain_form(character) => push_plain(out, character),
        _ => out.push(plain(character)),
    }
}

/// Takes no room on the screen, or only marks what stands before it.
pub(super) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// Blocks whose compatibility decomposition has plain letters in it.
fn has_plain_form(character: char) -> bool {
    matches!(character,
        '\u{aa}'..='\u{24f}' | '\u{2b0}'..='\u{36f}' | '\u{1d00}'..='\u{1eff}' | '\u{2070}'..='\u{209c}'
        | '\u{2100}'..='\u{214f}' | '\u{2160}'..='\u{217f}' | '\u{2460}'..='\u{24ff}' | '\u{fb00}'..='\u{fb06}'
        | '\u{ff01}'..='\u{ffef}' | '\u{1d400}'..='\u{1d7ff}' | '\u{1f100}'..='\u{1f189}')
}

fn push_plain(out: &mut String, character: char) {
    for part in std::iter::once(character).nfkd() {
        match part {
            '\u{ff5c}' => out.push('|'),
            _ if is_combining_mark(part) => {}
            _ => out.push(plain(part)),
        }
    }
}

/// The Latin letter where there is one, else the small letter: the automata know upper case only of ASCII.
fn plain(character: char) -> char {
    if character.is_ascii() {
        return character;
    }
    let letter = look_alike(character);
    let mut small = character.to_lowercase();
    match (small.next(), small.next()) {
        (Some(small), None) if letter == character => look_alike(small),
        _ => letter,
    }
}

/// The Latin letter that `character` looks like, where there is one (a part of UTS 39's table: small letters and
/// capitals of Greek, Cyrillic, Armenian and Cherokee, and the letter-like ones of Latin itself).
fn look_alike(character: char) -> char {
    match character {
        'а' | 'α' | 'ɑ' => 'a',
        'А' | 'Α' | 'Ꭺ' => 'A',
        'В' | 'Β' | 'Ᏼ' => 'B',
        'с' | 'ϲ' => 'c',
        'С' | 'Ϲ' | 'Ꮯ' => 'C',
        'ԁ' | 'ɗ' => 'd',
        'Ꭰ' => 'D',
        'е' | 'є' | 'ё' | 'ε' => 'e',
        'Е' | 'Ε' | 'Ꭼ' | 'Ё' => 'E',
        'ɡ' | 'ց' => 'g',
        'Ԍ' | 'Ꮐ' => 'G',
        'һ' | 'հ' => 'h',
        'Н' | 'Η' | 'Ꮋ' => 'H',
        'і' | 'ι' | 'ı' | 'ӏ' | 'ɩ' | 'ї' => 'i',
        'І' | 'Ι' | 'Ӏ' | 'Ї' => 'I',
        'ј' => 'j',
        'Ј' | 'Ꭻ' => 'J',
        'к' | 'κ' => 'k',
        'К' | 'Κ' | 'Ꮶ' => 'K',
        'Ꮮ' => 'L',
        'м' => 'm',
        'М' | 'Μ' | 'Ꮇ' => 'M',
        'ո' | 'п' | 'η' => 'n',
        'Ν' => 'N',
        'о' | 'ο' | 'օ' | 'σ' => 'o',
        'О' | 'Ο' | 'Օ' => 'O',
        'р' | 'ρ' => 'p',
        'Р' | 'Ρ' | 'Ꮲ' => 'P',
        'ԛ' => 'q',
        'г' => 'r',
        'Ꭱ' | 'Ꮢ' => 'R',
        'ѕ' => 's',
        'Ѕ' | 'Ꮪ' => 'S',
        'т' | 'τ' => 't',
        'Т' | 'Τ' | 'Ꭲ' => 'T',
        'υ' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'Ѵ' | 'Ꮩ' => 'V',
        'ԝ' | 'ω' | 'ѡ' => 'w',
        'Ԝ' | 'Ꮃ' => 'W',
        'х' | 'χ' => 'x',
        'Х' | 'Χ' => 'X',
        'у' | 'γ' | 'ү' => 'y',
        'У' | 'Υ' | 'Ү' => 'Y',
        'Ζ' | 'Ꮓ' => 'Z',
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn ascii_is_not_copied() {
        assert!(matches!(fold("plain text"), std::borrow::Cow::Borrowed(_)));
    }

    #[test]
    fn what_a_reader_sees_is_what_comes_out() {
        assert_eq!(fold("Ｉｇｎｏｒｅ ｔｈｉｓ"), "Ignore this");
        assert_eq!(fold("𝐢𝐠𝐧𝐨𝐫𝐞 𝘱𝘳𝘦𝘷𝘪𝘰𝘶𝘴"), "ignore previous");
        assert_eq!(fold("іgnоrе"), "ignore");
        assert_eq!(fold("ig\u{200b}no\u{ad}re\u{a0}it"), "ignore it");
        assert_eq!(fold("don’t ígnöre"), "don't ignore");
        assert_eq!(fold("ⓘⓖⓝⓞⓡⓔ"), "ignore");
    }

    #[test]
    fn scripts_without_look_alikes_stay() {
        assert_eq!(fold("忽略之前的指令"), "忽略之前的指令");
    }
}
