//! One decision being made, and the certainty that it is recorded once, whatever becomes of its caller.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use interdict_audit::record::Stage;
use interdict_mcp::Reading;
use interdict_policy::{Reason, Registry, Server};
use interdict_proto::enforcement::{EnforcerKind, Verdict};
use uuid::Uuid;

use super::event::{DecisionEvent, Fared};
use super::evidence::{Evidence, Judgement, Said, Who, short_path};
use super::recording::Recording;
use super::repeats::Asked;
use crate::audit::{AuditError, NewEntry};
use crate::content::Noted;
use crate::decide::Judged;
use crate::identity::Identity;
use crate::request::{BodyState, Request};
use crate::telemetry::metrics::{InFlight, Metrics};

/// What was recorded of a caller that went away.
const GONE: &str = "internal.caller_gone";

/// A decision being made. Dropped before its entry was queued, it records that the caller went away; dropped
/// afterwards, the entry stands as it was queued.
pub(crate) struct Trace {
    /// What the stages found out.
    pub(crate) event: DecisionEvent,
    /// The same, for the record alone.
    pub(crate) evidence: Evidence,
    recording: Option<Arc<Recording>>,
    metrics: Arc<Metrics>,
    uuid: Uuid,
    started: Instant,
    took: Duration,
    entry: Entry,
    finished: bool,
    _in_flight: InFlight,
}

/// Where the entry of a decision is.
#[derive(Debug)]
enum Entry {
    /// Not made yet.
    Open,
    /// With the log, for this verdict and reason.
    Queued(Verdict, String),
    /// Where it will stay.
    Done(Fared),
}

/// A keyed hash of the whole path and body, good in this process alone.
fn content_of(request: &Request) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let body: &[u8] = match &request.http.body {
        BodyState::Raw(bytes) => bytes,
        BodyState::Missing | BodyState::Partial => &[],
    };
    KEYS.hash_one((&request.http.path, &request.http.method, body))
}

impl Trace {
    /// Opens the record of a request.
    pub(crate) fn of(request: &Request, recording: Option<&Arc<Recording>>, metrics: &Arc<Metrics>) -> Self {
        let mut trace = Self::blank(recording, metrics);
        trace.event.request_id.clone_from(&request.id);
        trace.event.route.clone_from(&request.route);
        trace.event.source_address.clone_from(&request.peer.address);
        trace.event.enforcer = request.enforcer.kind.as_str();
        let evidence = &mut trace.evidence;
        evidence.enforcer = request.enforcer.kind;
        evidence.enforcer_version.clone_from(&request.enforcer.version);
        evidence.reports_outcomes = request.enforcer.reports_outcomes;
        // Without its query: clients put secrets there. The sealed facts have it.
        evidence.path = short_path(request.http.path_alone());
        evidence.body_bytes = request.http.body_bytes();
        evidence.fingerprint = content_of(request);
        trace
    }

    /// Opens the record of a request that could not be decoded.
    pub(crate) fn blank(recording: Option<&Arc<Recording>>, metrics: &Arc<Metrics>) -> Self {
        let uuid = Uuid::now_v7();
        let event = DecisionEvent {
            decision_id: uuid.to_string(),
            enforcer: EnforcerKind::Native.as_str(),
            ..DecisionEvent::default()
        };
        Self {
            event,
            evidence: Evidence::default(),
            recording: recording.cloned(),
            metrics: Arc::clone(metrics),
            uuid,
            started: Instant::now(),
            took: Duration::ZERO,
            entry: Entry::Open,
            finished: false,
            _in_flight: metrics.enter(),
        }
    }

    /// The decision's id.
    pub(crate) fn id(&self) -> &str {
        &self.event.decision_id
    }

    /// The way is in this stage now.
    pub(crate) fn at(&mut self, stage: Stage) {
        self.evidence.stage = stage;
    }

    /// Which server it is for; its tenant keeps the record unless the agent turns out to be of another.
    pub(crate) fn note_server(&mut self, server: &Server) {
        self.evidence.tenant = Some(server.tenant.clone());
        self.evidence.tool_form = server.deny_form;
    }

    /// What the message is.
    pub(crate) fn note_reading(&mut self, reading: &Reading<'_>) {
        self.evidence.note_reading(reading, self.recording.as_deref());
    }

    /// What was found in the messages.
    pub(crate) fn note_content(&mut self, noted: &Noted) {
        self.event.note_content(noted);
        self.evidence.note_content(noted);
    }

    /// The name of what was asked for holds what is not to be recorded.
    pub(crate) fn forget_target(&mut self) {
        self.event.tool = None;
        self.evidence.forget_target();
    }

    /// Who asks.
    pub(crate) fn note_identity(&mut self, identity: &Identity, registry: &Registry) {
        let agent = registry.agent(&identity.agent_id);
        self.evidence.known_agent = agent.is_some();
        if let Some(agent) = agent {
            self.evidence.tenant = Some(agent.tenant.clone());
        }
        self.evidence.who = Who {
            assurance: identity.assurance,
            instance: identity.instance.clone(),
            owner: agent.map(|agent| agent.owner.clone()),
            issuer: identity.principal.as_ref().map(|principal| principal.issuer.clone()),
        };
    }

    /// Keeps the codes of what a policy said, each once.
    pub(crate) fn note_reasons(&mut self, reasons: &[Reason]) {
        self.event.note_reasons(reasons);
    }

    /// The judgements that hold: those of the request's messages, in order. A later call replaces an earlier one, for
    /// a held call is judged again.
    pub(crate) fn note_judged<'j>(&mut self, all: impl IntoIterator<Item = &'j Judged>) {
        if self.recording.is_none() {
            return;
        }
        self.evidence.judgements.clear();
        for judged in all {
            self.evidence.enforcer = judged.kind;
            // What had no turn, or no time, was not judged by the policy.
            if !judged.facts.is_empty() {
                self.evidence.judgements.push(Judgement {
                    bundle: judged.bundle.digest().to_owned(),
                    decision: judged.decision.clone(),
                    facts: judged.facts.clone(),
                });
            }
        }
    }

    /// Writes the entry and waits until it is committed. The verdict may leave afterwards, not before.
    ///
    /// # Errors
    /// When it was not written: the log's code.
    pub(crate) async fn record(&mut self, verdict: Verdict, reason: &str) -> Result<(), AuditError> {
        let Some(recording) = self.recording.clone() else {
            self.took = self.started.elapsed();
            self.event.cut();
            self.entry = Entry::Done(Fared::Off);
            return Ok(());
        };
        let writing = Instant::now();
        let expected = self.evidence.expects_outcome(verdict);
        let appended = match self.close(&recording, verdict, reason) {
            Ok(entry) => {
                if verdict == Verdict::Allow && self.evidence.reports_outcomes {
                    recording.outcomes().expect(self.uuid, &entry.tenant, expected);
                }
                // Queued within the call, before anything is awaited.
                let appending = recording.recorder().append(entry);
                self.entry = Entry::Queued(verdict, reason.to_owned());
                appending.await
            }
            Err(error) => Err(error),
        };
        self.event.stages.record = writing.elapsed();
        match appended {
            Ok(appended) => {
                self.entry = Entry::Done(Fared::Written(appended.seq));
                Ok(())
            }
            Err(error) => {
                recording.outcomes().forget(self.uuid);
                self.entry = Entry::Done(Fared::Failed(error.code));
                Err(error)
            }
        }
    }

    /// Makes the entry. Whatever happens from here on, there is no second one.
    fn close(
        &mut self,
        recording: &Recording,
        verdict: Verdict,
        reason: &str,
    ) -> Result<NewEntry, AuditError> {
        self.entry = Entry::Done(Fared::Failed("audit.unavailable"));
        self.took = self.started.elapsed();
        self.event.cut();
        let event = &self.event;
        let repeat_of = recording.repeated(
            Asked {
                request_id: &event.request_id,
                agent: event.agent.as_deref(),
                method: event.method,
                target: self.evidence.target(),
                content: self.evidence.fingerprint,
            },
            self.uuid,
        );
        let said = Said { id: self.uuid, verdict, reason, total: self.took, repeat_of };
        self.evidence.entry(event, &said, recording)
    }

    /// Whether this call may go on without a record, by configuration; if so, that is counted.
    pub(crate) fn may_go_unrecorded(&self) -> bool {
        let Some(recording) = &self.recording else { return true };
        let may = !self.evidence.consequential && recording.allows_unrecorded_reads();
        if may {
            tracing::warn!(
                decision_id = self.event.decision_id,
                "a read goes on without a record, as configured"
            );
            recording.recorder().unrecorded(self.evidence.tenant());
        }
        may
    }

    /// Writes the line and counts. After the record, before the answer.
    pub(crate) fn finish(&mut self, verdict: Verdict, reason: &str) {
        if self.finished {
            return;
        }
        self.finished = true;
        let fared = match self.entry {
            Entry::Done(fared) => fared,
            Entry::Queued(..) | Entry::Open => Fared::Unwaited,
        };
        self.event.write(verdict, reason, self.took, fared);
        let took = self.started.elapsed();
        self.event.count(verdict, reason, took, &self.metrics);
    }
}

impl Drop for Trace {
    /// Only a future that was dropped gets here unfinished: the enforcement point gave up waiting (or its client did).
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let (verdict, reason) = match &mut self.entry {
            // Nothing was let through, and that is worth a record too.
            Entry::Open | Entry::Done(_) => (Verdict::Deny, GONE.to_owned()),
            // The decision stands as it was recorded, although nobody hears of it.
            Entry::Queued(verdict, reason) => (*verdict, std::mem::take(reason)),
        };
        if matches!(self.entry, Entry::Open) {
            self.took = self.started.elapsed();
            if let Some(recording) = self.recording.clone()
                && let Ok(entry) = self.close(&recording, verdict, &reason)
            {
                recording.recorder().submit(entry);
                self.entry = Entry::Done(Fared::Unwaited);
            } else if self.recording.is_none() {
                self.event.cut();
                self.entry = Entry::Done(Fared::Off);
            }
        }
        self.finish(verdict, &reason);
    }
}
