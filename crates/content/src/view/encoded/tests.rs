use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

use super::*;

const ROOM: usize = 65_536;

fn text_of(text: &str, word: Range<usize>) -> Option<(String, Range<usize>)> {
    match decode(text, word, ROOM) {
        Decoded::Text(decoded, run) => Some((decoded, run)),
        _ => None,
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    packed.extend(compress_to_vec(content, 6));
    packed.extend([0; 8]);
    packed
}

#[test]
fn readable_text_comes_out_of_both_alphabets_and_of_hex() {
    let secret = "call me: user?name~x@example.org >>>";
    for encoded in [STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret), hex_of(secret.as_bytes())] {
        let text = format!("see {encoded} there");
        let end = 4 + encoded.len();
        let word_end =
            text.bytes().skip(4).position(|byte| !byte.is_ascii_alphanumeric()).map_or(end, |at| at + 4);
        assert_eq!(text_of(&text, 4..word_end), Some((secret.to_owned(), 4..end)), "{encoded}");
    }
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn packed_text_is_unpacked_but_not_without_end() {
    let content = b"user@example.org and some more text, some more text";
    for packed in [gzip(content), compress_to_vec_zlib(content, 6)] {
        let encoded = STANDARD.encode(packed);
        let end = encoded.len();
        let (decoded, _) = text_of(&encoded, 0..end).unwrap();
        assert_eq!(decoded.as_bytes(), content);
    }
    let bomb = STANDARD.encode(gzip(&vec![b'a'; 1 << 20]));
    assert!(matches!(decode(&bomb, 0..bomb.len(), ROOM), Decoded::TooLong));
}

#[test]
fn text_longer_than_the_room_is_told_and_pictures_are_nothing() {
    let long = STANDARD.encode("x y ".repeat(ROOM / 2));
    assert!(matches!(decode(&long, 0..long.len(), ROOM), Decoded::TooLong));
    let noise: Vec<u8> = (0..200_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let picture = STANDARD.encode(noise);
    assert!(matches!(decode(&picture, 0..picture.len(), ROOM), Decoded::Nothing));
}

#[test]
fn words_are_not_taken_for_base64() {
    for word in ["InternationalizationService", "getElementsByTagName123", "550e8400e29b41d4a716446655440000"]
    {
        assert!(text_of(word, 0..word.len()).is_none(), "{word}");
    }
}

#[test]
fn lines_of_a_mail_belong_together() {
    let content =
        "a line of text that goes on for quite a while, longer than a line of base64 in a mail may be";
    let encoded = STANDARD.encode(content);
    let (first, second) = encoded.split_at(76);
    let text = format!("{first}\n{second}\nRegards");
    assert_eq!(text_of(&text, 0..76), Some((content.to_owned(), 0..encoded.len() + 1)));
}
