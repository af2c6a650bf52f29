//! Attacks on signed bundles: each must be refused with its own code, and what is right must pass.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::bundle::hashing::{HashAlgorithm, hash};
use crate::bundle::signature::{Signed, Verifier};

fn verify(house: &House) -> Result<Signed, BundleError> {
    verify_as(house, house.signed_config().signature.unwrap())
}

fn verify_as(house: &House, config: SignatureConfig) -> Result<Signed, BundleError> {
    Verifier::open(&config)?.verify(&house.source())
}

#[track_caller]
fn refused(house: &House, code: &str) -> String {
    let error = verify(house).unwrap_err();
    assert_eq!(error.code, code, "{error}");
    error.to_string()
}

/// The payload that the house would sign, changed, signed with its key.
fn sign_changed(house: &House, change: impl FnOnce(&mut Value)) {
    let mut payload = json!({"files": house.files().iter().filter(|file| file.name != SIGNATURES).map(|file| {
        json!({
            "name": file.name,
            "hash": hash(&file.name, &file.bytes, HashAlgorithm::Sha256),
            "algorithm": "SHA-256",
        })
    }).collect::<Vec<_>>()});
    change(&mut payload);
    let header = json!({"alg": house.key.algorithm().name(), "typ": "JWT"}).to_string();
    write_token(house, &house.key.sign(&header, &payload.to_string()).unwrap());
}

fn write_token(house: &House, token: &str) {
    house.write("bundle/.signatures.json", &json!({"signatures": [token]}).to_string());
}

fn token(house: &House) -> String {
    verify(house).unwrap().token
}

#[test]
fn a_signed_bundle_passes_with_every_kind_of_key() {
    for algorithm in [SignatureAlgorithm::EdDsa, SignatureAlgorithm::Es256, SignatureAlgorithm::Rs256] {
        let house = House::with_key(algorithm);
        house.write("bundle/README.md", "notes");
        house.write("bundle/sub/data.yaml", "a: 1.5\nb: [x, 'ü']\n");
        house.sign(1);
        assert!(verify(&house).unwrap().by.starts_with("sha256:"));
        sign_changed(&house, |payload| {
            let readme = json!(hash("README.md", b"notes", HashAlgorithm::Sha512));
            let files = payload["files"].as_array_mut().unwrap();
            let file = files.iter_mut().find(|file| file["name"] == "README.md").unwrap();
            (file["hash"], file["algorithm"]) = (readme, json!("SHA-512"));
        });
        verify(&house).unwrap();
    }
}

#[test]
fn a_bundle_whose_signature_was_taken_out_is_refused() {
    let house = House::new();
    house.sign(1);
    std::fs::remove_file(house.path("bundle/.signatures.json")).unwrap();
    refused(&house, "bundle.unsigned");
    // Without `key_id` as well as with one (GHSA-g2pf-6v5v-qcc8).
    let config = SignatureConfig { key_id: Some("k".into()), ..house.signed_config().signature.unwrap() };
    assert_eq!(verify_as(&house, config).unwrap_err().code, "bundle.unsigned");
    for (empty, code) in [
        ("{}", "bundle.signature_form"),
        ("{\"signatures\": []}", "bundle.signature_form"),
        ("{\"signatures\": null}", "bundle.signature_form"),
        ("{\"signatures\": [\"\"]}", "bundle.signature_form"),
        ("{\"signatures\": [\"a.b.c\", \"a.b.c\"]}", "bundle.signature_form"),
        ("{\"plugin\": \"mine\", \"signatures\": [\"a.b.c\"]}", "bundle.signature_form"),
        ("", "bundle.signature_form"),
    ] {
        house.write("bundle/.signatures.json", empty);
        refused(&house, code);
    }
}

#[test]
fn a_signature_in_a_folder_below_is_none() {
    let house = House::new();
    house.sign(1);
    std::fs::create_dir(house.path("bundle/sub")).unwrap();
    std::fs::rename(house.path("bundle/.signatures.json"), house.path("bundle/sub/.signatures.json"))
        .unwrap();
    let error = Source::read(&[house.path("bundle")], true).unwrap_err();
    assert_eq!(error.code, "bundle.unread_file");
}

#[test]
fn another_key_is_refused_of_the_same_kind_or_another() {
    for algorithm in [SignatureAlgorithm::EdDsa, SignatureAlgorithm::Es256] {
        let (house, thief) = (House::new(), House::with_key(algorithm));
        house.sign(1);
        let text = signature::sign(&house.files(), &thief.key, None, None).unwrap();
        std::fs::write(house.path("bundle/.signatures.json"), text).unwrap();
        let code = match algorithm {
            SignatureAlgorithm::EdDsa => "bundle.signature_invalid",
            _ => "bundle.signature_algorithm",
        };
        refused(&house, code);
    }
}

#[test]
fn the_token_does_not_choose_its_algorithm() {
    use aws_lc_rs::hmac;
    let house = House::with_key(SignatureAlgorithm::Rs256);
    house.sign(1);
    let good = token(&house);
    let (_, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    for alg in ["none", "None", "HS256", "RS512", "PS256", "ES256", "EdDSA", ""] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": alg}).to_string());
        let public = std::fs::read(house.path("key.pem")).unwrap();
        let forged =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), format!("{header}.{payload}").as_bytes());
        for signature in ["", signature, &URL_SAFE_NO_PAD.encode(forged.as_ref())] {
            write_token(&house, &format!("{header}.{payload}.{signature}"));
            refused(&house, "bundle.signature_algorithm");
        }
    }
    write_token(&house, &format!("{}.{payload}.", good.split('.').next().unwrap()));
    refused(&house, "bundle.signature_invalid");
    write_token(&house, &format!("{good}.{signature}"));
    refused(&house, "bundle.signature_form");
    let header = r#"{"alg":"RS256","crit":["x"],"x":1}"#;
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    write_token(&house, &house.key.sign(header, &payload).unwrap());
    refused(&house, "bundle.signature_form");
}

#[test]
fn a_changed_file_is_refused_whatever_it_is() {
    for (name, text) in [
        ("house.rego", rules("other")),
        ("data.yaml", "a: 2\n".to_owned()),
        ("README.md", "other".to_owned()),
        ("house_test.rego", "package house_test\n\ntest_b if true\n".to_owned()),
        (".manifest", "{\"revision\": \"mine\"}".to_owned()),
    ] {
        let house = House::new();
        house.write("bundle/data.yaml", "a: 1\n");
        house.write("bundle/README.md", "notes");
        house.write("bundle/house_test.rego", "package house_test\n\ntest_a if true\n");
        house.sign(1);
        house.write(&format!("bundle/{name}"), &text);
        let message = refused(&house, "bundle.changed_file");
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn an_extra_file_and_a_missing_file_are_refused() {
    for extra in ["more.rego", "notes.txt", "agents/more.yaml", "x_test.rego"] {
        let house = House::new();
        house.sign(1);
        house.write(&format!("bundle/{extra}"), "agents: []\n");
        assert!(refused(&house, "bundle.unsigned_file").contains(extra));
    }
    for missing in ["data.yaml", "README.md"] {
        let house = House::new();
        house.write("bundle/data.yaml", "a: 1\n");
        house.write("bundle/README.md", "notes");
        house.sign(1);
        std::fs::remove_file(house.path("bundle").join(missing)).unwrap();
        assert!(refused(&house, "bundle.missing_file").contains(missing));
    }
}

#[test]
fn a_file_that_is_signed_or_there_twice_is_refused() {
    let house = House::new();
    house.sign(1);
    sign_changed(&house, |payload| {
        let files = payload["files"].as_array_mut().unwrap();
        let mut again = files[0].clone();
        again["name"] = json!(format!("/{}", files[0]["name"].as_str().unwrap()));
        files.push(again);
    });
    refused(&house, "bundle.duplicate_file");

    house.sign(1);
    let mut source = house.source();
    let twice = RawFile { name: "house.rego".into(), bytes: rules("other").into_bytes() };
    source.roots[0].files.push(twice);
    let verifier = Verifier::open(&house.signed_config().signature.unwrap()).unwrap();
    assert_eq!(verifier.verify(&source).unwrap_err().code, "bundle.unsigned_file");
}

#[test]
fn weak_and_unknown_hashes_are_refused() {
    for algorithm in ["MD5", "SHA-1", "SHA-224", "SHA-384", "SHA-512-256", "sha-256", ""] {
        let house = House::new();
        house.sign(1);
        sign_changed(&house, |payload| payload["files"][0]["algorithm"] = json!(algorithm));
        refused(&house, "bundle.weak_hash");
    }
}

#[test]
fn a_signature_for_another_scope_or_key_id_is_refused() {
    let house = House::new();
    house.sign(1);
    let with = |key_id: Option<&str>, scope: Option<&str>| SignatureConfig {
        key_file: house.path("key.pem"),
        key_id: key_id.map(str::to_owned),
        scope: scope.map(str::to_owned),
    };
    let sign = |key_id, scope| {
        let text = signature::sign(&house.files(), &house.key, key_id, scope).unwrap();
        std::fs::write(house.path("bundle/.signatures.json"), text).unwrap();
    };
    let code = |config| verify_as(&house, config).map_or_else(|error| error.code, |_| "passes");
    assert_eq!(code(with(None, Some("prod"))), "bundle.signature_scope");
    assert_eq!(code(with(Some("k1"), None)), "passes", "the key decides; the token names none");
    sign(Some("k2"), Some("prod"));
    assert_eq!(code(with(None, None)), "bundle.signature_scope");
    assert_eq!(code(with(None, Some("test"))), "bundle.signature_scope");
    assert_eq!(code(with(Some("k1"), Some("prod"))), "bundle.signature_key");
    assert_eq!(code(with(Some("k2"), Some("prod"))), "passes");
    sign_changed(&house, |payload| payload["keyid"] = json!("k2"));
    assert_eq!(code(with(Some("k1"), None)), "bundle.signature_key");
}

#[test]
fn a_key_file_holds_exactly_one_public_key() {
    let house = House::new();
    house.sign(1);
    let pem = std::fs::read_to_string(house.path("key.pem")).unwrap();
    let secret = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    for text in ["", "none", &format!("{pem}{pem}"), secret] {
        house.write("key.pem", text);
        refused(&house, "bundle.key");
    }
    std::fs::remove_file(house.path("key.pem")).unwrap();
    refused(&house, "bundle.key");
}

#[test]
fn a_kept_bundle_is_verified_without_its_tests_and_notes() {
    let house = House::new();
    house.write("bundle/README.md", "notes");
    house.write("bundle/house_test.rego", "package house_test\n\ntest_a if true\n");
    house.sign(1);
    let signed = verify(&house).unwrap();
    let bundle = Bundle::from_source(&house.source()).unwrap();
    let read = |signatures: &[String]| interdict_policy::KeptBundle::read(&bundle.keep(signatures)).unwrap();
    let verifier = Verifier::open(&house.signed_config().signature.unwrap()).unwrap();
    assert_eq!(verifier.verify_kept(&read(std::slice::from_ref(&signed.token))).unwrap(), signed);
    assert_eq!(verifier.verify_kept(&read(&[])).unwrap_err().code, "bundle.unsigned");

    house.write("bundle/house.rego", &rules("other"));
    let other = Bundle::from_source(&house.source()).unwrap();
    let kept = interdict_policy::KeptBundle::read(&other.keep(std::slice::from_ref(&signed.token))).unwrap();
    assert_eq!(verifier.verify_kept(&kept).unwrap_err().code, "bundle.changed_file");

    let mut fewer = read(&[signed.token]);
    fewer.files.retain(|file| file.name != ".manifest");
    assert_eq!(verifier.verify_kept(&fewer).unwrap_err().code, "bundle.missing_file");
}
