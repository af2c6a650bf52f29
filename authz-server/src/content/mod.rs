//! The content stage: what requests hold, what responses may hold, what sessions were told.
//!
//! A request is looked into after its sender is known and before the policy judges ([`look`]). From there on it has two
//! bodies. The one that goes to the server has marks in the place of what is redacted, and tokens in the place of what
//! is tokenised; tokens of values that a server may see are turned back on their way to it. The other one is what the
//! policy, the record and an approver get to see: in it, what a person is asked about and what is denied is masked too.
//! So no value that is more than counted gets into facts, records, questions or logs. A policy that looks at the text
//! of an argument therefore sees a mark where it would have to ask or deny for the text's class anyway.
//!
//! Responses are looked into by the enforcement point; [`response`] makes the rules. What it found comes back with the
//! outcome ([`learn`]).

mod edits;
mod joins;
mod keys;
mod learn;
mod look;
pub mod pins;
mod place;
mod response;
mod session;
mod strings;
mod token;

use std::sync::Arc;
use std::time::Duration;

use interdict_content::finding::SessionKey;
use interdict_policy::Principal;
use moka::sync::Cache;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

pub(crate) use self::edits::merged;
use self::keys::Keys;
pub(crate) use self::keys::mac;
pub(crate) use self::learn::Told;
pub(crate) use self::look::{Asked, Looked, Noted, Refused};
use self::pins::{Origin, Pins};
pub(crate) use self::response::Answering;
use self::session::Sessions;
pub use self::session::{Cause, Labelled};
use crate::intercept::request_state::SealError;
use crate::telemetry::metrics::Metrics;

/// What a body is refused with that is no message any more after its edits.
pub(crate) const REDACTION_FAILED: Refused =
    Refused("content.redaction_failed", "The message could not be redacted without breaking it.");
/// What a call is refused with that waited while the rules changed.
pub(crate) const RULES_CHANGED: Refused =
    Refused("content.rules_changed", "The rules for content changed while this call waited. Send it again.");

/// Most decisions whose response may still be reported.
const MAX_ORIGINS: u64 = 100_000;
/// How long that may take.
const REPORTED_WITHIN: Duration = Duration::from_secs(60 * 60);

type Findings = Family<[(&'static str, String); 3], Counter>;

/// Where a response came from, and whose it was.
struct Sent {
    origin: Origin,
    principal: Option<Principal>,
    session: SessionKey,
}

/// The content stage of a server.
pub struct ContentStage {
    keys: Keys,
    sessions: Sessions,
    pins: Arc<dyn Pins>,
    sent: Cache<Box<str>, Arc<Sent>>,
    findings: Findings,
}

impl std::fmt::Debug for ContentStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContentStage")
    }
}

impl ContentStage {
    /// A stage with keys made from `secret`.
    ///
    /// # Errors
    /// When the cryptographic library refuses a key; it never does.
    pub(crate) fn new(secret: &[u8; 32], pins: Arc<dyn Pins>, metrics: &Metrics) -> Result<Self, SealError> {
        let findings = Findings::default();
        metrics.register(|registry| {
            registry.register(
                "content_findings",
                "What was found in requests and responses, by class and by what was done",
                findings.clone(),
            );
        });
        let sent = Cache::builder().max_capacity(MAX_ORIGINS).time_to_live(REPORTED_WITHIN).build();
        Ok(Self { keys: Keys::derive(secret)?, sessions: Sessions::default(), pins, sent, findings })
    }

    /// The key of the session that a request belongs to: everything of this agent for this principal. The session ids of
    /// the older wires count for nothing here: a client chooses when it begins another one, and every server has its own,
    /// while what one server's answer did to an agent matters for its calls to all others.
    fn session(&self, asked: &Asked<'_>) -> SessionKey {
        let principal = asked.identity.principal.as_ref();
        let issuer = principal.map(|who| who.issuer.as_str()).unwrap_or_default();
        let subject = principal.map(|who| who.id.as_str()).unwrap_or_default();
        let agent = asked.identity.agent_id.as_str();
        self.keys.session(&[asked.tenant.as_bytes(), agent.as_bytes(), issuer.as_bytes(), subject.as_bytes()])
    }

    /// The digest of an action whose request was masked.
    pub(crate) fn action(&self, digest: &str) -> String {
        self.keys.action(digest)
    }

    /// Counts what was found.
    fn count(&self, direction: &'static str, class: &str, action: &str, count: u64) {
        let labels =
            [("direction", direction.to_owned()), ("class", class.to_owned()), ("action", action.to_owned())];
        self.findings.get_or_create(&labels).inc_by(count);
    }

    /// Counts what was found in a request.
    pub(crate) fn count_request(&self, noted: &Noted) {
        for ((class, action), count) in &noted.classes {
            self.count("request", class, action, *count);
        }
    }

    /// The request goes on: what it held is part of its session from now on.
    pub(crate) fn goes_on(&self, looked: &Looked) {
        let lesson = looked.lesson.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let (Some(key), Some(lesson)) = (&looked.session, lesson) {
            self.sessions.learn(key, lesson);
        }
    }

    /// Every session that is hostile now, in this process.
    pub fn hostile(&self) -> Vec<Labelled> {
        self.sessions.hostile()
    }

    /// Takes the label from a session, if it still has it for the cause that was seen; whether it did.
    pub fn clear(&self, labelled: &Labelled) -> bool {
        self.sessions.clear(labelled)
    }
}
