use super::*;
use crate::detect::hit::Hit;

/// Made up: nothing here is anybody's key.
fn made_up(length: usize) -> String {
    const ALPHABET: &[u8] = b"q7Rk2ZpX9vLm4TcN8bWj5HsD1gYf3KaQ6xEu0oIiPzVtMrJwCyBnFlGdSheUA";
    (0..length).map(|at| char::from(ALPHABET[at * 7 % ALPHABET.len()])).collect()
}

fn with_checksum(length: usize) -> String {
    let value = made_up(length - 6);
    let checksum = checksum::base62(checksum::crc32(value.as_bytes()));
    value + std::str::from_utf8(&checksum).unwrap()
}

fn found(text: &str) -> Vec<Hit> {
    let mut found = Found::default();
    let text = Text { text, name: "", number: false };
    let end = text.text.len();
    Formats::new(|_| true).find(&text, &(0..end), &mut found);
    found.hits
}

#[test]
fn a_key_is_one_only_with_its_checksum() {
    for prefix in ["ghp_", "gho_", "ghs_", "npm_"] {
        let right = format!("{prefix}{}", with_checksum(36));
        assert_eq!(found(&right).len(), 1, "{prefix}");
        let wrong = format!("{prefix}{}", made_up(36));
        assert_eq!(found(&wrong).len(), 0, "{prefix}");
    }
}

#[test]
fn every_format_finds_a_key_of_its_own_form() {
    for format in FORMATS.iter().filter(|format| matches!(format.check, Check::Entropy(_))) {
        let body: String = made_up(1200)
            .chars()
            .map(|c| match format.alphabet {
                table::Alphabet::Upper => c.to_ascii_uppercase(),
                table::Alphabet::Lower => c.to_ascii_lowercase(),
                table::Alphabet::Hex => char::from_digit(c as u32 * 7 % 16, 16).unwrap(),
                _ => c,
            })
            .take(format.least)
            .collect();
        let key = format!("{}{body}", format.prefix);
        let hits = found(&key);
        assert_eq!(hits.len(), 1, "{}", format.prefix);
        assert!(hits[0].range == (0..key.len()), "{}", format.prefix);
        assert_eq!(found(&format!("token_{key}")).len(), 1, "glued: {}", format.prefix);
    }
}

#[test]
fn examples_of_documentation_and_words_are_none() {
    let example = format!("AKIA{}", "IOSFODNN7EXAMPLE");
    for text in [
        example.as_str(),
        "AKIAAAAAAAAAAAAAAAAA",
        "sk-learn-is-a-library-for-machine-learning",
        "npm_config_registry_address",
    ] {
        assert_eq!(found(text).len(), 0, "{text}");
    }
}

/// Attack: what keeps documentation from being taken for keys is glued to a real one.
#[test]
fn a_real_key_is_none_of_documentation_because_of_what_is_glued_to_it() {
    let key = made_up(32);
    for glued in ["EXAMPLE", "xxxxxxxx", "XXXXXXXXXXXXXXXXXXXX", "EXAMPLEEXAMPLE", "12345678", "aaaaEXAMPLE"]
    {
        assert!(!is_example(&format!("{key}{glued}")) && !is_example(&format!("{glued}{key}")), "{glued}");
    }
    for example in [
        "IOSFODNN7EXAMPLE",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
        "abcdefghijklmnopqrstuvwxyz123456",
        "EXAMPLEKEYEXAMPLEKEY",
    ] {
        assert!(is_example(example), "{example}");
    }
    assert!(!is_example(&key));
}

fn around(text: &str) -> Vec<Hit> {
    let mut found = Found::default();
    let start = text.rfind('.').map_or(0, |dot| dot + 1);
    let text = Text { text, name: "", number: false };
    find_around(&text, &(start..text.text.len()), |_| true, &mut found);
    found.hits
}

#[test]
fn keys_told_by_their_parts_are_found_whole_and_their_like_are_not() {
    let hex: String =
        made_up(32).chars().map(|c| char::from_digit(u32::from(c) * 7 % 16, 16).unwrap()).collect();
    let mailchimp = format!("{hex}-us12");
    assert!(around(&mailchimp)[0].range == (0..mailchimp.len()));
    assert!(around(&format!("{hex}-eu12")).is_empty() && around(&format!("{hex}-us123")).is_empty());
    let bot = format!("M{}.{}.{}", made_up(23), made_up(6), made_up(27));
    assert!(around(&bot)[0].range == (0..bot.len()));
    for other in [
        format!("A{}.{}.{}", made_up(23), made_up(6), made_up(27)),
        format!("M{}.{}.{}", made_up(23), made_up(7), made_up(27)),
        format!("M{}.{}.{}", made_up(12), made_up(6), made_up(27)),
        format!(".{}.{}", made_up(6), made_up(27)),
    ] {
        assert!(around(&other).is_empty(), "{other}");
    }
}
