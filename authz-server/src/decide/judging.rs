//! The stages registry and policy: what is asked of a request is judged by the bundle.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use interdict_mcp::{Message, MessageKind, Reading};
use interdict_policy::{
    ApprovalFact, Arguments, Bundle, EvalLimits, Evaluator, FactsRef, HttpFact, Judgement, McpFact,
    MessageKind as PolicyKind, TotalFact,
};
use jiff::Timestamp;

use super::stages::{Call, Judged};
use super::{Decider, Overloaded, Stop};
use crate::record::Trace;

/// One thing to be judged: a message, or a request without one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'m> {
    OpenStream(interdict_mcp::Era),
    EndSession(interdict_mcp::Era),
    Message(&'m Message<'m>),
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
