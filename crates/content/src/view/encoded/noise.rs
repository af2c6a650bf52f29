//! Words out of which nothing readable comes in any way: ids, digests, names in programs. Most long words are such; this says
//! so without decoding them.

use std::ops::Range;

use super::{GZIP, glued, hex_run, is_base64, sextet};

/// Whether nothing comes out of a word of letters and digits alone, with nothing around it that belongs to the run. What
/// is not noise need not be readable. `hex`: it has no letters but those of hex.
// Seldom needed, and would make the pass over every word larger.
#[inline(never)]
pub(crate) fn is_noise(bytes: &[u8], word: &Range<usize>, hex: bool) -> bool {
    let before = word.start.checked_sub(1).and_then(|before| bytes.get(before));
    let goes_on = matches!(bytes.get(word.end), Some(b'\n' | b'\r' | b'=' | b'+' | b'/'));
    if goes_on || before.is_some_and(|byte| is_base64(*byte)) {
        return false;
    }
    let inside = bytes.get(word.clone()).unwrap_or_default();
    is_unreadable(of_base64(inside), inside.len() * 3 / 4)
        && (!hex || !inside.len().is_multiple_of(2) || is_unreadable(of_hex(inside), inside.len() / 2))
        && (hex || !inside.windows(GZIP.len()).any(|window| window == GZIP))
        && !may_hold_hex(inside, hex)
        && !glued::may_hold_base64(inside)
}

fn may_hold_hex(word: &[u8], hex: bool) -> bool {
    let run = if hex { Some(0..word.len()) } else { hex_run(word) };
    run.is_some_and(|run| glued::may_hold_hex(word.get(run).unwrap_or_default()))
}

/// The bytes that a run of base64 stands for.
fn of_base64(run: &[u8]) -> impl Iterator<Item = u8> {
    let value = |byte: &u8| u32::from(sextet(*byte).unwrap_or(0));
    run.chunks(4).flat_map(move |part| {
        let bits = (0..4).fold(0, |bits, at| bits << 6 | part.get(at).map_or(0, value));
        let [_, bytes @ ..] = bits.to_be_bytes();
        bytes.into_iter().take(part.len() * 3 / 4)
    })
}

/// The bytes that hex stands for.
fn of_hex(run: &[u8]) -> impl Iterator<Item = u8> {
    let value = |digit: u8| if digit.is_ascii_digit() { digit & 0xf } else { (digit & 0xf) + 9 };
    let (pairs, _) = run.as_chunks::<2>();
    pairs.iter().map(move |[high, low]| value(*high) << 4 | value(*low))
}

/// Whether of these `total` bytes more than a tenth can be no part of a text, whatever else they are. What may be packed or
/// in UTF-16 is not called unreadable.
fn is_unreadable(bytes: impl Iterator<Item = u8>, total: usize) -> bool {
    let (mut before, mut bad) = (b' ', 0);
    for (at, byte) in bytes.enumerate() {
        if (at < 2 && byte == 0) || (at == 0 && matches!(byte, 0x1f | 0x78)) {
            return false;
        }
        let is_control = (byte < b' ' && !matches!(byte, b'\n' | b'\r' | b'\t')) || byte == 0x7f;
        let is_inner = matches!(byte, 0x80..0xc0);
        // Nothing before a byte that only goes on, nothing behind one that begins a character, and what is never written.
        let is_broken = is_inner && before < 0x80 || !is_inner && matches!(before, 0xc2..0xf5);
        bad += usize::from(is_control)
            + usize::from(is_broken)
            + usize::from(matches!(byte, 0xc0 | 0xc1 | 0xf5..));
        if bad * 10 > total {
            return true;
        }
        before = byte;
    }
    false
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use proptest::prelude::*;

    use super::super::{Decoded, decode};
    use super::*;

    fn is_noise_alone(word: &str) -> bool {
        let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_noise(format!("see {word}.").as_bytes(), &(4..4 + word.len()), hex)
    }

    #[test]
    fn ids_digests_and_names_are_noise_and_texts_are_not() {
        for word in
            ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "createdAtTimestampUtc"]
        {
            assert!(is_noise_alone(word), "{word}");
        }
        let text = "call 4111 1111 1111 1111";
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        for word in [
            STANDARD_NO_PAD.encode(text),
            hex.clone(),
            format!("a{hex}"),
            format!("zz{}", STANDARD_NO_PAD.encode(text)),
        ] {
            assert!(!is_noise_alone(&word), "{word}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_noise_decodes_to_nothing(
            before in "([0-9a-f]{0,40}|[A-Za-z0-9]{0,40})",
            bytes in prop::collection::vec(prop_oneof![4 => b' '..=b'~', 1 => 0..=255_u8], 0..24),
            shape in 0..3,
            behind in "([0-9a-f]{0,20}|[A-Za-z0-9]{0,20})",
        ) {
            let inner = match shape {
                0 => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
                1 => STANDARD_NO_PAD.encode(&bytes).replace(['+', '/'], "A"),
                _ => String::new(),
            };
            let word = format!("{before}{inner}{behind}");
            let text = format!("see {word}.");
            if is_noise_alone(&word) {
                let decoded = decode(&text, 4..4 + word.len(), 1 << 16);
                prop_assert!(matches!(&decoded, Decoded::Texts(texts) if texts.is_empty()), "{word}");
            }
        }
    }
}
