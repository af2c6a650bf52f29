//! The stages of a decision, in the order in which they run.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use interdict_mcp::reply::{Reply, code};
use interdict_mcp::{Head, Limits, Message, MessageKind, Numbers, Reading, read};
use interdict_policy::{
    ApprovalFact, Arguments, Bundle, Consume, ContentFact, Decision, DenyForm, EvalLimits, Evaluator,
    FactsRef, HttpFact, Judgement, McpFact, MessageKind as PolicyKind, PolicyObligation, Reason, ReasonKind,
    Registry, Server, TotalFact,
};
use interdict_proto::enforcement::{EnforcerKind, Verdict};
use jiff::Timestamp;

use super::{Decider, Overloaded, Stop};
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
    fn content_of(&self, message: &Message<'_>) -> Option<&ContentFact> {
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

// === stages: registry and policy ===

/// One thing to be judged: a message, or a request without one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'m> {
    OpenStream(interdict_mcp::Era),
    EndSession(interdict_mcp::Era),
    Message(&'m Message<'m>),
}

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

impl Decider {
    /// Judges everything in the request, a large one when it is its turn.
    pub(super) async fn judge_in_turn(
        &self,
        call: &Call<'_>,
        bundle: &Arc<Bundle>,
        trace: &mut Trace,
    ) -> Result<Judged, Stop> {
        let (bytes, deadline) = (call.request.http.body_bytes(), call.request.deadline);
        let overloaded = |_: Overloaded| Judged::unjudged(Overloaded::CODE, Overloaded::TEXT, call, bundle);
        let judged = self.turns.run(bytes, deadline, || self.judge_all(call, bundle, trace)).await;
        let judged = match judged {
            Ok(judged) => judged?,
            Err(error) => return Ok(overloaded(error)),
        };
        if judged.consumes.is_empty() {
            return Ok(judged);
        }
        let judged = self.with_totals(call, judged).await.unwrap_or_else(overloaded);
        trace.note_judged([&judged]);
        trace.note_reasons(&judged.decision.reasons);
        Ok(judged)
    }

    /// Judges everything in the request; the strongest verdict holds. A batch is all or nothing, and nobody can be
    /// asked about a part of one.
    fn judge_all(&self, call: &Call<'_>, bundle: &Arc<Bundle>, trace: &mut Trace) -> Result<Judged, Stop> {
        let started = Instant::now();
        let judged = match call.reading {
            Reading::OpenStream { era } => {
                self.judge(call, Subject::OpenStream(*era), bundle, None, Vec::new())
            }
            Reading::EndSession { era } => {
                self.judge(call, Subject::EndSession(*era), bundle, None, Vec::new())
            }
            Reading::Message(message) => {
                self.judge(call, Subject::Message(message), bundle, None, Vec::new())
            }
            Reading::Batch(batch) => {
                // One time budget for all elements. The last one that begins may use its own limit, so a batch takes
                // less than twice the limit in all.
                let budget = self.parts.settings.evaluation.time;
                let judge = |message| match started.elapsed() < budget {
                    true => self.judge(call, Subject::Message(message), bundle, None, Vec::new()),
                    false => {
                        let text = "The batch took longer than the limit of a request.";
                        Judged::unjudged("policy.time_limit", text, call, bundle)
                    }
                };
                let all: Vec<_> = batch.messages().iter().map(judge).collect();
                trace.event.stages.policy = started.elapsed();
                return self.judge_batch(call, batch, all, trace);
            }
        };
        trace.event.stages.policy = started.elapsed();
        trace.note_judged([&judged]);
        trace.note_reasons(&judged.decision.reasons);
        trace.event.bundle = Some(bundle.digest().to_owned());
        Ok(judged)
    }

    /// Registry and policy for one subject. Evaluated again when a held call goes on, with the bundle of that moment.
    pub(crate) fn judge(
        &self,
        call: &Call<'_>,
        subject: Subject<'_>,
        bundle: &Arc<Bundle>,
        approval: Option<ApprovalFact>,
        totals: Vec<TotalFact>,
    ) -> Judged {
        let now = self.parts.clock.now();
        let limits = self.parts.settings.evaluation;
        let (decision, kind, facts, consumes) =
            with_facts(call, subject, now, (approval.as_ref(), &totals), |facts| {
                let Judgement { decision, enforcer, consumes } =
                    with_evaluator(bundle, limits, |evaluator| evaluator.judge(facts));
                // Only a record needs them in writing.
                let facts = self.parts.recording.as_ref().map(|_| facts.to_json().into()).unwrap_or_default();
                (decision, enforcer, facts, consumes)
            });
        let (bundle, parts) = (Arc::clone(bundle), Vec::new());
        Judged { decision, bundle, kind, facts, parts, approval, totals, consumes }
    }
}

/// Gathers the facts; the pieces that have to be decoded first live as long as the call.
fn with_facts<T>(
    call: &Call<'_>,
    subject: Subject<'_>,
    now: Timestamp,
    (approval, totals): (Option<&ApprovalFact>, &[TotalFact]),
    run: impl FnOnce(&FactsRef<'_>) -> T,
) -> T {
    let message = match subject {
        Subject::Message(message) => Some(message),
        Subject::OpenStream(_) | Subject::EndSession(_) => None,
    };
    let tool = message.and_then(Message::tool);
    let name = message.and_then(Message::prompt_name);
    let uri = message.and_then(Message::uri);
    let uris = message.map(Message::uris).unwrap_or_default();
    let task_ids = message.map(Message::task_ids).unwrap_or_default();
    let (era, kind) = era_and_kind(subject);
    let (http, enforcer, identity) = (&call.request.http, &call.request.enforcer, call.identity);
    run(&FactsRef {
        time: now.into(),
        enforcer: enforcer.kind,
        enforcer_version: &enforcer.version,
        agent_id: &identity.agent_id,
        assurance: identity.assurance,
        instance: identity.instance.as_deref(),
        principal: identity.principal.as_ref(),
        identity_expires: identity.expires_at.map(Into::into),
        server_id: call.server_id,
        http: HttpFact {
            method: &http.method,
            path: &http.path,
            host: &http.host,
            source_address: &call.request.peer.address,
        },
        mcp: McpFact {
            era: era.label(),
            kind,
            method: message.and_then(Message::method_name),
            tool: tool.as_deref(),
            name: name.as_deref(),
            uri: uri.as_deref(),
            uris: &uris,
            task_ids: &task_ids,
            arguments: message.and_then(Message::arguments).map(Arguments::Body),
        },
        approval,
        content: message.and_then(|message| call.content_of(message)),
        totals,
    })
}

fn era_and_kind(subject: Subject<'_>) -> (interdict_mcp::Era, PolicyKind) {
    match subject {
        Subject::OpenStream(era) => (era, PolicyKind::OpenStream),
        Subject::EndSession(era) => (era, PolicyKind::EndSession),
        Subject::Message(message) => (
            message.era(),
            match message.kind() {
                MessageKind::Request => PolicyKind::Request,
                MessageKind::Notification => PolicyKind::Notification,
                MessageKind::Response => PolicyKind::Response,
            },
        ),
    }
}

thread_local! {
    /// This worker's evaluator, and the bundle that it was made from. Holding the bundle keeps its address from being
    /// used for another one.
    static EVALUATOR: RefCell<Option<(Arc<Bundle>, EvalLimits, Evaluator)>> = const { RefCell::new(None) };
}

/// Works inline, on this thread. The evaluator is out of its slot while it runs, so one that panicked is not used
/// again.
fn with_evaluator<T>(bundle: &Arc<Bundle>, limits: EvalLimits, work: impl FnOnce(&mut Evaluator) -> T) -> T {
    let kept = EVALUATOR.with(|slot| slot.try_borrow_mut().ok().and_then(|mut slot| slot.take()));
    let mut evaluator = match kept {
        Some((of, with, evaluator)) if Arc::ptr_eq(&of, bundle) && with == limits => evaluator,
        _ => bundle.evaluator(limits),
    };
    let result = work(&mut evaluator);
    EVALUATOR.with(|slot| {
        if let Ok(mut slot) = slot.try_borrow_mut() {
            *slot = Some((Arc::clone(bundle), limits, evaluator));
        }
    });
    result
}
