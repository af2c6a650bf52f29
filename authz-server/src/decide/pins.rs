//! The stage that holds tools and prompts against what is approved of them, and what it has a person asked about.

use std::time::Instant;

use interdict_audit::record::Stage;
use interdict_mcp::{Message, Reading};
use interdict_policy::{ApprovalFact, Reason, ReasonKind, ToolPinning};
use interdict_proto::enforcement::Verdict;

use super::pass::deny;
use super::stages::{Call, Judged};
use super::{Decider, Stop};
use crate::pins::REPORT_TAKES;
use crate::record::Trace;

impl Decider {
    /// Refuses calls of what nobody approved, of what is not as it was approved, and with arguments that its approved
    /// schema does not have, as they go on after redaction. A Deny of the policy stays the Deny that it is, and is not told what is pinned.
    pub(super) async fn pinned(
        &self,
        call: &Call<'_>,
        judged: Judged,
        trace: &mut Trace,
    ) -> Result<Judged, Stop> {
        let server = judged.bundle.registry().server(call.server_id);
        let Some(server) = server.filter(|server| {
            server.tool_pinning != ToolPinning::Off && judged.decision.verdict != Verdict::Deny
        }) else {
            return Ok(judged);
        };
        trace.at(Stage::Pins);
        let messages = match call.sent {
            Reading::Message(message) => std::slice::from_ref(message),
            Reading::Batch(batch) => batch.messages(),
            Reading::OpenStream { .. } | Reading::EndSession { .. } => &[],
        };
        // One wait for the whole batch.
        let patience = Instant::now() + REPORT_TAKES;
        let deadline = call.request.deadline.map_or(patience, |deadline| deadline.min(patience));
        let mut refusal = None;
        for message in messages {
            let admitted = self.parts.pins.admit(server, message, Some(deadline)).await;
            // Nobody can be asked about a part of a batch.
            let in_batch = matches!(call.sent, Reading::Batch(_));
            let stale = self.parts.pins.stale(server, message).filter(|_| in_batch);
            if let Some(refused) = admitted.err().or(stale) {
                refusal = Some(refused);
                break;
            }
        }
        match refusal {
            Some(refused) => Err(deny(refused.code, &refused.text, &judged, call, trace)),
            None => Ok(judged),
        }
    }

    /// As [`Decider::stale`], before anybody is asked.
    pub(super) fn asks_when_stale(&self, call: &Call<'_>, judged: Judged) -> Judged {
        match call.reading {
            Reading::Message(message) => self.stale(call, message, judged),
            _ => judged,
        }
    }

    /// An Allow becomes a question where what stands behind an approved tool was replaced, until somebody has approved that
    /// again or answered the question. It is no part of the policy's decision, which is recorded, with its reasons, as it was
    /// made and is replayed.
    pub(super) fn stale(&self, call: &Call<'_>, message: &Message<'_>, mut judged: Judged) -> Judged {
        if judged.decision.verdict == Verdict::Deny {
            return judged;
        }
        let server = judged.bundle.registry().server(call.server_id);
        let Some(stale) = server.and_then(|server| self.parts.pins.stale(server, message)) else {
            return judged;
        };
        let covers = |approval: &ApprovalFact| approval.covers.iter().any(|code| code == stale.code);
        if judged.approval.as_ref().is_some_and(covers) {
            return judged;
        }
        let (kind, code) = (ReasonKind::Intercept, stale.code.to_owned());
        let reason = Reason { kind, code, message: stale.text, topic: String::new() };
        judged.decision.verdict = Verdict::Intercept;
        judged.decision.reasons.insert(0, reason);
        judged
    }
}
