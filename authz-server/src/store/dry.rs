//! The store of a rehearsal (`interdict check`): nothing outlives the process, nothing is consumed, nobody is asked.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    Approval, ApprovalState, ApprovalStore, HumanAnswer, ListFilter, NewApproval, StoreError, StoreFuture,
};

/// Answers every question with a `PENDING` approval that nobody will ever answer.
#[derive(Debug, Default)]
pub struct DryStore(Mutex<Option<Approval>>);

impl DryStore {
    /// The id that stands for "an approval would be created".
    pub const ID: &str = "00000000-0000-0000-0000-000000000000";
}

fn refuse<T: Send + 'static>() -> StoreFuture<T> {
    Box::pin(std::future::ready(Err(StoreError::NotFound)))
}

impl ApprovalStore for DryStore {
    fn open_or_get(&self, new: NewApproval) -> StoreFuture<Approval> {
        let approval = new.into_pending(Self::ID.to_owned());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(approval.clone());
        Box::pin(std::future::ready(Ok(approval)))
    }

    fn get(&self, id: &str, _now: Timestamp) -> StoreFuture<Option<Approval>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(std::future::ready(Ok(last.filter(|approval| approval.id == id))))
    }

    fn list(&self, _filter: ListFilter, _now: Timestamp) -> StoreFuture<Vec<Approval>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn decide(
        &self,
        _id: &str,
        _answer: HumanAnswer,
        _by: &str,
        _note: Option<&str>,
        _now: Timestamp,
    ) -> StoreFuture<Approval> {
        refuse()
    }

    fn consume(&self, _id: &str, _binding: &str, _now: Timestamp) -> StoreFuture<Approval> {
        refuse()
    }

    fn cancel(&self, _id: &str, _by: &str, _now: Timestamp) -> StoreFuture<Approval> {
        refuse()
    }

    fn supersede(&self, _id: &str, _by_id: &str, _now: Timestamp) -> StoreFuture<Approval> {
        refuse()
    }

    fn expire_due(&self, _now: Timestamp) -> StoreFuture<u64> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn watch(&self, _id: &str) -> watch::Receiver<u64> {
        watch::Sender::new(0).subscribe()
    }
}

impl NewApproval {
    /// The approval that this question becomes.
    pub(super) fn into_pending(self, id: String) -> Approval {
        Approval {
            id,
            state: ApprovalState::Pending,
            binding: self.binding,
            tenant: self.tenant,
            agent: self.agent,
            agent_owner: self.agent_owner,
            principal: self.principal,
            server: self.server,
            method: self.method,
            tool: self.tool,
            action_digest: self.action_digest,
            policy_digest: self.policy_digest,
            reasons: self.reasons,
            totals: self.totals,
            arguments_json: self.arguments_json,
            era: self.era,
            created_at: self.created_at,
            expires_at: self.expires_at,
            decided_by: None,
            decided_at: None,
            note: None,
            consumed_at: None,
            superseded_by: None,
        }
    }
}
