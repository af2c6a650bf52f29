//! What a witness has seen: one file per origin, a note that the witness itself signed.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use interdict_audit::checkpoint::Checkpoint;
use interdict_audit::hex;
use interdict_audit::merkle::Hash;
use interdict_audit::note::{Note, VerifierKey};
use sha2::{Digest, Sha256};

use crate::files;

/// The most origins; a log that invents tenants must not fill the disk of its witness.
const MAX_ORIGINS: usize = 10_000;
/// What the name of a file ends with.
const SUFFIX: &str = "note";

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct StateError {
    file: PathBuf,
    reason: String,
}

impl StateError {
    fn new(file: &Path, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), reason: reason.into() }
    }
}

/// The last cosigned checkpoint of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) size: u64,
    pub(super) root: Hash,
}

/// One origin. Whoever holds its lock is the only one who compares, writes and signs for it.
pub(super) type Slot = Arc<Mutex<Option<Seen>>>;

/// Everything that was seen.
pub(super) struct State {
    folder: PathBuf,
    origins: Mutex<HashMap<String, Slot>>,
    _lock: File,
}

impl State {
    pub(super) fn open(folder: &Path, key: &VerifierKey) -> Result<Self, StateError> {
        let broken = |error: std::io::Error| StateError::new(folder, format!("cannot be used: {error}"));
        files::private_folder(folder).map_err(broken)?;
        let lock = take(folder)?;
        let mut origins = HashMap::new();
        for entry in std::fs::read_dir(folder).map_err(broken)? {
            let file = entry.map_err(broken)?.path();
            // Drafts were never signed for.
            if file.extension().is_none_or(|suffix| suffix != SUFFIX) {
                continue;
            }
            let Checkpoint { origin, size, root } = load(&file, key)?;
            if file != file_of(folder, &origin) {
                return Err(StateError::new(&file, "is the state of another origin"));
            }
            origins.insert(origin, Arc::new(Mutex::new(Some(Seen { size, root }))));
        }
        Ok(Self { folder: folder.to_owned(), origins: Mutex::new(origins), _lock: lock })
    }

    /// The place of an origin; `None` if there are too many.
    pub(super) fn slot(&self, origin: &str) -> Option<Slot> {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if !origins.contains_key(origin) && origins.len() >= MAX_ORIGINS {
            return None;
        }
        Some(Arc::clone(origins.entry(origin.to_owned()).or_default()))
    }

    /// Writes a cosigned checkpoint; it is on the disk when this returns.
    pub(super) fn store(&self, origin: &str, note: &Note) -> std::io::Result<()> {
        files::write_whole(&file_of(&self.folder, origin), note.to_string().as_bytes())
    }
}

/// Two witnesses with one state could sign two histories.
fn take(folder: &Path) -> Result<File, StateError> {
    let file = folder.join("lock");
    let lock = files::open_private(&file, OpenOptions::new().append(true).create(true))
        .map_err(|error| StateError::new(&file, format!("cannot be opened: {error}")))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StateError::new(folder, "another witness runs with this state")),
        Err(TryLockError::Error(error)) => Err(StateError::new(&file, format!("cannot be locked: {error}"))),
    }
}

/// An origin may hold anything; its hash may be a file name.
fn file_of(folder: &Path, origin: &str) -> PathBuf {
    folder.join(format!("{}.{SUFFIX}", hex::encode(Sha256::digest(origin))))
}

fn load(file: &Path, key: &VerifierKey) -> Result<Checkpoint, StateError> {
    let bytes =
        std::fs::read(file).map_err(|error| StateError::new(file, format!("cannot be read: {error}")))?;
    let (checkpoint, _) = Checkpoint::open(&bytes, std::slice::from_ref(key)).map_err(|error| {
        StateError::new(file, format!("is damaged or was signed with another key ({error})"))
    })?;
    Ok(checkpoint)
}
