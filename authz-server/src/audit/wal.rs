//! The write-ahead log of a database as a file: its length, and what of it is on the disk. Opening and closing it does no
//! harm: SQLite's locks are on other files.

use std::fs::{File, OpenOptions};
use std::io::{Error, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::{AuditError, failure};

/// It is written to this length before it is used, so that a commit only overwrites: when a file grows, syncing it means
/// syncing its length too, which doubles the time.
const BYTES: u64 = 4 * 1024 * 1024;
/// So much of it is written at once.
const PIECE: usize = 64 * 1024;

/// Where the write-ahead log of a database is.
pub(crate) fn of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// The write-ahead log of a database that this process has open, to sync it.
pub(crate) fn open(database: &Path) -> Result<File, AuditError> {
    File::open(of(database)).map_err(|error| failure::of_io(&error, "the write-ahead log cannot be opened"))
}

/// As [`open`], at its full length.
pub(crate) fn grown(database: &Path) -> Result<File, AuditError> {
    let grow = || {
        let wal = OpenOptions::new().read(true).append(true).open(of(database))?;
        let length = wal.metadata()?.len();
        let zeros = vec![0; PIECE];
        let mut missing = BYTES.saturating_sub(length);
        while missing > 0 {
            let piece = zeros.get(..usize::try_from(missing).unwrap_or(zeros.len()).min(zeros.len()));
            let written = (&wal).write(piece.unwrap_or(&zeros))?;
            missing = missing.saturating_sub(written as u64);
        }
        wal.sync_all()?;
        Ok(wal)
    };
    grow().map_err(|error| failure::of_io(&error, "the write-ahead log cannot be prepared"))
}

/// Writes everything that the write-ahead log holds once more, in its place, and syncs it.
///
/// A system tells of a sync that failed once, and takes what it could not write for written: the next sync succeeds and
/// says nothing of it. What is committed then lies behind a hole, and after a loss of power the log ends there. What is
/// written again goes to the disk again, or this fails. To move everything into the database instead would wait for
/// readers, and a loss of power in the middle of it would need the very frames that are missing.
pub(crate) fn write_again(connection: &mut Connection, database: &Path) -> Result<(), AuditError> {
    let doing = "the write-ahead log cannot be written again";
    // Nobody else may write meanwhile, and nobody can begin the file anew. Readers see the same bytes before and after.
    let alone = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| failure::of_sqlite(&error, doing))?;
    let again = || -> Result<(), Error> {
        let wal = OpenOptions::new().read(true).write(true).open(of(database))?;
        let (mut piece, mut at) = (vec![0; PIECE], 0);
        loop {
            let read = wal.read_at(&mut piece, at)?;
            let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            wal.write_all_at(bytes, at)?;
            at = at.saturating_add(read as u64);
        }
        wal.sync_all()
    };
    again().map_err(|error| failure::of_io(&error, doing))?;
    alone.rollback().map_err(|error| failure::of_sqlite(&error, doing))
}

#[cfg(test)]
mod tests {
    use super::super::{failure::LOCKED, schema};
    use super::*;

    fn checkpoints(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM checkpoints", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_write_ahead_log_of_zeros_behind_the_frames_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.db");
        let writer = schema::open(&file, "acme").unwrap();
        let wal = grown(&file).unwrap();
        assert!(wal.metadata().unwrap().len() >= BYTES);
        writer.execute("INSERT INTO checkpoints VALUES (1, 2, 'n')", []).unwrap();
        // A copy as a kill would leave it: main file and write-ahead log, without the shared memory.
        let copy = folder.path().join("copy.db");
        std::fs::copy(&file, &copy).unwrap();
        std::fs::copy(of(&file), of(&copy)).unwrap();
        assert_eq!(checkpoints(&schema::open(&copy, "acme").unwrap()), 1);
    }

    #[test]
    fn what_is_written_again_is_the_same_and_no_reader_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.db");
        let mut writer = schema::open(&file, "acme").unwrap();
        grown(&file).unwrap();
        writer.execute("INSERT INTO checkpoints VALUES (1, 2, 'n')", []).unwrap();
        let mut reader = schema::open_for_reading(&file).unwrap();
        let reading = reader.transaction().unwrap();
        assert_eq!(checkpoints(&reading), 1);
        writer.execute("INSERT INTO checkpoints VALUES (2, 3, 'n')", []).unwrap();
        let before = std::fs::read(of(&file)).unwrap();
        write_again(&mut writer, &file).unwrap();
        assert!(std::fs::read(of(&file)).unwrap() == before);
        assert_eq!((checkpoints(&reading), checkpoints(&writer)), (1, 2));
    }

    #[test]
    fn nothing_is_written_again_while_somebody_else_writes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.db");
        let mut writer = schema::open(&file, "acme").unwrap();
        let mut other = schema::open(&file, "acme").unwrap();
        let _held = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        assert_eq!(write_again(&mut writer, &file).unwrap_err().code, LOCKED);
    }
}
