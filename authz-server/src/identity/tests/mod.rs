//! Abuse of identity, one sentence per test.

mod certificates;
mod config;
mod interop;
mod keys;
mod tokens;

use std::collections::HashMap;
use std::path::PathBuf;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::config::{IdentityConfig, SignatureAlgorithm};
use super::mint::{SigningKey, write_jwks};
use super::{AgentDirectory, Authenticator, Identity, IdentityError, Presented};

const ISSUER: &str = "https://login.example";
const RESOURCE: &str = "https://files.example.com/mcp";
/// The time of all tests: the clock of the machine plays no part.
const NOW: i64 = 1_800_000_000;

/// An issuer with one key, and an authenticator that trusts it.
struct World {
    key: SigningKey,
    authenticator: Authenticator,
    agents: Agents,
    jwks: PathBuf,
    _dir: tempfile::TempDir,
}

/// A registry in two tables.
#[derive(Default)]
struct Agents {
    by_token: HashMap<(String, String), String>,
    by_spiffe: HashMap<String, String>,
}

/// A request in the making.
#[derive(Clone, Default)]
struct Request {
    headers: Vec<(String, Bytes)>,
    principal: Option<String>,
    certificate: Option<String>,
}

// === impl World ===

impl World {
    async fn new() -> Self {
        Self::with(SignatureAlgorithm::EdDsa, json!({})).await
    }

    /// `extra` is merged into the `identity` configuration; its `issuer` member into the issuer's.
    async fn with(algorithm: SignatureAlgorithm, mut extra: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let jwks = dir.path().join("jwks.json");
        let key = SigningKey::generate(algorithm).unwrap();
        write_jwks(&[&key], &jwks).unwrap();
        let mut issuer = json!({ "issuer": ISSUER, "algorithm": algorithm.name(), "jwks": { "file": jwks } });
        merge(&mut issuer, &extra["issuer"].take());
        extra.as_object_mut().unwrap().remove("issuer");
        let mut config = json!({ "issuers": [issuer] });
        merge(&mut config, &extra);
        let config: IdentityConfig = serde_json::from_value(config).unwrap();
        let authenticator = Authenticator::start(&config).await.unwrap();
        let mut agents = Agents::default();
        for name in ["reader", "writer"] {
            agents.by_token.insert((ISSUER.to_owned(), name.to_owned()), name.to_owned());
            agents.by_spiffe.insert(format!("spiffe://example.org/t/acme/a/{name}"), name.to_owned());
        }
        Self { key, authenticator, agents, jwks, _dir: dir }
    }

    fn header(&self) -> Value {
        json!({ "alg": self.key.algorithm().name(), "kid": self.key.kid(), "typ": "JWT" })
    }

    fn token(&self, claims: &Value) -> String {
        self.signed(&self.header(), claims)
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        self.key.sign(&header.to_string(), &claims.to_string()).unwrap()
    }

    async fn request(&self, request: &Request) -> Result<Identity, IdentityError> {
        self.request_at(request, NOW).await
    }

    async fn request_at(&self, request: &Request, now: i64) -> Result<Identity, IdentityError> {
        let presented = Presented {
            headers: &request.headers,
            principal: request.principal.as_deref(),
            certificate: request.certificate.as_deref(),
        };
        let now = Timestamp::from_second(now).unwrap();
        self.authenticator.authenticate(&presented, RESOURCE, &self.agents, now).await
    }

    async fn present(&self, token: &str) -> Result<Identity, IdentityError> {
        self.request(&Request::default().token(token)).await
    }

    async fn refusal(&self, claims: &Value) -> Option<IdentityError> {
        self.present(&self.token(claims)).await.err()
    }
}

// === impl Request ===

impl Request {
    fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), Bytes::copy_from_slice(value.as_bytes())));
        self
    }

    fn principal(mut self, principal: &str) -> Self {
        self.principal = Some(principal.to_owned());
        self
    }

    fn certificate(mut self, url_encoded_pem: &str) -> Self {
        self.certificate = Some(url_encoded_pem.to_owned());
        self
    }
}

// === impl AgentDirectory ===

impl AgentDirectory for Agents {
    fn agent_id_by_token(&self, issuer: &str, subject: &str) -> Option<&str> {
        self.by_token.get(&(issuer.to_owned(), subject.to_owned())).map(String::as_str)
    }

    fn agent_id_by_spiffe(&self, uri: &str) -> Option<&str> {
        self.by_spiffe.get(uri).map(String::as_str)
    }
}

/// The claims of a good token.
fn good() -> Value {
    json!({ "iss": ISSUER, "sub": "reader", "aud": RESOURCE, "iat": NOW - 60, "exp": NOW + 60 })
}

/// The claims of a good token, with these members set; null removes.
fn but(changes: Value) -> Value {
    let mut claims = good();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}
