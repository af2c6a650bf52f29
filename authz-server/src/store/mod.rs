//! What must survive a restart, behind traits; SQLite is the implementation for one server and one file.
//!
//! An approval moves only along `docs/architecture.md`'s arrows: `PENDING → APPROVED → CONSUMED`,
//! `PENDING → DENIED | EXPIRED | CANCELLED | SUPERSEDED` and `APPROVED → EXPIRED`. Each arrow is one
//! compare-and-set statement, so two servers on one file cannot both take it.

mod arguments;
mod dry;
pub(crate) mod name;
pub(crate) mod pins;
mod sqlite;
pub(crate) mod totals;

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use self::arguments::Arguments;
pub use self::dry::DryStore;
pub(crate) use self::sqlite::look::{Database, Found};
pub use self::sqlite::{SqliteStore, StoreEvents};

/// What a store call returns: boxed, so that the trait can be used as an object.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Approvals: opened by a decision, decided by a person, consumed once by the call that they were given for.
pub trait ApprovalStore: Send + Sync {
    /// Returns the open (`PENDING` or `APPROVED`) or refused (`DENIED`) approval of this binding while it is not
    /// expired, or creates a `PENDING` one.
    ///
    /// Creating one supersedes `PENDING` rows of the same agent and action digest with another binding: the same
    /// action, asked again under another policy or for other reasons, needs a new decision.
    ///
    /// # Errors
    /// [`StoreError::TooManyPending`] when the agent already has the configured number of `PENDING` rows.
    fn open_or_get(&self, new: NewApproval) -> StoreFuture<Approval>;

    /// Reads one approval. `Ok(None)` when there is none. A row past its time is returned as `EXPIRED`.
    fn get(&self, id: &str, now: Timestamp) -> StoreFuture<Option<Approval>>;

    /// The newest approvals that match, in the order in which they were asked for, without their arguments
    /// ([`Approval::arguments_json`] is empty): of a thousand questions nobody reads a thousand bodies.
    fn list(&self, filter: ListFilter, now: Timestamp) -> StoreFuture<Vec<Approval>>;

    /// A person's answer: `PENDING → APPROVED | DENIED`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::AlreadyDecided`], [`StoreError::Expired`];
    /// [`StoreError::SelfApproval`] when `by` is the agent, its owner or the principal on whose behalf it acts
    /// (for an approval only; anybody may deny), in whatever spelling that reads the same.
    fn decide(
        &self,
        id: &str,
        answer: HumanAnswer,
        by: &str,
        note: Option<&str>,
        now: Timestamp,
    ) -> StoreFuture<Approval>;

    /// Uses an approval up: `APPROVED → CONSUMED`, once, and only for the binding that it was given for.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::BindingMismatch`], [`StoreError::Expired`],
    /// [`StoreError::NotApproved`] in every other state (a second use included).
    fn consume(&self, id: &str, binding: &str, now: Timestamp) -> StoreFuture<Approval>;

    /// Withdraws a question: `PENDING → CANCELLED`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Expired`], [`StoreError::AlreadyDecided`].
    fn cancel(&self, id: &str, by: &str, now: Timestamp) -> StoreFuture<Approval>;

    /// Replaces a question by another: `PENDING → SUPERSEDED`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Expired`], [`StoreError::AlreadyDecided`].
    fn supersede(&self, id: &str, by_id: &str, now: Timestamp) -> StoreFuture<Approval>;

    /// Marks everything that is past its time as `EXPIRED`; the number of rows that changed.
    fn expire_due(&self, now: Timestamp) -> StoreFuture<u64>;

    /// A channel whose value changes whenever this approval may have changed, by this process at once and by others
    /// within 250 ms. Subscribe before reading the row, then no change can be missed.
    fn watch(&self, id: &str) -> watch::Receiver<u64>;
}

/// A question for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApproval {
    /// Digest of everything that the approval is given for (hex).
    pub binding: String,
    /// The agent's tenant.
    pub tenant: String,
    /// Registry id of the agent.
    pub agent: String,
    /// The agent's owner, who cannot approve.
    pub agent_owner: String,
    /// The person on whose behalf the agent acts, if any; cannot approve either.
    pub principal: Option<String>,
    /// Registry id of the MCP server.
    pub server: String,
    /// The MCP method.
    pub method: String,
    /// The tool of a `tools/call`.
    pub tool: Option<String>,
    /// Digest of the action (hex).
    pub action_digest: String,
    /// Digest of the bundle that asked (hex).
    pub policy_digest: String,
    /// Why the policy asks.
    pub reasons: Vec<ApprovalReason>,
    /// What calls add up to, where this one adds to totals.
    pub totals: Vec<ApprovalTotal>,
    /// What the approver sees: the canonical arguments, as JSON text. Of more than [`Arguments::MAX_SHOWN`] bytes the
    /// store keeps size and digest only.
    pub arguments_json: String,
    /// Label of the protocol revision.
    pub era: String,
    /// When the question was asked.
    pub created_at: Timestamp,
    /// When it lapses, answered or not.
    pub expires_at: Timestamp,
}

/// One reason of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalReason {
    /// Stable code, `policy.*`.
    pub code: String,
    /// The rule's own text.
    pub message: String,
}

/// A total that the call would add to, as it stood when the question was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalTotal {
    /// What is counted.
    pub counter: String,
    /// How long a call counts.
    pub window: String,
    /// `amount`, in the smallest unit of the currency, or `things`.
    pub unit: String,
    /// What stood without this call.
    pub stood: u64,
    /// What this call adds: an amount, or things that were not counted yet.
    pub adds: u64,
    /// More, this call included, needs a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_above: Option<u64>,
    /// More, this call included, is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// Of the amounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// A question with its answer so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// UUID version 7, in its text form.
    pub id: String,
    /// Where it stands.
    pub state: ApprovalState,
    /// See [`NewApproval::binding`].
    pub binding: String,
    /// See [`NewApproval::tenant`].
    pub tenant: String,
    /// See [`NewApproval::agent`].
    pub agent: String,
    /// See [`NewApproval::agent_owner`].
    pub agent_owner: String,
    /// See [`NewApproval::principal`].
    pub principal: Option<String>,
    /// See [`NewApproval::server`].
    pub server: String,
    /// See [`NewApproval::method`].
    pub method: String,
    /// See [`NewApproval::tool`].
    pub tool: Option<String>,
    /// See [`NewApproval::action_digest`].
    pub action_digest: String,
    /// See [`NewApproval::policy_digest`].
    pub policy_digest: String,
    /// See [`NewApproval::reasons`].
    pub reasons: Vec<ApprovalReason>,
    /// See [`NewApproval::totals`]. Empty but for one that is read by its id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub totals: Vec<ApprovalTotal>,
    /// See [`NewApproval::arguments_json`]; read it with [`Approval::arguments`]. Empty in a list.
    #[serde(skip)]
    pub arguments_json: String,
    /// See [`NewApproval::era`].
    pub era: String,
    /// When the question was asked.
    pub created_at: Timestamp,
    /// When it lapses, answered or not.
    pub expires_at: Timestamp,
    /// Who answered (or cancelled).
    pub decided_by: Option<String>,
    /// When that was.
    pub decided_at: Option<Timestamp>,
    /// What the approver wrote.
    pub note: Option<String>,
    /// When it was used.
    pub consumed_at: Option<Timestamp>,
    /// The approval that took its place.
    pub superseded_by: Option<String>,
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Waits for a person.
    Pending,
    /// A person said yes; not used yet.
    Approved,
    /// Used by the one call that it was given for.
    Consumed,
    /// A person said no.
    Denied,
    /// Its time is over.
    Expired,
    /// Withdrawn.
    Cancelled,
    /// Replaced by another question for the same action.
    Superseded,
}

impl ApprovalState {
    /// All states, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Approved,
        Self::Consumed,
        Self::Denied,
        Self::Expired,
        Self::Cancelled,
        Self::Superseded,
    ];

    /// The state's name on the wire and in the file.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Consumed => "consumed",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }

    /// The state of this name.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.label() == label)
    }

    /// Whether something can still happen to it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Approved)
    }
}

/// An arrow of an approval's life that no person draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    /// The question was asked.
    Opened,
    /// The call that it was given for used it.
    Consumed,
    /// Its time is over.
    Expired,
    /// It was withdrawn.
    Cancelled,
    /// Another question took its place.
    Superseded,
}

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HumanAnswer {
    /// The call may run, once.
    Approve,
    /// The call may not run.
    Deny,
}

/// Which approvals to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only this state.
    pub state: Option<ApprovalState>,
    /// Only this agent.
    pub agent: Option<String>,
    /// Only this server.
    pub server: Option<String>,
    /// At most so many; 0 stands for [`ListFilter::DEFAULT_LIMIT`], more than [`ListFilter::MAX_LIMIT`] for that.
    pub limit: u32,
}

impl ListFilter {
    /// Rows when no limit is given.
    pub const DEFAULT_LIMIT: u32 = 100;
    /// The most rows of one answer.
    pub const MAX_LIMIT: u32 = 1_000;
}

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No approval has this id.
    #[error("there is no such approval")]
    NotFound,
    /// Somebody answered before, or the question was withdrawn.
    #[error("the approval is {} already", .0.label())]
    AlreadyDecided(ApprovalState),
    /// Its time is over.
    #[error("the approval has expired")]
    Expired,
    /// The approver stands to gain.
    #[error("the agent, its owner and the person it acts for cannot approve its own call")]
    SelfApproval,
    /// The approval was given for something else.
    #[error("the approval was given for another action")]
    BindingMismatch,
    /// It cannot be used in this state.
    #[error("the approval is {}, not approved", .0.label())]
    NotApproved(ApprovalState),
    /// The agent has too many open questions.
    #[error("the agent has {0} approvals waiting already")]
    TooManyPending(u32),
    /// The file could not be read or written.
    #[error("the approval store is unavailable: {0}")]
    Unavailable(String),
}

impl StoreError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "approval.not_found",
            Self::AlreadyDecided(_) => "approval.already_decided",
            Self::Expired => "approval.expired",
            Self::SelfApproval => "approval.self_approval",
            Self::BindingMismatch => "approval.binding_mismatch",
            Self::NotApproved(_) => "approval.not_approved",
            Self::TooManyPending(_) => "approval.too_many_pending",
            Self::Unavailable(_) => "approval.store_unavailable",
        }
    }
}
