//! The whole decision on one thread, without sockets: a `tools/call` with 1 KB of arguments, by an agent whose token
//! was seen before, under the default policies with the bundle of the decision vectors.
//!
//! Run with `cargo bench -p authz-server --bench decide`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use authz_server::clock::SystemClock;
use authz_server::decide::{Decider, Parts, Settings};
use authz_server::frontdoor::ext_authz::encode;
use authz_server::identity::Authenticator;
use authz_server::identity::config::{IdentityConfig, SignatureAlgorithm};
use authz_server::identity::mint::{SigningKey, TokenRequest, write_jwks};
use authz_server::request::{BodyState, Enforcer, Http, Peer, Request};
use authz_server::store::DryStore;
use authz_server::telemetry::metrics::Metrics;
use authz_server::upstream_credential::UpstreamCredentials;
use bytes::Bytes;
use divan::Bencher;
use interdict_policy::{Bundle, EvalLimits};
use interdict_proto::enforcement::{EnforcerKind, Verdict};
use serde_json::json;

fn main() {
    divan::main();
}

struct World {
    decider: Decider,
    request: Request,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(tool: &str, argument_bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let jwks = folder.path().join("jwks.json");
        let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
        write_jwks(&[&key], &jwks).unwrap();
        let issuer = "https://issuer.vectors.test";
        let identity: IdentityConfig = serde_json::from_value(json!({
            "issuers": [{ "issuer": issuer, "algorithm": "ES256", "jwks": { "file": jwks } }],
        }))
        .unwrap();
        let asked = TokenRequest {
            issuer,
            subject: "reporter",
            audience: "https://vectors.test/files/mcp",
            lifetime_seconds: 900,
            principal: None,
            typ: None,
        };
        let token = key.mint(&asked, jiff::Timestamp::now()).unwrap();
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let bundle = Bundle::load(&[root.join("policies"), root.join("tests/vectors/bundle")]).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let decider = runtime.block_on(async {
            Decider::new(Parts {
                bundle: Arc::new(ArcSwap::from_pointee(bundle)),
                identity: Arc::new(Authenticator::start(&identity).await.unwrap()),
                upstream: Arc::new(UpstreamCredentials::start(&[]).unwrap()),
                approvals: Arc::new(DryStore::default()),
                clock: Arc::new(SystemClock),
                metrics: Arc::new(Metrics::new()),
                freshness: Default::default(),
                pins: Arc::new(authz_server::content::pins::NoPins),
                totals: authz_server::totals::Totals::dry(),
                recording: None,
                settings: Settings {
                    limits: interdict_mcp::Limits::default(),
                    evaluation: EvalLimits::default(),
                    hold: Duration::ZERO,
                    approval_ttl: Duration::from_secs(1_800),
                    page_url: None,
                    request_state_key: [7; 32],
                },
            })
            .unwrap()
        });
        let text: String = "quick brown fox ".chars().cycle().take(argument_bytes).collect();
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": { "path": "report.txt", "content": text } },
        });
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
            ("user-agent", "bench/1".to_owned()),
            ("mcp-protocol-version", "2025-11-25".to_owned()),
            ("authorization", format!("Bearer {token}")),
        ];
        let request = Request {
            enforcer: Enforcer {
                kind: EnforcerKind::Call,
                version: "0.1.0".to_owned(),
                reports_outcomes: false,
                profiles: None,
            },
            id: "0197".to_owned(),
            http: Http {
                method: "POST".to_owned(),
                path: "/files/mcp".to_owned(),
                host: "vectors.test".to_owned(),
                scheme: "https".to_owned(),
                headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
                body: BodyState::Raw(Bytes::from(body.to_string())),
            },
            peer: Peer { address: "127.0.0.1".to_owned(), ..Peer::default() },
            server_hint: None,
            route: None,
            deadline: None,
        };
        Self { decider, request, runtime, _folder: folder }
    }

    /// From the door-neutral request to the message on the wire.
    fn decide(&self, bencher: Bencher<'_, '_>, verdict: Verdict) {
        bencher.with_inputs(|| self.request.clone()).bench_local_values(|request| {
            let answer = self.runtime.block_on(self.decider.decide(request));
            assert_eq!(answer.enforcement().verdict, verdict);
            encode(answer).unwrap()
        });
    }
}

#[divan::bench(args = [1_024, 65_536])]
fn allow(bencher: Bencher<'_, '_>, argument_bytes: usize) {
    World::new("read_file", argument_bytes).decide(bencher, Verdict::Allow);
}

#[divan::bench(args = [1_024])]
fn deny(bencher: Bencher<'_, '_>, argument_bytes: usize) {
    World::new("format_disk", argument_bytes).decide(bencher, Verdict::Deny);
}

#[divan::bench(args = [1_024])]
fn intercept(bencher: Bencher<'_, '_>, argument_bytes: usize) {
    World::new("delete_file", argument_bytes).decide(bencher, Verdict::Intercept);
}
