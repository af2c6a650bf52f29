//! What the log line of a decision says.

use std::time::Duration;

use interdict_policy::Reason;
use interdict_proto::enforcement::Verdict;
use jiff::Timestamp;

use super::TARGET;
use crate::telemetry::metrics::{Metrics, Stage};

/// Bytes of a text in an event.
const MAX_TEXT: usize = 128;

/// Bytes of a principal: the subject of a certificate can be long, and its end tells people apart.
const MAX_PRINCIPAL: usize = 512;

/// Bytes of what was found.
const MAX_CONTENT: usize = 512;

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
    pub approval: Noted,
    /// What was found in the messages: `class=action:count`, and the labels of the session.
    pub content: Option<String>,
    /// Codes of all reasons, the deciding one first.
    pub reasons: Vec<String>,
    /// Time in each stage that ran.
    pub stages: Stages,
}

/// What is known of the question for a person; filled in while the call waits, so that a call that is dropped then is
/// recorded with it.
#[derive(Debug, Default)]
pub struct Noted {
    /// Its id.
    pub id: Option<String>,
    /// Who approved.
    pub by: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
    /// Digest of the action that it is about.
    pub action_digest: Option<String>,
}

/// How the record of a decision fared, for its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fared {
    /// Number in the tenant's log.
    Written(u64),
    /// Queued, and the caller did not wait for the rest.
    Unwaited,
    /// Not written, and why.
    Failed(&'static str),
    /// Recording is switched off.
    Off,
}

impl DecisionEvent {
    /// Writes the line.
    pub(super) fn write(&self, verdict: Verdict, reason: &str, took: Duration, fared: Fared) {
        let (seq, failed) = match fared {
            Fared::Written(seq) => (Some(seq), None),
            Fared::Failed(code) => (None, Some(code)),
            Fared::Unwaited => (None, Some("internal.caller_gone")),
            Fared::Off => (None, None),
        };
        tracing::info!(
            target: TARGET,
            decision_id = self.decision_id,
            verdict = verdict.as_str(),
            reason,
            reasons = self.reasons.join(","),
            agent = self.agent,
            principal = self.principal,
            server = self.server,
            method = self.method,
            tool = self.tool,
            era = self.era,
            enforcer = self.enforcer,
            request_id = self.request_id,
            route = self.route,
            source_address = self.source_address,
            approval_id = self.approval.id,
            content = self.content,
            bundle = self.bundle,
            audit_seq = seq,
            audit_failed = failed,
            read_us = micros(self.stages.read),
            identity_us = micros(self.stages.identity),
            policy_us = micros(self.stages.policy),
            approval_us = micros(self.stages.approval),
            total_us = micros(took),
            "decision"
        );
    }

    /// Counts the decision.
    pub(super) fn count(&self, verdict: Verdict, reason: &str, took: Duration, metrics: &Metrics) {
        let method = self.method.unwrap_or("none");
        metrics.observe_decision(verdict.as_str(), reason, method, self.enforcer, took);
        for (stage, time) in [
            (Stage::Read, self.stages.read),
            (Stage::Identity, self.stages.identity),
            (Stage::Policy, self.stages.policy),
            (Stage::Approval, self.stages.approval),
            (Stage::Record, self.stages.record),
        ] {
            if !time.is_zero() {
                metrics.observe_stage(stage, time);
            }
        }
    }

    /// Keeps classes and counts, in short.
    pub(super) fn note_content(&mut self, noted: &crate::content::Noted) {
        let found = noted.classes.iter().map(|((class, action), count)| format!("{class}={action}:{count}"));
        let all: Vec<String> = found.chain(noted.labels.iter().cloned()).collect();
        self.content = Some(all.join(",")).filter(|text| !text.is_empty());
    }

    /// Keeps the codes of what a policy said, each once.
    pub(super) fn note_reasons(&mut self, reasons: &[Reason]) {
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
        self.reasons = codes;
    }

    /// Cuts every text that is not ours.
    pub(super) fn cut(&mut self) {
        for text in [&mut self.request_id, &mut self.source_address] {
            cut(text, MAX_TEXT);
        }
        for text in [&mut self.tool, &mut self.route].into_iter().flatten() {
            cut(text, MAX_TEXT);
        }
        if let Some(text) = &mut self.content {
            cut(text, MAX_CONTENT);
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
pub(super) fn cut(text: &mut String, most: usize) {
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
    /// From the making of the record until it was committed.
    pub record: Duration,
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
        let mut event = DecisionEvent::default();
        let reason = |code: String| Reason {
            kind: ReasonKind::Deny,
            code,
            message: String::new(),
            topic: String::new(),
        };
        let same: Vec<_> = (0..1000).map(|number| reason(format!("policy.r{}", number % 2))).collect();
        event.note_reasons(&same);
        assert_eq!(event.reasons, ["policy.r0", "policy.r1"]);
        let many: Vec<_> = (0..1000).map(|number| reason(format!("policy.r{number}"))).collect();
        event.note_reasons(&many);
        assert_eq!(event.reasons.len(), MAX_REASONS + 1);
        assert_eq!(event.reasons.last().map(String::as_str), Some("..."));
    }
}
