//! What stops a start.

use std::path::PathBuf;

use crate::admin::TokenError;
use crate::identity::StartError;
use crate::store::StoreError;

/// Why a server did not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The bundle does not load.
    #[error("bundle: {0}")]
    Bundle(#[from] interdict_policy::BundleError),
    /// Identity cannot be checked.
    #[error("identity: {0}")]
    Identity(#[from] StartError),
    /// An upstream credential is impossible.
    #[error("{0}")]
    Upstream(#[from] crate::identity::ConfigProblem),
    /// The log does not take what a start has to say.
    #[error("audit: {0}")]
    AuditEntry(#[from] crate::audit::AuditError),
    /// The approval database cannot be used.
    #[error("approvals.database: {0}")]
    Store(#[from] StoreError),
    /// The database of pins, beside that of approvals, cannot be used.
    #[error("approvals.database: {0}")]
    Pins(#[from] crate::pins::PinError),
    /// The database of totals, beside that of approvals, cannot be used.
    #[error(transparent)]
    Totals(#[from] crate::totals::TotalsError),
    /// The key for `requestState` cannot be used.
    #[error("approvals.request_state_key_file: {0}")]
    Key(#[from] super::key::KeyError),
    /// The admin token cannot be used.
    #[error("listen.admin.token_file: {0}")]
    AdminToken(#[from] TokenError),
    /// A socket cannot be had.
    #[error("{key}: {address}: {error}")]
    Listen {
        /// Key of the configuration.
        key: &'static str,
        /// Where.
        address: String,
        /// Why not.
        error: std::io::Error,
    },
    /// A certificate or key file cannot be used.
    #[error("{key}: {}: {reason}", file.display())]
    Tls {
        /// Key of the configuration.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The decider could not be made.
    #[error("{0}")]
    Decider(String),
    /// A blocking task ended badly.
    #[error("start-up failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}
