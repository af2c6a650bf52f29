//! Pins in one SQLite file, with what was quarantined: rows in and out, without a thread of their own.

mod quarantine;
mod rows;

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

pub(crate) use self::quarantine::{Kept, KeptText};
pub(crate) use self::rows::{Limits, Noted, Query};
use super::sqlite::look;
use super::sqlite::schema::{self, Form};
use crate::pins::{PinError, Vault};

/// "Interdict pins".
pub(in crate::store) const FORM: Form =
    Form { version: 2, application: 0x4944_504e, schema: SCHEMA, later: "" };

const SCHEMA: &str = "
CREATE TABLE pins (
  tenant          TEXT NOT NULL,
  server          TEXT NOT NULL,
  kind            TEXT NOT NULL,
  name            TEXT NOT NULL,
  state           TEXT NOT NULL,
  pin_digest      TEXT,
  pin_definition  BLOB,
  pin_image       TEXT,
  approved_by     TEXT,
  approved_at     INTEGER,
  seen_digest     TEXT,
  seen_definition BLOB,
  seen_as         TEXT,
  seen_at         INTEGER,
  revoked_by      TEXT,
  revoked_at      INTEGER,
  first_seen      INTEGER NOT NULL,
  PRIMARY KEY (tenant, server, kind, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
  handle      TEXT PRIMARY KEY,
  tenant      TEXT NOT NULL,
  server      TEXT NOT NULL,
  decision_id TEXT NOT NULL,
  reason      TEXT NOT NULL,
  bytes       INTEGER NOT NULL,
  sealed      BLOB NOT NULL,
  kept_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX quarantine_by_age ON quarantine (kept_at);
";

/// The file. Definitions are encrypted in it.
pub(crate) struct PinFile {
    connection: Connection,
    vault: Arc<Vault>,
}

impl PinFile {
    /// Opens or creates it (mode 0600).
    pub(crate) fn open(file: &Path, vault: Arc<Vault>) -> Result<Self, PinError> {
        let connection = schema::open(file, &FORM)
            .map_err(|reason| PinError::Unavailable(format!("{}: {reason}", file.display())))?;
        Ok(Self { connection, vault })
    }

    /// Whether a start could read every definition in a file that is there, with the key that is there; without one there
    /// must be none. Writes nothing.
    pub(crate) fn look(file: &Path, vault: Option<Arc<Vault>>) -> Result<(), PinError> {
        let connection = look::open(file).map_err(unavailable)?;
        let Some(vault) = vault else {
            let sql =
                "SELECT count(*) FROM pins WHERE pin_definition IS NOT NULL OR seen_definition IS NOT NULL";
            let sealed: u64 = connection.query_row(sql, [], |row| row.get(0)).map_err(unavailable)?;
            let why = format!("definitions that are sealed with a key that is not there: {sealed}");
            return if sealed == 0 { Ok(()) } else { Err(PinError::Unavailable(why)) };
        };
        Self { connection, vault }.entries(&Query::default()).map(drop)
    }

    /// A number that moves when another connection commits.
    pub(crate) fn version(&self) -> i64 {
        super::sqlite::rows::data_version(&self.connection)
    }
}

fn unavailable(error: rusqlite::Error) -> PinError {
    PinError::Unavailable(error.to_string())
}
