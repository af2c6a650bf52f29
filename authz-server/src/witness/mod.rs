//! A witness: a process outside of the log's administration that remembers the last checkpoint of each log and signs the
//! next one only if it continues that one (C2SP tlog-witness, tlog-cosignature).
//!
//! Whoever can rewrite a log can also sign the rewritten one. What he cannot do is to make a witness forget: it never
//! signs a smaller tree, never two roots of one size, and writes down what it signs before it signs.
//!
//! The log's side is [`client`].

pub mod client;
mod http;
mod key;
mod state;
mod submission;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use interdict_audit::checkpoint::Checkpoint;
use interdict_audit::merkle::{empty_root, verify_consistency};
use interdict_audit::note::{Cosigner, KeyKind, Note, Signature, VerifierKey};
use interdict_audit::record::is_tenant;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::key::{KeyError, cosigner};
pub use self::state::StateError;
use self::state::{Seen, State};
use self::submission::Submission;
use crate::clock::Clock;
use crate::server::ServeError;
use crate::server::sockets;

/// How long calls under way may take once the witness is asked to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// A log that a witness knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLog {
    /// Its origin; with `/*` at the end, every origin below.
    pub origin: String,
    /// The key that signs its checkpoints.
    pub key: VerifierKey,
}

impl KnownLog {
    fn covers(&self, origin: &str) -> bool {
        match self.origin.strip_suffix("/*") {
            Some(above) => {
                origin.strip_prefix(above).and_then(|below| below.strip_prefix('/')).is_some_and(is_tenant)
            }
            None => self.origin == origin,
        }
    }
}

/// `ORIGIN=VKEY`, as the command line has it.
impl std::str::FromStr for KnownLog {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A key ends in `=` as a rule; an origin that holds one cannot be written here.
        let (origin, key) = text.split_once('=').ok_or("must be ORIGIN=VKEY")?;
        if origin.is_empty() || origin.contains(char::is_control) {
            return Err("the origin is empty or holds control characters".to_owned());
        }
        let key: VerifierKey = key.parse().map_err(|error| format!("{error}"))?;
        if key.kind() != KeyKind::Ed25519 {
            return Err("is the key of a witness, not of a log".to_owned());
        }
        Ok(Self { origin: origin.to_owned(), key })
    }
}

/// Why a checkpoint is not cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// No log of this origin is known.
    #[error("the origin of the checkpoint is unknown here")]
    UnknownOrigin,
    /// No trusted key of the log signed it.
    #[error("no trusted key of the log signed the checkpoint")]
    BadSignature,
    /// The last cosigned checkpoint has this size, and the request does not start there.
    #[error("the last cosigned checkpoint has size {0}")]
    OtherSize(u64),
    /// A checkpoint of the same size with another root was cosigned: there are two histories.
    #[error("a checkpoint of size {0} with another root was cosigned")]
    Forked(u64),
    /// The new tree does not continue the last one.
    #[error("the consistency proof does not hold")]
    Inconsistent,
    /// More origins than a witness remembers.
    #[error("no more origins are remembered here")]
    TooManyOrigins,
    /// What was seen cannot be written down, so nothing is signed.
    #[error("the state cannot be written")]
    Unavailable,
}

impl Refusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Malformed(_) => "witness.malformed",
            Refusal::UnknownOrigin => "witness.unknown_origin",
            Refusal::BadSignature => "witness.bad_signature",
            Refusal::OtherSize(_) => "witness.other_size",
            Refusal::Forked(_) => "witness.forked",
            Refusal::Inconsistent => "witness.inconsistent",
            Refusal::TooManyOrigins => "witness.too_many_origins",
            Refusal::Unavailable => "witness.unavailable",
        }
    }
}

/// A witness, without its socket.
pub struct Witness {
    logs: Vec<KnownLog>,
    cosigner: Cosigner,
    state: State,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").field("cosigner", &self.cosigner).field("logs", &self.logs).finish()
    }
}

impl Witness {
    /// Takes hold of the folder `state` and reads what was seen.
    ///
    /// # Errors
    /// [`StateError`] if another witness holds it, or a file in it is damaged or signed with another key: a witness that
    /// starts over from nothing would sign any history.
    pub fn open(
        state: &Path,
        cosigner: Cosigner,
        logs: Vec<KnownLog>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StateError> {
        let state = State::open(state, cosigner.verifier())?;
        Ok(Self { logs, cosigner, state, clock })
    }

    /// The key that its cosignatures verify with.
    pub fn verifier(&self) -> &VerifierKey {
        self.cosigner.verifier()
    }

    /// Judges the body of an `add-checkpoint` request. Writes a file: not for a thread that must not block.
    ///
    /// # Errors
    /// [`Refusal`]; what was seen before stays as it is.
    pub fn add_checkpoint(&self, body: &[u8]) -> Result<Signature, Refusal> {
        let submission = Submission::parse(body).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let origin = submission.checkpoint.origin.as_str();
        let keys: Vec<VerifierKey> =
            self.logs.iter().filter(|log| log.covers(origin)).map(|log| log.key.clone()).collect();
        if keys.is_empty() {
            return Err(Refusal::UnknownOrigin);
        }
        submission.note.open(&keys).map_err(|_| Refusal::BadSignature)?;
        // From here on the log itself speaks: what it says is kept when it contradicts itself.
        let slot = self.state.slot(origin).ok_or(Refusal::TooManyOrigins)?;
        let mut seen = slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        check(&submission, seen.as_ref()).inspect_err(|refusal| report(refusal, &submission))?;
        let time = u64::try_from(self.clock.now().as_second()).map_err(|_| Refusal::Unavailable)?;
        let text = submission.note.text();
        let cosignature = self.cosigner.cosign(text, time).ok_or(Refusal::Unavailable)?;
        if seen.as_ref().map(|seen| seen.size) != Some(submission.checkpoint.size) {
            self.remember(&submission, cosignature.clone())?;
        }
        let Checkpoint { size, root, .. } = submission.checkpoint;
        *seen = Some(Seen { size, root });
        tracing::info!(origin, size, old_size = submission.old, "cosigned");
        Ok(cosignature)
    }

    /// On disk before the signature leaves this process.
    fn remember(&self, submission: &Submission, cosignature: Signature) -> Result<(), Refusal> {
        let unavailable = |error: &dyn std::fmt::Display| {
            tracing::error!(code = "witness.unavailable", %error, "the state cannot be written; nothing is signed");
            Refusal::Unavailable
        };
        let note = Note::new(submission.note.text(), cosignature).map_err(|error| unavailable(&error))?;
        self.state.store(&submission.checkpoint.origin, &note).map_err(|error| unavailable(&error))
    }
}

/// Whether the submitted checkpoint continues the one seen last.
fn check(submission: &Submission, seen: Option<&Seen>) -> Result<(), Refusal> {
    let Checkpoint { size, root, .. } = &submission.checkpoint;
    let nothing = Seen { size: 0, root: empty_root() };
    let seen = seen.unwrap_or(&nothing);
    if submission.old != seen.size {
        return Err(Refusal::OtherSize(seen.size));
    }
    if *size == seen.size && *root != seen.root {
        return Err(Refusal::Forked(seen.size));
    }
    verify_consistency(seen.size, *size, &submission.proof, &seen.root, root)
        .map_err(|_| Refusal::Inconsistent)
}

/// A log that contradicts itself has signed the evidence: it goes into the log of the witness as a whole.
fn report(refusal: &Refusal, submission: &Submission) {
    let Checkpoint { origin, size, .. } = &submission.checkpoint;
    let code = refusal.code();
    match refusal {
        Refusal::Forked(_) | Refusal::Inconsistent => {
            let note = submission.note.to_string();
            tracing::error!(code, %origin, size, old_size = submission.old, note, "refused: {refusal}");
        }
        _ => tracing::info!(code, %origin, size, old_size = submission.old, "refused: {refusal}"),
    }
}

/// A witness that listens.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    close: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Listens on `address`.
    ///
    /// # Errors
    /// [`ServeError`] if the socket cannot be had.
    pub async fn start(address: SocketAddr, witness: Arc<Witness>) -> Result<Self, ServeError> {
        let (close, closing) = watch::channel(false);
        let app = http::router(witness);
        let (address, task) = sockets::serve_http("--listen", address, app, closing).await?;
        Ok(Self { address, close, task })
    }

    /// Where it listens, the port as the system gave it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers what is under way and stops.
    pub async fn shutdown(mut self) {
        self.close.send_replace(true);
        if tokio::time::timeout(LAST_ANSWERS, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// What `interdict witness` needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder of what was seen.
    pub state: PathBuf,
    /// The logs.
    pub logs: Vec<KnownLog>,
}

/// Why a witness did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state cannot be used.
    #[error("--state: {0}")]
    State(#[from] StateError),
    /// The socket cannot be had.
    #[error(transparent)]
    Listen(#[from] ServeError),
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// [`StartError`] for whatever stops the start.
pub async fn serve(settings: Settings, cosigner: Cosigner, clock: Arc<dyn Clock>) -> Result<(), StartError> {
    let mut signals = sockets::StopSignals::listen();
    let witness = Arc::new(Witness::open(&settings.state, cosigner, settings.logs, clock)?);
    let key = witness.verifier().to_string();
    let running = Running::start(settings.listen, witness).await?;
    if !running.address().ip().is_loopback() {
        tracing::warn!(address = %running.address(), "the witness speaks plain HTTP; put TLS in front of it");
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %running.address(),
        key,
        state = %settings.state.display(),
        "witness started"
    );
    let signal = signals.next().await;
    tracing::info!(signal, "stopping");
    running.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}
