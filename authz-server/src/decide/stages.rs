//! The stages before a request is judged, in the order in which they run, and what all stages share.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use interdict_mcp::reply::{Reply, code};
use interdict_mcp::{Head, Limits, Message, Numbers, Reading, read};
use interdict_policy::{
    ApprovalFact, Bundle, Consume, ContentFact, Decision, DenyForm, MessageKind as PolicyKind,
    PolicyObligation, Reason, ReasonKind, Registry, Server, TotalFact,
};
use interdict_proto::enforcement::{EnforcerKind, Verdict};

use super::{Decider, Stop};
use crate::content::{ContentStage, Looked};
use crate::identity::{Identity, Presented, challenge_header, resource_metadata, well_known_target};
use crate::record::Trace;
use crate::reply::{self, Denial};
use crate::request::{BodyState, Request};

/// What the later stages share.
#[derive(Clone, Copy)]
pub(crate) struct Call<'c> {
    pub(crate) request: &'c Request,
    /// What is judged, asked about and recorded: nothing that content rules keep back is in it.
    pub(crate) reading: &'c Reading<'c>,
    /// What arrived.
    pub(crate) original: &'c Reading<'c>,
    /// What goes on, before members of ours are taken out: the one to be held against schemas.
    pub(crate) sent: &'c Reading<'c>,
    pub(crate) content: &'c Looked,
    pub(crate) stage: &'c ContentStage,
    pub(crate) server_id: &'c str,
    pub(crate) identity: &'c Identity,
}

/// A decision with the bundle that made it.
#[derive(Clone)]
pub(crate) struct Judged {
    pub(crate) decision: Decision,
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) kind: EnforcerKind,
    /// The JSON text of the facts that led to this decision. Empty when nothing was judged: no time, no turn.
    pub(crate) facts: Bytes,
    /// What the messages of a batch were allowed for, one by one; empty for anything else.
    pub(crate) parts: Vec<Vec<PolicyObligation>>,
    /// The approval and the totals that it was judged by.
    pub(crate) approval: Option<ApprovalFact>,
    pub(crate) totals: Vec<TotalFact>,
    /// What is added to totals when it goes on.
    pub(crate) consumes: Vec<Consume>,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("reading", self.reading).field("server_id", &self.server_id).finish()
    }
}

impl Call<'_> {
    /// What the policy is told of the content of a message.
    pub(super) fn content_of(&self, message: &Message<'_>) -> Option<&ContentFact> {
        let place = match self.reading {
            Reading::Batch(batch) => batch.messages().iter().position(|one| std::ptr::eq(one, message))?,
            _ => 0,
        };
        self.content.fact(place)
    }
}

impl std::fmt::Debug for Judged {
    /// Without the facts: they hold the arguments, which must not reach a log by accident.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judged")
            .field("decision", &self.decision)
            .field("bundle", &self.bundle.digest())
            .finish_non_exhaustive()
    }
}

impl Judged {
    /// A Deny without a judgement: there was no time or no room for one.
    pub(super) fn unjudged(code: &str, text: &str, call: &Call<'_>, bundle: &Arc<Bundle>) -> Self {
        Self {
            decision: deny(code, text),
            bundle: Arc::clone(bundle),
            kind: call.request.enforcer.kind,
            facts: Bytes::new(),
            parts: Vec::new(),
            approval: None,
            totals: Vec::new(),
            consumes: Vec::new(),
        }
    }
}

/// A Deny of ours, as a decision.
pub(super) fn deny(code: &str, text: &str) -> Decision {
    Decision {
        verdict: Verdict::Deny,
        reasons: vec![Reason {
            kind: ReasonKind::Error,
            code: code.to_owned(),
            message: text.to_owned(),
            topic: String::new(),
        }],
        obligations: Vec::new(),
    }
}

/// A Deny of a stage before the policy: nobody is known yet, the form is the plain one.
fn stop(code: &str, text: &str, reading: &Reading<'_>, trace: &Trace) -> Stop {
    let denial =
        Denial { code, text, decision_id: trace.id(), known_agent: false, tool_form: DenyForm::RpcError };
    Stop { verdict: Verdict::Deny, code: code.to_owned(), reply: reply::denied(reading, &denial) }
}

// === stage: body ===

/// The body, if the enforcement point sent all of it.
pub(super) fn whole_body<'r>(request: &'r Request, trace: &Trace) -> Result<&'r Bytes, Stop> {
    let (code, text, status) = match &request.http.body {
        BodyState::Raw(bytes) => return Ok(bytes),
        BodyState::Partial => {
            ("enforcer.partial_body", "The request is larger than the enforcement point passes on.", 413)
        }
        BodyState::Missing => {
            ("enforcer.body_missing", "The enforcement point did not pass the request's body on.", 500)
        }
    };
    let denial =
        Denial { code, text, decision_id: trace.id(), known_agent: false, tool_form: DenyForm::RpcError };
    let reply = reply::unreadable(status, code::UNAVAILABLE, &denial);
    Err(Stop { verdict: Verdict::Deny, code: code.to_owned(), reply })
}

// === stage: metadata document ===

impl Decider {
    /// RFC 9728: whoever has no token yet must be able to learn where to get one, so the metadata document of a known
    /// server needs none. It is answered here; nothing goes upstream.
    pub(super) fn metadata_document(
        &self,
        request: &Request,
        bundle: &Bundle,
        trace: &mut Trace,
    ) -> Result<(), Stop> {
        let Some(target) = well_known_target(&request.http.path) else { return Ok(()) };
        let registry = bundle.registry();
        let server = server_at(request, target, registry);
        let (code, reply) = match server {
            _ if request.http.method != "GET" => {
                let mut reply = interdict_mcp::reply::method_not_allowed();
                reply.headers = vec![("allow".to_owned(), "GET".to_owned())];
                ("http.method_not_allowed", reply)
            }
            None => {
                let empty = Reply { status: 404, content_type: None, headers: Vec::new(), body: Vec::new() };
                ("registry.unknown_server", empty)
            }
            Some(server) => {
                trace.event.server = Some(server.id.clone());
                let body = resource_metadata(&server.resource, self.parts.identity.authorization_servers());
                let headers = vec![("cache-control".to_owned(), "max-age=300".to_owned())];
                let reply = Reply { status: 200, content_type: Some("application/json"), headers, body };
                ("identity.resource_metadata", reply)
            }
        };
        Err(Stop { verdict: Verdict::Deny, code: code.to_owned(), reply })
    }
}

// === stage: server ===

/// The server that a request is for.
pub(super) fn server_of<'b>(request: &Request, registry: &'b Registry) -> Option<&'b Server> {
    server_at(request, request.http.path_alone(), registry)
}

/// The server at a path (without query). The hint of the enforcement point's own configuration wins over the host: it
/// knows where its route leads. But a route is often wider than a server (`prefix: /`), and what else listens behind it
/// is not protected by rules about MCP, so the path must be one of the server's in either case.
fn server_at<'b>(request: &Request, path: &str, registry: &'b Registry) -> Option<&'b Server> {
    match &request.server_hint {
        Some(hint) => registry.server(hint).filter(|server| server.paths.iter().any(|own| own == path)),
        None => registry.server_for(&request.http.host, path),
    }
}

/// Refuses a request for a server that is not in the registry. Only after reading, so that the answer has the
/// request's id.
pub(super) fn known<'b>(
    server: Option<&'b Server>,
    reading: &Reading<'_>,
    trace: &mut Trace,
) -> Result<&'b Server, Stop> {
    let Some(server) = server else {
        return Err(stop("registry.unknown_server", "There is no such server here.", reading, trace));
    };
    trace.event.server = Some(server.id.clone());
    Ok(server)
}

// === stage: read ===

pub(super) fn head_and_read<'b>(
    request: &Request,
    body: &'b [u8],
    limits: &Limits,
) -> Result<Reading<'b>, interdict_mcp::Refusal> {
    let headers: Vec<(&str, &[u8])> =
        request.http.headers.iter().map(|(name, value)| (name.as_str(), value.as_ref())).collect();
    let head = Head { method: &request.http.method, path: &request.http.path, headers: &headers };
    read(&head, body, limits)
}

impl Decider {
    /// Limits of messages for a server.
    pub(super) fn limits(&self, server: Option<&Server>) -> Limits {
        let numbers = match server.map(|server| server.numbers) {
            Some(interdict_policy::Numbers::Exact) => Numbers::Exact,
            Some(interdict_policy::Numbers::IJson) | None => Numbers::IJson,
        };
        Limits { numbers, ..self.parts.settings.limits }
    }

    /// The one reading of the request, or the refusal in the form of its revision.
    pub(super) fn read<'b>(
        &self,
        request: &Request,
        body: &'b Bytes,
        server: Option<&Server>,
        trace: &mut Trace,
    ) -> Result<Reading<'b>, Stop> {
        let started = Instant::now();
        let limits = self.limits(server);
        let reading = head_and_read(request, body, &limits);
        trace.event.stages.read = started.elapsed();
        match reading {
            Ok(reading) => {
                note_reading(&reading, trace);
                Ok(reading)
            }
            Err(refusal) => {
                trace.event.server = server.map(|server| server.id.clone());
                let reply = refusal.reply(trace.id());
                Err(Stop { verdict: Verdict::Deny, code: refusal.code.to_owned(), reply })
            }
        }
    }

    /// The answer to a request about which nothing is certain any more, in the form of `answer` if it can be read.
    pub(super) fn reply_blind(
        &self,
        request: &Request,
        denial: &Denial<'_>,
        answer: fn(&Reading<'_>, &Denial<'_>) -> Reply,
    ) -> Reply {
        let body = match &request.http.body {
            BodyState::Raw(bytes) => bytes.as_ref(),
            BodyState::Missing | BodyState::Partial => &[],
        };
        match head_and_read(request, body, &self.parts.settings.limits) {
            Ok(reading) => answer(&reading, denial),
            Err(_) => reply::unreadable(500, code::UNAVAILABLE, denial),
        }
    }
}

pub(super) fn note_reading(reading: &Reading<'_>, trace: &mut Trace) {
    let (era, method) = match reading {
        Reading::OpenStream { era } => (Some(*era), Some(PolicyKind::OpenStream.label())),
        Reading::EndSession { era } => (Some(*era), Some(PolicyKind::EndSession.label())),
        Reading::Message(message) => {
            trace.event.tool = message.tool().map(std::borrow::Cow::into_owned);
            (Some(message.era()), message.method_name().or(Some(PolicyKind::Response.label())))
        }
        Reading::Batch(batch) => (batch.messages().first().map(Message::era), Some("batch")),
    };
    trace.event.era = era.map(interdict_mcp::Era::label);
    trace.event.method = method;
    trace.note_reading(reading);
}

// === stage: identity ===

impl Decider {
    /// The agent behind the request. The last await of a call that is not intercepted.
    pub(super) async fn identify(
        &self,
        request: &Request,
        reading: &Reading<'_>,
        server: &Server,
        bundle: &Bundle,
        trace: &mut Trace,
    ) -> Result<Identity, Stop> {
        let started = Instant::now();
        let presented = Presented {
            headers: &request.http.headers,
            principal: request.peer.principal.as_deref(),
            certificate: request.peer.certificate.as_deref(),
        };
        let now = self.parts.clock.now();
        let identity =
            self.parts.identity.authenticate(&presented, &server.resource, bundle.registry(), now).await;
        trace.event.stages.identity = started.elapsed();
        match identity {
            Ok(identity) => {
                trace.event.agent = Some(identity.agent_id.clone());
                trace.event.principal = identity.principal.as_ref().map(|principal| principal.id.clone());
                trace.note_identity(&identity, bundle.registry());
                Ok(identity)
            }
            Err(error) if error.is_challenge() => {
                let denial = Denial {
                    code: error.code(),
                    text: "A valid access token for this server is needed.",
                    decision_id: trace.id(),
                    known_agent: false,
                    tool_form: DenyForm::RpcError,
                };
                let challenge = challenge_header(&server.resource, &error);
                let reply = reply::unauthenticated(reading, challenge, &denial);
                Err(Stop { verdict: Verdict::Deny, code: error.code().to_owned(), reply })
            }
            Err(error) => Err(stop(error.code(), "The caller's identity was refused.", reading, trace)),
        }
    }
}
