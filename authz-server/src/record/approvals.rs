//! Records of questions for people.
//!
//! What the store does by itself (a question opened, used, expired, ...) is recorded when it is done: the store tells it.
//! What a person does is recorded before it is done, because it opens the way for a call: an answer that cannot be
//! recorded is not given.

use std::sync::Arc;

use interdict_audit::commit::commit;
use interdict_audit::record::{Approval as ApprovalBody, ApprovalEvent};

use super::Recording;
use super::entries::entry;
use super::evidence::salt;
use crate::audit::{AuditError, NewEntry, Recorder};
use crate::store::{Approval, ApprovalState, ApprovalStore, HumanAnswer, Move, StoreError, StoreEvents};
use crate::telemetry::metrics::Metrics;

/// Domain of the commitment to an approver's note.
const NOTE: &str = "interdict/note/1";

/// Why a person's answer was not given.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The store refused it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be recorded.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

fn body<'a>(approval: &'a Approval, event: ApprovalEvent, by: Option<&'a str>) -> ApprovalBody<'a> {
    ApprovalBody {
        agent: approval.agent.as_str().into(),
        approval_id: approval.id.as_str().into(),
        binding: approval.binding.as_str().into(),
        by: by.map(Into::into),
        event,
        method: approval.method.as_str().into(),
        note_commit: None,
        server: approval.server.as_str().into(),
        tool: approval.tool.as_deref().map(Into::into),
    }
}

fn moved(approval: &Approval, event: ApprovalEvent, by: Option<&str>) -> Option<NewEntry> {
    entry(&approval.tenant, None, &body(approval, event, by))
}

/// The entry of a person's answer. The note is only committed to; it lies sealed beside the entry, so that it goes when
/// the inputs of its day go.
fn answered(
    approval: &Approval,
    event: ApprovalEvent,
    by: &str,
    note: Option<&str>,
) -> Result<Option<NewEntry>, AuditError> {
    let Some(note) = note else { return Ok(moved(approval, event, Some(by))) };
    let salt = salt()?;
    let note_commit = Some(commit(NOTE, &salt, note.as_bytes()).into());
    let body = ApprovalBody { note_commit, ..body(approval, event, Some(by)) };
    let plain = [&salt[..], serde_json::json!({ "note": note, "v": 1 }).to_string().as_bytes()].concat();
    let entry = entry(&approval.tenant, None, &body);
    Ok(entry.map(|entry| NewEntry { sealed: Some(plain), ..entry }))
}

/// Gives a person's answer: recorded first, then applied. If it then does not apply (somebody was faster, its time ran
/// out in between), that is recorded too.
///
/// # Errors
/// What the store says, and [`AnswerError::Audit`] when nothing was done because nothing could be recorded.
pub async fn record_answer(
    recording: Option<&Recording>,
    store: &dyn ApprovalStore,
    id: &str,
    given: HumanAnswer,
    by: &str,
    note: Option<&str>,
    now: jiff::Timestamp,
) -> Result<Approval, AnswerError> {
    let open = match recording {
        Some(recording) => store
            .get(id, now)
            .await?
            .filter(|found| found.state == ApprovalState::Pending)
            .map(|found| (recording, found)),
        None => None,
    };
    // Without an open question the store has its own words for the refusal, and there is nothing to record.
    let Some((recording, approval)) = open else {
        return Ok(store.decide(id, given, by, note, now).await?);
    };
    let event = match given {
        HumanAnswer::Approve => ApprovalEvent::Approved,
        HumanAnswer::Deny => ApprovalEvent::Denied,
    };
    recording.say(answered(&approval, event, by, note)?).await?;
    match store.decide(id, given, by, note, now).await {
        Ok(decided) => Ok(decided),
        Err(error) => {
            if let Some(entry) = moved(&approval, ApprovalEvent::NotApplied, Some(by)) {
                recording.recorder().submit(entry);
            }
            Err(error.into())
        }
    }
}

/// Counts and records what the store does by itself.
pub(crate) struct ApprovalRecords {
    metrics: Arc<Metrics>,
    recorder: Option<Arc<dyn Recorder>>,
}

impl ApprovalRecords {
    pub(crate) fn new(metrics: Arc<Metrics>, recorder: Option<Arc<dyn Recorder>>) -> Self {
        Self { metrics, recorder }
    }
}

impl StoreEvents for ApprovalRecords {
    fn moved(&self, what: Move, approval: &Approval) {
        let event = match what {
            Move::Opened => ApprovalEvent::Opened,
            Move::Consumed => ApprovalEvent::Consumed,
            Move::Cancelled => ApprovalEvent::Cancelled,
            Move::Superseded => ApprovalEvent::Superseded,
            Move::Expired => {
                self.metrics.approvals_expired(1);
                tracing::info!(approval_id = %approval.id, agent = %approval.agent, "approval expired");
                ApprovalEvent::Expired
            }
        };
        let by = match what {
            Move::Cancelled => approval.decided_by.as_deref(),
            _ => None,
        };
        if let (Some(recorder), Some(entry)) = (&self.recorder, moved(approval, event, by)) {
            recorder.submit(entry);
        }
    }

    fn deleted(&self, count: u64) {
        self.metrics.approvals_deleted(count);
        tracing::info!(count, "old approvals deleted");
    }
}

#[cfg(test)]
mod tests;
