//! The one connection that writes a tenant's log, and the end of the log in memory. Both move together: a batch that is
//! not committed leaves neither a row nor a trace in the chain.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use interdict_audit::merkle::leaf_hash;
use interdict_audit::note::{Note, NoteError, Signature};
use interdict_audit::record::{Kind, Moment};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::chain::{Chain, Linked};
use super::failure::{self, CORRUPT, LOCKED, UNAVAILABLE};
use super::schema::{self, Files};
use super::{AuditError, wal};

/// An entry without its place.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) decision_id: Option<Uuid>,
    pub(crate) body: Vec<u8>,
    /// Encrypted already.
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) flags: i64,
    pub(crate) at_once: bool,
}

impl Draft {
    /// An entry about the log itself.
    pub(crate) fn event(kind: Kind, body: Vec<u8>) -> Self {
        Self { kind, decision_id: None, body, sealed: None, flags: 0, at_once: false }
    }

    /// Whether no call waits for it: an outcome is reported when everything is over. It is committed with others.
    pub(crate) fn is_patient(&self) -> bool {
        self.kind == Kind::Outcome && !self.at_once
    }

    /// Bytes that it keeps in memory while it waits.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + self.sealed.as_ref().map_or(0, Vec::len)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Writer {
    file: PathBuf,
    tenant: String,
    pub(crate) chain: Chain,
    /// `None` after a failure: what is in the database is looked at again before anything is written.
    connection: Option<Connection>,
    /// The files that were there when it was opened.
    files: Files,
    /// The write-ahead log, to sync it.
    wal: File,
    /// Why nobody knows what of the write-ahead log is on the disk.
    unsynced: Option<AuditError>,
    every: bool,
    #[cfg(test)]
    pub(crate) trouble: super::testing::Trouble,
}

const INSERT: &str =
    "INSERT INTO entries (seq, ts, flags, decision_id, record, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

impl Writer {
    /// A writer whose chain is the end of this database.
    pub(crate) fn new(
        file: PathBuf,
        tenant: &str,
        connection: Connection,
        chain: Chain,
        every: bool,
    ) -> Result<Self, AuditError> {
        Ok(Self {
            files: Files::of(&file)?,
            wal: wal::open(&file)?,
            unsynced: None,
            file,
            tenant: tenant.to_owned(),
            chain,
            connection: Some(connection),
            every,
            #[cfg(test)]
            trouble: super::testing::Trouble::default(),
        })
    }

    /// Whether the last write went well.
    pub(crate) fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    /// The number of the first entry of the batch, once all are committed: to the system, and to the disk when one of
    /// them asks for it. Either all are in the log or none is.
    ///
    /// Right after [`LOCKED`] the connection is still good; after any other failure [`Writer::reopen`] comes first.
    pub(crate) fn commit<'a>(
        &mut self,
        drafts: impl ExactSizeIterator<Item = &'a Draft> + Clone,
        now: Moment,
    ) -> Result<u64, AuditError> {
        let first = self.chain.size();
        let synced = self.every || drafts.clone().any(|draft| draft.at_once);
        let mark = self.chain.mark();
        let mut written = self.insert(drafts, now);
        if synced {
            written = written.and_then(|()| self.sync());
        }
        // Afterwards, because only then nothing can happen any more between the look and the write.
        written = written.and_then(|()| self.files.check());
        match written {
            Ok(()) => Ok(first),
            Err(error) => {
                self.chain.go_back(mark);
                // A writer that waits for another one has written nothing. After everything else nobody knows.
                if error.code != LOCKED {
                    self.connection = None;
                }
                Err(error)
            }
        }
    }

    fn insert<'a>(
        &mut self,
        drafts: impl ExactSizeIterator<Item = &'a Draft>,
        now: Moment,
    ) -> Result<(), AuditError> {
        #[cfg(test)]
        self.trouble.check()?;
        let Self { chain, connection: Some(connection), .. } = self else { return Err(closed()) };
        #[cfg(test)]
        self.trouble.limit(connection);
        let many = drafts.len() > 1;
        // One statement is a transaction of its own.
        if many {
            run(connection, "BEGIN IMMEDIATE")?;
        }
        let inserted = drafts.into_iter().try_for_each(|draft| {
            let linked = chain
                .link(draft.kind, &draft.body, now)
                .map_err(|error| AuditError::new(UNAVAILABLE, error.to_string()))?;
            insert_row(connection, draft, &linked)
        });
        if !many {
            return inserted;
        }
        let ended = inserted.and_then(|()| run(connection, "COMMIT"));
        if ended.is_err() && !connection.is_autocommit() {
            // What fails here is found when the database is opened again.
            let _ = run(connection, "ROLLBACK");
        }
        ended
    }

    /// Why a sync failed, until everything has been written again: what the failed one left out stays away from the disk
    /// whatever the next one says.
    pub(crate) fn unsynced(&self) -> Option<&AuditError> {
        self.unsynced.as_ref()
    }

    /// What is committed is on the disk afterwards. SQLite would sync with a commit, too, but with `fsync`: that also
    /// writes the time of the change, which nobody needs, through the file system's journal.
    fn sync(&mut self) -> Result<(), AuditError> {
        let synced = self.wal.sync_data();
        #[cfg(test)]
        let synced = self.trouble.sync(synced);
        synced.map_err(|error| {
            let error = failure::of_io(&error, "the write-ahead log cannot be synced");
            self.unsynced = Some(error.clone());
            error
        })
    }

    /// Stores a checkpoint over everything in the chain with the tiles that belong to it, and syncs: what was committed
    /// before it is on the disk when this returns.
    pub(crate) fn store_checkpoint(&mut self, at: Moment, note: &str) -> Result<(), AuditError> {
        let grown = self.chain.grown().map_err(|error| AuditError::new(CORRUPT, error.to_string()))?;
        #[cfg(test)]
        self.trouble.check()?;
        let size = number(self.chain.size())?;
        let connection = self.connection.as_mut().ok_or_else(closed)?;
        let store = |connection: &mut Connection| {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            for (tile, hashes) in &grown {
                let place = schema::place(tile.level, tile.index);
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO tiles VALUES (?1, ?2)")?
                    .execute(params![place, hashes])?;
            }
            transaction
                .prepare_cached("INSERT OR REPLACE INTO checkpoints VALUES (?1, ?2, ?3)")?
                .execute(params![size, at.unix_ms(), note])?;
            transaction.commit()
        };
        let stored = store(connection)
            .map_err(|error| failure::of_sqlite(&error, "the checkpoint cannot be stored"))
            .and_then(|()| self.sync());
        match stored {
            Ok(()) => {
                self.chain.checkpoint_stored();
                Ok(())
            }
            Err(error) => {
                if error.code != LOCKED {
                    self.connection = None;
                }
                Err(error)
            }
        }
    }

    /// Adds a cosignature to the stored checkpoint over `size` entries; the note with it.
    pub(crate) fn cosign(&mut self, size: u64, signature: Signature) -> Result<Option<String>, AuditError> {
        let connection = self.connection.as_ref().ok_or_else(closed)?;
        let refuse = |error: rusqlite::Error| failure::of_sqlite(&error, "the cosignature cannot be stored");
        let stored: Option<String> = connection
            .prepare_cached("SELECT note FROM checkpoints WHERE size = ?1")
            .and_then(|mut select| select.query_row([size], |row| row.get(0)).optional())
            .map_err(refuse)?;
        let Some(stored) = stored else { return Ok(None) };
        let unusable = |error: NoteError| AuditError::new(CORRUPT, error.to_string());
        let mut note = Note::parse(stored.as_bytes()).map_err(unusable)?;
        note.add(signature).map_err(unusable)?;
        let note = note.to_string();
        connection
            .prepare_cached("UPDATE checkpoints SET note = ?2 WHERE size = ?1")
            .and_then(|mut update| update.execute(params![size, note]))
            .map_err(refuse)?;
        Ok(Some(note))
    }

    /// Opens the database again after a failure and makes it what the chain says: a batch whose commit failed in a way
    /// that left it in the database was answered with an error, so it must not be there.
    pub(crate) fn reopen(&mut self) -> Result<(), AuditError> {
        self.connection = None;
        #[cfg(test)]
        self.trouble.check()?;
        // Never made anew: an empty one beside the old write-ahead log would spoil both.
        if !self.file.exists() {
            let message = format!("{} is gone; put it back and restart", self.file.display());
            return Err(AuditError::new(CORRUPT, message));
        }
        // Who had the file open when a sync failed is told so once, whoever else was: this one before it is closed.
        let _ = self.sync();
        let mut connection = schema::open(&self.file, &self.tenant)?;
        connection.busy_timeout(Duration::ZERO).map_err(|error| failure::of_sqlite(&error, "reopening"))?;
        if self.unsynced.is_some() {
            #[cfg(test)]
            self.trouble.write_again()?;
            wal::write_again(&mut connection, &self.file)?;
        }
        let end = self.chain.size();
        remove_behind(&connection, end).map_err(|error| failure::of_sqlite(&error, "reopening"))?;
        let last: Option<(i64, Vec<u8>)> = last_entry(&connection)
            .map_err(|error| failure::of_sqlite(&error, "the last entry cannot be read"))?;
        let fits = match (end.checked_sub(1), &last) {
            (None, None) => true,
            (Some(seq), Some((found, record))) => {
                u64::try_from(*found) == Ok(seq)
                    && interdict_audit::hex::encode(leaf_hash(record)) == self.chain.prev()
            }
            _ => false,
        };
        if !fits {
            return Err(AuditError::new(CORRUPT, "the database does not end where this server left it"));
        }
        self.files = Files::of(&self.file)?;
        self.wal = wal::open(&self.file)?;
        self.unsynced = None;
        self.connection = Some(connection);
        Ok(())
    }

    /// How long a write waits for another writer.
    pub(crate) fn wait_for_others(&self, most: Duration) {
        if let Some(connection) = &self.connection {
            // The worst is a denial that could have been avoided.
            let _ = connection.busy_timeout(most);
        }
    }

    /// Closes the database after a failure elsewhere, which may be one of the disk; the next write opens it again.
    pub(crate) fn distrust(&mut self, error: &AuditError) {
        self.unsynced = Some(error.clone());
        self.connection = None;
    }

    #[cfg(test)]
    pub(crate) fn close(&mut self) {
        self.connection = None;
    }
}

fn closed() -> AuditError {
    AuditError::new(UNAVAILABLE, "the database is closed after a failure")
}

pub(crate) fn number(size: u64) -> Result<i64, AuditError> {
    i64::try_from(size).map_err(|_| AuditError::new(UNAVAILABLE, "the log has too many entries"))
}

fn run(connection: &Connection, statement: &str) -> Result<(), AuditError> {
    connection
        .prepare_cached(statement)
        .and_then(|mut statement| statement.execute([]))
        .map(drop)
        .map_err(|error| failure::of_sqlite(&error, statement))
}

fn insert_row(connection: &Connection, draft: &Draft, linked: &Linked) -> Result<(), AuditError> {
    let seq = number(linked.seq)?;
    let decision = draft.decision_id.as_ref().map(|id| id.as_bytes().as_slice());
    connection
        .prepare_cached(INSERT)
        .and_then(|mut insert| {
            insert.execute(params![
                seq,
                linked.ts.unix_ms(),
                draft.flags,
                decision,
                linked.record,
                draft.sealed
            ])
        })
        .map_err(|error| failure::of_sqlite(&error, "the entry cannot be stored"))
        .and_then(|rows| match rows {
            1 => Ok(()),
            _ => Err(AuditError::new(CORRUPT, "the database took an entry and did not store it")),
        })
}

/// Takes away what was never acknowledged. Nothing signed covers it: a checkpoint is made of the chain.
fn remove_behind(connection: &Connection, end: u64) -> rusqlite::Result<()> {
    let end = i64::try_from(end).unwrap_or(i64::MAX);
    let behind: i64 =
        connection.query_row("SELECT count(*) FROM entries WHERE seq >= ?1", [end], |row| row.get(0))?;
    if behind > 0 {
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute("DELETE FROM entries WHERE seq >= ?1", [end])?;
        connection.pragma_update(None, "synchronous", "normal")?;
        tracing::warn!(count = behind, "entries of a commit that failed were taken out of the log again");
    }
    Ok(())
}

fn last_entry(connection: &Connection) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
    connection
        .query_row("SELECT seq, record FROM entries ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}
