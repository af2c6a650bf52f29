//! Strings as JSON writes them.

use super::Mapped;

/// Decodes the inside of a string literal that was read before; `base` is where it stands in the document.
pub(crate) fn decode(inner: &str, base: usize, view: &mut Mapped) {
    view.restart(base);
    let (mut rest, mut at) = (inner, 0);
    while let Some(plain) = rest.find('\\') {
        let (before, escape) = rest.split_at_checked(plain).unwrap_or((rest, ""));
        view.keep(before, at);
        at += plain;
        let (character, length) = escaped(escape);
        view.put(Some(character), at..at + length);
        at += length;
        rest = escape.get(length..).unwrap_or_default();
    }
    view.keep(rest, at);
}

/// The character that the escape at the start of `text` stands for, and the length of the escape.
fn escaped(text: &str) -> (char, usize) {
    let character = match text.as_bytes().get(1) {
        Some(b'u') => return unicode(text),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(byte) if byte.is_ascii() => char::from(*byte),
        _ => return ('\\', 1),
    };
    (character, 2)
}

/// `\uXXXX`, or two of them that are a surrogate pair.
pub(crate) fn unicode(text: &str) -> (char, usize) {
    let Some(unit) = hex4(text, 2) else { return ('\\', 1) };
    if (0xd800..0xdc00).contains(&unit)
        && text.get(6..8) == Some("\\u")
        && let Some(low) = hex4(text, 8).filter(|low| (0xdc00..0xe000).contains(low))
    {
        let code = 0x1_0000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
        return (char::from_u32(code).unwrap_or('\u{fffd}'), 12);
    }
    (char::from_u32(unit).unwrap_or('\u{fffd}'), 6)
}

fn hex4(text: &str, at: usize) -> Option<u32> {
    let digits = text.get(at..at + 4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(inner: &str) -> String {
        let mut view = Mapped::default();
        decode(inner, 0, &mut view);
        view.text
    }

    #[test]
    fn it_reads_what_every_json_reader_reads() {
        for inner in [r"plain", r"a\nb", r#"\"\\\/\b\f\n\r\t"#, r"\u0041\u00e9\ud83d\ude00", "é\\u0040é", ""]
        {
            let expected: String = serde_json::from_str(&format!("\"{inner}\"")).unwrap();
            assert_eq!(decoded(inner), expected, "{inner}");
        }
    }

    #[test]
    fn an_escape_is_one_thing_of_which_nothing_is_taken_alone() {
        let mut view = Mapped::default();
        decode(r"a\u0040b", 10, &mut view);
        assert_eq!(view.text, "a@b");
        assert_eq!(view.map.source(&(1..2)), 11..17);
        assert_eq!(view.map.source(&(2..3)), 17..18);
        assert_eq!(view.map.source(&(0..3)), 10..18);
    }
}
