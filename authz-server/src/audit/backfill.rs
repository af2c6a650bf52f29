//! Moving committed pages from the write-ahead log into the database, and syncing it, away from those who append.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::AuditError;
use super::failure;
use super::schema;
use super::sequencer::Sequencer;
use super::wal;

/// So many new entries are moved at once: often enough that the write-ahead log starts over within the length that it has.
const ENTRIES: u64 = 128;
/// A smaller rest is moved after this time.
const REST: Duration = Duration::from_secs(10);
/// With so many pages in the write-ahead log everybody waits until all are moved.
const TOO_MANY_PAGES: i64 = 4_096;

/// A second connection. It also keeps the write-ahead log in place when the writing connection is closed.
#[derive(Debug)]
pub(crate) struct Backfill {
    connection: Connection,
    wal: File,
    ran: Instant,
    /// Entries that checkpoints covered then.
    moved: u64,
}

impl Backfill {
    pub(crate) fn open(file: &Path, tenant: &str) -> Result<Self, AuditError> {
        let connection = schema::open(file, tenant)?;
        let wal = wal::grown(file)?;
        Ok(Self { connection, wal, ran: Instant::now(), moved: 0 })
    }

    /// Everything that was committed before is on the disk afterwards.
    pub(crate) fn sync(&self) -> Result<(), AuditError> {
        self.wal.sync_data().map_err(|error| failure::of_io(&error, "the write-ahead log cannot be synced"))
    }

    /// Moves pages when there are enough. A failure costs time at the next start, nothing else.
    pub(crate) fn run(&mut self, sequencer: &Sequencer) {
        let covered = sequencer.covered();
        if covered.saturating_sub(self.moved) < ENTRIES && self.ran.elapsed() < REST {
            return;
        }
        (self.ran, self.moved) = (Instant::now(), covered);
        let moved = self.pass().and_then(|(all, moved)| {
            if all > moved && all > TOO_MANY_PAGES {
                let _nobody_writes = sequencer.writer();
                return self.pass();
            }
            Ok((all, moved))
        });
        if let Err(error) = moved {
            tracing::warn!(tenant = sequencer.tenant, error = %error, "the write-ahead log cannot be moved");
        }
    }

    /// Pages of the write-ahead log, and those of them that were moved.
    fn pass(&self) -> rusqlite::Result<(i64, i64)> {
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(1)?, row.get(2)?)))
    }
}
