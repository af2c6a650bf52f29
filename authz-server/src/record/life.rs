//! Starts and stops of a server.

use interdict_audit::record::{Durability, Start, Stop};

use super::Recording;
use super::entries::system;
use crate::audit::{Appending, AuditError};
use crate::config::AuditDurability;

impl Recording {
    /// Records the start, for certain: a server that cannot does not start.
    ///
    /// # Errors
    /// When the log does not take the entry.
    pub async fn started(&self, config_digest: &str, durability: AuditDurability) -> Result<(), AuditError> {
        let body = Start {
            build: self.build().into(),
            config_digest: config_digest.into(),
            durability: match durability {
                AuditDurability::Consequential => Durability::Consequential,
                AuditDurability::Every => Durability::Every,
            },
            engine: self.engine().into(),
            replica: self.replica().into(),
        };
        self.say(system(&body)).await
    }

    /// Records the end. A start without an end before it is the trace of a crash.
    ///
    /// # Errors
    /// When the log does not take the entry.
    pub async fn stopped(&self, clean: bool) -> Result<(), AuditError> {
        self.say(system(&Stop { clean, replica: self.replica().into() })).await
    }

    /// Appends an entry that must survive power loss, and waits for it.
    pub(super) async fn say(&self, entry: Option<crate::audit::NewEntry>) -> Result<(), AuditError> {
        self.queue(entry)?.await.map(drop)
    }

    /// Queues an entry that must survive power loss; it is waited for with what this returns.
    pub(super) fn queue(&self, entry: Option<crate::audit::NewEntry>) -> Result<Appending, AuditError> {
        let Some(mut entry) = entry else {
            return Err(AuditError::new("audit.unavailable", "the record has no text"));
        };
        entry.at_once = true;
        Ok(self.recorder().append(entry))
    }
}
