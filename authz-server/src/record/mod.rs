//! The record of a decision: one structured event and the metrics, for every answer that leaves, and for every call
//! whose caller went away before there was one.
//!
//! An event never holds a body, a token or an argument value, and what others wrote is cut ([`cut`]): whoever chooses
//! long names must not choose how much is written. The tamper-evident log is a later issue; its entry will
//! be written where [`Trace::finish`] is today, before the answer leaves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use interdict_policy::Reason;
use interdict_proto::enforcement::{EnforcerKind, Verdict};
use uuid::Uuid;

use crate::request::Request;
use crate::telemetry::metrics::{InFlight, Metrics, Stage};

/// Target of the events, for log filters.
pub const TARGET: &str = "interdict::decision";

/// Bytes of a text in an event.
const MAX_TEXT: usize = 128;

/// Bytes of a principal: the subject of a certificate can be long, and its end tells people apart.
const MAX_PRINCIPAL: usize = 512;

/// Reason codes in an event.
const MAX_REASONS: usize = 16;

/// What is known of a decision; grows with the stages.
#[derive(Debug, Default)]
pub struct DecisionEvent {
    /// UUID version 7 in text form, made before the first stage.
    pub decision_id: String,
    /// The enforcement point's own id of the request.
    pub request_id: String,
    /// `native`, `split` or `call`.
    pub enforcer: &'static str,
    /// Route in the enforcement point, if it was told.
    pub route: Option<String>,
    /// Address of the peer.
    pub source_address: String,
    /// Registry id of the server.
    pub server: Option<String>,
    /// Registry id of the agent.
    pub agent: Option<String>,
    /// Subject on whose behalf the agent acts.
    pub principal: Option<String>,
    /// Label of the protocol revision.
    pub era: Option<&'static str>,
    /// MCP method, `batch`, `response`, `open_stream` or `end_session`.
    pub method: Option<&'static str>,
    /// Tool of a `tools/call`.
    pub tool: Option<String>,
    /// Digest of the bundle that decided.
    pub bundle: Option<String>,
    /// The approval that was asked for or used.
    pub approval_id: Option<String>,
    /// Codes of all reasons, the deciding one first.
    pub reasons: Vec<String>,
    /// Time in each stage that ran.
    pub stages: Stages,
}

impl DecisionEvent {
    /// Cuts every text that is not ours.
    fn cut(&mut self) {
        for text in [&mut self.request_id, &mut self.source_address] {
            cut(text, MAX_TEXT);
        }
        for text in [&mut self.tool, &mut self.route].into_iter().flatten() {
            cut(text, MAX_TEXT);
        }
        for text in &mut self.reasons {
            cut(text, MAX_TEXT);
        }
        if let Some(text) = &mut self.principal {
            cut(text, MAX_PRINCIPAL);
        }
    }
}

/// Shortens a text to `most` bytes, on a character's boundary, and says how long it was: `abc...(1000000 bytes)`.
fn cut(text: &mut String, most: usize) {
    let length = text.len();
    if length > most {
        text.truncate(text.floor_char_boundary(most));
        text.push_str(&format!("...({length} bytes)"));
    }
}

/// Time spent per stage; zero for a stage that did not run.
#[derive(Debug, Default, Clone, Copy)]
pub struct Stages {
    /// Strict reading of the message.
    pub read: Duration,
    /// Tokens and certificates.
    pub identity: Duration,
    /// Registry and policy, re-evaluations included.
    pub policy: Duration,
    /// The approval store and the hold.
    pub approval: Duration,
}

/// A decision being made. Dropped before [`Trace::finish`], it records that the caller went away.
#[derive(Debug)]
pub(crate) struct Trace {
    /// What the stages found out.
    pub(crate) event: DecisionEvent,
    metrics: Arc<Metrics>,
    started: Instant,
    finished: bool,
    _in_flight: InFlight,
}

impl Trace {
    /// Opens the record of a request.
    pub(crate) fn of(request: &Request, metrics: &Arc<Metrics>) -> Self {
        let mut trace = Self::blank(metrics);
        trace.event.request_id.clone_from(&request.id);
        trace.event.route.clone_from(&request.route);
        trace.event.source_address.clone_from(&request.peer.address);
        trace.event.enforcer = request.enforcer.kind.as_str();
        trace
    }

    /// Opens the record of a request that could not be decoded.
    pub(crate) fn blank(metrics: &Arc<Metrics>) -> Self {
        let event = DecisionEvent {
            decision_id: Uuid::now_v7().to_string(),
            enforcer: EnforcerKind::Native.as_str(),
            ..DecisionEvent::default()
        };
        Self {
            event,
            metrics: Arc::clone(metrics),
            started: Instant::now(),
            finished: false,
            _in_flight: metrics.enter(),
        }
    }

    /// The decision's id.
    pub(crate) fn id(&self) -> &str {
        &self.event.decision_id
    }

    /// Keeps the codes of what a policy said, each once.
    pub(crate) fn note_reasons(&mut self, reasons: &[Reason]) {
        let mut codes: Vec<String> = Vec::new();
        for reason in reasons {
            if codes.contains(&reason.code) {
                continue;
            }
            if codes.len() == MAX_REASONS {
                codes.push("...".to_owned());
                break;
            }
            codes.push(reason.code.clone());
        }
        self.event.reasons = codes;
    }

    /// Writes the record. The answer may leave afterwards, not before.
    pub(crate) fn finish(&mut self, verdict: Verdict, reason: &str) {
        if self.finished {
            return;
        }
        self.finished = true;
        let writing = Instant::now();
        let took = writing.duration_since(self.started);
        self.event.cut();
        let event = &self.event;
        tracing::info!(
            target: TARGET,
            decision_id = event.decision_id,
            verdict = verdict.as_str(),
            reason,
            reasons = event.reasons.join(","),
            agent = event.agent,
            principal = event.principal,
            server = event.server,
            method = event.method,
            tool = event.tool,
            era = event.era,
            enforcer = event.enforcer,
            request_id = event.request_id,
            route = event.route,
            source_address = event.source_address,
            approval_id = event.approval_id,
            bundle = event.bundle,
            read_us = micros(event.stages.read),
            identity_us = micros(event.stages.identity),
            policy_us = micros(event.stages.policy),
            approval_us = micros(event.stages.approval),
            total_us = micros(took),
            "decision"
        );
        let method = event.method.unwrap_or("none");
        self.metrics.observe_decision(verdict.as_str(), reason, method, event.enforcer, took);
        for (stage, time) in [
            (Stage::Read, event.stages.read),
            (Stage::Identity, event.stages.identity),
            (Stage::Policy, event.stages.policy),
            (Stage::Approval, event.stages.approval),
        ] {
            if !time.is_zero() {
                self.metrics.observe_stage(stage, time);
            }
        }
        self.metrics.observe_stage(Stage::Record, writing.elapsed());
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // Only a future that was dropped gets here unfinished: the enforcement point gave up waiting (or its client
        // did). Nothing was let through, and that is worth a line too.
        self.finish(Verdict::Deny, "internal.caller_gone");
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use interdict_policy::ReasonKind;

    use super::*;

    /// Attack: a tool name of a megabyte is a log line of a megabyte.
    #[test]
    fn a_text_is_cut_on_a_boundary_of_characters_and_marked() {
        let cut_to = |text: &str, most| {
            let mut text = text.to_owned();
            cut(&mut text, most);
            text
        };
        assert_eq!(cut_to("read_file", 9), "read_file");
        assert_eq!(cut_to("read_files", 9), "read_file...(10 bytes)");
        assert_eq!(cut_to("aéb", 2), "a...(4 bytes)");
        assert_eq!(cut_to(&"é".repeat(500_000), MAX_TEXT).len(), MAX_TEXT + "...(1000000 bytes)".len());
    }

    /// Attack: a batch of a thousand denied messages is a log line of a thousand reasons.
    #[test]
    fn reasons_are_kept_once_each_and_not_more_than_sixteen() {
        let mut trace = Trace::blank(&Arc::new(Metrics::new()));
        let reason = |code: String| Reason {
            kind: ReasonKind::Deny,
            code,
            message: String::new(),
            topic: String::new(),
        };
        let same: Vec<_> = (0..1000).map(|number| reason(format!("policy.r{}", number % 2))).collect();
        trace.note_reasons(&same);
        assert_eq!(trace.event.reasons, ["policy.r0", "policy.r1"]);
        let many: Vec<_> = (0..1000).map(|number| reason(format!("policy.r{number}"))).collect();
        trace.note_reasons(&many);
        assert_eq!(trace.event.reasons.len(), MAX_REASONS + 1);
        assert_eq!(trace.event.reasons.last().map(String::as_str), Some("..."));
    }
}
