//! Reading a tenant's database.

use interdict_audit::merkle::Hash;
use interdict_audit::merkle::tiles::TileSource;
use rusqlite::{Connection, OptionalExtension};

use super::AuditError;
use super::failure::{self, CORRUPT};
use super::schema;

/// The stored tiles of a database.
#[derive(Debug)]
pub(crate) struct Tiles<'a>(pub(crate) &'a Connection);

impl TileSource for Tiles<'_> {
    type Error = AuditError;

    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<Hash>>, AuditError> {
        let Some(place) = schema::place(level, index) else { return Ok(None) };
        let bytes: Option<Vec<u8>> = self
            .0
            .prepare_cached("SELECT hashes FROM tiles WHERE place = ?1")
            .and_then(|mut select| select.query_row([place], |row| row.get(0)).optional())
            .map_err(|error| failure::of_sqlite(&error, "a tile cannot be read"))?;
        let Some(bytes) = bytes else { return Ok(None) };
        match bytes.as_chunks::<32>() {
            (hashes, []) => Ok(Some(hashes.to_vec())),
            _ => Err(AuditError::new(CORRUPT, "a tile is not made of hashes")),
        }
    }
}

impl TileSource for &Tiles<'_> {
    type Error = AuditError;

    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<Hash>>, AuditError> {
        (**self).tile(level, index)
    }
}

/// Size and note of the last checkpoint.
pub(crate) fn last_checkpoint(connection: &Connection) -> Result<Option<(u64, String)>, AuditError> {
    connection
        .prepare_cached("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1")
        .and_then(|mut select| select.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(|error| failure::of_sqlite(&error, "the last checkpoint cannot be read"))
}

/// The bytes of an entry.
pub(crate) fn record(connection: &Connection, seq: u64) -> Result<Option<Vec<u8>>, AuditError> {
    connection
        .prepare_cached("SELECT record FROM entries WHERE seq = ?1")
        .and_then(|mut select| select.query_row([seq], |row| row.get(0)).optional())
        .map_err(|error| failure::of_sqlite(&error, "an entry cannot be read"))
}

/// Number and bytes of every entry from one on, in order.
pub(crate) fn each_from(
    connection: &Connection,
    from: u64,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let refuse = |error: rusqlite::Error| failure::of_sqlite(&error, "the entries cannot be read");
    let mut select = connection
        .prepare_cached("SELECT seq, record FROM entries WHERE seq >= ?1 ORDER BY seq")
        .map_err(refuse)?;
    let mut rows = select.query([from]).map_err(refuse)?;
    while let Some(row) = rows.next().map_err(refuse)? {
        let seq: u64 = row.get(0).map_err(refuse)?;
        let record = row.get_ref(1).map_err(refuse)?;
        let record = record.as_blob().map_err(|_| AuditError::new(CORRUPT, "an entry is no blob"))?;
        each(seq, record)?;
    }
    Ok(())
}
