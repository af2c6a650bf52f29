//! From a judgement to what the enforcement point is told: approvals, denials, and the headers and edits of a Pass.

use std::time::Instant;

use interdict_mcp::{Batch, Message, Method, Reading};
use interdict_policy::{Decision, DenyForm, PolicyObligation};
use interdict_proto::enforcement::{Obligation, Verdict};

use super::stages::{self, Call, Judged};
use super::totals::NOT_IN_BATCH;
use super::{Decider, Pass, Stop, headers};
use crate::content::Refused;
use crate::intercept::{Judging, Question, Settled};
use crate::record::Trace;
use crate::reply::{self, Denial};
use crate::request::BodyState;

/// Code and text of the reason that decided.
fn first_reason(decision: &Decision) -> (&str, &str) {
    // Never empty by contract of the policy crate; were it, the request is denied all the same.
    decision.reasons.first().map_or(("internal.no_reason", "The decision gave no reason."), |reason| {
        (reason.code.as_str(), reason.message.as_str())
    })
}

/// Whether an element of a batch would be counted, and without the others.
fn is_counted(judged: &Judged) -> bool {
    !judged.consumes.is_empty()
}

/// What a denied agent of the registry is told.
fn denial<'a>(
    code: &'a str,
    text: &'a str,
    judged: &Judged,
    call: &Call<'_>,
    trace: &'a Trace,
) -> Denial<'a> {
    let server = judged.bundle.registry().server(call.server_id);
    Denial {
        code,
        text,
        decision_id: trace.id(),
        known_agent: code != "registry.unknown_agent",
        tool_form: server.map_or(DenyForm::RpcError, |server| server.deny_form),
    }
}

pub(super) fn deny(code: &str, text: &str, judged: &Judged, call: &Call<'_>, trace: &Trace) -> Stop {
    let reply = reply::denied(call.reading, &denial(code, text, judged, call, trace));
    Stop { verdict: Verdict::Deny, code: code.to_owned(), reply }
}

impl Decider {
    /// A bundle that is too old does not decide about calls with consequences: whoever keeps new rules from us must not
    /// keep the old ones in force. A Deny stays the Deny that it is.
    pub(super) fn fresh(&self, call: &Call<'_>, judged: Judged, trace: &Trace) -> Result<Judged, Stop> {
        let stale = judged.decision.verdict != Verdict::Deny
            && trace.evidence.consequential
            && self.parts.freshness.is_stale(self.parts.clock.now());
        if !stale {
            return Ok(judged);
        }
        let text = "The policy in force is too old for this call. Try again when it has been renewed.";
        Err(deny("bundle.stale", text, &judged, call, trace))
    }

    // === stage: approval ===

    /// Lets an Allow through, refuses a Deny, and asks a person about an Intercept.
    pub(super) async fn approve(
        &self,
        call: &Call<'_>,
        judged: Judged,
        trace: &mut Trace,
    ) -> Result<Judged, Stop> {
        let judged = self.asks_when_stale(call, judged);
        match (judged.decision.verdict, call.reading) {
            (Verdict::Allow, _) => Ok(judged),
            (Verdict::Intercept, Reading::Message(message)) if reply::can_wait(message) => {
                self.ask(call, message, judged, trace).await
            }
            (Verdict::Intercept, _) => {
                let text = "This needs an approval, and nobody can be asked about this kind of message.";
                Err(deny("approval.not_possible", text, &judged, call, trace))
            }
            (Verdict::Deny, _) => {
                let (code, text) = first_reason(&judged.decision);
                Err(deny(code, text, &judged, call, trace))
            }
        }
    }

    async fn ask(
        &self,
        call: &Call<'_>,
        message: &Message<'_>,
        judged: Judged,
        trace: &mut Trace,
    ) -> Result<Judged, Stop> {
        let started = Instant::now();
        let question = Question { call, message };
        let judge = |approval| -> Judging<'_> { Box::pin(self.judge_now(call, message, approval)) };
        let settled =
            self.approvals.settle(&question, judged.clone(), judge, &mut trace.event.approval).await;
        trace.event.stages.approval = started.elapsed();
        match settled {
            Settled::Approved(now) => {
                trace.note_judged([&now]);
                trace.note_reasons(&now.decision.reasons);
                trace.event.bundle = Some(now.bundle.digest().to_owned());
                Ok(now)
            }
            Settled::Refused(code, text) => Err(deny(code, text, &judged, call, trace)),
            Settled::Denied(now) => {
                trace.note_judged([&now]);
                trace.note_reasons(&now.decision.reasons);
                let (code, text) = first_reason(&now.decision);
                Err(deny(code, text, &now, call, trace))
            }
            Settled::Waiting(waiting) => {
                let (code, text) = first_reason(&judged.decision);
                let declared = self.capabilities.url_elicitation(&call.identity.agent_id, call.server_id);
                let reply =
                    self.approvals.reply(&question, &judged, &waiting, declared, (code, text), trace.id());
                Err(Stop { verdict: Verdict::Intercept, code: code.to_owned(), reply })
            }
        }
    }

    /// All or nothing: an element that would have been allowed alone is refused with the others, and every element
    /// that waits for an answer gets one of its own.
    pub(super) fn judge_batch(
        &self,
        call: &Call<'_>,
        batch: &Batch<'_>,
        all: Vec<Judged>,
        trace: &mut Trace,
    ) -> Result<Judged, Stop> {
        let verdict_of = |judged: &Judged| match is_counted(judged) {
            true => Verdict::Deny,
            false => judged.decision.verdict,
        };
        let worst = all.iter().map(verdict_of).max();
        // What was judged stays beside a refusal that no policy spoke.
        trace.note_judged(&all);
        let counted =
            all.iter().any(is_counted).then(|| stages::deny(NOT_IN_BATCH.0, NOT_IN_BATCH.1).reasons);
        let judged = all.iter().flat_map(|judged| judged.decision.reasons.clone());
        let reasons: Vec<_> = judged.chain(counted.unwrap_or_default()).collect();
        trace.note_reasons(&reasons);
        trace.event.bundle = all.first().map(|judged| judged.bundle.digest().to_owned());
        if worst == Some(Verdict::Allow) {
            let parts = all.iter().map(|judged| judged.decision.obligations.clone()).collect();
            let mut all = all.into_iter();
            let Some(mut combined) = all.next() else { return Err(empty_batch(trace)) };
            combined.decision.obligations.extend(all.flat_map(|judged| judged.decision.obligations));
            combined.parts = parts;
            return Ok(combined);
        }
        let told = |judged: &Judged| -> (String, String) {
            match verdict_of(judged) {
                Verdict::Deny if is_counted(judged) => (NOT_IN_BATCH.0.to_owned(), NOT_IN_BATCH.1.to_owned()),
                Verdict::Deny => {
                    let (code, text) = first_reason(&judged.decision);
                    (code.to_owned(), text.to_owned())
                }
                Verdict::Intercept => (
                    "approval.not_in_batch".to_owned(),
                    "This needs an approval; send it alone, not in a batch.".to_owned(),
                ),
                Verdict::Allow => (
                    "policy.batch_refused".to_owned(),
                    "Another message of the batch is refused, and a batch runs whole or not at all."
                        .to_owned(),
                ),
            }
        };
        let replies = batch.messages().iter().zip(&all).map(|(message, judged)| {
            let (code, text) = told(judged);
            reply::denied_message(message, &denial(&code, &text, judged, call, trace))
        });
        let reply = interdict_mcp::reply::batch(replies.collect());
        let decisive = all.iter().max_by_key(|judged| verdict_of(judged));
        let Some((code, _)) = decisive.map(told) else { return Err(empty_batch(trace)) };
        Err(Stop { verdict: Verdict::Deny, code, reply })
    }

    // === stage: obligations ===

    /// What happens to a request that goes on.
    pub(super) fn pass(&self, call: &Call<'_>, judged: &Judged, trace: &Trace) -> Result<Pass, Stop> {
        let refuse = |code: &str, text: &str, trace: &Trace| deny(code, text, judged, call, trace);
        let (reason, _) = first_reason(&judged.decision);
        let mut pass = Pass { reason: reason.to_owned(), ..Pass::default() };

        for obligation in &judged.decision.obligations {
            // What is about the answer is `inspection`'s.
            let PolicyObligation::SetRequestHeader { name, value } = obligation else { continue };
            match pass.set_headers.iter().find(|(set, _)| set == name) {
                Some((_, set)) if set != value => {
                    let text = "Two rules set one header to different values.";
                    return Err(refuse("policy.conflicting_obligation", text, trace));
                }
                Some(_) => {}
                None => pass.set_headers.push((name.clone(), value.clone())),
            }
        }

        // The agent's credential was for us. What goes upstream is ours or nothing.
        match self.parts.upstream.header_for(call.server_id) {
            Ok(Some((name, value))) => {
                let Ok(value) = value.to_str() else {
                    let text = "The credential for the server is not a header value.";
                    return Err(refuse("internal.upstream_credential_unavailable", text, trace));
                };
                pass.set_headers.push((name.as_str().to_owned(), value.to_owned()));
            }
            Ok(None) => {}
            Err(error) => {
                return Err(refuse(error.code(), "The credential for the server cannot be used.", trace));
            }
        }
        pass.remove_headers = headers::to_remove(call.reading, &call.request.http.headers, &pass.set_headers);

        let edits = self.body_edits(call);
        if !edits.is_empty() {
            if !judged.kind.can_edit_body() {
                let text = "The enforcement point cannot edit the body, and this one has to be edited.";
                return Err(refuse("enforcer.cannot_edit_body", text, trace));
            }
            // The reader was given this very body, so there is one.
            let BodyState::Raw(body) = &call.request.http.body else {
                return Err(refuse("enforcer.body_missing", "The body to be edited is not here.", trace));
            };
            let length_before = body.len();
            pass.obligations.push(Obligation::ReplaceRequestBody { length_before, edits });
        }
        match self.inspection(call, judged, trace) {
            Ok(inspection) => pass.obligations.extend(inspection),
            Err(Refused(code, text)) => return Err(refuse(code, text, trace)),
        }
        Ok(pass)
    }

    /// What is remembered of a request that goes on.
    pub(super) fn goes_on(&self, call: &Call<'_>) {
        self.content.goes_on(call.content);
        if let Reading::Message(message) = call.reading
            && message.method() == Some(Method::Initialize)
        {
            let declared = message.declares_url_elicitation();
            self.capabilities.note(&call.identity.agent_id, call.server_id, declared);
        }
    }
}

/// The reader refuses empty batches; this is only here because a type cannot say so.
fn empty_batch(trace: &Trace) -> Stop {
    let denial = Denial {
        code: "internal.empty_batch",
        text: "The batch is empty.",
        decision_id: trace.id(),
        known_agent: false,
        tool_form: DenyForm::RpcError,
    };
    let reply = reply::unreadable(400, interdict_mcp::reply::code::INVALID_REQUEST, &denial);
    Stop { verdict: Verdict::Deny, code: denial.code.to_owned(), reply }
}
