//! What people see of totals, and take out of them.

use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row, Transaction, TransactionBehavior, params};

use super::{BUSY, Hash, TotalsFile, unavailable};
use crate::totals::TotalsError;

/// What a counter says, to a person.
#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) counter: Hash,
    /// The sum of amounts; of things zero.
    pub(crate) amount: u64,
    /// How many things, or parts of a window.
    pub(crate) rows: u64,
    /// When the first of it stops to count, in milliseconds.
    pub(crate) first: i64,
    /// When the last of it does.
    pub(crate) last: i64,
    /// What it is called, sealed; none for what was counted by a server that kept no names.
    pub(crate) name: Option<Vec<u8>>,
}

/// What a person was told that a counter says.
#[derive(Debug)]
pub(crate) struct Stood {
    pub(crate) counter: Hash,
    pub(crate) things: bool,
    /// The amount, or the number of things.
    pub(crate) stands: u64,
    /// In milliseconds.
    pub(crate) at: i64,
}

impl Stood {
    /// Whether it would be told the same of that moment now. What only stopped to count since then makes no difference.
    fn still_stands(&self, transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
        let what = if self.things { "count(*)" } else { "coalesce(sum(amount), 0)" };
        let sql = format!("SELECT {what} FROM spent WHERE counter = ?1 AND ends > ?2");
        let stands: u64 =
            transaction.prepare_cached(&sql)?.query_row(params![self.counter, self.at], |row| row.get(0))?;
        Ok(stands == self.stands)
    }
}

/// Hands out every counter of the file that stands above nothing. On a connection of its own: calls do not wait for it.
pub(crate) fn each(
    file: &Path,
    now: i64,
    mut hand: impl FnMut(Stand) -> ControlFlow<()>,
) -> Result<(), TotalsError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(unavailable)?;
    connection.busy_timeout(BUSY).map_err(unavailable)?;
    // The plus keeps to the order of the table, so that nothing has to be sorted.
    let sql = "SELECT s.counter, sum(s.amount), count(*), min(s.ends), max(s.ends), n.name \
               FROM spent s LEFT JOIN names n ON n.counter = s.counter WHERE +s.ends > ?1 GROUP BY s.counter";
    let mut statement = connection.prepare(sql).map_err(unavailable)?;
    let stands = statement.query_map([now], read).map_err(unavailable)?;
    for stand in stands {
        if hand(stand.map_err(unavailable)?).is_break() {
            break;
        }
    }
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Stand> {
    Ok(Stand {
        counter: row.get(0)?,
        amount: row.get(1)?,
        rows: row.get(2)?,
        first: row.get(3)?,
        last: row.get(4)?,
        name: row.get(5)?,
    })
}

impl TotalsFile {
    /// These counters begin at zero again: all of them, or none if one of them does not say any more what it said
    /// (`false`). What is taken away is what was told, and recorded.
    pub(crate) fn reset(&mut self, counters: &[Stood]) -> Result<bool, TotalsError> {
        self.check()?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
        for stood in counters {
            if !stood.still_stands(&transaction).map_err(unavailable)? {
                return Ok(false);
            }
            for sql in ["DELETE FROM spent WHERE counter = ?1", "DELETE FROM names WHERE counter = ?1"] {
                transaction
                    .prepare_cached(sql)
                    .and_then(|mut delete| delete.execute(params![stood.counter]))
                    .map_err(unavailable)?;
            }
        }
        transaction.commit().map_err(unavailable)?;
        Ok(true)
    }
}
