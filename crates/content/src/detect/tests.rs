//! What each detector finds and what it leaves alone. Every value here is made up or published as a test value; keys are
//! put together so that nobody's scanner takes this file for a leak.

use crate::engine::Engine;
use crate::finding::{Finding, SessionKey};
use crate::profile::{Action, Profile};

fn engine(classes: &[&str]) -> Engine {
    let classes = classes.iter().map(|class| ((*class).to_owned(), Action::Redact)).collect();
    let regions =
        ["us", "nl", "gb", "de", "fr", "es", "it", "se", "fi", "br", "in"].map(str::to_owned).to_vec();
    Engine::new(&Profile { v: 1, classes, regions, patterns: vec![], exact: vec![], injection: None })
        .unwrap()
}

fn all() -> Engine {
    engine(&["secret", "card", "account", "identity", "contact", "network"])
}

fn scan(engine: &Engine, text: &str) -> Vec<Finding> {
    let scan = engine.scan_text(text, &SessionKey::new([1; 32]));
    assert!(!scan.incomplete);
    scan.findings
}

/// Classes and values found in a text.
fn found(engine: &Engine, text: &str) -> Vec<(String, String)> {
    let value = |finding: &Finding| text.get(finding.span.clone().unwrap()).unwrap().to_owned();
    scan(engine, text).iter().map(|finding| (finding.class.to_string(), value(finding))).collect()
}

fn assert_found(engine: &Engine, class: &str, text: &str, value: &str) {
    assert_eq!(found(engine, text), [(class.to_owned(), value.to_owned())], "{text}");
}

fn assert_clean(engine: &Engine, texts: &[&str]) {
    for text in texts {
        assert_eq!(found(engine, text), [], "{text}");
    }
}

#[test]
fn cards_are_found_as_people_write_them() {
    let engine = all();
    for card in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "5555555555554444",
        "3782 822463 10005",
        "378282246310005",
        "6011111111111117",
        "3530111333300000",
        "30569309025904",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "41-11-11-11-11-11-11-11",
    ] {
        assert_found(&engine, "pan", &format!("it is {card}, thanks"), card);
        assert_found(&engine, "pan", card, card);
    }
    let facet = scan(&engine, "5555 5555 5555 4444").remove(0).facet;
    assert_eq!(facet.last_four.as_deref(), Some("4444"));
    assert_found(&engine, "pan", "2024-01-15 4111 1111 1111 1111 ok", "4111 1111 1111 1111");
    assert_found(&engine, "pan", "x4111111111111111y", "4111111111111111");
    assert_found(&engine, "pan", "my maestro card 501800000009", "501800000009");
}

#[test]
fn printed_groups_are_a_card_with_whatever_stands_between_them() {
    let engine = all();
    for gap in
        ["\n", "\r\n", ",", ", ", ":", " | ", "*", "·", "=", "+", "    ", "**", "<br>", "&", " - ", "; "]
    {
        for groups in [["4111", "1111", "1111", "1111"].as_slice(), &["3782", "822463", "10005"]] {
            let card = groups.join(gap);
            assert_found(&engine, "pan", &format!("it is {card}."), &card);
        }
        let spread =
            "4111111111111111".split("").filter(|digit| !digit.is_empty()).collect::<Vec<_>>().join(gap);
        assert_found(&engine, "pan", &format!("my card is {spread}."), &spread);
        assert_clean(&engine, &[&format!("these are {spread}.")]);
    }
    let iban = "NL91\nABNA\n0417\n1643\n00";
    assert_found(&engine, "iban", &format!("to\n{iban}\nplease"), iban);
}

#[test]
fn lists_and_tables_of_numbers_are_no_cards() {
    assert_clean(
        &engine(&["card", "account"]),
        &[
            "1,234,567 of 4,111,111,111,111,111",
            "4111, 1111, 1111, 1111, 2024, 2025",
            "2023\n4111\n1111\n1111\n1111",
            "4111,1111, 1111,1111",
            "4111,1111,1111,111",
            "v4111,1111,1111,1111x",
            "card 41111111, 11111112",
            "NL91,ABNA,0417,16,43,00",
        ],
    );
}

#[test]
fn numbers_that_are_no_cards_are_left_alone() {
    assert_clean(
        &engine(&["pan"]),
        &[
            "4111111111111112",
            "41111111111111111",
            "9111111111111111",
            "0.4111111111111111",
            "4.111111111111111",
            "x501800000009",
            "501800000009",
            "4000000000000000",
            "550e8400-e29b-41d4-a716-446655440000",
            "2024-01-15T10:30:00.123456Z",
        ],
    );
}

#[test]
fn accounts_are_found_with_their_check_digits_only() {
    let engine = all();
    for iban in [
        "NL91ABNA0417164300",
        "NL91 ABNA 0417 1643 00",
        "GB29 NWBK 6016 1331 9268 19",
        "DE89370400440532013000",
        "MT84MALT011000012345MTLCAST001S",
        "fr1420041010050500013m02606",
    ] {
        assert_found(&engine, "iban", &format!("to {iban} please"), iban);
    }
    let facet = scan(&engine, "NL91ABNA0417164300").remove(0).facet;
    assert_eq!((facet.country.as_deref(), facet.last_four.as_deref()), (Some("nl"), Some("4300")));
    assert_clean(&engine, &["NL91ABNA0417164301", "XX91ABNA0417164300", "NL91ABNA04171643001"]);
    // A hexadecimal number whose remainder is right, with a letter among its check digits.
    assert_clean(&engine, &["be8bd29b794b45bb"]);
}

#[test]
fn national_numbers_need_their_form_or_a_word() {
    let engine = all();
    for (class, text, value) in [
        ("us_ssn", "her number is 536-90-4399", "536-90-4399"),
        ("us_ssn", "SSN: 536904399", "536904399"),
        ("nl_bsn", "BSN 111222333", "111222333"),
        ("gb_nhs", "943 476 5919", "943 476 5919"),
        ("gb_nino", "AB 12 34 56 C", "AB 12 34 56 C"),
        ("gb_nino", "nino AB123456C", "AB123456C"),
        ("de_steuer_id", "IdNr 86095742719", "86095742719"),
        ("fr_nir", "2 55 08 14 168 025 38", "2 55 08 14 168 025 38"),
        ("es_dni", "DNI 12345678Z", "12345678Z"),
        ("it_cf", "RSSMRA85T10A562S", "RSSMRA85T10A562S"),
        ("it_cf", "RSSMRA85T50A562W", "RSSMRA85T50A562W"),
        ("it_cf", "RSSMRAURTMLAR6NZ", "RSSMRAURTMLAR6NZ"),
        ("se_pnr", "811218-9876", "811218-9876"),
        ("fi_hetu", "131052-308T", "131052-308T"),
        ("br_cpf", "529.982.247-25", "529.982.247-25"),
        ("in_aadhaar", "2341 2341 2346", "2341 2341 2346"),
    ] {
        assert_found(&engine, class, text, value);
    }
    assert_clean(&engine, &["000-12-3456", "666-12-3456", "order 111222333", "12345678A", "item 536904399"]);
    // Letters where only some may stand for a digit, and a 32nd day, with the right letter at the end.
    assert_clean(&engine, &["cacbfefbdb0bd18b", "RSSMRA85T32A562Y"]);
}

#[test]
fn addresses_of_people_are_found_and_files_are_not() {
    let engine = engine(&["email"]);
    for text in [
        "ask a.user+x@mail.example.org now",
        "<a.user+x@mail.example.org>",
        "mailto:a.user+x@mail.example.org",
    ] {
        assert_found(&engine, "email", text, "a.user+x@mail.example.org");
    }
    assert_eq!(scan(&engine, "a@Example.ORG").remove(0).facet.domain.as_deref(), Some("example.org"));
    assert_clean(
        &engine,
        &["logo@2x.png", "a@b", "pkg@1.2.3", "@scope/name", "a@.b.c", "x @ y.z", "..@a.bc"],
    );
}

#[test]
fn telephone_numbers_are_found_with_a_plus_or_in_their_region() {
    let engine = engine(&["phone"]);
    for (text, value) in [
        ("call +31 6 12345678 now", "+31 6 12345678"),
        ("+1 (555) 234-5678", "+1 (555) 234-5678"),
        ("+31612345678", "+31612345678"),
        ("+44 (0)20 7946 0958", "+44 (0)20 7946 0958"),
        ("(555) 234-5678", "(555) 234-5678"),
        ("phone: 5552345678", "5552345678"),
        ("020 7946 0958", "020 7946 0958"),
        ("bel 0031 6 12345678", "0031 6 12345678"),
    ] {
        assert_found(&engine, "phone", text, value);
    }
    assert_clean(&engine, &["1234567890", "2024-01-15", "+123", "v1.2.3-4567890", "+0000000000"]);
}

#[test]
fn internet_addresses_tell_whether_they_are_private() {
    let engine = engine(&["ip"]);
    for (text, reach) in [
        ("10.0.0.7", "private"),
        ("93.184.216.34", "public"),
        ("2001:db8::8a2e:370:7334", "public"),
        ("fe80::1ff:fe23:4567:890a", "private"),
        ("::1", "private"),
    ] {
        assert_found(&engine, "ip", &format!("host {text} up"), text);
        assert_eq!(scan(&engine, text).remove(0).facet.domain.as_deref(), Some(reach), "{text}");
    }
    assert_clean(
        &engine,
        &["10:30:00", "version 1.2.3.4", "1.2.3.4.5", "256.1.1.1", "std::vec::Vec", "a::b", "1.2.3"],
    );
}

#[test]
fn travel_documents_are_found_with_their_check_digits_only() {
    let engine = all();
    let first = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<";
    let second = "L898902C36UTO7408122F1204159ZE184226B<<<<<10";
    let text = format!("{first}\n{second}");
    assert_found(&engine, "mrz", &text, &text);
    assert_clean(&engine, &[&text.replace("C36", "C35")]);
}

#[test]
fn tokens_are_found_when_their_header_reads() {
    let engine = all();
    // {"alg":"none"} . {"sub":"1234567890"} . made up
    let jwt = ["eyJhbGciOiJub25lIn0", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "c2lnbmF0dXJl"].join(".");
    assert_found(&engine, "jwt", &format!("Authorization: Bearer {jwt}"), &jwt);
    let none = ["eyJub3QiOiJhIGhlYWRlciJ9", "eyJzdWIiOiIxIn0", "c2ln"].join(".");
    assert_clean(&engine, &[&none]);
}

#[test]
fn private_keys_are_found_with_something_in_them() {
    let engine = all();
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDabcdefgh12345";
    let (begin, end) = (["-----BEGIN ", "RSA PRIVATE KEY-----"].concat(), "-----END RSA PRIVATE KEY-----");
    let pem = format!("{begin}\n{body}\n{body}\n{end}");
    assert_found(&engine, "private_key", &format!("key:\n{pem}\n"), &pem);
    assert_eq!(found(&engine, &pem.replace('\n', "\\n")).len(), 1);
    let cut = format!("{begin}\n{body}\n{body}");
    assert_found(&engine, "private_key", &cut, &cut);
    assert_clean(
        &engine,
        &[&format!("{begin}\n...\n{end}"), "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"],
    );
}

#[test]
fn addresses_with_passwords_are_found_and_those_with_placeholders_are_not() {
    let engine = engine(&["connection_string"]);
    assert_found(
        &engine,
        "connection_string",
        "postgres://app:s3cr3t-Pw@db.internal:5432/x",
        "app:s3cr3t-Pw",
    );
    let facet = scan(&engine, "redis://:hunter22@cache:6379").remove(0).facet;
    assert_eq!(facet.domain.as_deref(), Some("cache"));
    assert_clean(
        &engine,
        &[
            "postgres://user:password@host/db",
            "https://${USER}:${PASS}@host",
            "https://host/@name",
            "ssh://git@host",
        ],
    );
}

#[test]
fn random_values_beside_a_word_are_secrets() {
    let engine = engine(&["generic_secret", "aws_secret_key", "azure_key"]);
    let value = ["q7Rk2ZpX9v", "Lm4TcN8bWj5"].concat();
    for text in [
        format!("password = {value}"),
        format!("API_KEY={value}"),
        format!("\"client_secret\": \"{value}\""),
        format!("Authorization: Bearer {value}"),
        format!("curl --token {value}"),
    ] {
        assert_found(&engine, "generic_secret", &text, &value);
    }
    let aws = ["q7Rk2ZpX9vLm4TcN8bWj", "5HsD1gYf3KaQ6xEu0oIi"].concat();
    assert_found(&engine, "aws_secret_key", &format!("aws_secret_access_key = {aws}"), &aws);
    let azure = format!("{aws}{aws}PzVtMr==");
    assert_found(&engine, "azure_key", &format!("AccountKey={azure};"), &azure);
    assert_clean(
        &engine,
        &[
            "password = correcthorsebatterystaple",
            "password: ${DB_PASSWORD}",
            "secret_name=my-database-credentials-2024",
            "next_page_token=q7Rk2ZpX9vLm4TcN8bWj5",
            "api_key = process.env.API_KEY_VALUE_1",
            "the password is required for all users of this",
            "token: 550e8400-e29b-41d4-a716-446655440000",
        ],
    );
}

#[test]
fn clean_texts_of_daily_life_hold_nothing() {
    assert_clean(
        &all(),
        &[
            "The quick brown fox jumps over the lazy dog, 12 times in 2024.",
            "https://example.org/a/b?c=d&e=f#g",
            "2024-01-15T10:30:00+02:00",
            "rev 9fceb02d0ae598e95dc970b74767f19372d61af8",
            "/srv/data/2024/01/15/report-000123.json",
            "getElementsByTagNameNS InternationalizationService",
            "fn main() { println!(\"{}: {}\", std::mem::size_of::<u64>(), 10); }",
            "Total: 1,234,567.89 EUR (VAT 21%)",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ],
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2048))]

    #[test]
    fn numbers_with_letters_in_front_stand_behind_two_letters(
        text in "[A-Za-z0-9 -]{0,4}((NL|AB|GB|NO|JG)[ -]?)?[0-9]{2}[ -]?[0-9]{2} ?[0-9]{2} ?[A-D]?",
    ) {
        use crate::detect::{Found, Text, follows_letters, iban, national};
        let text = Text { text: &text, name: "", number: false };
        for at in (0..text.text.len()).filter(|at| text.byte(*at).is_ascii_digit() && !follows_letters(&text, *at)) {
            let mut found = Found::default();
            iban::find(&text, at, &mut found);
            national::find_nino(&text, at, &mut found);
            proptest::prop_assert!(found.hits.is_empty(), "{} {at}", text.text);
        }
    }
}
