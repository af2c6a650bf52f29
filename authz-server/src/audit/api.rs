//! What the rest of the server says to the log, and what it hears from it.

use std::future::Future;
use std::pin::Pin;

use interdict_audit::record::Kind;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

/// One entry to be written: the body is canonical JSON already, the log adds position, time and the hash of the entry
/// before it.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Whose log.
    pub tenant: String,
    /// What the body is.
    pub kind: Kind,
    /// The decision that it is about, if it is about one.
    pub decision_id: Option<Uuid>,
    /// Canonical JSON of the body.
    pub body: Vec<u8>,
    /// What replay needs, in plain text; stored encrypted beside the entry.
    pub sealed: Option<Vec<u8>>,
    /// Whether an outcome must follow: of decisions alone.
    pub expects_outcome: bool,
    /// Whether it must survive power loss before the append is over.
    pub at_once: bool,
}

/// Where an entry went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its number in the tenant's log.
    pub seq: u64,
}

/// Why an entry was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AuditError {
    /// `audit.*`.
    pub code: &'static str,
    /// For the log; nothing of the entry.
    pub message: String,
}

impl AuditError {
    /// An error with this code.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Whether entries are being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Yes.
    Serving,
    /// No.
    Down {
        /// Why, `audit.*`.
        code: &'static str,
        /// Since when.
        since: Timestamp,
    },
}

/// What an append returns: boxed, so that the trait can be used as an object.
pub type Appending = Pin<Box<dyn Future<Output = Result<Appended, AuditError>> + Send>>;

/// Takes entries. The log itself, or what stands for it in tests.
pub trait Recorder: Send + Sync {
    /// Queues the entry at once, in this very call; the future resolves when it is committed. Dropping the future does
    /// not take the entry back, so a caller that goes away has been recorded.
    fn append(&self, entry: NewEntry) -> Appending;

    /// Queues the entry; nobody waits for it.
    fn submit(&self, entry: NewEntry);

    /// Whether entries are being written, now and later.
    fn health(&self) -> watch::Receiver<Health>;

    /// Counts a call that went on without its record, by configuration; the log says so when it can write again.
    fn unrecorded(&self, tenant: &str);
}
