//! The content stage of a decision, and what it leaves for the end: edits of the body, rules for the response.

use interdict_mcp::Reading;
use interdict_policy::{Bundle, Server};
use interdict_proto::enforcement::{Edit, Obligation, Verdict};

use super::stages::{Call, Judged, head_and_read, note_reading};
use super::{Decider, Overloaded, Stop};
use crate::content::{Answering, Asked, Looked, REDACTION_FAILED, Refused, merged};
use crate::identity::Identity;
use crate::intercept::own_state;
use crate::record::Trace;
use crate::reply::{self, Denial};
use crate::request::Request;

/// Headers that mirror arguments.
const PARAM_PREFIX: &str = "mcp-param-";

fn stop(Refused(code, text): Refused, reading: &Reading<'_>, trace: &Trace) -> Stop {
    let denial = Denial {
        code,
        text,
        decision_id: trace.id(),
        known_agent: trace.evidence.known_agent,
        tool_form: trace.evidence.tool_form,
    };
    Stop { verdict: Verdict::Deny, code: code.to_owned(), reply: reply::denied(reading, &denial) }
}

fn asked<'a>(
    request: &'a Request,
    reading: &'a Reading<'a>,
    server: &'a Server,
    identity: &'a Identity,
    bundle: &'a Bundle,
) -> Asked<'a> {
    let agent = bundle.registry().agent(&identity.agent_id);
    let tenant = agent.map_or(server.tenant.as_str(), |agent| agent.tenant.as_str());
    Asked { request, reading, server: &server.id, tenant, identity, bundle }
}

impl Decider {
    /// Looks into the request, a large one when it is its turn.
    pub(super) async fn look(
        &self,
        request: &Request,
        reading: &Reading<'_>,
        server: &Server,
        identity: &Identity,
        bundle: &Bundle,
        trace: &mut Trace,
    ) -> Result<Looked, Stop> {
        let asked = asked(request, reading, server, identity, bundle);
        if bundle.content().is_silent() {
            return Ok(self.content.look(&asked));
        }
        let (bytes, deadline) = (request.http.body_bytes(), request.deadline);
        let looked = self.turns.run(bytes, deadline, || self.content.look(&asked)).await;
        let Ok(looked) = looked else {
            return Err(stop(Refused(Overloaded::CODE, Overloaded::TEXT), reading, trace));
        };
        self.content.count_request(&looked.noted);
        trace.note_content(&looked.noted);
        if looked.in_target {
            trace.forget_target();
        }
        match looked.refused {
            Some(refused) => Err(stop(refused, reading, trace)),
            None => Ok(looked),
        }
    }

    /// The reading of what goes on, where that differs from what arrived: it must still be the one message that it was,
    /// with its mirrors in the headers.
    pub(super) fn sent<'b>(
        &self,
        request: &Request,
        reading: &Reading<'_>,
        content: &'b Looked,
        server: &Server,
        trace: &Trace,
    ) -> Result<Option<Reading<'b>>, Stop> {
        let Some(sent) = &content.sent else { return Ok(None) };
        let again = head_and_read(request, sent, &self.limits(Some(server)));
        again.map(Some).map_err(|_| stop(REDACTION_FAILED, reading, trace))
    }

    /// The reading of what the rest of the decision sees, where that differs from what arrived.
    pub(super) fn masked<'b>(
        &self,
        request: &Request,
        reading: &Reading<'_>,
        content: &'b Looked,
        server: &Server,
        trace: &mut Trace,
    ) -> Result<Option<Reading<'b>>, Stop> {
        let Some(masked) = &content.masked else { return Ok(None) };
        // The mirrors of masked arguments were held against what arrived.
        let mut bare = request.clone();
        bare.http.headers.retain(|(name, _)| !name.starts_with(PARAM_PREFIX));
        let Ok(again) = head_and_read(&bare, masked, &self.limits(Some(server))) else {
            return Err(stop(REDACTION_FAILED, reading, trace));
        };
        note_reading(&again, trace);
        Ok(Some(again))
    }

    /// The edits of the body that goes on: what is redacted, and members of ours.
    pub(super) fn body_edits(&self, call: &Call<'_>) -> Vec<Edit> {
        let ours = match call.original {
            Reading::Message(message) => own_state::edits(message),
            _ => Vec::new(),
        };
        merged(ours, call.content.edits.clone())
    }

    /// What is to be done with the response.
    pub(super) fn inspection(
        &self,
        call: &Call<'_>,
        judged: &Judged,
        trace: &Trace,
    ) -> Result<Option<Obligation>, Refused> {
        // Whoever may pass has a server.
        let Some(server) = judged.bundle.registry().server(call.server_id) else { return Ok(None) };
        let alone = [judged.decision.obligations.clone()];
        let obligations = if judged.parts.is_empty() { &alone[..] } else { &judged.parts };
        self.content.answer(&Answering {
            asked: asked(call.request, call.reading, server, call.identity, &judged.bundle),
            server,
            kind: judged.kind,
            obligations,
            decision_id: trace.id(),
        })
    }
}
