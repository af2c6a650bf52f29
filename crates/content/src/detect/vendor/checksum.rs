//! Checksums in keys: the last six characters are the CRC-32 of the others, written in base 62.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 6;

/// Whether the checksum at the end of `body` fits.
pub(super) fn fits(body: &str) -> bool {
    let Some((value, checksum)) = body.len().checked_sub(LENGTH).and_then(|at| body.split_at_checked(at))
    else {
        return false;
    };
    checksum.as_bytes() == base62(crc32(value.as_bytes()))
}

/// Six digits, filled up with zeros.
pub(super) fn base62(mut number: u32) -> [u8; LENGTH] {
    let mut text = [b'0'; LENGTH];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS.get((number % 62) as usize).copied().unwrap_or(b'0');
        number /= 62;
    }
    text
}

/// CRC-32 as zip has it, bit by bit: a key is thirty bytes long.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let rest = bytes.iter().fold(u32::MAX, |rest, byte| {
        (0..8).fold(
            rest ^ u32::from(*byte),
            |rest, _| if rest & 1 == 1 { rest >> 1 ^ 0xedb8_8320 } else { rest >> 1 },
        )
    });
    !rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_zip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(&base62(61), b"00000z");
    }
}
