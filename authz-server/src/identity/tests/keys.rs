//! Key sets: rotation, withdrawal, age, and issuers that are slow, wrong or under attack.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

use super::*;
use crate::identity::fetch::Source;
use crate::identity::jwks::KeySet;
use crate::identity::keys::{Keys, Pace};
use crate::identity::mint::jwks;

const EDDSA: SignatureAlgorithm = SignatureAlgorithm::EdDsa;

fn key() -> SigningKey {
    SigningKey::generate(EDDSA).unwrap()
}

fn slow() -> Pace {
    let hour = Duration::from_secs(3600);
    Pace { refresh: hour, stale: hour, unknown_kid: Duration::ZERO, absent: hour }
}

async fn from_file(path: &Path, pace: Pace) -> Keys {
    Keys::start(ISSUER, EDDSA, Source::file(path), pace).await.unwrap()
}

/// Waits for what a background task does.
async fn eventually(mut happened: impl AsyncFnMut() -> bool) {
    for _ in 0..6_000 {
        if happened().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("did not happen within a minute");
}

/// An issuer's web server on a free loopback port.
struct Web {
    url: String,
    hits: Arc<AtomicUsize>,
    status: Arc<AtomicU16>,
    body: Arc<std::sync::Mutex<String>>,
    server: tokio::task::JoinHandle<()>,
}

impl Web {
    async fn start(body: String, delay: Duration) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let hits = Arc::new(AtomicUsize::new(0));
        let status = Arc::new(AtomicU16::new(200));
        let body = Arc::new(std::sync::Mutex::new(body));
        let shared = (hits.clone(), status.clone(), body.clone());
        let answer = move || {
            let (hits, status, body) = shared.clone();
            async move {
                hits.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(delay).await;
                let status = StatusCode::from_u16(status.load(Ordering::SeqCst)).unwrap();
                let body = body.lock().unwrap().clone();
                (status, [("location", "/jwks")], body)
            }
        };
        let router = axum::Router::new().route("/jwks", axum::routing::get(answer));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, hits, status, body, server }
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    fn publish(&self, keys: &[&SigningKey]) {
        *self.body.lock().unwrap() = jwks(keys);
    }

    async fn keys(&self, pace: Pace) -> Keys {
        let source = Source::new(&serde_json::from_value(json!({ "url": self.url })).unwrap()).unwrap();
        Keys::start(ISSUER, EDDSA, source, pace).await.unwrap()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tokio::test]
async fn a_new_key_is_accepted_as_soon_as_a_token_names_it() {
    let world = World::new().await;
    let next = key();
    tokio::time::sleep(Duration::from_millis(110)).await;
    write_jwks(&[&world.key, &next], &world.jwks).unwrap();
    let header = json!({ "alg": "EdDSA", "kid": next.kid() });
    let token = next.sign(&header.to_string(), &good().to_string()).unwrap();
    assert!(world.present(&token).await.is_ok());
    assert!(world.present(&world.token(&good())).await.is_ok());
}

#[tokio::test]
async fn a_withdrawn_key_kills_the_tokens_that_it_signed_although_they_are_remembered() {
    let world = World::new().await;
    let token = world.token(&good());
    assert!(world.present(&token).await.is_ok());
    write_jwks(&[], &world.jwks).unwrap();
    eventually(async || world.present(&token).await.is_err()).await;
    // Verified anew it is an unknown key; either way it is a 401.
    assert_eq!(world.present(&token).await, Err(IdentityError::UnknownKid));
}

#[tokio::test]
async fn another_key_under_the_same_kid_is_another_key() {
    let world = World::new().await;
    let token = world.token(&good());
    assert!(world.present(&token).await.is_ok());
    let mut jwk = key().jwk();
    jwk["kid"] = world.key.kid().into();
    std::fs::write(&world.jwks, json!({ "keys": [jwk] }).to_string()).unwrap();
    eventually(async || world.present(&token).await == Err(IdentityError::KeyRevoked)).await;
    assert_eq!(world.present(&token).await, Err(IdentityError::SignatureInvalid));
}

#[tokio::test]
async fn keys_that_cannot_be_refreshed_are_used_until_they_are_stale_and_then_all_tokens_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    let key = key();
    write_jwks(&[&key], &path).unwrap();
    let pace = Pace { refresh: Duration::from_millis(10), stale: Duration::from_secs(5), ..slow() };
    let keys = from_file(&path, pace).await;
    std::fs::write(&path, "{ broken").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(keys.find(key.kid()).await.is_ok());
    eventually(async || keys.find(key.kid()).await.err() == Some(IdentityError::KeysStale)).await;
    assert!(!IdentityError::KeysStale.is_challenge());
    write_jwks(&[&key], &path).unwrap();
    eventually(async || keys.find(key.kid()).await.is_ok()).await;
}

#[tokio::test]
async fn an_unchanged_file_does_not_go_stale() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    let key = key();
    write_jwks(&[&key], &path).unwrap();
    let pace = Pace { refresh: Duration::from_millis(10), stale: Duration::from_secs(1), ..slow() };
    let keys = from_file(&path, pace).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // What is stale stays so while the file says nothing else; a machine that pauses for a second is not the subject.
    eventually(async || keys.find(key.kid()).await.is_ok()).await;
}

#[tokio::test]
async fn keys_come_from_a_url_and_follow_its_rotation() {
    let (old, new) = (key(), key());
    let web = Web::start(jwks(&[&old]), Duration::ZERO).await;
    let keys = web.keys(Pace { refresh: Duration::from_millis(20), ..slow() }).await;
    assert!(keys.find(old.kid()).await.is_ok());
    web.publish(&[&new]);
    eventually(async || keys.find(new.kid()).await.is_ok()).await;
    assert_eq!(keys.find(old.kid()).await.err(), Some(IdentityError::UnknownKid));
}

#[tokio::test]
async fn a_token_is_verified_with_keys_from_a_url() {
    let key = key();
    let web = Web::start(jwks(&[&key]), Duration::ZERO).await;
    let config =
        json!({ "issuers": [{ "issuer": ISSUER, "algorithm": "EdDSA", "jwks": { "url": web.url } }] });
    let authenticator = Authenticator::start(&serde_json::from_value(config).unwrap()).await.unwrap();
    let world = World { key, authenticator, ..World::new().await };
    assert_eq!(world.present(&world.token(&good())).await.unwrap().agent_id, "reader");
}

#[tokio::test]
async fn many_requests_with_an_unknown_kid_cause_one_fetch() {
    let known = key();
    let web = Web::start(jwks(&[&known]), Duration::from_millis(100)).await;
    let pace = Pace { unknown_kid: Duration::from_secs(3600), ..slow() };
    let keys = Arc::new(web.keys(pace).await);
    assert_eq!(web.hits(), 1);
    // Within the pause after the first fetch, unknown kids cause none.
    for attempt in 0..50 {
        let outcome = keys.find(&format!("unknown-{attempt}")).await;
        assert_eq!(outcome.err(), Some(IdentityError::UnknownKid));
    }
    assert_eq!(web.hits(), 1);

    let keys = Arc::new(web.keys(Pace { unknown_kid: Duration::from_millis(50), ..slow() }).await);
    tokio::time::sleep(Duration::from_millis(60)).await;
    let before = web.hits();
    let next = key();
    web.publish(&[&known, &next]);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (keys, kid) = (Arc::clone(&keys), next.kid().to_owned());
            tokio::spawn(async move { keys.find(&kid).await.is_ok() })
        })
        .collect();
    for each in waiting {
        assert!(each.await.unwrap());
    }
    assert_eq!(web.hits(), before + 1);
}

#[tokio::test]
async fn a_kid_that_was_not_found_is_not_looked_for_again_for_a_while() {
    let web = Web::start(jwks(&[&key()]), Duration::ZERO).await;
    let keys = web.keys(slow()).await;
    for _ in 0..5 {
        assert_eq!(keys.find("nobody").await.err(), Some(IdentityError::UnknownKid));
    }
    assert_eq!(web.hits(), 2);
}

#[tokio::test]
async fn a_kid_is_looked_for_again_after_a_fetch_that_failed() {
    let (known, next) = (key(), key());
    let web = Web::start(jwks(&[&known]), Duration::ZERO).await;
    let keys = web.keys(slow()).await;
    web.status.store(503, Ordering::SeqCst);
    assert_eq!(keys.find(next.kid()).await.err(), Some(IdentityError::UnknownKid));
    web.status.store(200, Ordering::SeqCst);
    web.publish(&[&known, &next]);
    assert!(keys.find(next.kid()).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_refuses_its_tokens_until_it_does() {
    let key = key();
    let web = Web::start(jwks(&[&key]), Duration::ZERO).await;
    for status in [500, 404, 302, 204] {
        web.status.store(status, Ordering::SeqCst);
        let keys = web.keys(slow()).await;
        assert_eq!(keys.find(key.kid()).await.err(), Some(IdentityError::KeysUnavailable), "{status}");
    }
    let keys = web.keys(Pace { refresh: Duration::from_millis(20), ..slow() }).await;
    web.status.store(200, Ordering::SeqCst);
    eventually(async || keys.find(key.kid()).await.is_ok()).await;
}

#[tokio::test]
async fn rubbish_and_endless_answers_of_an_issuer_change_nothing() {
    let key = key();
    let web = Web::start(jwks(&[&key]), Duration::ZERO).await;
    let keys = web.keys(slow()).await;
    for rubbish in
        ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[7]}", "{\"keys\":[],\"keys\":[]}", &" ".repeat(300_000)]
    {
        *web.body.lock().unwrap() = rubbish.to_owned();
        assert_eq!(keys.find(&format!("x{}", rubbish.len())).await.err(), Some(IdentityError::UnknownKid));
        assert!(keys.find(key.kid()).await.is_ok());
    }
}

#[tokio::test]
async fn a_key_file_that_cannot_be_read_stops_the_start_and_names_the_configuration_key() {
    let config = json!({
        "issuers": [{ "issuer": ISSUER, "algorithm": "EdDSA", "jwks": { "file": "/nowhere/jwks.json" } }]
    });
    let error = Authenticator::start(&serde_json::from_value(config).unwrap()).await.unwrap_err().to_string();
    assert!(error.starts_with("identity.issuers[0].jwks.file: /nowhere/jwks.json: "), "{error}");
}

#[test]
fn only_keys_that_fit_the_issuers_algorithm_are_taken() {
    let good = key();
    let set = |change: &dyn Fn(&mut Value)| {
        let mut jwk = good.jwk();
        change(&mut jwk);
        KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes(), EDDSA).unwrap()
    };
    assert_eq!(set(&|_| {}).len(), 1);
    assert_eq!(set(&|jwk| jwk["key_ops"] = json!(["verify"])).len(), 1);
    for change in [
        &|jwk: &mut Value| jwk["use"] = json!("enc") as Value,
        &|jwk: &mut Value| jwk["alg"] = json!("RS256"),
        &|jwk: &mut Value| jwk["kty"] = json!("EC"),
        &|jwk: &mut Value| jwk["crv"] = json!("X25519"),
        &|jwk: &mut Value| jwk["x"] = json!("AAAA"),
        &|jwk: &mut Value| jwk["key_ops"] = json!(["sign"]),
        &|jwk: &mut Value| jwk["d"] = json!("AAAA"),
        &|jwk: &mut Value| jwk["kid"] = json!(7),
        &|jwk: &mut Value| jwk["kid"] = json!(""),
    ] as [&dyn Fn(&mut Value); 9]
    {
        let set = set(change);
        assert_eq!((set.len(), set.left_out.len()), (0, 1), "{:?}", set.left_out);
    }
}

#[test]
fn weak_rsa_keys_points_off_the_curve_and_ambiguous_kids_are_left_out() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let number = |bytes: usize, first: u8| {
        let mut n = vec![0xC5; bytes];
        n[0] = first;
        URL_SAFE_NO_PAD.encode(n)
    };
    let rsa =
        |n: String, e: &str| json!({ "keys": [{ "kty": "RSA", "kid": "k", "n": n, "e": e }] }).to_string();
    let usable = |set: &str, alg| KeySet::parse(set.as_bytes(), alg).unwrap().len();
    let rs256 = SignatureAlgorithm::Rs256;
    assert_eq!(usable(&rsa(number(256, 0x80), "AQAB"), rs256), 1);
    assert_eq!(usable(&rsa(number(256, 0x7f), "AQAB"), rs256), 0, "2047 bits");
    assert_eq!(usable(&rsa(number(128, 0x80), "AQAB"), rs256), 0, "1024 bits");
    assert_eq!(usable(&rsa(number(257, 0), "AQAB"), rs256), 1, "a leading zero is not a digit");
    for (exponent, text) in [("1", "AQ"), ("3", "Aw"), ("65536", "AQAA"), ("none", "")] {
        assert_eq!(usable(&rsa(number(256, 0x80), text), rs256), 0, "exponent {exponent}");
    }
    let zero = URL_SAFE_NO_PAD.encode([0; 32]);
    let point = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k", "x": zero, "y": zero }] });
    assert_eq!(usable(&point.to_string(), SignatureAlgorithm::Es256), 0);

    let (one, mut two) = (key().jwk(), key().jwk());
    two["kid"] = one["kid"].clone();
    assert_eq!(usable(&json!({ "keys": [one, two] }).to_string(), EDDSA), 0);
    assert_eq!(usable(&json!({ "keys": [one, one] }).to_string(), EDDSA), 1);
    let duplicate = format!("{{\"keys\":[{}]}}", one.to_string().replacen('{', "{\"kid\":\"other\",", 1));
    assert!(KeySet::parse(duplicate.as_bytes(), EDDSA).is_err());
}
