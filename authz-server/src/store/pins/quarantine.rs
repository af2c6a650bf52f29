//! What was kept from a client, for a reviewer. The text is encrypted before it gets here.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::rows::{immediate, moment};
use super::{PinFile, unavailable};
use crate::pins::PinError;

/// What is known of a text that was replaced by a handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) handle: String,
    pub(crate) tenant: String,
    pub(crate) server: String,
    pub(crate) decision_id: String,
    pub(crate) reason: String,
    pub(crate) bytes: u64,
    pub(crate) kept_at: Timestamp,
}

/// The same with the text, encrypted.
pub(crate) struct KeptText {
    pub(crate) about: Kept,
    pub(crate) sealed: Vec<u8>,
}

const COLUMNS: &str = "handle, tenant, server, decision_id, reason, bytes, kept_at";

impl PinFile {
    /// Keeps texts; those from before `before` and the oldest beyond `most` go. A handle that is there stays as it is.
    pub(crate) fn keep(&mut self, texts: &[KeptText], before: Timestamp, most: u64) -> Result<(), PinError> {
        let transaction = immediate(&mut self.connection)?;
        for KeptText { about, sealed } in texts {
            let sql = format!(
                "INSERT OR IGNORE INTO quarantine ({COLUMNS}, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            );
            let values = params![
                about.handle,
                about.tenant,
                about.server,
                about.decision_id,
                about.reason,
                about.bytes,
                about.kept_at.as_millisecond(),
                sealed,
            ];
            transaction.execute(&sql, values).map_err(unavailable)?;
        }
        transaction
            .execute("DELETE FROM quarantine WHERE kept_at < ?1", [before.as_millisecond()])
            .map_err(unavailable)?;
        let beyond = "DELETE FROM quarantine WHERE handle IN \
                      (SELECT handle FROM quarantine ORDER BY kept_at DESC, handle LIMIT -1 OFFSET ?1)";
        transaction.execute(beyond, [most]).map_err(unavailable)?;
        transaction.commit().map_err(unavailable)
    }

    /// The newest texts that are kept, without them.
    pub(crate) fn kept(&self, server: Option<&str>, most: u64) -> Result<Vec<Kept>, PinError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM quarantine WHERE (?1 IS NULL OR server = ?1) ORDER BY kept_at DESC, handle LIMIT ?2"
        );
        let mut statement = self.connection.prepare_cached(&sql).map_err(unavailable)?;
        let rows = statement.query_map(params![server, most], read);
        rows.and_then(Iterator::collect).map_err(unavailable)
    }

    /// One text.
    pub(crate) fn kept_text(&self, handle: &str) -> Result<Option<KeptText>, PinError> {
        let sql = format!("SELECT {COLUMNS}, sealed FROM quarantine WHERE handle = ?1");
        let row = |row: &Row<'_>| Ok(KeptText { about: read(row)?, sealed: row.get(7)? });
        self.connection.query_row(&sql, [handle], row).optional().map_err(unavailable)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        handle: row.get(0)?,
        tenant: row.get(1)?,
        server: row.get(2)?,
        decision_id: row.get(3)?,
        reason: row.get(4)?,
        bytes: row.get(5)?,
        kept_at: moment(row, 6)?,
    })
}
