//! Intercept: a person decides.
//!
//! The policy asked for a person, so a question is opened in the approval store, bound to this very action under this
//! very policy for these very reasons ([`binding`]). The call waits a short while; then the client is told to come
//! back, in the form of its revision ([`form`]), and an identical call finds the question, or its answer, again.
//!
//! Whoever comes back is judged again from the beginning, with the bundle, the identity and the time of that moment.
//! The approval is one more fact of that judgement, and a hard Deny still wins. Only when the judgement says Allow is
//! the approval used up, by compare-and-set, once; after that there is no await before the answer. A call whose
//! client goes away while it waits is dropped where it waits, before anything is used up.

mod binding;
mod form;
pub(crate) mod own_state;
pub mod request_state;
mod settle;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use interdict_mcp::Message;

use crate::clock::Clock;
use crate::decide::{Call, Judged, Overloaded, Parts};
use crate::store::{Approval, ApprovalStore};
use request_state::{SealError, Sealer};

/// Answers questions of the decision about approvals.
pub(crate) struct Approvals {
    store: Arc<dyn ApprovalStore>,
    clock: Arc<dyn Clock>,
    sealer: Sealer,
    hold: Duration,
    ttl: Duration,
    page_url: Option<String>,
}

/// The call that a person is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'q> {
    pub(crate) call: &'q Call<'q>,
    pub(crate) message: &'q Message<'q>,
}

/// A judgement on its way: a large message waits for its turn, and one that adds to totals for what they say.
pub(crate) type Judging<'q> = Pin<Box<dyn Future<Output = Result<Judged, Overloaded>> + Send + 'q>>;

/// How a question ended for now.
#[derive(Debug)]
pub(crate) enum Settled {
    /// The call may go on; the approval, if one was needed, is used up.
    Approved(Judged),
    /// No: reason code and text.
    Refused(&'static str, &'static str),
    /// The policy says no by now.
    Denied(Judged),
    /// Nobody has answered yet.
    Waiting(Waiting),
}

/// An open question.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The question.
    pub(crate) approval: Box<Approval>,
    /// Digest of the action that it is about.
    pub(crate) action_digest: String,
    /// Which time this client is told to come back; starts at 1.
    pub(crate) round: u32,
}

impl Approvals {
    /// Set up from the decision's parts.
    pub(crate) fn new(parts: &Parts) -> Result<Self, SealError> {
        Ok(Self {
            store: Arc::clone(&parts.approvals),
            clock: Arc::clone(&parts.clock),
            sealer: Sealer::new(&parts.settings.request_state_key)?,
            hold: parts.settings.hold,
            ttl: parts.settings.approval_ttl,
            page_url: parts.settings.page_url.clone(),
        })
    }
}
