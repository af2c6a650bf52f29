//! The view in which phrases may stand over several lines: blanks in a row are one, empty lines stay as line ends.

use std::borrow::Cow;

/// `text` with every run of blanks as one space, or as one line end where the run holds an empty line.
pub(super) fn collapse(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().zip(text.iter().skip(1)).any(|(one, next)| is_folded(*one, *next)) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut blank = Blank::default();
    for byte in text {
        if byte.is_ascii_whitespace() {
            blank.add(*byte);
        } else {
            blank.flush(&mut out);
            out.push(*byte);
        }
    }
    blank.flush(&mut out);
    Cow::Owned(out)
}

const fn is_folded(one: u8, next: u8) -> bool {
    one.is_ascii_whitespace() && (one != b' ' || next.is_ascii_whitespace())
}

#[derive(Default)]
struct Blank {
    any: bool,
    lines: usize,
}

impl Blank {
    fn add(&mut self, byte: u8) {
        self.any = true;
        self.lines += usize::from(byte == b'\n');
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.any {
            out.push(if self.lines > 1 { b'\n' } else { b' ' });
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::collapse;

    #[test]
    fn blanks_in_a_row_are_one_and_empty_lines_stay() {
        assert_eq!(collapse(b"a  b\nc\r\n\r\nd\te").as_ref(), b"a b c\nd e");
        assert!(matches!(collapse(b"a b c"), std::borrow::Cow::Borrowed(_)));
    }
}
