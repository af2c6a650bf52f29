//! Configurations that cannot be meant.

use super::*;

fn problems(config: Value) -> Vec<String> {
    let config: IdentityConfig = serde_json::from_value(config).unwrap();
    config.problems().into_iter().map(|problem| problem.path).collect()
}

fn with_issuer(changes: Value) -> Value {
    let mut issuer = json!({ "issuer": ISSUER, "algorithm": "ES256", "jwks": { "file": "jwks.json" } });
    merge(&mut issuer, &changes);
    json!({ "issuers": [issuer] })
}

#[test]
fn a_small_configuration_is_enough_and_has_safe_defaults() {
    let config: IdentityConfig = serde_json::from_value(with_issuer(json!({}))).unwrap();
    assert_eq!(config.problems(), []);
    assert_eq!((config.leeway_seconds, config.issuers[0].max_lifetime_seconds), (0, 900));
    assert_eq!(config.issuers[0].subject_claim, "sub");
    assert!(config.mtls.is_none());
    let mtls: super::super::config::MtlsConfig =
        serde_json::from_value(json!({ "trust_domains": ["d"] })).unwrap();
    assert!(!mtls.sufficient && !mtls.required);
    assert_eq!(mtls.certificate_evidence, super::super::config::CertificateEvidence::Required);
}

#[test]
fn impossible_values_are_named_by_their_path() {
    for (changes, path) in [
        (json!({ "issuer": "" }), "identity.issuers[0].issuer"),
        (json!({ "max_lifetime_seconds": 0 }), "identity.issuers[0].max_lifetime_seconds"),
        (json!({ "max_lifetime_seconds": 86_401 }), "identity.issuers[0].max_lifetime_seconds"),
        (json!({ "subject_claim": "" }), "identity.issuers[0].subject_claim"),
        (json!({ "typ": "" }), "identity.issuers[0].typ"),
        (json!({ "jwks": {} }), "identity.issuers[0].jwks"),
        (json!({ "jwks": { "file": "a", "url": "https://b" } }), "identity.issuers[0].jwks"),
        (json!({ "jwks": { "url": "http://login.example/jwks" } }), "identity.issuers[0].jwks.url"),
        (json!({ "jwks": { "url": "ftp://127.0.0.1/jwks" } }), "identity.issuers[0].jwks.url"),
        (json!({ "jwks": { "url": "http://127.0.0.1.evil.example/" } }), "identity.issuers[0].jwks.url"),
        (
            json!({ "jwks": { "file": "a", "refresh_seconds": 0 } }),
            "identity.issuers[0].jwks.refresh_seconds",
        ),
        (json!({ "jwks": { "file": "a", "stale_seconds": 1 } }), "identity.issuers[0].jwks.stale_seconds"),
        (json!({ "jwks": { "file": "a", "ca_file": "b" } }), "identity.issuers[0].jwks.file"),
    ] {
        assert_eq!(problems(with_issuer(changes.clone())), [path], "{changes}");
    }
    for url in
        ["https://login.example/jwks", "http://127.0.0.1:8000/jwks", "http://[::1]/jwks", "http://localhost/"]
    {
        assert!(problems(with_issuer(json!({ "jwks": { "url": url } }))).is_empty(), "{url}");
    }
    let mut config = with_issuer(json!({}));
    config["issuers"] = json!([config["issuers"][0], config["issuers"][0]]);
    assert_eq!(problems(config), ["identity.issuers[1].issuer"]);
    for (key, value, path) in [
        ("leeway_seconds", json!(61), "identity.leeway_seconds"),
        ("authorization_servers", json!(["login"]), "identity.authorization_servers[0]"),
        ("mtls", json!({ "trust_domains": [] }), "identity.mtls.trust_domains"),
        ("mtls", json!({ "trust_domains": ["spiffe://d"] }), "identity.mtls.trust_domains[0]"),
        ("issuers", json!([]), "identity.issuers"),
    ] {
        let mut config = with_issuer(json!({}));
        config[key] = value;
        assert_eq!(problems(config), [path]);
    }
    assert!(problems(json!({ "mtls": { "trust_domains": ["d"], "sufficient": true } })).is_empty());
}

#[test]
fn there_is_no_way_to_configure_a_shared_secret_or_an_unknown_key() {
    for changes in [json!({ "algorithm": "HS256" }), json!({ "algorithm": "none" }), json!({ "secret": "x" })]
    {
        assert!(serde_json::from_value::<IdentityConfig>(with_issuer(changes)).is_err());
    }
}

#[test]
fn relative_paths_are_relative_to_the_configuration_file() {
    let mut config: IdentityConfig = serde_json::from_value(with_issuer(json!({}))).unwrap();
    config.resolve_paths(std::path::Path::new("/etc/interdict"));
    assert_eq!(
        config.issuers[0].jwks.file.as_deref(),
        Some(std::path::Path::new("/etc/interdict/jwks.json"))
    );
    config.resolve_paths(std::path::Path::new("/elsewhere"));
    assert_eq!(
        config.issuers[0].jwks.file.as_deref(),
        Some(std::path::Path::new("/etc/interdict/jwks.json"))
    );
}

#[test]
fn a_development_key_is_made_once_and_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    for algorithm in [SignatureAlgorithm::Rs256, SignatureAlgorithm::Es256, SignatureAlgorithm::EdDsa] {
        let made = SigningKey::load_or_generate(algorithm, &path).unwrap();
        let read = SigningKey::load_or_generate(algorithm, &path).unwrap();
        assert_eq!((made.kid(), made.jwk()), (read.kid(), read.jwk()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let other = if algorithm == SignatureAlgorithm::Rs256 { "ES256" } else { "RS256" };
        let wrong = SigningKey::load_or_generate(SignatureAlgorithm::from_name(other).unwrap(), &path);
        assert!(wrong.unwrap_err().to_string().contains("not a PKCS#8 PEM private key"));
        assert!(!format!("{made:?}").contains("PRIVATE"));
        std::fs::remove_file(&path).unwrap();
    }
}
