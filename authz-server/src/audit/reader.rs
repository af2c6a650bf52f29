//! Reading a log, beside the server that writes it or without one.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::PathBuf;

use interdict_audit::merkle::tiles::Tiled;
use interdict_audit::merkle::{Hash, HashSource, Subtree};
use interdict_audit::record::{AnyBody, Entry};
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::erase::Destroyed;
use super::failure::{self, CORRUPT, INPUTS_ERASED, NOT_FOUND};
use super::rows;
use super::schema::{self, EXPECTS_OUTCOME, IS_MISSING, IS_OUTCOME};
use super::{AuditError, Layout};

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its number.
    pub seq: u64,
    /// The decision that it is about.
    pub decision_id: Option<Uuid>,
    /// Its bytes.
    pub record: Vec<u8>,
}

/// The decision that a record is about, as the record itself says.
#[must_use]
pub fn decision_of(record: &[u8]) -> Option<Uuid> {
    let text = match Entry::read(record).ok()?.body().ok()? {
        AnyBody::Decision(body) => body.decision_id,
        AnyBody::Outcome(body) => body.decision_id,
        AnyBody::OutcomeMissing(body) => body.decision_id,
        AnyBody::ReplayDifference(body) => body.decision_id,
        _ => return None,
    };
    Uuid::try_parse(&text).ok()
}

/// A checkpoint as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Entries that it covers.
    pub size: u64,
    /// When it was signed, in milliseconds since 1970.
    pub at_ms: i64,
    /// The signed note, cosignatures included.
    pub note: String,
}

/// An allowed call that nobody reported the outcome of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Whose log.
    pub tenant: String,
    /// The decision.
    pub decision_id: Uuid,
    /// When it was recorded, in milliseconds since 1970.
    pub ts_ms: i64,
    /// Whether the log says already that the outcome is missing.
    pub missing: bool,
}

/// Reads one tenant's log on a connection of its own. Never writes.
#[derive(Debug)]
pub struct LogReader {
    connection: Connection,
    layout: Layout,
    tenant: String,
    file: PathBuf,
    destroyed: RefCell<Destroyed>,
}

impl LogReader {
    /// Opens the log of a tenant.
    ///
    /// # Errors
    /// `audit.not_found` when there is none, else why it cannot be read.
    pub fn open(layout: &Layout, tenant: &str) -> Result<Self, AuditError> {
        let file = layout.database(tenant)?;
        if !file.exists() {
            return Err(AuditError::new(
                NOT_FOUND,
                format!("there is no log of `{tenant}` ({})", file.display()),
            ));
        }
        let connection = schema::open_for_reading(&file)?;
        let destroyed = RefCell::default();
        Ok(Self { connection, layout: layout.clone(), tenant: tenant.to_owned(), file, destroyed })
    }

    /// Whose log it is.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The number of entries.
    ///
    /// # Errors
    /// As every read: why the database cannot be read.
    pub fn size(&self) -> Result<u64, AuditError> {
        let last: Option<u64> = self.one("SELECT max(seq) FROM entries", [], |row| row.get(0))?.flatten();
        Ok(last.map_or(0, |last| last.saturating_add(1)))
    }

    /// One entry.
    ///
    /// # Errors
    /// As every read.
    pub fn entry(&self, seq: u64) -> Result<Option<StoredEntry>, AuditError> {
        self.one("SELECT seq, decision_id, record FROM entries WHERE seq = ?1", [seq], stored)
    }

    /// The entries `from..to` in order, until `each` breaks.
    ///
    /// # Errors
    /// As every read.
    pub fn range(
        &self,
        from: u64,
        to: u64,
        each: impl FnMut(StoredEntry) -> ControlFlow<()>,
    ) -> Result<(), AuditError> {
        let to = i64::try_from(to).unwrap_or(i64::MAX);
        self.each(
            "SELECT seq, decision_id, record FROM entries WHERE seq >= ?1 AND seq < ?2 ORDER BY seq",
            (i64::try_from(from).unwrap_or(i64::MAX), to),
            each,
        )
    }

    /// The entries below `before` (all without), newest first, until `each` breaks.
    ///
    /// # Errors
    /// As every read.
    pub fn newest_first(
        &self,
        before: Option<u64>,
        each: impl FnMut(StoredEntry) -> ControlFlow<()>,
    ) -> Result<(), AuditError> {
        let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
        self.each(
            "SELECT seq, decision_id, record FROM entries WHERE seq < ?1 ORDER BY seq DESC",
            [before],
            each,
        )
    }

    /// All entries about a decision, in order.
    ///
    /// # Errors
    /// As every read.
    pub fn by_decision(&self, decision: Uuid) -> Result<Vec<StoredEntry>, AuditError> {
        let mut found: Vec<StoredEntry> = Vec::new();
        self.each(
            "SELECT seq, decision_id, record FROM entries WHERE decision_id = ?1 ORDER BY seq",
            [decision.as_bytes().as_slice()],
            |entry| {
                found.push(entry);
                ControlFlow::Continue(())
            },
        )?;
        // The index is in no hash: whoever can write the database can let it point elsewhere.
        match found.iter().find(|entry| decision_of(&entry.record) != Some(decision)) {
            None => Ok(found),
            Some(entry) => Err(AuditError::new(
                CORRUPT,
                format!("entry {} is indexed as another decision: the database was changed", entry.seq),
            )),
        }
    }

    /// What replay of an entry needs; `None` when it had nothing sealed.
    ///
    /// # Errors
    /// `audit.inputs_erased` when the log says that the day's key was destroyed, `audit.corrupt` when the bytes are not
    /// what was sealed, or no key opens them and the log does not say why.
    pub fn open_sealed(&self, seq: u64) -> Result<Option<Vec<u8>>, AuditError> {
        let query = "SELECT seq, decision_id, record, sealed FROM entries WHERE seq = ?1";
        let read = |row: &Row<'_>| Ok((stored(row)?, row.get::<_, Option<Vec<u8>>>(3)?));
        let Some((entry, Some(sealed))) = self.one(query, [seq], read)? else { return Ok(None) };
        match super::open_sealed(&self.layout, &self.tenant, entry.decision_id, &sealed) {
            Err(error)
                if error.code == INPUTS_ERASED
                    && !self.destroyed.borrow_mut().explain(self, &entry, &sealed)? =>
            {
                let message =
                    "no key opens the sealed input, and the log does not say that its key was destroyed";
                Err(AuditError::new(CORRUPT, message))
            }
            opened => opened.map(Some),
        }
    }

    /// The checkpoints over more than `above` entries, in order, at most `limit`.
    ///
    /// # Errors
    /// As every read.
    pub fn checkpoints(&self, above: Option<u64>, limit: u32) -> Result<Vec<StoredCheckpoint>, AuditError> {
        let above = above.map_or(-1, |above| i64::try_from(above).unwrap_or(i64::MAX));
        self.all(
            "SELECT size, at, note FROM checkpoints WHERE size > ?1 ORDER BY size LIMIT ?2",
            (above, limit),
            checkpoint,
        )
    }

    /// The last checkpoint over at most `size` entries (over all without).
    ///
    /// # Errors
    /// As every read.
    pub fn last_checkpoint(&self, size: Option<u64>) -> Result<Option<StoredCheckpoint>, AuditError> {
        let most = size.and_then(|size| i64::try_from(size).ok()).unwrap_or(i64::MAX);
        self.one(
            "SELECT size, at, note FROM checkpoints WHERE size <= ?1 ORDER BY size DESC LIMIT 1",
            [most],
            checkpoint,
        )
    }

    /// The first checkpoint that covers an entry.
    ///
    /// # Errors
    /// As every read.
    pub fn checkpoint_over(&self, seq: u64) -> Result<Option<StoredCheckpoint>, AuditError> {
        Ok(self.checkpoints(Some(seq), 1)?.pop())
    }

    /// A number that changes when somebody writes: whoever follows the log asks it before reading again.
    ///
    /// # Errors
    /// As every read.
    pub fn data_version(&self) -> Result<i64, AuditError> {
        self.connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(|error| self.refuse(&error))
    }

    /// Decisions with an id of `since` or later that expect an outcome and have none.
    ///
    /// # Errors
    /// As every read.
    pub fn unanswered(&self, since: jiff::Timestamp) -> Result<Vec<Unanswered>, AuditError> {
        let all = |bit: i64| format!("max(flags & {bit}) = {bit}");
        let query = format!(
            "SELECT decision_id, min(ts), {} FROM entries WHERE decision_id >= ?1 \
             GROUP BY decision_id HAVING {} AND max(flags & {IS_OUTCOME}) = 0",
            all(IS_MISSING),
            all(EXPECTS_OUTCOME)
        );
        self.all(&query, [first_id(since).as_bytes().as_slice()], |row| {
            let bytes: [u8; 16] = row.get(0)?;
            let decision_id = Uuid::from_bytes(bytes);
            Ok(Unanswered {
                tenant: self.tenant.clone(),
                decision_id,
                ts_ms: row.get(1)?,
                missing: row.get(2)?,
            })
        })
    }

    fn one<T>(
        &self,
        query: &str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, AuditError> {
        self.connection
            .prepare_cached(query)
            .and_then(|mut select| select.query_row(params, read).optional())
            .map_err(|error| self.refuse(&error))
    }

    fn all<T>(
        &self,
        query: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, AuditError> {
        self.connection
            .prepare_cached(query)
            .and_then(|mut select| select.query_map(params, read)?.collect())
            .map_err(|error| self.refuse(&error))
    }

    fn each(
        &self,
        query: &str,
        params: impl rusqlite::Params,
        mut each: impl FnMut(StoredEntry) -> ControlFlow<()>,
    ) -> Result<(), AuditError> {
        let run = || {
            let mut select = self.connection.prepare_cached(query)?;
            let mut rows = select.query(params)?;
            while let Some(row) = rows.next()? {
                if each(stored(row)?).is_break() {
                    break;
                }
            }
            Ok(())
        };
        run().map_err(|error| self.refuse(&error))
    }

    fn refuse(&self, error: &rusqlite::Error) -> AuditError {
        failure::of_sqlite(error, &format!("{} cannot be read", self.file.display()))
    }
}

/// The tree up to the last checkpoint, for proofs.
impl HashSource for LogReader {
    type Error = AuditError;

    fn subtree(&self, subtree: Subtree) -> Result<Option<Hash>, AuditError> {
        Tiled(rows::Tiles(&self.connection)).subtree(subtree)
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredEntry> {
    Ok(StoredEntry { seq: row.get(0)?, decision_id: decision(row, 1)?, record: row.get(2)? })
}

fn decision(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Uuid>> {
    Ok(row.get::<_, Option<[u8; 16]>>(at)?.map(Uuid::from_bytes))
}

fn checkpoint(row: &Row<'_>) -> rusqlite::Result<StoredCheckpoint> {
    Ok(StoredCheckpoint { size: row.get(0)?, at_ms: row.get(1)?, note: row.get(2)? })
}

/// The smallest id that a decision of this moment or later can have: version 7 begins with the milliseconds.
fn first_id(moment: jiff::Timestamp) -> Uuid {
    let ms = u64::try_from(moment.as_millisecond()).unwrap_or_default();
    Uuid::from_u128(u128::from(ms) << 80)
}
