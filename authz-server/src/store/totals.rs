//! What adds up over calls, in one SQLite file: rows in and out, without a thread of their own.
//!
//! Nothing of a call stands in it but amounts: counters, owners and things are keyed hashes, and what a counter is called
//! lies beside it sealed, for people ([`people`]). A window is kept in sixty parts, so a counter of amounts has at most 62
//! rows, and an amount counts for its window and up to a sixtieth more.

pub(crate) mod people;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::sqlite::schema::{self, Form};
use crate::audit::Files;
use crate::totals::TotalsError;

/// "Interdict totals".
pub(in crate::store) const FORM: Form =
    Form { version: 1, application: 0x4944_544f, schema: SCHEMA, later: LATER };

const SCHEMA: &str = "
CREATE TABLE spent (
  counter BLOB NOT NULL,
  part    BLOB NOT NULL,
  owner   BLOB NOT NULL,
  amount  INTEGER NOT NULL,
  ends    INTEGER NOT NULL,
  PRIMARY KEY (counter, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_by_owner ON spent (owner);
CREATE INDEX spent_by_end ON spent (ends);
";

/// What counters are called, sealed. Counting does without: no reason for a version of its own.
const LATER: &str = "
CREATE TABLE IF NOT EXISTS names (
  counter BLOB PRIMARY KEY,
  name    BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// How long a call waits for another process that writes: less than an enforcement point waits for us. All that were
/// asked for meanwhile wait with it, and not once more each.
const BUSY: Duration = Duration::from_millis(500);
/// Parts of a window.
const PARTS: i64 = 60;
/// Most rows of one owner.
const MAX_OWN_ROWS: i64 = 50_000;
/// Most pages of the file: 512 MiB.
const MAX_PAGES: i64 = 131_072;
/// Most rows that are removed at once.
const SWEPT: i64 = 10_000;
/// Rows are kept so long after they stopped to count, in milliseconds: a clock that was ahead loses nothing.
const KEPT: i64 = 24 * 60 * 60 * 1_000;

/// The first bytes of a keyed hash.
pub(crate) type Hash = [u8; 16];

/// What a call adds to one counter.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) counter: Hash,
    /// In milliseconds.
    pub(crate) window: i64,
    pub(crate) adds: Adds,
    /// What the counter is called, sealed; of an entry that is added.
    pub(crate) name: Vec<u8>,
}

/// How much.
#[derive(Debug, Clone)]
pub(crate) enum Adds {
    Amount(i64),
    /// Without doubles.
    Things(Vec<Hash>),
}

/// What a counter says before a call: the amount or the number of things, and how many of the call's are new.
pub(crate) type Standing = (u64, Option<u64>);

/// The file.
pub(crate) struct TotalsFile {
    connection: Connection,
    files: Files,
    /// When waiting for others was last in vain.
    in_vain: Option<Instant>,
}

impl TotalsFile {
    /// Opens or creates it (mode 0600).
    pub(crate) fn open(file: &Path) -> Result<Self, TotalsError> {
        let wrong = |reason: String| TotalsError::Unavailable(format!("{}: {reason}", file.display()));
        let connection = schema::open(file, &FORM).map_err(wrong)?;
        connection.busy_timeout(BUSY).map_err(unavailable)?;
        connection.pragma_update(None, "max_page_count", MAX_PAGES).map_err(unavailable)?;
        let files = Files::of(file).map_err(|error| wrong(error.message))?;
        Ok(Self { connection, files, in_vain: None })
    }

    /// Whether it is still the file at its path: counters that nobody finds again hold nothing back.
    pub(crate) fn check(&self) -> Result<(), TotalsError> {
        self.files.check().map_err(|error| TotalsError::Unavailable(error.message))
    }

    /// What comes next was asked for at this moment.
    pub(crate) fn begin(&self, asked: Instant) -> Result<(), TotalsError> {
        let waited = self.in_vain.is_some_and(|in_vain| asked < in_vain);
        self.connection.busy_timeout(if waited { Duration::ZERO } else { BUSY }).map_err(unavailable)
    }

    /// What the counters say, for all of these at one moment.
    pub(crate) fn standing(&mut self, entries: &[Entry], now: i64) -> Result<Vec<Standing>, TotalsError> {
        self.check()?;
        let transaction = self.connection.transaction().map_err(unavailable)?;
        standing(&transaction, entries, now)
    }

    /// Adds to the counters, all or nothing, if they still say what was `seen`; otherwise what they say now.
    pub(crate) fn add(
        &mut self,
        owner: Hash,
        entries: &[Entry],
        seen: &[Standing],
        now: i64,
    ) -> Result<Option<Vec<Standing>>, TotalsError> {
        let behavior = TransactionBehavior::Immediate;
        self.check()?;
        let in_vain = &mut self.in_vain;
        let transaction = self.connection.transaction_with_behavior(behavior).map_err(|error| {
            if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) {
                *in_vain = Some(Instant::now());
            }
            unavailable(error)
        })?;
        let standing = standing(&transaction, entries, now)?;
        if standing != seen {
            return Ok(Some(standing));
        }
        for entry in entries {
            put(&transaction, owner, entry, now).map_err(unavailable)?;
        }
        let rows: i64 = transaction
            .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM spent WHERE owner = ?1 LIMIT ?2)")
            .and_then(|mut count| count.query_row(params![owner, MAX_OWN_ROWS + 1], |row| row.get(0)))
            .map_err(unavailable)?;
        if rows > MAX_OWN_ROWS {
            return Err(TotalsError::Full);
        }
        transaction.commit().map_err(unavailable)?;
        Ok(None)
    }

    /// Removes what has not counted for a while; how much that was.
    pub(crate) fn sweep(&mut self, now: i64) -> Result<usize, TotalsError> {
        self.connection.busy_timeout(BUSY).map_err(unavailable)?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
        let removed = sweep(&transaction, now.saturating_sub(KEPT)).map_err(unavailable)?;
        transaction.commit().map_err(unavailable)?;
        Ok(removed)
    }
}

fn sweep(transaction: &Transaction<'_>, before: i64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM spent WHERE (counter, part) IN \
               (SELECT counter, part FROM spent WHERE ends < ?1 LIMIT ?2) RETURNING counter";
    let mut delete = transaction.prepare_cached(sql)?;
    let removed = delete.query_map(params![before, SWEPT], |row| row.get::<_, Hash>(0))?;
    let removed: Vec<Hash> = removed.collect::<Result<_, _>>()?;
    let sql = "DELETE FROM names WHERE counter = ?1 AND NOT EXISTS (SELECT 1 FROM spent WHERE counter = ?1)";
    let mut forget = transaction.prepare_cached(sql)?;
    for counter in removed.iter().collect::<BTreeSet<_>>() {
        forget.execute([counter])?;
    }
    Ok(removed.len())
}

fn standing(
    transaction: &Transaction<'_>,
    entries: &[Entry],
    now: i64,
) -> Result<Vec<Standing>, TotalsError> {
    let one = |entry: &Entry| -> rusqlite::Result<Standing> {
        let sql = "SELECT coalesce(sum(amount), 0), count(*) FROM spent WHERE counter = ?1 AND ends > ?2";
        let (amount, rows): (u64, u64) = transaction
            .prepare_cached(sql)?
            .query_row(params![entry.counter, now], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Adds::Things(things) = &entry.adds else { return Ok((amount, None)) };
        let sql = "SELECT 1 FROM spent WHERE counter = ?1 AND part = ?2 AND ends > ?3";
        let mut find = transaction.prepare_cached(sql)?;
        let mut new = 0;
        for thing in things {
            let known = find.query_row(params![entry.counter, thing, now], |_| Ok(())).optional()?;
            new += u64::from(known.is_none());
        }
        Ok((rows, Some(new)))
    };
    entries.iter().map(|entry| one(entry).map_err(unavailable)).collect()
}

/// Whatever is there already counts on, also when it ends later than anything could that is added now: the clock may have
/// been set back.
fn put(transaction: &Transaction<'_>, owner: Hash, entry: &Entry, now: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO spent (counter, part, owner, amount, ends) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (counter, part) DO UPDATE \
               SET amount = amount + excluded.amount, ends = max(ends, excluded.ends)";
    let mut insert = transaction.prepare_cached(sql)?;
    let sql = "INSERT OR IGNORE INTO names (counter, name) VALUES (?1, ?2)";
    transaction.prepare_cached(sql)?.execute(params![entry.counter, entry.name])?;
    match &entry.adds {
        Adds::Amount(amount) => {
            let length = (entry.window / PARTS).max(1_000);
            let part = now.div_euclid(length);
            let ends = part.saturating_add(1).saturating_mul(length).saturating_add(entry.window);
            insert.execute(params![entry.counter, part.to_be_bytes(), owner, amount, ends])?;
        }
        Adds::Things(things) => {
            let ends = now.saturating_add(entry.window);
            for thing in things {
                insert.execute(params![entry.counter, thing, owner, 0, ends])?;
            }
        }
    }
    Ok(())
}

fn unavailable(error: rusqlite::Error) -> TotalsError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => TotalsError::Full,
        _ => TotalsError::Unavailable(error.to_string()),
    }
}
