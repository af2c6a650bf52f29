//! The end of a decision: its record first, then its answer.

use interdict_mcp::reply::code;
use interdict_policy::DenyForm;
use interdict_proto::enforcement::{Enforcement, MAX_LABEL_BYTES, Verdict};

use super::{Decider, Pass, Stop};
use crate::audit::AuditError;
use crate::record::Trace;
use crate::reply::{self, Denial};
use crate::request::{Answer, Request};

/// Reason of a decision whose own reason code does not fit into the enforcement message.
const UNFIT_REASON: &str = "policy.unfit_reason_code";

impl Decider {
    /// Records the outcome, waits for the record, and puts the outcome into the form of the door-neutral answer.
    ///
    /// Without a record nothing is let through: an Allow or an Intercept that cannot be recorded becomes a Deny, unless
    /// it is a read and the operator said that reads go on. An approval that the call used up stays used up: whether its
    /// record was written is not always known, and a call that may be on record as allowed must not run twice.
    pub(super) async fn answer(
        &self,
        request: Option<&Request>,
        outcome: Result<Pass, Stop>,
        trace: &mut Trace,
    ) -> Answer {
        let mut outcome = fit(outcome, trace);
        let (verdict, reason) = said(&outcome);
        if let Err(error) = trace.record(verdict, reason).await
            && verdict != Verdict::Deny
            && !trace.may_go_unrecorded()
        {
            outcome = Err(self.unrecorded(request, &error, trace));
        }
        let (verdict, reason) = said(&outcome);
        trace.finish(verdict, reason);
        let id = trace.id().to_owned();
        match outcome {
            Ok(pass) => Answer::Pass {
                set_headers: pass.set_headers,
                remove_headers: pass.remove_headers,
                enforcement: Enforcement::new(id, Verdict::Allow, pass.reason, pass.obligations),
            },
            Err(stop) => Answer::Reply {
                reply: stop.reply,
                enforcement: Enforcement::new(id, stop.verdict, stop.code, Vec::new()),
            },
        }
    }

    /// No record, no action.
    fn unrecorded(&self, request: Option<&Request>, error: &AuditError, trace: &Trace) -> Stop {
        let denial = Denial {
            code: error.code,
            text: "The decision cannot be recorded now, so nothing is let through. Try again later.",
            decision_id: trace.id(),
            known_agent: trace.evidence.known_agent,
            tool_form: trace.evidence.tool_form,
        };
        let reply = match request {
            // Read again: what was read ended with the stages, and this is rare.
            Some(request) => self.reply_blind(request, &denial, reply::unavailable),
            None => reply::unreadable(503, code::UNAVAILABLE, &denial),
        };
        Stop { verdict: Verdict::Deny, code: error.code.to_owned(), reply }
    }
}

/// Verdict and reason code of an outcome.
fn said(outcome: &Result<Pass, Stop>) -> (Verdict, &str) {
    match outcome {
        Ok(pass) => (Verdict::Allow, &pass.reason),
        Err(stop) => (stop.verdict, &stop.code),
    }
}

/// An outcome whose reason the enforcement message can carry.
fn fit(outcome: Result<Pass, Stop>, trace: &Trace) -> Result<Pass, Stop> {
    match outcome {
        Ok(pass) if !is_label(&pass.reason) => Err(unfit_reason(trace)),
        Err(mut stop) if !is_label(&stop.code) => {
            stop.code = UNFIT_REASON.to_owned();
            Err(stop)
        }
        fitting => fitting,
    }
}

/// Whether the enforcement message can carry this reason code: it goes into headers and filter state.
fn is_label(code: &str) -> bool {
    let length = 1..=MAX_LABEL_BYTES;
    length.contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic())
}

fn unfit_reason(trace: &Trace) -> Stop {
    let denial = Denial {
        code: UNFIT_REASON,
        text: "The decision's reason code is malformed.",
        decision_id: trace.id(),
        known_agent: false,
        tool_form: DenyForm::RpcError,
    };
    let reply = reply::unreadable(500, code::UNAVAILABLE, &denial);
    Stop { verdict: Verdict::Deny, code: UNFIT_REASON.to_owned(), reply }
}

#[cfg(test)]
pub(crate) mod tests;
