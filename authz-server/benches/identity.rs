//! What it costs to know who is asking. Run with `cargo bench -p authz-server --bench identity`.
//!
//! `remembered` is what nearly every call pays; `first_sight` is paid once per token.

// A bench that cannot be set up may fail loudly.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use authz_server::identity::config::{IdentityConfig, SignatureAlgorithm};
use authz_server::identity::mint::{SigningKey, TokenRequest, write_jwks};
use authz_server::identity::{AgentDirectory, Authenticator, Identity, IdentityError, Presented};
use bytes::Bytes;
use divan::Bencher;
use jiff::Timestamp;

const ISSUER: &str = "https://login.example";
const RESOURCE: &str = "https://files.example.com/mcp";
const SPIFFE: &str = "spiffe://example.org/t/acme/a/reader";
const ALGORITHMS: [&str; 3] = ["RS256", "ES256", "EdDSA"];

fn main() {
    divan::main();
}

struct OneAgent;

impl AgentDirectory for OneAgent {
    fn agent_id_by_token(&self, issuer: &str, subject: &str) -> Option<&str> {
        (issuer == ISSUER && subject == "reader").then_some("reader")
    }

    fn agent_id_by_spiffe(&self, uri: &str) -> Option<&str> {
        (uri == SPIFFE).then_some("reader")
    }
}

struct World {
    key: SigningKey,
    authenticator: Authenticator,
    now: Timestamp,
    _runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl World {
    fn new(algorithm: &str) -> Self {
        let algorithm = SignatureAlgorithm::from_name(algorithm).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let jwks = dir.path().join("jwks.json");
        let key = SigningKey::generate(algorithm).unwrap();
        write_jwks(&[&key], &jwks).unwrap();
        let config: IdentityConfig = serde_json::from_value(serde_json::json!({
            "issuers": [{ "issuer": ISSUER, "algorithm": algorithm.name(), "jwks": { "file": jwks } }],
            "mtls": { "trust_domains": ["example.org"] },
        }))
        .unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let authenticator = runtime.block_on(Authenticator::start(&config)).unwrap();
        Self { key, authenticator, now: Timestamp::now(), _runtime: runtime, _dir: dir }
    }

    /// A new token each time: its `jti` is random.
    fn token(&self) -> Vec<(String, Bytes)> {
        let request = TokenRequest {
            issuer: ISSUER,
            subject: "reader",
            audience: RESOURCE,
            lifetime_seconds: 900,
            principal: None,
            typ: None,
        };
        let value = format!("Bearer {}", self.key.mint(&request, self.now).unwrap());
        vec![("authorization".to_owned(), Bytes::from(value))]
    }

    /// Nothing is waited for on these ways, so that one poll is the whole call.
    fn authenticate(&self, presented: &Presented<'_>) -> Result<Identity, IdentityError> {
        let call = pin!(self.authenticator.authenticate(presented, RESOURCE, &OneAgent, self.now));
        match call.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => panic!("waited"),
        }
    }
}

#[divan::bench(args = ALGORITHMS)]
fn remembered_token(bencher: Bencher<'_, '_>, algorithm: &str) {
    let world = World::new(algorithm);
    let headers = world.token();
    let presented = Presented { headers: &headers, principal: None, certificate: None };
    bencher.bench_local(|| world.authenticate(&presented).unwrap());
}

#[divan::bench]
fn remembered_token_and_certificate_header(bencher: Bencher<'_, '_>) {
    let world = World::new("ES256");
    let mut headers = world.token();
    headers.push(("x-forwarded-client-cert".to_owned(), Bytes::from(format!("Hash=ab;URI={SPIFFE}"))));
    let presented = Presented { headers: &headers, principal: Some(SPIFFE), certificate: None };
    bencher.bench_local(|| world.authenticate(&presented).unwrap());
}

#[divan::bench(args = ALGORITHMS, max_time = 2)]
fn first_sight_of_a_token(bencher: Bencher<'_, '_>, algorithm: &str) {
    let world = World::new(algorithm);
    bencher.with_inputs(|| world.token()).bench_local_values(|headers| {
        world.authenticate(&Presented { headers: &headers, principal: None, certificate: None }).unwrap()
    });
}

#[divan::bench]
fn refused_garbage(bencher: Bencher<'_, '_>) {
    let world = World::new("ES256");
    let headers = vec![("authorization".to_owned(), Bytes::from_static(b"Bearer garbage.garbage.garbage"))];
    let presented = Presented { headers: &headers, principal: None, certificate: None };
    bencher.bench_local(|| world.authenticate(&presented).unwrap_err());
}
