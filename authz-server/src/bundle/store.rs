//! Every bundle that was ever in force, kept for replay, and what must outlive the process: the highest sequence.
//!
//! Both are written and synced before a bundle comes into force. Whoever can write these files can bring an old bundle
//! back; they are the server's alone.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use interdict_policy::{Bundle, BundleError, KeptBundle, Term};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Name of the file with the state.
const STATE: &str = "state.json";
/// The time of the last confirmation is written at most this often.
const CONFIRMED_EVERY_MS: i64 = 60_000;

/// The folder of kept bundles.
#[derive(Debug)]
pub(crate) struct Store {
    /// Absent: nothing is kept, and a rollback is noticed within the life of the process only.
    folder: Option<PathBuf>,
    state: State,
}

/// What is known of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    v: u8,
    /// The highest sequence that was in force, and its bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    highest: Option<Highest>,
    /// Digest of the bundle in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_force: Option<String>,
    /// When the source last confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confirmed: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Highest {
    sequence: u64,
    digest: String,
}

impl Store {
    /// Opens the folder, which need not be there yet.
    ///
    /// # Errors
    /// `bundle.state` when the state cannot be read: without it an old bundle could come back unseen.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, BundleError> {
        let mut state = State { v: 1, highest: None, in_force: None, confirmed: None };
        if let Some(folder) = folder {
            let file = folder.join(STATE);
            let wrong = |why: String| {
                let message = format!(
                    "What was in force before cannot be read ({why}), so an old bundle could not be told from a new \
                     one. Restore the file, or remove it to accept any sequence once."
                );
                BundleError::new("bundle.state", message).at(&file, None)
            };
            match fs::read(&file) {
                Ok(bytes) => {
                    state = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
                    if state.v != 1 {
                        return Err(wrong("a version that is not known".into()));
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(wrong(error.to_string())),
            }
        }
        Ok(Self { folder: folder.map(Path::to_owned), state })
    }

    /// Refuses a bundle that is not in its time or older than one that was in force.
    ///
    /// # Errors
    /// `bundle.not_yet_valid`, `bundle.expired`, `bundle.rolled_back` or `bundle.sequence_reused`.
    pub(crate) fn check_term(&self, term: &Term, digest: &str, now: Timestamp) -> Result<(), BundleError> {
        let refused = |code, message: String| Err(BundleError::new(code, message));
        if let Some(start) = term.not_before.filter(|start| now < *start) {
            return refused(
                "bundle.not_yet_valid",
                format!("The bundle is not to be in force before {start}."),
            );
        }
        if now >= term.expires_at {
            return refused("bundle.expired", format!("The bundle expired at {}.", term.expires_at));
        }
        let Some(highest) = &self.state.highest else { return Ok(()) };
        if term.sequence < highest.sequence {
            return refused(
                "bundle.rolled_back",
                format!(
                    "The bundle has sequence {}; {} was in force already.",
                    term.sequence, highest.sequence
                ),
            );
        }
        if term.sequence == highest.sequence && digest != highest.digest {
            return refused(
                "bundle.sequence_reused",
                format!(
                    "Sequence {} was in force with another content (digest {}); each version has its own.",
                    term.sequence, highest.digest
                ),
            );
        }
        Ok(())
    }

    /// Keeps a bundle that is about to come into force.
    ///
    /// # Errors
    /// `bundle.not_kept`: what cannot be kept cannot be replayed and does not come into force.
    pub(crate) fn keep(
        &mut self,
        bundle: &Bundle,
        signatures: &[String],
        now: Timestamp,
    ) -> Result<(), BundleError> {
        let mut state = self.state.clone();
        let term = bundle.manifest().and_then(|manifest| manifest.term());
        if let Some(term) = term {
            state.highest = Some(Highest { sequence: term.sequence, digest: bundle.digest().to_owned() });
        }
        state.in_force = Some(bundle.digest().to_owned());
        state.confirmed = Some(now);
        if let Some(folder) = &self.folder {
            let not_kept = |error: std::io::Error| {
                let message = format!("The bundle cannot be kept for replay: {error}.");
                BundleError::new("bundle.not_kept", message).at(folder, None)
            };
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(not_kept)?;
            let name = format!("{}.json", bundle.digest());
            write(folder, &name, &bundle.keep(signatures)).map_err(not_kept)?;
        }
        self.write_state(state)
    }

    /// Notes that the source has the bundle that is in force.
    ///
    /// # Errors
    /// `bundle.not_kept`.
    pub(crate) fn confirm(&mut self, now: Timestamp) -> Result<(), BundleError> {
        let recent = |before: Timestamp| {
            (0..CONFIRMED_EVERY_MS).contains(&now.as_millisecond().saturating_sub(before.as_millisecond()))
        };
        if self.state.confirmed.is_some_and(recent) {
            return Ok(());
        }
        self.write_state(State { confirmed: Some(now), ..self.state.clone() })
    }

    /// The bundle that was last in force, whole, and when its source last confirmed it.
    pub(crate) fn last(&self) -> Option<Result<(KeptBundle, Option<Timestamp>), BundleError>> {
        let (folder, digest) = (self.folder.as_ref()?, self.state.in_force.as_ref()?);
        let file = folder.join(format!("{digest}.json"));
        let read = || {
            let bytes = fs::read(&file)
                .map_err(|error| BundleError::new("bundle.kept", format!("Cannot be read: {error}.")))?;
            let kept = KeptBundle::read(&bytes)?;
            if kept.digest != *digest {
                return Err(BundleError::new(
                    "bundle.kept",
                    "The file holds another bundle than its name says.",
                ));
            }
            Ok((kept, self.state.confirmed))
        };
        Some(read().map_err(|error| error.at(&file, None)))
    }

    fn write_state(&mut self, state: State) -> Result<(), BundleError> {
        if let Some(folder) = &self.folder {
            let not_kept = |error: std::io::Error| {
                let message = format!("The state of bundles cannot be written: {error}.");
                BundleError::new("bundle.not_kept", message).at(folder, None)
            };
            let bytes = serde_json::to_vec(&state).map_err(|error| not_kept(error.into()))?;
            write(folder, STATE, &bytes).map_err(not_kept)?;
        }
        self.state = state;
        Ok(())
    }
}

/// Writes a file so that after a loss of power it is there whole or not at all.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let new = folder.join(format!("{name}.new"));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, folder.join(name))?;
    File::open(folder)?.sync_all()
}
