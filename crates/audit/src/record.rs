//! What an entry of the log holds: one JSON text, written once, hashed as it stands.
//!
//! ```text
//! {"body":{…},"kind":"decision","prev":"<64 hex>","seq":0,"tenant":"acme","ts":"2026-11-21T14:30:00.123Z","v":1}
//! ```
//!
//! Every kind has a body ([`Body`]). Their fields are declared in the order of their names, so that what serde writes
//! is already canonical ([`crate::canonical`]), and whoever makes the log an entry only puts a frame around the bytes
//! ([`wrap`]). Reading is strict: an unknown member, kind or version is an error.
//!
//! Texts of others are cut before they get here; argument values are not here at all unless an operator asked for
//! them. `docs/audit-record.schema.json` says the same to other programs.

mod any;
mod decision;
mod entry;
mod events;
mod labels;
mod moment;
mod number;

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};

pub use self::any::AnyBody;
pub use self::decision::{
    Action, Agent, Args, Content, Decision, Enforcer, Found, Judgement, Latency, Policy, Principal, Reason,
    Request, UsedApproval,
};
pub use self::entry::{Entry, NO_PREV, RecordError, VERSION, is_tenant, wrap};
pub use self::events::{
    Approval, Bundle, Gap, Health, Key, Lift, Outcome, OutcomeMissing, Pin, ReplayDifference, Start, Stop,
};
pub use self::labels::{
    ActionKind, ApprovalEvent, BundleEvent, Defined, Durability, Ended, EnforcerKind, HealthEvent, KeyEvent,
    Kind, LiftEvent, PinEvent, ReasonKind, Rpc, Stage, Treated, Verdict,
};
pub use self::moment::Moment;
pub use self::number::{Count, MAX_SAFE, RpcCode};

/// A text of a record: borrowed where it is written, owned where it was read.
pub type Text<'a> = Cow<'a, str>;

/// What an entry says.
pub trait Body: Serialize {
    /// The kind of its entry.
    const KIND: Kind;

    /// Its canonical bytes, for [`wrap`].
    ///
    /// # Errors
    /// [`RecordError::Unwritable`]; a body has nothing that serde could not write.
    fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let mut bytes = Vec::with_capacity(1536);
        serde_json::to_writer(&mut bytes, self).map_err(|_| RecordError::Unwritable)?;
        Ok(bytes)
    }
}

/// Reads an optional member that is there: `null` would be a second spelling of its absence.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
