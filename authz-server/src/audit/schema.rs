//! The database of one tenant: its tables, its settings, who it belongs to.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::failure::{self, CORRUPT, UNAVAILABLE};
use super::{AuditError, wal};
use crate::files::open_private;

/// The version that this server writes, in `user_version`.
const VERSION: i64 = 1;
/// "Interdict log", so that another program's database is not taken for ours (`application_id`).
const APPLICATION: i64 = 0x4944_4c47;

/// Two to three entries with their sealed inputs fit on a page; `docs/decisions/0004-audit-log.md` has the figures.
const PAGE_BYTES: u32 = 8_192;

/// The entry expects an outcome.
pub(crate) const EXPECTS_OUTCOME: i64 = 1;
/// The entry is an outcome.
pub(crate) const IS_OUTCOME: i64 = 2;
/// The entry says that there was no outcome in time.
pub(crate) const IS_MISSING: i64 = 4;

/// Entries are append-only, and so is everything else but the last tile of each level. The index is all that is known
/// of outcomes without reading entries.
const SCHEMA: &str = "
CREATE TABLE entries (
  seq         INTEGER PRIMARY KEY,
  ts          INTEGER NOT NULL,
  flags       INTEGER NOT NULL,
  decision_id BLOB,
  record      BLOB NOT NULL,
  sealed      BLOB
) STRICT;
CREATE INDEX by_decision ON entries (decision_id, flags, ts) WHERE decision_id IS NOT NULL;
CREATE TABLE tiles (place INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT;
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, at INTEGER NOT NULL, note TEXT NOT NULL) STRICT;
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
";

/// What [`SCHEMA`] makes, sorted.
const NAMES: [&str; 5] = ["about", "by_decision", "checkpoints", "entries", "tiles"];

/// The row of a tile: level in the upper bits, index in the lower ones.
pub(crate) fn place(level: u8, index: u64) -> Option<i64> {
    let level = i64::from(level).checked_shl(56).filter(|_| level < 8)?;
    i64::try_from(index).ok().filter(|index| *index < 1 << 56).map(|index| level | index)
}

/// Opens or creates a database for writing.
pub(crate) fn open(file: &Path, tenant: &str) -> Result<Connection, AuditError> {
    let refuse = |error: &rusqlite::Error| failure::of_sqlite(error, &file.display().to_string());
    create_private(file)
        .map_err(|error| failure::of_io(&error, &format!("{} cannot be created", file.display())))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags).map_err(|error| refuse(&error))?;
    prepare(&mut connection, tenant).map_err(|problem| match problem {
        Problem::Sqlite(error) => refuse(&error),
        Problem::Other(code, message) => AuditError::new(code, format!("{}: {message}", file.display())),
    })?;
    Ok(connection)
}

/// Never opens a database that is there: closing it again would drop the locks of all connections that this process has
/// to it (POSIX locks), and the next program that looks at the database would take the write-ahead log away.
fn create_private(file: &Path) -> std::io::Result<()> {
    match open_private(file, std::fs::OpenOptions::new().write(true).create_new(true)) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

enum Problem {
    Sqlite(rusqlite::Error),
    Other(&'static str, String),
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(connection: &mut Connection, tenant: &str) -> Result<(), Problem> {
    connection.busy_timeout(Duration::from_secs(1))?;
    // Before the write-ahead log is switched on, the only time at which it counts.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        let message = format!("the file system does not support a write-ahead log (journal mode is {mode})");
        return Err(Problem::Other(UNAVAILABLE, message));
    }
    connection.pragma_update(None, "synchronous", "normal")?;
    // Moving pages into the database is work of the background, never of an append.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    // What others put into the schema must not act in our name: a trigger could make a record vanish that was inserted.
    for off in [DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW] {
        connection.set_db_config(off, false)?;
    }
    connection.set_prepared_statement_cache_capacity(32);
    migrate(connection, tenant)
}

fn migrate(connection: &mut Connection, tenant: &str) -> Result<(), Problem> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let number = |name: &str| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (version, application) = (number("user_version")?, number("application_id")?);
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (version, application) {
        (VERSION, APPLICATION) => {}
        (0, 0) if tables == 0 => {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.execute("INSERT INTO about VALUES ('tenant', ?)", [tenant])?;
        }
        (newer, APPLICATION) => {
            let message =
                format!("has schema version {newer}, this server knows {VERSION}; use the newer server");
            return Err(Problem::Other(UNAVAILABLE, message));
        }
        _ => return Err(Problem::Other(CORRUPT, "is the database of another program".to_owned())),
    }
    let owner: Option<String> = transaction
        .query_row("SELECT value FROM about WHERE name = 'tenant'", [], |row| row.get(0))
        .optional()?;
    if owner.as_deref() != Some(tenant) {
        return Err(Problem::Other(CORRUPT, "is the log of another tenant".to_owned()));
    }
    let names: Vec<String> = transaction
        .prepare("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if names != NAMES {
        let message = "has tables, indexes or triggers that are not the log's".to_owned();
        return Err(Problem::Other(CORRUPT, message));
    }
    transaction.commit().map_err(Problem::from)
}

/// Opens a database for reading; works beside a running server and without one.
pub(crate) fn open_for_reading(file: &Path) -> Result<Connection, AuditError> {
    let refuse = |error: &rusqlite::Error| failure::of_sqlite(error, &file.display().to_string());
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(file, flags).map_err(|error| refuse(&error))?;
    let checked = |connection: &Connection| {
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_query_value(None, "application_id", |row| row.get::<_, i64>(0))
    };
    let (connection, application) = match checked(&connection) {
        Ok(application) => (connection, application),
        // A folder in which nothing can be written has no place for the memory that readers share; then nobody writes
        // there either.
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) => {
            let connection =
                Connection::open_with_flags(immutable(file), flags).map_err(|error| refuse(&error))?;
            let application = checked(&connection).map_err(|error| refuse(&error))?;
            (connection, application)
        }
        Err(error) => return Err(refuse(&error)),
    };
    if application != APPLICATION {
        return Err(AuditError::new(CORRUPT, format!("{} is no log", file.display())));
    }
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn immutable(file: &Path) -> String {
    let path = file.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?immutable=1")
}

/// Which files a database is made of, to notice that they were moved, removed or replaced while they are open: what is
/// written then is in files that nobody finds any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    database: PathBuf,
    wal: PathBuf,
    identity: [(u64, u64); 2],
}

impl Files {
    /// The files of a database that is open, right after it was opened.
    pub(crate) fn of(database: &Path) -> Result<Self, AuditError> {
        let (database, wal) = (database.to_owned(), wal::of(database));
        let identity = [identity(&database)?, identity(&wal)?];
        Ok(Self { database, wal, identity })
    }

    /// # Errors
    /// `audit.corrupt` when one of them is not there any more or is another one.
    pub(crate) fn check(&self) -> Result<(), AuditError> {
        match (identity(&self.database), identity(&self.wal)) {
            (Ok(database), Ok(wal)) if [database, wal] == self.identity => Ok(()),
            _ => {
                let message = "was moved, removed or replaced while it was open; put it back and restart";
                Err(AuditError::new(CORRUPT, format!("{}: {message}", self.database.display())))
            }
        }
    }
}

/// Device and number. Not `metadata`, which asks for the times as well: a kernel that has told the time of a change gives
/// the next write another one, and to write that down makes every sync of the write-ahead log half as long again.
fn identity(file: &Path) -> Result<(u64, u64), AuditError> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};

    match statx(CWD, file, AtFlags::empty(), StatxFlags::INO) {
        Ok(about) => Ok((makedev(about.stx_dev_major, about.stx_dev_minor), about.stx_ino)),
        // Older kernels and some sandboxes do not have this call.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
            std::fs::metadata(file).map(|about| (about.dev(), about.ino()))
        }
        Err(error) => Err(error.into()),
    }
    .map_err(|error| failure::of_io(&error, &format!("{} cannot be looked at", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::failure::LOCKED;

    #[test]
    fn a_database_of_another_program_or_another_tenant_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.db");
        drop(open(&file, "acme").unwrap());
        drop(open(&file, "acme").unwrap());
        let other = open(&file, "globex").unwrap_err();
        assert_eq!(other.code, CORRUPT);
        assert!(other.message.contains("another tenant"), "{other}");
        let foreign = folder.path().join("foreign.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        assert_eq!(open(&foreign, "acme").unwrap_err().code, CORRUPT);
        let text = folder.path().join("text.db");
        std::fs::write(&text, "not a database, but long enough to be taken for one ".repeat(40)).unwrap();
        assert_eq!(open(&text, "acme").unwrap_err().code, CORRUPT);
    }

    #[test]
    fn a_database_with_more_in_it_than_the_log_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.db");
        drop(open(&file, "acme").unwrap());
        let trigger = "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM entries; END";
        Connection::open(&file).unwrap().execute_batch(trigger).unwrap();
        assert_eq!(open(&file, "acme").unwrap_err().code, CORRUPT);
    }

    #[test]
    fn a_trigger_put_into_an_open_log_does_not_act_on_what_the_server_writes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.db");
        let writer = open(&file, "acme").unwrap();
        let triggers = "CREATE TRIGGER t BEFORE INSERT ON checkpoints BEGIN SELECT raise(ignore); END;
                        CREATE TRIGGER u AFTER INSERT ON checkpoints BEGIN DELETE FROM checkpoints; END;";
        Connection::open(&file).unwrap().execute_batch(triggers).unwrap();
        writer.execute("INSERT INTO checkpoints VALUES (1, 2, 'n')", []).unwrap();
        let count: i64 = writer.query_row("SELECT count(*) FROM checkpoints", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 1);
    }

    #[test]
    fn a_database_that_is_moved_or_whose_write_ahead_log_is_replaced_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.db");
        let _open = open(&file, "acme").unwrap();
        let files = Files::of(&file).unwrap();
        assert_eq!(files.check(), Ok(()));
        for moved in [file.clone(), wal::of(&file)] {
            let aside = folder.path().join("aside");
            std::fs::rename(&moved, &aside).unwrap();
            assert_eq!(files.check().unwrap_err().code, CORRUPT);
            std::fs::write(&moved, "").unwrap();
            assert_eq!(files.check().unwrap_err().code, CORRUPT, "another file of this name");
            std::fs::rename(&aside, &moved).unwrap();
            assert_eq!(files.check(), Ok(()));
        }
    }

    #[test]
    fn a_database_that_somebody_writes_to_is_locked_after_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.db");
        let mut holder = open(&file, "acme").unwrap();
        let _held = holder.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        assert_eq!(open(&file, "acme").unwrap_err().code, LOCKED);
    }

    #[test]
    fn tiles_have_rows_of_their_own_up_to_the_largest_tree() {
        assert_eq!(place(0, 7), Some(7));
        assert_eq!(place(7, 0), Some(7 << 56));
        assert_eq!(place(8, 0), None);
        assert_eq!(place(0, 1 << 56), None);
    }
}
