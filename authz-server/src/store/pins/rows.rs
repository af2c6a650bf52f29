//! Entries as rows.

use interdict_content::definition::EntryKind;
use interdict_policy::Registry;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{PinFile, unavailable};
use crate::pins::{
    Answered, Entry, Happened, Key, Pin, PinError, PinState, SeenAs, Sighting, Trust, Vault, kind_of,
};

const COLUMNS: &str = "tenant, server, kind, name, state, pin_digest, pin_definition, approved_by, approved_at, \
                       seen_digest, seen_definition, seen_as, seen_at, first_seen, pin_image, revoked_by, revoked_at";

/// How much is kept of what nobody approved yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Most entries of one server.
    pub(crate) entries: u64,
    /// Most bytes of definitions of one server.
    pub(crate) bytes: u64,
}

/// What became of a report.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// What happened, to be recorded.
    pub(crate) told: Vec<Happened>,
    /// How many entries had no room.
    pub(crate) full: u64,
    /// Whether a row was written.
    pub(crate) is_changed: bool,
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) server: Option<String>,
    pub(crate) kind: Option<EntryKind>,
    pub(crate) state: Option<PinState>,
    pub(crate) name: Option<String>,
}

impl PinFile {
    /// Everything that matches, in the order of its key.
    pub(crate) fn entries(&self, query: &Query) -> Result<Vec<Entry>, PinError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM pins WHERE (?1 IS NULL OR server = ?1) AND (?2 IS NULL OR kind = ?2) \
             AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR name = ?4) ORDER BY tenant, server, kind, name"
        );
        let mut statement = self.connection.prepare_cached(&sql).map_err(unavailable)?;
        let (kind, state) = (query.kind.map(EntryKind::as_str), query.state.map(PinState::label));
        let rows = statement.query_map(params![query.server, kind, state, query.name], read);
        let rows: Vec<Row> = rows.and_then(Iterator::collect).map_err(unavailable)?;
        rows.into_iter().map(|row| row.open(&self.vault)).collect()
    }

    /// Everything, or everything of one server, as far as it is not `known` (of this key, under this digest): such an
    /// approved definition, and what is not approved, come without their texts. To decrypt them is what takes long.
    pub(crate) fn renewed(
        &self,
        place: Option<&(String, String)>,
        known: impl Fn(&Key, &str) -> bool,
    ) -> Result<Vec<Entry>, PinError> {
        let columns = COLUMNS.replace("seen_definition", "NULL");
        let of = if place.is_some() { "tenant = ?1 AND server = ?2" } else { "?1 IS NULL AND ?2 IS NULL" };
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {columns} FROM pins WHERE {of}"))
            .map_err(unavailable)?;
        let (tenant, server) = place.map(|(tenant, server)| (tenant, server)).unzip();
        let rows: Vec<Row> = statement
            .query_map(params![tenant, server], read)
            .and_then(Iterator::collect)
            .map_err(unavailable)?;
        let open = |row: Row| match &row.entry.pin {
            Some(pin) if known(&row.entry.key, &pin.digest) => Ok(row.entry),
            _ => row.open(&self.vault),
        };
        rows.into_iter().map(open).collect()
    }

    /// How much there is of a server: entries, and bytes of definitions.
    fn size(transaction: &Transaction<'_>, key: &Key) -> Result<(u64, u64), PinError> {
        let sql = "SELECT count(*), coalesce(sum(length(coalesce(pin_definition, '')) + \
                   length(coalesce(seen_definition, ''))), 0) FROM pins WHERE tenant = ?1 AND server = ?2";
        let mut statement = transaction.prepare_cached(sql).map_err(unavailable)?;
        let size = statement.query_row(params![key.tenant, key.server], |row| Ok((row.get(0)?, row.get(1)?)));
        size.map_err(unavailable)
    }

    /// Notes what was seen of one server, all or nothing. `trust` says of a key whether its first use is trusted. What is
    /// new has to have room; what is known always has.
    pub(crate) fn see(
        &mut self,
        sightings: Vec<(Key, Sighting)>,
        limits: Limits,
        trust: impl Fn(&Key) -> Trust,
    ) -> Result<Noted, PinError> {
        let transaction = immediate(&mut self.connection)?;
        let mut noted = Noted::default();
        // Counted once: to count is to read through all of it, and a report may have hundreds of names.
        let mut size = None;
        for (key, sighting) in sightings {
            let trust = trust(&key);
            if let Some(mut entry) = get(&transaction, &self.vault, &key)? {
                if let Some(happened) = entry.see(sighting, &trust) {
                    put(&transaction, &self.vault, &entry)?;
                    noted.told.extend(happened);
                    noted.is_changed = true;
                }
                continue;
            }
            let (entries, bytes) = match size {
                Some(size) => size,
                None => Self::size(&transaction, &key)?,
            };
            size = Some((entries, bytes));
            if entries >= limits.entries || bytes >= limits.bytes {
                noted.full += 1;
                continue;
            }
            let more = sighting.definition.as_ref().map_or(0, |text| text.len() as u64);
            size = Some((entries + 1, bytes + more));
            let (entry, happened) = Entry::first(key, sighting, &trust);
            put(&transaction, &self.vault, &entry)?;
            noted.told.push(happened);
            noted.is_changed = true;
        }
        transaction.commit().map_err(unavailable)?;
        Ok(noted)
    }

    /// Changes one entry.
    pub(crate) fn change(
        &mut self,
        key: &Key,
        change: impl FnOnce(&mut Entry) -> Result<Happened, PinError>,
    ) -> Result<(Entry, Happened), PinError> {
        let transaction = immediate(&mut self.connection)?;
        let mut entry = get(&transaction, &self.vault, key)?.ok_or(PinError::NotFound)?;
        let happened = change(&mut entry)?;
        put(&transaction, &self.vault, &entry)?;
        transaction.commit().map_err(unavailable)?;
        Ok((entry, happened))
    }

    /// Notes what servers are served from now; what happened to their definitions by that. A server that the registry
    /// does not have any more is left alone.
    pub(crate) fn served_from(&mut self, registry: &Registry) -> Result<Vec<Happened>, PinError> {
        let pinned = Query { state: Some(PinState::Pinned), ..Query::default() };
        let differs = |entry: &Entry| {
            let server =
                registry.server(&entry.key.server).filter(|server| server.tenant == entry.key.tenant);
            let image = |pin: &Pin| server.is_some_and(|server| server.image_digest != pin.image);
            entry.pin.as_ref().is_some_and(image)
        };
        let keys: Vec<Key> =
            self.entries(&pinned)?.into_iter().filter(differs).map(|entry| entry.key).collect();
        let transaction = immediate(&mut self.connection)?;
        let mut told = Vec::new();
        for key in keys {
            // Read again: another server on the file may have noted it, or somebody approved.
            let Some(mut entry) = get(&transaction, &self.vault, &key)? else { continue };
            let image = registry.server(&key.server).and_then(|server| server.image_digest.as_deref());
            if let Some(happened) = entry.served_from(image) {
                put(&transaction, &self.vault, &entry)?;
                told.push(happened);
            }
        }
        transaction.commit().map_err(unavailable)?;
        Ok(told)
    }

    /// One entry.
    pub(crate) fn entry(&self, key: &Key) -> Result<Entry, PinError> {
        get(&self.connection, &self.vault, key)?.ok_or(PinError::NotFound)
    }
}

/// Immediate: two servers on one file do not both read first and write then.
pub(super) fn immediate(connection: &mut rusqlite::Connection) -> Result<Transaction<'_>, PinError> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)
}

fn get(connection: &rusqlite::Connection, vault: &Vault, key: &Key) -> Result<Option<Entry>, PinError> {
    let sql =
        format!("SELECT {COLUMNS} FROM pins WHERE tenant = ?1 AND server = ?2 AND kind = ?3 AND name = ?4");
    let place = params![key.tenant, key.server, key.kind.as_str(), key.name];
    let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
    let row = statement.query_row(place, read).optional().map_err(unavailable)?;
    row.map(|row| row.open(vault)).transpose()
}

fn put(connection: &rusqlite::Connection, vault: &Vault, entry: &Entry) -> Result<(), PinError> {
    let sql = format!(
        "INSERT OR REPLACE INTO pins ({COLUMNS}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
    );
    let (key, pin, seen, revoked) =
        (&entry.key, entry.pin.as_ref(), entry.seen.as_ref(), entry.revoked.as_ref());
    let pinned = pin.map(|pin| seal(vault, key, &pin.digest, &pin.definition)).transpose()?;
    let shown = seen.and_then(|seen| Some((&seen.digest, seen.definition.as_ref()?)));
    let shown = shown.map(|(digest, text)| seal(vault, key, digest, text)).transpose()?;
    let values = params![
        key.tenant,
        key.server,
        key.kind.as_str(),
        key.name,
        entry.state.label(),
        pin.map(|pin| &pin.digest),
        pinned,
        pin.map(|pin| &pin.by),
        pin.map(|pin| pin.at.as_millisecond()),
        seen.map(|seen| &seen.digest),
        shown,
        seen.map(|seen| seen.seen_as.label()),
        seen.map(|seen| seen.at.as_millisecond()),
        entry.first_seen.as_millisecond(),
        pin.and_then(|pin| pin.image.as_ref()),
        revoked.map(|revoked| &revoked.by),
        revoked.map(|revoked| revoked.at.as_millisecond()),
    ];
    let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
    statement.execute(values).map(drop).map_err(unavailable)
}

/// A definition belongs to its entry and its digest.
fn place<'k>(key: &'k Key, digest: &'k str) -> [&'k str; 6] {
    ["interdict/definition/1", &key.tenant, &key.server, key.kind.as_str(), &key.name, digest]
}

fn seal(vault: &Vault, key: &Key, digest: &str, definition: &str) -> Result<Vec<u8>, PinError> {
    vault.seal(&place(key, digest), definition.as_bytes())
}

fn unseal(vault: &Vault, key: &Key, digest: &str, sealed: Vec<u8>) -> Result<String, PinError> {
    let text = vault.unseal(&place(key, digest), sealed)?;
    String::from_utf8(text).map_err(|_| PinError::Unavailable("a definition is no text".to_owned()))
}

/// An entry whose definitions are still encrypted.
struct Row {
    entry: Entry,
    pinned: Vec<u8>,
    shown: Option<Vec<u8>>,
}

impl Row {
    fn open(self, vault: &Vault) -> Result<Entry, PinError> {
        let Self { mut entry, pinned, shown } = self;
        if let Some(pin) = &mut entry.pin {
            pin.definition = unseal(vault, &entry.key, &pin.digest, pinned)?;
        }
        if let (Some(seen), Some(shown)) = (&mut entry.seen, shown) {
            seen.definition = Some(unseal(vault, &entry.key, &seen.digest, shown)?);
        }
        Ok(entry)
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let key =
        Key { tenant: row.get(0)?, server: row.get(1)?, kind: word(row, 2, kind_of)?, name: row.get(3)? };
    let pin = match row.get::<_, Option<String>>(5)? {
        Some(digest) => Some(Pin {
            digest,
            definition: String::new(),
            image: row.get(14)?,
            by: row.get(7)?,
            at: moment(row, 8)?,
        }),
        None => None,
    };
    let seen = match row.get::<_, Option<String>>(9)? {
        Some(digest) => Some(Sighting {
            digest,
            definition: None,
            seen_as: word(row, 11, SeenAs::from_label)?,
            at: moment(row, 12)?,
        }),
        None => None,
    };
    let revoked = match row.get::<_, Option<String>>(15)? {
        Some(by) => Some(Answered { by, at: moment(row, 16)? }),
        None => None,
    };
    let state = word(row, 4, PinState::from_label)?;
    let pinned = row.get::<_, Option<Vec<u8>>>(6)?.unwrap_or_default();
    let entry = Entry { key, state, pin, seen, revoked, first_seen: moment(row, 13)? };
    Ok(Row { entry, pinned, shown: row.get(10)? })
}

fn word<T>(row: &rusqlite::Row<'_>, column: usize, read: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).ok_or_else(|| odd(column, "a word that this version does not know"))
}

pub(super) fn moment(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|_| odd(column, "no moment"))
}

fn odd(column: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, what.into())
}
