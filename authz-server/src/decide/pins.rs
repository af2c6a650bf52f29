//! The stage that holds tools and prompts against what is approved of them.

use std::time::Instant;

use interdict_audit::record::Stage;
use interdict_mcp::Reading;
use interdict_policy::ToolPinning;
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
            if let Err(refused) = admitted {
                refusal = Some(refused);
                break;
            }
        }
        match refusal {
            Some(refused) => Err(deny(refused.code, &refused.text, &judged, call, trace)),
            None => Ok(judged),
        }
    }
}
