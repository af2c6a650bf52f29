//! Values of several classes, written in the ways in which people and attackers write them, are found; numbers that are
//! none stay none, however they are written.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use interdict_content::engine::Engine;
use interdict_content::finding::SessionKey;
use interdict_content::profile::{Action, Profile};
use interdict_mcp::json::{Document, Limits};
use proptest::prelude::*;
use serde_json::{Value, json};

const KEY: SessionKey = SessionKey::new([9; 32]);

fn engine() -> Engine {
    let classes = ["card", "account", "secret", "email"].map(|class| (class.to_owned(), Action::Redact));
    let (patterns, exact) = (vec![], vec![]);
    Engine::new(&Profile { v: 1, classes: classes.into(), regions: vec![], patterns, exact, injection: None })
        .unwrap()
}

/// The classes that are found in a document.
fn found(engine: &Engine, json: &str) -> Vec<String> {
    let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
    let scan = engine.scan(document.root(), &KEY);
    scan.findings.iter().map(|finding| finding.class.to_string()).collect()
}

fn luhn(digits: &str) -> u32 {
    let doubled = |(at, digit): (usize, u32)| match (at % 2, digit * 2) {
        (1, _) => digit,
        (_, double) => double / 10 + double % 10,
    };
    digits.chars().rev().filter_map(|c| c.to_digit(10)).enumerate().map(doubled).sum::<u32>() % 10
}

/// A card's number, with its check digit or with another one.
fn card(right: bool) -> impl Strategy<Value = String> {
    ("4[1-9][0-9]{13}", 1..10u32).prop_map(move |(start, wrong)| {
        let digit = (10 - luhn(&start)) % 10;
        format!("{start}{}", if right { digit } else { (digit + wrong) % 10 })
    })
}

fn iban() -> impl Strategy<Value = String> {
    "[A-Z]{4}[0-9]{10}".prop_map(|account| {
        let rest = format!("{account}NL00").chars().fold(0, |rest, c| {
            let digit = c.to_digit(36).unwrap();
            (rest * if digit < 10 { 10 } else { 100 } + digit) % 97
        });
        format!("NL{:02}{account}", 98 - rest)
    })
}

fn values() -> impl Strategy<Value = (&'static str, String)> {
    // Neighbours of different sorts: of rows like `AAAA` and `2345` a key of documentation is made, which is not told.
    let token = "([a-m][A-M][0-4][n-z][N-Z][5-9]){4}";
    prop_oneof![
        card(true).prop_map(|card| ("pan", card)),
        iban().prop_map(|iban| ("iban", iban)),
        "[a-z]{5,9}@[a-z]{4,9}\\.org".prop_map(|address| ("email", address)),
        token.prop_map(|token| ("stripe_key", ["sk_live_", &token].concat())),
    ]
}

fn between(value: &str, what: &str) -> String {
    value.chars().map(String::from).collect::<Vec<_>>().join(what)
}

fn in_fours(value: &str, gap: &str) -> String {
    value.as_bytes().chunks(4).map(|part| std::str::from_utf8(part).unwrap()).collect::<Vec<_>>().join(gap)
}

fn lines(text: &str, width: usize, gap: &str) -> String {
    text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join(gap)
}

fn hex(bytes: &[u8], before: &str, gap: &str) -> String {
    bytes.iter().map(|byte| format!("{before}{byte:02x}")).collect::<Vec<_>>().join(gap)
}

fn digits_from(zero: u32, value: &str) -> String {
    value.chars().map(|c| c.to_digit(10).map_or(c, |digit| char::from_u32(zero + digit).unwrap())).collect()
}

/// Ways to write a value so that a reader still has it.
const WAYS: usize = 22;

fn written(value: &str, way: usize, seed: usize) -> Value {
    let pick = |of: &[&str]| of[seed % of.len()].to_owned();
    let sentence = format!("it is {value} and no other");
    let unseen = [
        "\0",
        "\u{7}",
        "\u{200b}",
        "\u{301}",
        "\u{fe0f}",
        "\u{e0100}",
        "\u{1b}",
        "\u{9b}",
        "\u{ad}",
        "\u{20e3}",
    ];
    let zeros = [0x660, 0x966, 0xff10, 0x1d7ce, 0x1810, 0xa620, 0x11066, 0x1e950, 0x1090];
    Value::from(match way {
        0 => value.to_owned(),
        1 | 2 => between(value, unseen[seed % unseen.len()]),
        3 => digits_from(zeros[seed % zeros.len()], value),
        4 => value.chars().map(|c| char::from_u32(0xe_0000 + u32::from(c)).unwrap()).collect(),
        5 => value.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        6 => value.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
        7 => serde_json::to_string(&json!({ "a": [value] })).unwrap(),
        8 => STANDARD.encode(&sentence),
        9 => URL_SAFE_NO_PAD.encode(STANDARD.encode(&sentence)),
        10 => format!("{}{}", &"aBcDeFg"[..=seed % 7], STANDARD.encode(&sentence)),
        11 => lines(&STANDARD.encode(&sentence), 4 + seed % 11, &pick(&["\n", "\r\n"])),
        12 => STANDARD.encode(sentence.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        13 => format!("{}{}", pick(&["0x", "a", "0", "hex", "abc"]), hex(sentence.as_bytes(), "", "")),
        14 => hex(sentence.as_bytes(), &pick(&["", "0x"]), &pick(&[" ", ":", ", ", "\n"])),
        15 => hex(sentence.as_bytes(), "\\x", ""),
        16 => STANDARD.encode([&[0x81; 7], sentence.as_bytes(), &[0xf5; 5]].concat()),
        17 => STANDARD.encode(between(value, "\u{200b}")),
        _ => return in_digits(value, way, seed),
    })
}

/// Ways to write numbers.
fn in_digits(value: &str, way: usize, seed: usize) -> Value {
    let gaps = ["\n", "\r\n", ",", ", ", ":", " | ", "\t", "·", "+", "-", "  "];
    let gap = gaps[seed % gaps.len()];
    match value.parse::<u64>() {
        Err(_) if value.starts_with("NL") => in_fours(value, ["\n", ", ", " ", "-"][seed % 4]).into(),
        Err(_) => value.into(),
        Ok(_) if way == 18 => in_fours(value, gap).into(),
        Ok(_) if way == 19 => format!("my card is {}.", between(value, gap)).into(),
        Ok(_) if way == 20 => raw(&format!("{value}{}e-{}", "0".repeat(seed % 9), seed % 9)),
        Ok(_) => {
            let (whole, fraction) = value.split_at(1 + seed % 15);
            raw(&format!("{whole}.{fraction}{}e{}", "0".repeat(seed % 3), fraction.len()))
        }
    }
}

/// A number as it is written; put into the document by [`document`].
fn raw(number: &str) -> Value {
    json!({ "raw": number })
}

fn document(written: &Value) -> String {
    match written.get("raw").and_then(Value::as_str) {
        Some(number) => format!(r#"{{"a":[{number}]}}"#),
        None => json!({ "a": [written] }).to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_value_is_found_however_it_is_written((class, value) in values(), way in 0..WAYS, seed in 0..10_000usize) {
        let json = document(&written(&value, way, seed));
        let found = found(&engine(), &json);
        prop_assert!(found.iter().any(|other| other == class), "{class} by way {way}: {json}: {found:?}");
    }

    #[test]
    fn a_number_that_is_no_card_is_none_however_it_is_written(number in card(false), way in 0..WAYS, seed in 0..10_000usize) {
        let engine = engine();
        // The end of it may be a shorter number of another issuer.
        let plain = [number.clone(), in_fours(&number, " ")].map(|plain| document(&plain.into()));
        prop_assume!(plain.iter().all(|plain| found(&engine, plain).is_empty()));
        let json = document(&written(&number, way, seed));
        prop_assert_eq!(found(&engine, &json), Vec::<String>::new(), "way {}: {}", way, json);
    }
}
