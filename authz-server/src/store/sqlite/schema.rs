//! Opening the file: permissions, settings, schema version, damage.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// What a file of ours is.
pub(in crate::store) struct Form {
    /// The version this server writes, in `user_version`.
    pub(in crate::store) version: i64,
    /// So that another program's database is not taken for ours (`application_id`).
    pub(in crate::store) application: i64,
    /// What an empty file gets.
    pub(in crate::store) schema: &'static str,
    /// What every file gets that does not have it: additions that the version does without.
    pub(in crate::store) later: &'static str,
}

/// "Interdict approvals".
pub(in crate::store) const FORM: Form =
    Form { version: 1, application: 0x4944_4150, schema: SCHEMA, later: LATER };

const SCHEMA: &str = "
CREATE TABLE approvals (
  id             TEXT PRIMARY KEY,
  state          TEXT NOT NULL,
  binding        TEXT NOT NULL,
  tenant         TEXT NOT NULL,
  agent          TEXT NOT NULL,
  agent_owner    TEXT NOT NULL,
  principal      TEXT,
  server         TEXT NOT NULL,
  method         TEXT NOT NULL,
  tool           TEXT,
  action_digest  TEXT NOT NULL,
  policy_digest  TEXT NOT NULL,
  reasons        TEXT NOT NULL,
  arguments_json TEXT NOT NULL,
  era            TEXT NOT NULL,
  created_at     INTEGER NOT NULL,
  expires_at     INTEGER NOT NULL,
  decided_by     TEXT,
  decided_at     INTEGER,
  note           TEXT,
  consumed_at    INTEGER,
  superseded_by  TEXT
) STRICT;
CREATE UNIQUE INDEX one_open_per_binding ON approvals (binding) WHERE state IN ('pending', 'approved');
CREATE INDEX open_by_agent ON approvals (agent, action_digest) WHERE state = 'pending';
CREATE INDEX open_by_expiry ON approvals (expires_at) WHERE state IN ('pending', 'approved');
CREATE INDEX by_state ON approvals (state, created_at);
";

/// For the deletion of closed rows, and for what an approver is told of totals. Added after version 1, which does without:
/// no reason for a version of its own. An older server on the file deletes what belongs to its rows by the trigger.
const LATER: &str = "
CREATE INDEX IF NOT EXISTS closed_by_expiry ON approvals (expires_at) WHERE state NOT IN ('pending', 'approved');
CREATE TABLE IF NOT EXISTS approval_totals (
  id     TEXT PRIMARY KEY,
  totals TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS totals_of_deleted AFTER DELETE ON approvals
BEGIN DELETE FROM approval_totals WHERE id = OLD.id; END;
";

/// Opens or creates the file; the reason when that is impossible.
pub(in crate::store) fn open(file: &Path, form: &Form) -> Result<Connection, String> {
    create_private(file).map_err(|error| format!("cannot be opened: {error}"))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags).map_err(explain)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(explain)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(explain)?;
    if mode != "wal" {
        return Err(format!("the file system does not support a write-ahead log (journal mode is {mode})"));
    }
    connection.pragma_update(None, "synchronous", "full").map_err(explain)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(explain)?;
    migrate(&mut connection, form)?;
    let health: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(explain)?;
    if health != "ok" {
        return Err(format!(
            "is damaged: {health}; restore it from a backup, or move it away to start empty"
        ));
    }
    Ok(connection)
}

/// The questions hold arguments of calls: nobody but the server's user reads them. SQLite gives its side files the
/// mode of the main file.
fn create_private(file: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}

/// Why a file of ours cannot be used that has another version.
pub(super) fn other_version(other: i64, known: i64) -> String {
    let advice = match other > known {
        true => "use the newer server",
        false => "move it away to start empty, or use the older server",
    };
    format!("has schema version {other}, this server knows {known}; {advice}")
}

fn migrate(connection: &mut Connection, form: &Form) -> Result<(), String> {
    let Form { version: known, application: ours, schema, later } = *form;
    // Immediate: of two servers that start together one writes the schema, the other finds it.
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(explain)?;
    let number = |name: &str| -> Result<i64, String> {
        transaction.pragma_query_value(None, name, |row| row.get(0)).map_err(explain)
    };
    let (version, application) = (number("user_version")?, number("application_id")?);
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(explain)?;
    match (version, application) {
        (of, by) if (of, by) == (known, ours) => {
            transaction.execute_batch(later).map_err(explain)?;
            return transaction.commit().map_err(explain);
        }
        (0, 0) if tables == 0 => {}
        (other, by) if by == ours => return Err(other_version(other, known)),
        _ => return Err("is the database of another program".to_owned()),
    }
    transaction.execute_batch(schema).map_err(explain)?;
    transaction.execute_batch(later).map_err(explain)?;
    transaction.pragma_update(None, "user_version", known).map_err(explain)?;
    transaction.pragma_update(None, "application_id", ours).map_err(explain)?;
    transaction.commit().map_err(explain)
}

pub(super) fn explain(error: rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => "is not an SQLite database".to_owned(),
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
            "is damaged; restore it from a backup, or move it away to start empty".to_owned()
        }
        _ => error.to_string(),
    }
}
