use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

use super::*;

const ROOM: usize = 65_536;

fn text_of(text: &str, word: Range<usize>) -> Option<(String, Range<usize>)> {
    match decode(text, word, ROOM) {
        Decoded::Texts(texts) => texts.into_iter().max_by_key(|(text, _)| text.len()),
        Decoded::TooLong => None,
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
    assert!(matches!(decode(&picture, 0..picture.len(), ROOM), Decoded::Texts(texts) if texts.is_empty()));
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

/// Attack: something in front of the code, so that nothing readable comes out of it from the first character on.
#[test]
fn what_is_glued_to_an_encoded_run_does_not_hide_it() {
    let secret = "card 4111 1111 1111 1111";
    let (base64, hexed) = (STANDARD.encode(secret), hex_of(secret.as_bytes()));
    let long = format!("{}a", "A".repeat(50));
    for prefix in ["a", "Ab", "abC", "x1", "xyzxyz", "AAAA", &long] {
        for encoded in [&base64, &hexed] {
            let text = format!("{prefix}{encoded}");
            let (decoded, run) =
                text_of(&text, 0..text.trim_end_matches('=').len()).unwrap_or_else(|| panic!("{text}"));
            assert!(decoded.contains(secret), "{text}: {decoded}");
            assert!(run.len() + 4 >= encoded.len() && run.start + 4 >= prefix.len(), "{text}");
        }
    }
    for prefix in ["0x", "0X", "a", "0", "abc", "hex", "0000000"] {
        let text = format!("{prefix}{hexed}");
        let (decoded, _) = text_of(&text, 0..text.len()).unwrap();
        assert!(decoded.contains(secret), "{text}: {decoded}");
    }
    let packed = format!("x{}", STANDARD.encode(gzip(secret.as_bytes())));
    assert_eq!(text_of(&packed, 0..packed.len()).unwrap().0, secret);
    let noise: Vec<u8> = (0..64u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    let amid = STANDARD.encode([&noise, secret.as_bytes(), &noise].concat());
    // 64 bytes are 85 characters and a part of the next one.
    assert_eq!(text_of(&amid, 0..amid.len()).unwrap(), (secret.to_owned(), 85..118));
}

/// Attack: a readable text in front of the one that matters.
#[test]
fn a_word_is_read_in_every_way_in_which_something_is_readable() {
    let (first, secret) = ("nothing to see here, go on ".repeat(9), "card 4111 1111 1111 1111");
    let (plain, hexed) = (STANDARD.encode(&first), hex_of(first.as_bytes()));
    for text in
        [format!("{plain}a{}", STANDARD.encode(secret)), format!("{hexed}a{}", STANDARD.encode(secret))]
    {
        let Decoded::Texts(texts) = decode(&text, 0..text.len(), ROOM) else { panic!("{text}") };
        assert!(texts.iter().any(|(text, _)| text.contains(secret)), "{texts:?}");
        assert!(texts.iter().any(|(text, _)| text.contains(&first)), "{texts:?}");
    }
}

#[test]
fn text_behind_a_glued_letter_is_not_decoded_without_end() {
    let long = format!("a{}", STANDARD.encode("x y ".repeat(ROOM / 2)));
    assert!(matches!(decode(&long, 0..long.len(), ROOM), Decoded::TooLong));
}

#[test]
fn a_picture_with_a_little_text_in_it_is_left_alone() {
    let noise: Vec<u8> = (0..4000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    let picture =
        STANDARD.encode([&noise, b"Made by somebody@example.org, all rights".as_slice(), &noise].concat());
    assert!(text_of(&picture, 0..picture.len()).is_none());
}

#[test]
fn bytes_in_hex_are_read_whatever_stands_between_them() {
    let secret = "4111111111111111 of me";
    for (before, gap) in [("", " "), ("", ":"), ("", "-"), ("", ", "), ("0x", " "), ("0x", ", "), ("", "\n")]
    {
        let bytes: Vec<String> = secret.bytes().map(|byte| format!("{before}{byte:02x}")).collect();
        let text = bytes.join(gap);
        let word = if gap == "-" { text.len() } else { before.len() + 2 };
        assert_eq!(text_of(&text, 0..word), Some((secret.to_owned(), 0..text.len())), "{text}");
    }
    assert_eq!(spread::hex_bytes(b"00:1a:2b:3c:4d:5e", 0), None);
}

#[test]
fn short_lines_of_base64_belong_together() {
    let secret = "card 4111 1111 1111 1111";
    let encoded = STANDARD.encode(secret);
    for width in [4, 5, 8, 12, 14] {
        for gap in ["\n", "\r\n"] {
            let lines: Vec<&str> =
                encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let text = format!("see\n\n{}", lines.join(gap));
            let run = spread::lines(text.as_bytes(), 5 + width + gap.len() - 1).unwrap();
            assert_eq!(text_of(&text, run), Some((secret.to_owned(), 5..text.len())), "{text}");
        }
    }
    let words = b"alpha\ngamma\ndelta\n";
    assert!(spread::lines(words, 5).is_some_and(|run| text_of("alpha\ngamma\ndelta\n", run).is_none()));
}

#[test]
fn text_in_utf_16_is_text() {
    let secret = "card 4111 1111 1111 1111";
    for wide in [
        secret.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
        secret.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    ] {
        for encoded in [STANDARD.encode(&wide), hex_of(&wide)] {
            assert_eq!(text_of(&encoded, 0..encoded.trim_end_matches('=').len()).unwrap().0, secret);
        }
    }
}
