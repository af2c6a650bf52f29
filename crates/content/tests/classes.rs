//! Every built-in class by itself: a value of it is found, and the same with one thing wrong is not. Every value is made up or
//! published as an example; keys are put together here, so that nobody's scanner takes this file for a leak.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use interdict_content::detect::exact;
use interdict_content::engine::{CLASSES, Engine};
use interdict_content::finding::SessionKey;
use interdict_content::profile::{Action, Profile};

/// Class, a text that holds a value of it, and the same text with something that is none.
type Case = (&'static str, String, String);

const PLANTED: &str = "harbour lantern 7712";
const RANDOM: &str = "q7Rk2ZpX9vLm4TcN8bWj5HsD1gYf3KaQ6xEu0oIiPzVtMrJwCyBnFlGdSheUA";
const HEX: &str = "3f9a71c05be2d8461f7c0a93e5d2b684";

fn random(length: usize) -> String {
    RANDOM.chars().cycle().take(length).collect()
}

/// GitHub's and npm's: the last six characters are the CRC-32 of those before them, in base 62.
fn with_checksum(prefix: &str) -> String {
    let body = random(30);
    let crc = body.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit = |power: u32| digits.chars().nth((!crc / 62u32.pow(power) % 62) as usize).unwrap();
    format!("{prefix}{body}{}", (0..6).rev().map(digit).collect::<String>())
}

/// Where one character differs.
fn changed(value: &str) -> String {
    let last = if value.ends_with('0') { "1" } else { "0" };
    format!("{}{last}", value.get(..value.len() - 1).unwrap())
}

fn case(class: &'static str, right: impl Into<String>, wrong: impl Into<String>) -> Case {
    (class, right.into(), wrong.into())
}

/// Numbers, addresses and documents.
fn people() -> Vec<Case> {
    let mrz = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10";
    vec![
        case("pan", "4111111111111111", "4111111111111112"),
        case("iban", "NL91ABNA0417164300", "NL91ABNA0417164301"),
        case("mrz", mrz, mrz.replace("C36", "C35")),
        case("email", "ana@mail.example.org", "ana@mail"),
        case("phone", "+31612345678", "31612345678"),
        case("ip", "93.184.216.34", "93.184.216.340"),
        case("canary", format!("a {PLANTED} b"), "a harbour lantern 7713 b"),
    ]
}

fn national() -> Vec<Case> {
    vec![
        case("us_ssn", "536-90-4399", "666-90-4399"),
        case("us_itin", "912-70-4399", "912-48-4399"),
        case("nl_bsn", "BSN 111222333", "BSN 111222334"),
        case("gb_nhs", "943 476 5919", "943 476 5918"),
        case("gb_nino", "AB 12 34 56 C", "DB 12 34 56 C"),
        case("de_steuer_id", "IdNr 86095742719", "IdNr 86095742718"),
        case("fr_nir", "2 55 08 14 168 025 38", "2 55 08 14 168 025 39"),
        case("es_dni", "12345678Z", "12345678A"),
        case("it_cf", "RSSMRA85T10A562S", "RSSMRA85T10A562T"),
        case("se_pnr", "811218-9876", "811218-9875"),
        case("pl_pesel", "PESEL 44051401359", "PESEL 44051401358"),
        case("be_nrn", "85.07.30-033.28", "85.07.30-033.27"),
        case("dk_cpr", "131052-3084", "131352-3084"),
        case("fi_hetu", "131052-308T", "131052-308U"),
        case("no_fnr", "01019010046", "01019010047"),
        case("ch_ahv", "756.9217.0769.85", "756.9217.0769.84"),
        case("pt_nif", "NIF 245678905", "NIF 245678906"),
        case("ca_sin", "130-692-544", "130-692-545"),
        case("au_tfn", "TFN 123456782", "TFN 123456783"),
        case("sg_nric", "S1234567D", "S1234567E"),
        case("in_aadhaar", "2341 2341 2346", "2341 2341 2347"),
        case("br_cpf", "529.982.247-25", "529.982.247-24"),
        case("za_id", "8001015009087", "8001015009086"),
        case("cn_id", "11010519491231002X", "110105194912310021"),
        case("kr_rrn", "900101-1234568", "900101-1234567"),
    ]
}

/// Keys that are nothing without their form: a checksum, a prefix, a length, or a word beside them.
fn keys() -> Vec<Case> {
    let (github, npm) = (with_checksum("ghp_"), with_checksum("npm_"));
    let aws = random(40);
    let jwt = ["eyJhbGciOiJub25lIn0", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "c2lnbmF0dXJl"].join(".");
    let pem = ["-----BEGIN ", "PRIVATE KEY-----\n", &random(60), "\n-----END ", "PRIVATE KEY-----"].concat();
    vec![
        case("jwt", &jwt, jwt.replace("eyJhbGciOiJub25lIn0", "eyJub3QiOiJhIGhlYWRlciJ9")),
        case("github_token", &github, changed(&github)),
        case("npm_token", &npm, changed(&npm)),
        case("gitlab_token", prefixed("glpat-", 20), prefixed("glpat-", 12)),
        case("aws_access_key", format!("AKIA{}", "Q7RK2ZPX5VLM4TCN"), "AKIAIOSFODNN7EXAMPLE"),
        case("aws_secret_key", format!("aws_secret_access_key = {aws}"), format!("colour = {aws}")),
        case("slack_token", prefixed("xoxb-", 40), prefixed("xoxb-", 12)),
        case("stripe_key", prefixed("sk_live_", 24), prefixed("pk_live_", 24)),
        case("google_api_key", prefixed("AIza", 35), prefixed("AIza", 34)),
        case("openai_key", prefixed("sk-proj-", 60), "sk-proj-learn-is-a-library-for-machine-learning"),
        case("anthropic_key", prefixed("sk-ant-", 95), prefixed("sk-ant-", 30)),
        case("pypi_token", prefixed("pypi-AgE", 120), prefixed("pypi-AgE", 20)),
        case("sendgrid_key", format!("SG.{}.{}", random(22), random(43)), format!("SG.{}", random(22))),
        case("twilio_key", format!("twilio SK{HEX}"), format!("colour SK{HEX}")),
        case("azure_key", format!("AccountKey={}PzVtMr==", random(80)), format!("Account={}", random(80))),
        case("vendor_token", prefixed("hf_", 34), prefixed("hf_", 20)),
        case("private_key", &pem, pem.replace(&random(60), "...")),
        case("connection_string", "postgres://app:s3cr3t-Pw@db.test/x", "postgres://user:password@db.test/x"),
        case("generic_secret", format!("password = {}", random(20)), "password = correcthorsebatterystaple"),
    ]
}

fn prefixed(prefix: &str, length: usize) -> String {
    format!("{prefix}{}", random(length))
}

fn engine(class: &str) -> Engine {
    let info = CLASSES.iter().find(|info| info.name == class).unwrap();
    let exact = (class == "canary").then(|| exact::build("canary", &[7; 32], [PLANTED]).0);
    let regions = [info.country].into_iter().filter(|country| !country.is_empty()).map(str::to_owned);
    Engine::new(&Profile {
        v: 1,
        classes: [(class.to_owned(), Action::Redact)].into(),
        regions: regions.collect(),
        patterns: vec![],
        exact: exact.into_iter().collect(),
        injection: None,
    })
    .unwrap()
}

fn found(engine: &Engine, text: &str) -> Vec<String> {
    let scan = engine.scan_text(text, &SessionKey::new([1; 32]));
    assert!(!scan.incomplete);
    scan.findings.iter().map(|finding| finding.class.to_string()).collect()
}

#[test]
fn every_class_is_found_and_what_only_looks_like_it_is_not() {
    let cases = [people(), national(), keys()].concat();
    for (class, right, wrong) in &cases {
        let engine = engine(class);
        for text in [right.clone(), format!("it is {right}, thanks")] {
            assert_eq!(found(&engine, &text), [*class], "{text}");
        }
        for text in [wrong.clone(), format!("it is {wrong}, thanks")] {
            assert!(found(&engine, &text).is_empty(), "{class}: {text}");
        }
    }
    let tested: BTreeSet<&str> = cases.iter().map(|(class, ..)| *class).collect();
    let known: BTreeSet<&str> = CLASSES.iter().map(|class| class.name).collect();
    assert_eq!(tested, known, "every class has its pair");
}

#[test]
fn a_key_of_a_vendor_is_still_a_secret_where_only_secrets_in_general_are_looked_for() {
    let text = format!("aws_secret_access_key = {}", random(40));
    assert_eq!(found(&engine("generic_secret"), &text), ["generic_secret"]);
}

#[test]
fn a_national_number_is_nobodys_outside_of_its_region() {
    for (class, right, _) in national() {
        let profile = Profile {
            v: 1,
            classes: [("national_id".to_owned(), Action::Redact)].into(),
            regions: vec![],
            patterns: vec![],
            exact: vec![],
            injection: None,
        };
        assert!(found(&Engine::new(&profile).unwrap(), &right).is_empty(), "{class}");
    }
}
