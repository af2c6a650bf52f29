//! A decision point per vector, without sockets.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use authz_server::clock::{Clock, FixedClock, SystemClock};
use authz_server::content::pins::{NoPins, Pins};
use authz_server::decide::{Decider, Parts, Settings};
use authz_server::frontdoor::ext_authz::{decode, encode};
use authz_server::identity::Authenticator;
use authz_server::identity::config::{IdentityConfig, SignatureAlgorithm};
use authz_server::identity::mint::{SigningKey, write_jwks};
use authz_server::record::Recording;
use authz_server::request::{BodyState, Enforcer, Http, Peer, Request as Asked};
use authz_server::store::{ApprovalStore, HumanAnswer, SqliteStore};
use authz_server::telemetry::metrics::Metrics;
use authz_server::totals::Totals;
use authz_server::upstream_credential::UpstreamCredentials;
use base64::Engine as _;
use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{CheckRequest, HeaderValue};
use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request as WireRequest};
use interdict_policy::{Bundle, EvalLimits};
use interdict_proto::enforcement::{EnforcerKind, keys};
use serde_json::{Map, Value, json};

use crate::format::{Request, folder};
use crate::outcome::{Outcome, answer_of};

const ISSUER: &str = "https://issuer.vectors.test";
const KEY: &str = "issuer.pem";
const MODERN: &str = "2026-07-28";

/// What all vectors share.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    bundle: Arc<Bundle>,
    key: SigningKey,
    /// Limits of an evaluation, for the decision points that begin from now on.
    pub(crate) evaluation: EvalLimits,
    /// Where they record.
    pub(crate) recording: Option<Arc<Recording>>,
    /// Approved definitions.
    pub(crate) pins: Arc<dyn Pins>,
}

/// How a request gets to the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Not through a door at all.
    Decision,
    /// As our filter and a well configured Envoy send it: raw headers and body.
    ExtAuthz,
    /// As an Envoy without `encode_raw_headers` and `pack_as_bytes` sends it.
    ExtAuthzPlain,
}

/// One vector being run.
pub(crate) struct Run<'s> {
    stage: &'s Stage,
    kind: EnforcerKind,
    pub decider: Arc<Decider>,
    pub store: Arc<dyn ApprovalStore>,
    pub clock: Arc<dyn Clock>,
    pub bundle: Arc<ArcSwap<Bundle>>,
    pub metrics: Arc<Metrics>,
    last_reply: Value,
    /// The body of every step so far.
    pub bodies: Vec<Vec<u8>>,
}

/// The bundle of the vectors, with more roots.
pub(crate) fn load(more: &[PathBuf]) -> Bundle {
    let mut roots = vec![folder().join("../../policies"), folder().join("bundle")];
    roots.extend_from_slice(more);
    Bundle::load(&roots).unwrap_or_else(|error| panic!("{error}"))
}

impl Stage {
    pub(crate) fn set_up() -> Self {
        crate::log::begin();
        let folder_of_run = tempfile::tempdir().unwrap();
        let bundle = Arc::new(load(&[]));
        let key =
            SigningKey::load_or_generate(SignatureAlgorithm::EdDsa, &folder_of_run.path().join(KEY)).unwrap();
        write_jwks(&[&key], &folder_of_run.path().join("jwks.json")).unwrap();
        // A debug build on a busy machine; the limit itself is tested in the policy crate.
        let evaluation = EvalLimits { time: Duration::from_secs(60), memory_bytes: 4 << 30 };
        Self { folder: folder_of_run, bundle, key, evaluation, recording: None, pins: Arc::new(NoPins) }
    }

    pub(crate) async fn begin(&self, mode: &str, time: Option<jiff::Timestamp>) -> Run<'_> {
        let clock: Arc<dyn Clock> = match time {
            Some(at) => Arc::new(FixedClock::new(at)),
            None => Arc::new(SystemClock),
        };
        self.begin_with(mode, clock, Duration::ZERO, None).await
    }

    /// With a clock, a hold and a store of the test's own; no store is SQLite in a file of its own.
    pub(crate) async fn begin_with(
        &self,
        mode: &str,
        clock: Arc<dyn Clock>,
        hold: Duration,
        store: Option<Arc<dyn ApprovalStore>>,
    ) -> Run<'_> {
        let identity: IdentityConfig = serde_json::from_value(json!({
            "issuers": [{
                "issuer": ISSUER,
                "algorithm": "EdDSA",
                "jwks": { "file": self.folder.path().join("jwks.json") },
            }],
            "authorization_servers": ["https://login.vectors.test"],
        }))
        .unwrap();
        let database = self.folder.path().join(format!("{}.db", uuid::Uuid::now_v7()));
        let store = store.unwrap_or_else(|| {
            Arc::new(SqliteStore::open(&database, 100, Arc::clone(&clock), Box::new(())).unwrap())
        });
        let bundle = Arc::new(ArcSwap::from(Arc::clone(&self.bundle)));
        let metrics = Arc::new(Metrics::new());
        let parts = Parts {
            bundle: Arc::clone(&bundle),
            identity: Arc::new(Authenticator::start(&identity).await.unwrap()),
            upstream: Arc::new(UpstreamCredentials::start(&[]).unwrap()),
            approvals: Arc::clone(&store),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            freshness: Default::default(),
            pins: Arc::clone(&self.pins),
            totals: Totals::open(&database.with_extension("totals"), &[7; 32], Arc::clone(&clock)).unwrap(),
            recording: self.recording.clone(),
            settings: Settings {
                limits: interdict_mcp::Limits::default(),
                evaluation: self.evaluation,
                hold,
                approval_ttl: Duration::from_secs(1_800),
                page_url: Some("https://approvals.vectors.test/{id}".to_owned()),
                request_state_key: [7; 32],
            },
        };
        let kind = EnforcerKind::from_name(mode).unwrap();
        let decider = Arc::new(Decider::new(parts).unwrap());
        let (last_reply, bodies) = (Value::Null, Vec::new());
        Run { stage: self, kind, decider, store, clock, bundle, metrics, last_reply, bodies }
    }

    fn token(&self, agent: &str, path: &str, changed: &Map<String, Value>, now: i64) -> String {
        let mut claims = json!({
            "iss": ISSUER, "sub": agent, "aud": format!("https://vectors.test{path}"), "iat": now, "exp": now + 600,
        });
        let members = claims.as_object_mut().unwrap();
        for (name, value) in changed {
            let value = match (name.as_str(), value.as_i64()) {
                ("exp" | "nbf" | "iat", Some(from_now)) => (now + from_now).into(),
                _ => value.clone(),
            };
            if value.is_null() {
                members.remove(name)
            } else {
                members.insert(name.clone(), value)
            };
        }
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
        header.kid = Some(self.key.kid().to_owned());
        let pem = std::fs::read(self.folder.path().join(KEY)).unwrap();
        let key = jsonwebtoken::EncodingKey::from_ed_pem(&pem).unwrap();
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }
}

impl Run<'_> {
    /// A person answers what was asked last.
    pub(crate) async fn answer(&self, answer: &str) {
        let newest = self.store.list(Default::default(), self.clock.now()).await.unwrap();
        let id = &newest.first().expect("nobody was asked").id;
        let answer = match answer {
            "approve" => HumanAnswer::Approve,
            "deny" => HumanAnswer::Deny,
            other => panic!("an answer is approve or deny, not {other}"),
        };
        self.store.decide(id, answer, "vera", None, self.clock.now()).await.unwrap();
    }

    /// The HTTP request of a step.
    pub(crate) fn http(&mut self, step: &Request) -> Asked {
        let era = step.era.as_deref().unwrap_or("2025-11-25");
        let path = step.path.clone().unwrap_or_else(|| "/files/mcp".to_owned());
        let agent = step.agent.as_deref().unwrap_or("reporter");
        let message = step.message.clone().map(|message| self.message(step, message, era));
        let body = match (&message, &step.body, &step.body_base64) {
            (Some(message), None, None) => serde_json::to_vec(message).unwrap(),
            (None, Some(text), None) => text.clone().into_bytes(),
            (None, None, Some(text)) => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
            (None, None, None) => Vec::new(),
            _ => panic!("a request has one of message, body and body_base64"),
        };
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("accept".to_owned(), "application/json, text/event-stream".to_owned()),
            ("mcp-protocol-version".to_owned(), era.to_owned()),
        ];
        if agent != "none" {
            let token = self.stage.token(agent, &path, &step.token, self.clock.now().as_second());
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        if let (MODERN, Some(message)) = (era, &message) {
            headers.push(("mcp-method".to_owned(), message["method"].as_str().unwrap().to_owned()));
            let named = message["params"].get("name").or_else(|| message["params"].get("uri"));
            headers.extend(named.map(|name| ("mcp-name".to_owned(), name.as_str().unwrap().to_owned())));
        }
        headers.retain(|(name, _)| !step.headers.contains_key(name));
        for (name, value) in &step.headers {
            match value {
                Value::Null => {}
                Value::Array(values) => {
                    headers.extend(
                        values.iter().map(|value| (name.clone(), value.as_str().unwrap().to_owned())),
                    );
                }
                value => headers.push((name.clone(), value.as_str().unwrap().to_owned())),
            }
        }
        self.bodies.push(body.clone());
        let state = match step.body_state.as_deref() {
            None => BodyState::Raw(Bytes::from(body)),
            Some("partial") => BodyState::Partial,
            Some("missing") => BodyState::Missing,
            Some(other) => panic!("no body state {other}"),
        };
        Asked {
            enforcer: Enforcer {
                kind: self.kind,
                version: "test".to_owned(),
                reports_outcomes: false,
                profiles: None,
            },
            id: "request-1".to_owned(),
            http: Http {
                method: step.method.clone().unwrap_or_else(|| "POST".to_owned()),
                path,
                host: step.host.clone().unwrap_or_else(|| "vectors.test".to_owned()),
                scheme: "http".to_owned(),
                headers: headers.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect(),
                body: state,
            },
            peer: Peer { address: "127.0.0.1".to_owned(), ..Peer::default() },
            server_hint: None,
            route: None,
            deadline: None,
        }
    }

    fn message(&self, step: &Request, mut message: Map<String, Value>, era: &str) -> Value {
        message.insert("jsonrpc".to_owned(), "2.0".into());
        if era == MODERN {
            let params = message.entry("params").or_insert_with(|| json!({})).as_object_mut().unwrap();
            params.insert(
                "_meta".to_owned(),
                json!({
                    "io.modelcontextprotocol/protocolVersion": MODERN,
                    "io.modelcontextprotocol/clientInfo": { "name": "vectors", "version": "1" },
                    "io.modelcontextprotocol/clientCapabilities":
                        step.capabilities.clone().unwrap_or_else(|| json!({})),
                }),
            );
        }
        if let Some(carried) = &step.carry {
            let params = message.entry("params").or_insert_with(|| json!({})).as_object_mut().unwrap();
            let state =
                self.last_reply.pointer("/result/requestState").expect("the last answer had no state");
            params.insert("requestState".to_owned(), state.clone());
            params.extend(carried.clone());
        }
        Value::Object(message)
    }

    /// Sends a request through a door.
    pub(crate) async fn send(&mut self, request: Asked, door: Door) -> Outcome {
        let sent = self.bodies.last().unwrap().clone();
        let answer = match door {
            Door::Decision => self.decider.decide(request).await,
            Door::ExtAuthz | Door::ExtAuthzPlain => {
                let decoded = decode(check(&request, &sent, door), None);
                let answer = match decoded {
                    Ok(request) => self.decider.decide(request).await,
                    Err(undecodable) => self.decider.refuse(&undecodable).await,
                };
                answer_of(encode(answer).unwrap())
            }
        };
        let outcome = Outcome::of(answer, &sent);
        self.last_reply = outcome.reply.clone();
        outcome
    }
}

/// The CheckRequest that an enforcement point would send.
fn check(request: &Asked, body: &[u8], door: Door) -> CheckRequest {
    let mut headers = request.http.headers.clone();
    let body = match request.http.body {
        BodyState::Raw(_) => {
            headers.push(("x-envoy-auth-partial-body".to_owned(), Bytes::from_static(b"false")));
            body
        }
        BodyState::Partial => {
            headers.push(("x-envoy-auth-partial-body".to_owned(), Bytes::from_static(b"true")));
            &body[..body.len() / 2]
        }
        BodyState::Missing => {
            headers.push(("content-length".to_owned(), Bytes::from(body.len().to_string())));
            &[]
        }
    };
    let mut http = HttpRequest {
        id: request.id.clone(),
        method: request.http.method.clone(),
        path: request.http.path.clone(),
        host: request.http.host.clone(),
        scheme: request.http.scheme.clone(),
        size: -1,
        ..HttpRequest::default()
    };
    if door == Door::ExtAuthz {
        let raw = |(name, value): (String, Bytes)| HeaderValue {
            key: name,
            value: String::new(),
            raw_value: value.to_vec(),
        };
        http.header_map = Some(HeaderMap { headers: headers.into_iter().map(raw).collect() });
        http.raw_body = body.to_vec();
    } else {
        http.headers = headers
            .into_iter()
            .map(|(name, value)| (name, String::from_utf8(value.to_vec()).unwrap()))
            .collect();
        http.body = String::from_utf8(body.to_vec()).unwrap();
    }
    let mut attributes = AttributeContext {
        request: Some(WireRequest { http: Some(http), ..WireRequest::default() }),
        ..AttributeContext::default()
    };
    if request.enforcer.kind != EnforcerKind::Native {
        let kind = request.enforcer.kind.as_str().to_owned();
        attributes.context_extensions.insert(keys::ENFORCER.to_owned(), kind);
    }
    CheckRequest { attributes: Some(attributes) }
}
