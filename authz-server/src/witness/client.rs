//! The log's side: ask a witness to cosign a checkpoint, and learn from it if our own log went back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use interdict_audit::checkpoint::{Checkpoint, CheckpointError, decimal};
use interdict_audit::merkle::Hash;
use interdict_audit::note::{Note, NoteError, Signature, VerifierKey};
use reqwest::StatusCode;

use super::{key, submission};
use crate::identity::fetch;

/// A witness that takes longer has failed; the next checkpoint asks again.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How often to start from another size: once from nothing, once from the size it told, once more for a race.
const ATTEMPTS: usize = 3;

/// Why there is no cosignature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// The URL or the key cannot be used.
    #[error("{0}")]
    Settings(String),
    /// It does not answer.
    #[error("the witness does not answer: {0}")]
    Unreachable(String),
    /// It refused for a reason that is not the state of the log.
    #[error("the witness answered {status}: {reason}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said, at most a line.
        reason: String,
    },
    /// Its answer makes no sense, or its signature does not verify.
    #[error("the answer of the witness is no cosignature of this checkpoint")]
    BadAnswer,
    /// Our own side: the checkpoint or a proof cannot be had.
    #[error("{0}")]
    Own(String),
    /// The witness has cosigned a larger tree than this one: our log was rolled back.
    #[error("the witness has seen {size} entries, more than this log has; was the log rolled back?")]
    Ahead {
        /// What it has seen.
        size: u64,
    },
    /// The witness has cosigned another history: our log was rewritten or forked.
    #[error("the witness has seen another history of the first {size} entries; was the log rewritten?")]
    Forked {
        /// The size of the tree that it has seen.
        size: u64,
    },
}

impl WitnessError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            WitnessError::Settings(_) => "audit.witness_settings",
            WitnessError::Unreachable(_) => "audit.witness_unreachable",
            WitnessError::Refused { .. } => "audit.witness_refused",
            WitnessError::BadAnswer => "audit.witness_bad_answer",
            WitnessError::Own(_) => "audit.witness_proof",
            WitnessError::Ahead { .. } => "audit.rolled_back",
            WitnessError::Forked { .. } => "audit.forked",
        }
    }

    /// Whether the witness contradicts our log: nothing that goes away by trying again.
    pub fn contradicts(&self) -> bool {
        matches!(self, WitnessError::Ahead { .. } | WitnessError::Forked { .. })
    }
}

impl From<NoteError> for WitnessError {
    fn from(error: NoteError) -> Self {
        WitnessError::Own(error.to_string())
    }
}

impl From<CheckpointError> for WitnessError {
    fn from(error: CheckpointError) -> Self {
        WitnessError::Own(error.to_string())
    }
}

/// One witness, for any number of logs.
#[derive(Debug)]
pub struct WitnessClient {
    url: url::Url,
    keys: [VerifierKey; 1],
    client: reqwest::Client,
    /// The size that the witness has of each origin, as far as is known.
    seen: Mutex<HashMap<String, u64>>,
}

/// What one request came to.
enum Answer {
    Cosigned(Signature),
    Conflict(u64),
    Inconsistent,
}

impl WitnessClient {
    /// A client for the witness at `url` (the part in front of `/add-checkpoint`) with this verifier key.
    ///
    /// # Errors
    /// [`WitnessError::Settings`] if one of them cannot be used.
    pub fn new(url: &str, key: &str) -> Result<Self, WitnessError> {
        let settings = |error: String| WitnessError::Settings(error);
        let mut url = url::Url::parse(url).map_err(|error| settings(format!("{url}: {error}")))?;
        let key = key::verifier(key).map_err(|error| settings(error.to_string()))?;
        url.path_segments_mut()
            .map_err(|()| settings("the URL of a witness must be http or https".to_owned()))?
            .pop_if_empty()
            .push("add-checkpoint");
        let client = fetch::client(&url, None, TIMEOUT).map_err(settings)?;
        Ok(Self { url, keys: [key], client, seen: Mutex::default() })
    }

    /// The key that its cosignatures verify with.
    pub fn key(&self) -> &VerifierKey {
        let [key] = &self.keys;
        key
    }

    /// Asks for a cosignature of a checkpoint that our log signed. `prove` gives the consistency proof from a smaller
    /// size to that of the checkpoint; it is called on this task.
    ///
    /// # Errors
    /// [`WitnessError`]; [`WitnessError::contradicts`] tells the alarm from a failure.
    pub async fn cosign<P>(&self, note: &Note, prove: P) -> Result<Signature, WitnessError>
    where
        P: Fn(u64) -> Result<Vec<Hash>, String> + Send + Sync,
    {
        let Checkpoint { origin, size, .. } = Checkpoint::parse(note.text())?;
        let mut old = self.seen().get(&origin).copied().unwrap_or(0).min(size);
        for _ in 0..ATTEMPTS {
            let proof = prove(old).map_err(WitnessError::Own)?;
            match self.ask(old, &proof, note).await? {
                Answer::Cosigned(signature) => {
                    self.seen().insert(origin, size);
                    return Ok(signature);
                }
                Answer::Conflict(seen) if seen > size => return Err(WitnessError::Ahead { size: seen }),
                // It has exactly this size and refuses: the root is another one.
                Answer::Conflict(seen) if seen == size && seen == old => {
                    return Err(WitnessError::Forked { size: seen });
                }
                Answer::Conflict(seen) if seen == old => return Err(WitnessError::BadAnswer),
                Answer::Conflict(seen) => {
                    if seen < old {
                        let (witness, code) = (self.key().name(), "audit.witness_forgot");
                        tracing::warn!(code, witness, %origin, old, seen, "the witness has forgotten what it cosigned");
                    }
                    old = seen;
                }
                Answer::Inconsistent => return Err(WitnessError::Forked { size: old }),
            }
        }
        Err(WitnessError::BadAnswer)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, old: u64, proof: &[Hash], note: &Note) -> Result<Answer, WitnessError> {
        let unreachable = |error: reqwest::Error| WitnessError::Unreachable(fetch::innermost(&error));
        let body = submission::body(old, proof, note);
        let mut response = self.client.post(self.url.clone()).body(body).send().await.map_err(unreachable)?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(WitnessError::BadAnswer);
            }
            answer.extend_from_slice(&chunk);
        }
        let answer = String::from_utf8(answer).map_err(|_| WitnessError::BadAnswer)?;
        match status {
            StatusCode::OK => self.cosignature(note, &answer).map(Answer::Cosigned),
            StatusCode::CONFLICT => answer
                .strip_suffix('\n')
                .and_then(decimal)
                .map(Answer::Conflict)
                .ok_or(WitnessError::BadAnswer),
            StatusCode::UNPROCESSABLE_ENTITY => Ok(Answer::Inconsistent),
            other => Err(WitnessError::Refused { status: other.as_u16(), reason: one_line(&answer) }),
        }
    }

    /// Our witness's line among those of an answer; others are passed over.
    fn cosignature(&self, note: &Note, answer: &str) -> Result<Signature, WitnessError> {
        let bad = |_| WitnessError::BadAnswer;
        let lines = answer.strip_suffix('\n').ok_or(WitnessError::BadAnswer)?;
        for line in lines.split('\n').take(interdict_audit::note::MAX_SIGNATURES) {
            let signature = Signature::parse(line).map_err(bad)?;
            let alone = Note::new(note.text(), signature.clone()).map_err(bad)?;
            if !alone.verified(&self.keys).map_err(bad)?.is_empty() {
                return Ok(signature);
            }
        }
        Err(WitnessError::BadAnswer)
    }
}

/// What a stranger said, fit for a log.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().filter(|char| !char.is_control()).take(200).collect()
}
