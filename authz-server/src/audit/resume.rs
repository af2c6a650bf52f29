//! Opening a tenant's log: the work is bounded by what came after the last checkpoint, whatever the log's size. What the
//! last checkpoint covers is taken from its tiles, which must lead to the signed root; what came after it is read and
//! hashed again; and `head.note` must be part of it.

use interdict_audit::checkpoint::Checkpoint;
use interdict_audit::merkle::tiles::{HEIGHT, TileSource, Tiled, WIDTH};
use interdict_audit::merkle::{Frontier, Hash, leaf_hash, root};
use interdict_audit::record::{Entry, Moment};
use rusqlite::Connection;

use super::AuditError;
use super::chain::{Chain, Level};
use super::directory::create_private_folder;
use super::failure::{self, CORRUPT, ROLLED_BACK};
use super::rows::{self, Tiles};
use super::schema;
use super::sequencer::Sequencer;
use super::wal;
use super::writer::Writer;

/// The writer of a tenant's log, made when there is none.
pub(crate) fn open(sequencer: &Sequencer) -> Result<Writer, AuditError> {
    let (common, tenant) = (&sequencer.common, sequencer.tenant.as_str());
    create_private_folder(&common.layout.tenant(tenant)?)?;
    let file = common.layout.database(tenant)?;
    let head = read_head(sequencer)?;
    let fresh = !file.exists();
    let mut connection = schema::open(&file, tenant)?;
    let named =
        |error: AuditError| AuditError::new(error.code, format!("{}: {}", file.display(), error.message));
    // The server before this one can have ended over a sync that failed.
    wal::write_again(&mut connection, &file).map_err(named)?;
    let chain = chain_of(sequencer, &connection, head.as_ref()).map_err(named)?;
    if fresh {
        // Whoever finds the folder after a loss of power finds the database in it.
        file.parent()
            .map_or(Ok(()), crate::files::sync_folder)
            .map_err(|error| failure::of_io(&error, "sync"))?;
    }
    Writer::new(file, tenant, connection, chain, common.every)
}

/// The checkpoint in `head.note`; there is none in a log that never had one.
fn read_head(sequencer: &Sequencer) -> Result<Option<Checkpoint>, AuditError> {
    let file = sequencer.common.layout.head(&sequencer.tenant)?;
    match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure::of_io(&error, &format!("{} cannot be read", file.display()))),
        Ok(note) => sequencer.common.signing.open_note(&sequencer.tenant, &note).map(Some),
    }
}

fn chain_of(
    sequencer: &Sequencer,
    connection: &Connection,
    head: Option<&Checkpoint>,
) -> Result<Chain, AuditError> {
    let tenant = sequencer.tenant.as_str();
    let last = match rows::last_checkpoint(connection)? {
        None => None,
        Some((size, note)) => {
            let checkpoint = sequencer.common.signing.open_note(tenant, &note)?;
            if checkpoint.size != size {
                return Err(corrupt("the last checkpoint is not the one of its row"));
            }
            Some(checkpoint)
        }
    };
    let mut chain = match &last {
        None => Chain::empty(tenant),
        Some(checkpoint) => covered(tenant, connection, checkpoint)?,
    };
    check_head(connection, last.as_ref(), head)?;
    rows::each_from(connection, chain.size(), |seq, record| {
        let entry = Entry::read(record).map_err(|error| corrupt(&format!("entry {seq}: {error}")))?;
        let prev = interdict_audit::hex::encode(entry.prev);
        let fits = seq == chain.size() && entry.seq == seq && entry.tenant == tenant && prev == chain.prev();
        if !fits || entry.ts < chain.last() {
            return Err(corrupt(&format!("entry {seq} does not follow the one before it")));
        }
        chain.extend(leaf_hash(record), entry.ts).map_err(|error| corrupt(&error.to_string()))
    })?;
    Ok(chain)
}

/// The end of what a checkpoint covers.
fn covered(tenant: &str, connection: &Connection, checkpoint: &Checkpoint) -> Result<Chain, AuditError> {
    let source = Tiles(connection);
    let tree = Tiled(&source);
    let size = checkpoint.size;
    let frontier = Frontier::load(&tree, size).map_err(|error| corrupt(&format!("the tree: {error}")))?;
    if frontier.root() != checkpoint.root {
        return Err(corrupt("the tree does not lead to the root of the last checkpoint"));
    }
    let Some(last) = size.checked_sub(1) else { return Ok(Chain::empty(tenant)) };
    let record =
        rows::record(connection, last)?.ok_or_else(|| corrupt("the last signed entry is missing"))?;
    let hash = leaf_hash(&record);
    if source.tile(0, last / WIDTH)?.and_then(|tile| tile.get((last % WIDTH) as usize).copied()) != Some(hash)
    {
        return Err(corrupt("the last signed entry is not the one in the tree"));
    }
    let ts = Entry::read(&record).map_err(|error| corrupt(&format!("entry {last}: {error}")))?.ts;
    let levels = (0..8).map(|level| open_tile(&source, level, size)).collect::<Result<_, _>>()?;
    Ok(Chain::at(tenant, frontier, levels, &hash, Moment::max(ts, Moment::default())))
}

/// The hashes of a level that are in no full tile.
fn open_tile(source: &Tiles<'_>, level: u8, size: u64) -> Result<Level, AuditError> {
    let hashes = size >> (u32::from(level) * u32::from(HEIGHT));
    let (index, width) = (hashes / WIDTH, (hashes % WIDTH) as usize);
    let first = index * WIDTH;
    if width == 0 {
        return Ok(Level { first, hashes: Vec::new() });
    }
    let mut hashes: Vec<Hash> = source.tile(level, index)?.ok_or_else(|| corrupt("a tile is missing"))?;
    if hashes.len() < width {
        return Err(corrupt("a tile is too short"));
    }
    hashes.truncate(width);
    Ok(Level { first, hashes })
}

/// `head.note` was written after the database had what it says.
fn check_head(
    connection: &Connection,
    last: Option<&Checkpoint>,
    head: Option<&Checkpoint>,
) -> Result<(), AuditError> {
    let Some(head) = head else {
        if last.is_some() {
            tracing::error!(
                "head.note is missing beside a log that was signed: if somebody removed it, the log may have been cut; \
                 compare it with a checkpoint that is kept elsewhere"
            );
        }
        return Ok(());
    };
    let size = last.map_or(0, |last| last.size);
    let what_to_do = "put the newer log.db back (with its -wal file), or keep this one as evidence and begin with an \
                      empty folder; a log that went on from here would contradict what was signed";
    if size < head.size {
        let message =
            format!("ends at entry {size}, but head.note was signed over {}: {what_to_do}", head.size);
        return Err(AuditError::new(ROLLED_BACK, message));
    }
    let found =
        root(&Tiled(Tiles(connection)), head.size).map_err(|error| corrupt(&format!("the tree: {error}")))?;
    if found != head.root {
        let message =
            format!("has other entries below {} than head.note was signed over: {what_to_do}", head.size);
        return Err(AuditError::new(ROLLED_BACK, message));
    }
    Ok(())
}

fn corrupt(message: &str) -> AuditError {
    AuditError::new(CORRUPT, message)
}
