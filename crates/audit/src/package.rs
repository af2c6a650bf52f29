//! The evidence package: a folder from which somebody else can check a stretch of the log, offline.
//!
//! ```text
//! package.json        what is in here: tenant, origin, size of the tree, segments with their proofs
//! records.jsonl       the entries of all segments, one per line, byte for byte as they were hashed
//! checkpoints.jsonl   signed checkpoints, {"note": "..."} per line
//! bundles/<digest>.json  every policy bundle that decided something in here
//! trust.json          whose signatures count; an auditor puts his own in its place
//! ```
//!
//! A segment is `from..to` of the log. `left` and `right` are the roots of the subtrees in front of it and behind it, so
//! that its records lead to the root of the whole tree, which a checkpoint signs: one proof for all of its records.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Version of the format.
pub const VERSION: u64 = 1;

/// File names inside of a package.
pub mod file {
    /// See [`super::Package`].
    pub const PACKAGE: &str = "package.json";
    /// One entry per line.
    pub const RECORDS: &str = "records.jsonl";
    /// See [`super::SignedCheckpoint`].
    pub const CHECKPOINTS: &str = "checkpoints.jsonl";
    /// Folder of kept bundles.
    pub const BUNDLES: &str = "bundles";
    /// See [`super::Trust`].
    pub const TRUST: &str = "trust.json";
}

/// `package.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Digests of the policy bundles in `bundles/`, in order, each once.
    pub bundles: Vec<String>,
    /// Proofs that earlier trees are the beginning of this one, for checkpoints that somebody kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consistency: Vec<Consistency>,
    /// Verifier key of the log, as the log itself states it.
    pub log_key: String,
    /// Origin line of the checkpoints: `<name of the log>/<tenant>`.
    pub origin: String,
    /// What of the log is in here, in order, without overlap.
    pub segments: Vec<Segment>,
    /// Leaves of the tree that everything is proved against; a checkpoint of this size is in the package.
    pub size: u64,
    /// The tenant whose log this is.
    pub tenant: String,
    /// [`VERSION`].
    pub v: u64,
}

/// A stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Sequence number of its first entry.
    pub from: u64,
    /// Roots of the subtrees that cover `0..from`, 64 hex digits each.
    pub left: Vec<String>,
    /// Roots of the subtrees that cover `to..size`.
    pub right: Vec<String>,
    /// One behind its last entry.
    pub to: u64,
}

/// That the tree of `from` leaves is the beginning of the tree of `size` leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    /// Leaves of the earlier tree.
    pub from: u64,
    /// RFC 9162 consistency proof, 64 hex digits each.
    pub proof: Vec<String>,
}

/// A line of `checkpoints.jsonl`, and a checkpoint in `trust.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCheckpoint {
    /// The C2SP signed note.
    pub note: String,
}

/// `trust.json`: what the verifier believes without proof.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Checkpoints that were kept elsewhere: the log must still contain what they signed.
    #[serde(default)]
    pub checkpoints: Vec<SignedCheckpoint>,
    /// Verifier keys of the log (`name+hash+key`).
    pub log_keys: Vec<String>,
    /// How many of the witnesses must have cosigned the checkpoint that everything is proved against.
    #[serde(default)]
    pub quorum: u64,
    /// [`VERSION`].
    pub v: u64,
    /// Verifier keys of witnesses.
    #[serde(default)]
    pub witnesses: Vec<String>,
}

/// Input that nothing can be said about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct Unusable {
    /// Stable code, `verify.*`.
    pub code: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

impl Unusable {
    pub(crate) fn new(code: &'static str, path: impl Into<PathBuf>, what: impl ToString) -> Self {
        Self { code, path: path.into(), what: what.to_string() }
    }
}

/// Largest `package.json` or `trust.json`, in bytes.
const MAX_SMALL_FILE: u64 = 16 << 20;

/// Reads a JSON file of the package.
///
/// # Errors
/// [`Unusable`] when it is missing, too large or not what it should be.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Unusable> {
    let bytes = read_limited(path, MAX_SMALL_FILE)?;
    serde_json::from_slice(&bytes).map_err(|error| Unusable::new("verify.bad_file", path, error))
}

/// Opens a file of the package. Whoever made it may have put something there that never ends, or never begins.
pub(crate) fn open_file(path: &Path) -> Result<std::fs::File, Unusable> {
    let unreadable = |error: std::io::Error| Unusable::new("verify.unreadable", path, error);
    match std::fs::metadata(path).map_err(unreadable)?.is_file() {
        true => std::fs::File::open(path).map_err(unreadable),
        false => Err(Unusable::new("verify.unreadable", path, "is not a regular file")),
    }
}

/// Reads a file of at most `most` bytes.
pub(crate) fn read_limited(path: &Path, most: u64) -> Result<Vec<u8>, Unusable> {
    use std::io::Read as _;

    let unreadable = |error: std::io::Error| Unusable::new("verify.unreadable", path, error);
    let file = open_file(path)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 > most {
        true => Err(Unusable::new("verify.too_large", path, format!("is larger than {most} bytes"))),
        false => Ok(bytes),
    }
}

impl Package {
    /// Reads and checks `package.json` of a folder.
    ///
    /// # Errors
    /// [`Unusable`]: it is not there, of another version, or its segments are not in order.
    pub fn read(folder: &Path) -> Result<Self, Unusable> {
        let path = folder.join(file::PACKAGE);
        let package: Self = read_json(&path)?;
        let bad = |what: &str| Err(Unusable::new("verify.bad_package", &path, what));
        if package.v != VERSION {
            return bad("is of a version that this verifier does not know");
        }
        // Nothing to check is not the same as nothing wrong.
        if package.segments.is_empty() && package.size > 0 {
            return bad("it holds no records");
        }
        if !package.bundles.is_sorted_by(|one, next| one < next) {
            return bad("its bundles are out of order, or one is named twice");
        }
        let mut end = None;
        for segment in &package.segments {
            // Two segments that touch would be one.
            let behind = end.is_none_or(|end| segment.from > end);
            if segment.from >= segment.to || segment.to > package.size || !behind {
                return bad("its segments are empty, out of order or outside of the tree");
            }
            end = Some(segment.to);
        }
        Ok(package)
    }

    /// Whether the segments are the whole log up to `size`.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        match self.segments.as_slice() {
            [] => self.size == 0,
            [only] => only.from == 0 && only.to == self.size,
            _ => false,
        }
    }
}
