//! Hashes as text: lower-case hexadecimal, the only spelling that a record knows.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The bytes as lower-case hex digits.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS.get(usize::from(half)).copied().unwrap_or_default()));
        }
    }
    text
}

/// The 32 bytes that 64 lower-case hex digits say; `None` for any other text.
#[must_use]
pub fn decode32(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_bytes_come_back_from_their_digits_and_nothing_else_does() {
        let bytes: [u8; 32] = std::array::from_fn(|at| (at * 37) as u8);
        let text = encode(bytes);
        assert_eq!(text.len(), 64);
        assert!(text.starts_with("00254a6f"), "{text}");
        assert_eq!(decode32(&text), Some(bytes));
        for wrong in [
            "",
            "0",
            &text.replacen("00", "0", 1),
            &format!("{text}0"),
            &text.to_uppercase(),
            &text.replace('a', "g"),
        ] {
            assert_eq!(decode32(wrong), None, "{wrong}");
        }
    }
}
