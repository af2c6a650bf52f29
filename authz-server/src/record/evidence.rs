//! What only the record of a decision says: gathered on the way, put into one entry at its end.

use std::time::Duration;

use bytes::Bytes;
use interdict_audit::commit::{ARGS, DECISION, INPUT, SALT_BYTES, commit};
use interdict_audit::record::{self, ActionKind, Body, EnforcerKind, Kind, Moment, Stage, Text};
use interdict_mcp::json::Value;
use interdict_mcp::{MessageKind, Reading};
use interdict_policy::{Decision, DenyForm, PolicyObligation, ReasonKind};
use interdict_proto::enforcement::{self, Verdict};
use uuid::Uuid;

use super::event::{DecisionEvent, cut};
use super::{Recording, SYSTEM};
use crate::audit::{AuditError, NewEntry};
use crate::content::Noted;

/// Bytes of a target or a path: resource URIs are long, and their ends tell them apart.
const MAX_TARGET: usize = 1_024;
/// Bytes of arguments that are shown.
const MAX_SHOWN: usize = 4 * 1_024;
/// Reasons of one judgement; the commitment covers all of them.
const MAX_REASONS: usize = 64;

/// One message that was judged.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) bundle: String,
    pub(super) decision: Decision,
    /// JSON text of everything that was looked at.
    pub(super) facts: Bytes,
}

/// The arguments of the one message of a request.
#[derive(Debug)]
struct Arguments {
    raw: String,
    shown: Option<String>,
}

/// Who asked.
#[derive(Debug, Default)]
pub(super) struct Who {
    pub(super) assurance: u8,
    pub(super) instance: Option<String>,
    pub(super) owner: Option<String>,
    /// Issuer of the principal.
    pub(super) issuer: Option<String>,
}

/// Gathered with the stages.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(super) tenant: Option<String>,
    pub(super) who: Who,
    pub(super) path: String,
    pub(super) body_bytes: usize,
    /// Tells requests with different paths or bodies apart.
    pub(super) fingerprint: u64,
    pub(super) enforcer: enforcement::EnforcerKind,
    pub(super) enforcer_version: String,
    kind: Option<ActionKind>,
    target: Option<String>,
    /// What was found in the messages.
    content: Option<Noted>,
    arguments: Option<Arguments>,
    pub(super) judgements: Vec<Judgement>,
    /// Where the way is now.
    pub(crate) stage: Stage,
    /// Whether the call may change something; unknown counts as yes.
    pub(crate) consequential: bool,
    /// Whether its end cannot be waited for.
    pub(crate) stream: bool,
    /// Whether the enforcement point will report how it ended.
    pub(super) reports_outcomes: bool,
    /// For the form of a refusal.
    pub(crate) known_agent: bool,
    /// For the form of a refusal.
    pub(crate) tool_form: DenyForm,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            tenant: None,
            who: Who::default(),
            path: String::new(),
            body_bytes: 0,
            fingerprint: 0,
            enforcer: enforcement::EnforcerKind::Native,
            enforcer_version: String::new(),
            kind: None,
            target: None,
            content: None,
            arguments: None,
            judgements: Vec::new(),
            stage: Stage::Body,
            consequential: true,
            stream: false,
            reports_outcomes: false,
            known_agent: false,
            tool_form: DenyForm::RpcError,
        }
    }
}

/// What is known only at the end.
pub(super) struct Said<'s> {
    pub(super) id: Uuid,
    pub(super) verdict: Verdict,
    pub(super) reason: &'s str,
    pub(super) total: Duration,
    pub(super) repeat_of: Option<Uuid>,
}

impl Evidence {
    /// What the message is; its arguments only where recording wants them.
    pub(super) fn note_reading(&mut self, reading: &Reading<'_>, recording: Option<&Recording>) {
        self.kind = Some(match reading {
            Reading::OpenStream { .. } => ActionKind::OpenStream,
            Reading::EndSession { .. } => ActionKind::EndSession,
            Reading::Batch(_) => ActionKind::Batch,
            Reading::Message(message) => match message.kind() {
                MessageKind::Request => ActionKind::Request,
                MessageKind::Notification => ActionKind::Notification,
                MessageKind::Response => ActionKind::Response,
            },
        });
        if let (Reading::Message(message), Some(recording)) = (reading, recording) {
            let target = message.tool().or_else(|| message.prompt_name()).or_else(|| message.uri());
            self.target = target.map(|target| short(&target, MAX_TARGET));
            self.arguments = message.arguments().map(|value| arguments(value, recording.shows_arguments()));
        }
    }

    /// What was found in the messages.
    pub(super) fn note_content(&mut self, noted: &Noted) {
        self.content = Some(noted.clone()).filter(|noted| !noted.is_empty());
    }

    /// The name of what was asked for is not to be recorded.
    pub(super) fn forget_target(&mut self) {
        self.target = None;
    }

    /// Whose log it is.
    pub(super) fn tenant(&self) -> &str {
        self.tenant.as_deref().unwrap_or(SYSTEM)
    }

    pub(super) fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// Whether an outcome must follow.
    pub(super) fn expects_outcome(&self, verdict: Verdict) -> bool {
        verdict == Verdict::Allow && self.reports_outcomes && !self.stream
    }

    /// The entry of this decision.
    pub(super) fn entry(
        &self,
        event: &DecisionEvent,
        said: &Said<'_>,
        recording: &Recording,
    ) -> Result<NewEntry, AuditError> {
        let salt = salt()?;
        let sealed = Sealed::of(&self.judgements, &salt);
        let body = self.body(event, said, recording, &salt, sealed.as_ref());
        let body =
            body.to_bytes().map_err(|error| AuditError::new("audit.unavailable", error.to_string()))?;
        Ok(NewEntry {
            tenant: self.tenant().to_owned(),
            kind: Kind::Decision,
            decision_id: Some(said.id),
            body,
            sealed: sealed.map(|sealed| sealed.plain),
            expects_outcome: self.expects_outcome(said.verdict),
            at_once: self.consequential && said.verdict != Verdict::Deny,
        })
    }

    fn body<'a>(
        &'a self,
        event: &'a DecisionEvent,
        said: &'a Said<'_>,
        recording: &'a Recording,
        salt: &[u8; SALT_BYTES],
        sealed: Option<&'a Sealed>,
    ) -> record::Decision<'a> {
        let judged = self.judgements.last();
        record::Decision {
            action: self.action(event, salt),
            agent: event.agent.as_deref().map(|id| record::Agent {
                assurance: self.who.assurance,
                id: id.into(),
                instance: text(self.who.instance.as_deref()),
                owner: text(self.who.owner.as_deref()),
            }),
            approval: event.approval.id.as_deref().map(|id| record::UsedApproval {
                at: event.approval.at.map(|at| Moment::from_unix_ms(at.as_millisecond())),
                by: text(event.approval.by.as_deref()),
                id: id.into(),
            }),
            body_bytes: self.body_bytes.into(),
            content: self.content.as_ref().map(content),
            decision_id: event.decision_id.as_str().into(),
            enforcer: record::Enforcer {
                kind: enforcer(self.enforcer),
                route: text(event.route.as_deref()),
                version: text(Some(self.enforcer_version.as_str()).filter(|version| !version.is_empty())),
            },
            expects_outcome: self.expects_outcome(said.verdict),
            input_commit: sealed.map(|sealed| sealed.input_commit.as_str().into()),
            judgements: sealed.map(|sealed| self.judgements(sealed)).unwrap_or_default(),
            latency_us: record::Latency {
                approval: event.stages.approval.into(),
                identity: event.stages.identity.into(),
                policy: event.stages.policy.into(),
                read: event.stages.read.into(),
                total: said.total.into(),
            },
            policy: judged.map(|judged| record::Policy {
                build: recording.build().into(),
                bundle: judged.bundle.as_str().into(),
                engine: recording.engine().into(),
            }),
            principal: self.principal(event),
            reason: said.reason.into(),
            reasons: event.reasons.iter().map(|code| code.as_str().into()).collect(),
            repeat_of: said.repeat_of.map(|id| id.to_string().into()),
            replica: recording.replica().into(),
            request: record::Request {
                id: event.request_id.as_str().into(),
                source_address: event.source_address.as_str().into(),
            },
            stage: self.stage,
            verdict: verdict(said.verdict),
        }
    }

    fn action<'a>(&'a self, event: &'a DecisionEvent, salt: &[u8; SALT_BYTES]) -> record::Action<'a> {
        record::Action {
            args: self.arguments.as_ref().filter(|_| !self.judgements.is_empty()).map(|arguments| {
                record::Args {
                    commit: commit(ARGS, salt, arguments.raw.as_bytes()).into(),
                    shown: text(arguments.shown.as_deref()),
                }
            }),
            digest: text(event.approval.action_digest.as_deref()),
            era: text(event.era),
            kind: self.kind,
            method: text(event.method.filter(|_| {
                self.kind == Some(ActionKind::Request) || self.kind == Some(ActionKind::Notification)
            })),
            path: text(Some(self.path.as_str()).filter(|path| !path.is_empty())),
            server: text(event.server.as_deref()),
            target: text(self.target.as_deref()),
        }
    }

    fn principal<'a>(&'a self, event: &'a DecisionEvent) -> Option<record::Principal<'a>> {
        Some(record::Principal {
            id: event.principal.as_deref()?.into(),
            issuer: self.who.issuer.as_deref().unwrap_or_default().into(),
        })
    }

    fn judgements<'a>(&'a self, sealed: &'a Sealed) -> Vec<record::Judgement<'a>> {
        self.judgements
            .iter()
            .zip(&sealed.decision_commits)
            .map(|(judgement, decision_commit)| record::Judgement {
                bundle: judgement.bundle.as_str().into(),
                decision_commit: decision_commit.as_str().into(),
                obligations: judgement.decision.obligations.iter().map(obligation).collect(),
                reasons: judgement.decision.reasons.iter().take(MAX_REASONS).map(reason).collect(),
                verdict: verdict(judgement.decision.verdict),
            })
            .collect()
    }
}

/// What replay needs: `salt || {"v":1,"facts":[...],"decisions":[...]}`.
struct Sealed {
    plain: Vec<u8>,
    input_commit: String,
    decision_commits: Vec<String>,
}

impl Sealed {
    /// `None` when nothing was judged.
    fn of(judgements: &[Judgement], salt: &[u8; SALT_BYTES]) -> Option<Self> {
        if judgements.is_empty() {
            return None;
        }
        let size: usize = judgements.iter().map(|judgement| judgement.facts.len() + 512).sum();
        let mut plain = Vec::with_capacity(SALT_BYTES + 64 + size);
        plain.extend_from_slice(salt);
        plain.extend_from_slice(br#"{"v":1,"facts":"#);
        let start = plain.len();
        list(&mut plain, judgements.iter().map(|judgement| judgement.facts.as_ref()));
        let input_commit = commit(INPUT, salt, plain.get(start..).unwrap_or_default());
        let decisions: Vec<_> = judgements.iter().map(|judgement| judgement.decision.canonical()).collect();
        plain.extend_from_slice(br#","decisions":"#);
        list(&mut plain, decisions.iter().map(AsRef::as_ref));
        plain.push(b'}');
        let decision_commits =
            decisions.iter().map(|decision| commit(DECISION, salt, decision.as_ref())).collect();
        Some(Self { plain, input_commit, decision_commits })
    }
}

fn list<'a>(out: &mut Vec<u8>, items: impl Iterator<Item = &'a [u8]>) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.push(b']');
}

pub(super) fn salt() -> Result<[u8; SALT_BYTES], AuditError> {
    let mut salt = [0; SALT_BYTES];
    aws_lc_rs::rand::fill(&mut salt)
        .map_err(|_| AuditError::new("audit.unavailable", "the system gives no random numbers"))?;
    Ok(salt)
}

fn arguments(value: Value<'_>, shown: bool) -> Arguments {
    let shown = shown.then(|| crate::action::canonical_text(value)).filter(|text| text.len() <= MAX_SHOWN);
    Arguments { raw: value.raw().to_owned(), shown }
}

pub(super) fn short(text: &str, most: usize) -> String {
    let mut text = text.to_owned();
    cut(&mut text, most);
    text
}

pub(super) fn short_path(path: &str) -> String {
    short(path, MAX_TARGET)
}

fn found<'n>(class: &'n str, action: &'static str, count: u64) -> record::Found<'n> {
    record::Found { action: action.into(), class: class.into(), count: count.into() }
}

fn content(noted: &Noted) -> record::Content<'_> {
    record::Content {
        classes: noted.classes.iter().map(|((class, action), count)| found(class, action, *count)).collect(),
        labels: noted.labels.iter().map(|label| label.as_str().into()).collect(),
        redacted: noted.redacted.into(),
    }
}

fn text(text: Option<&str>) -> Option<Text<'_>> {
    text.map(Text::Borrowed)
}

fn verdict(verdict: Verdict) -> record::Verdict {
    match verdict {
        Verdict::Allow => record::Verdict::Allow,
        Verdict::Intercept => record::Verdict::Intercept,
        Verdict::Deny => record::Verdict::Deny,
    }
}

fn enforcer(kind: enforcement::EnforcerKind) -> EnforcerKind {
    match kind {
        enforcement::EnforcerKind::Native => EnforcerKind::Native,
        enforcement::EnforcerKind::Split => EnforcerKind::Split,
        enforcement::EnforcerKind::Call => EnforcerKind::Call,
    }
}

fn reason(reason: &interdict_policy::Reason) -> record::Reason<'_> {
    record::Reason {
        code: reason.code.as_str().into(),
        kind: match reason.kind {
            ReasonKind::Error => record::ReasonKind::Error,
            ReasonKind::Deny => record::ReasonKind::Deny,
            ReasonKind::Intercept => record::ReasonKind::Intercept,
            ReasonKind::Allow => record::ReasonKind::Allow,
        },
        topic: reason.topic.as_str().into(),
    }
}

fn obligation(obligation: &PolicyObligation) -> Text<'_> {
    obligation.kind().into()
}
