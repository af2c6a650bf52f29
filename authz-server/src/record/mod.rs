//! The record of a decision: an entry of the tamper-evident log that is committed before the verdict leaves, one
//! structured event, and the metrics; for every answer, and for every call whose caller went away before there was
//! one.
//!
//! An event never holds a body, a token or an argument value, and what others wrote is cut ([`event`]): whoever chooses
//! long names must not choose how much is written. An entry holds what `docs/audit-record.schema.json` says, and what
//! replay needs lies sealed beside it ([`evidence`]).

mod approvals;
mod bundle_events;
mod entries;
mod event;
mod evidence;
mod life;
mod lifts;
#[cfg(test)]
pub(crate) mod memory;
pub mod outcomes;
mod pins;
mod recording;
mod repeats;
mod sampler;
mod trace;

pub(crate) use self::approvals::ApprovalRecords;
pub use self::approvals::{AnswerError, record_answer};
pub(crate) use self::bundle_events::BundleRecords;
pub use self::event::{DecisionEvent, Noted, Stages};
pub use self::lifts::{Because, Lifted, record_lifts, record_not_lifted};
pub(crate) use self::pins::pin_entry;
pub use self::recording::{Recording, RecordingSettings};
pub(crate) use self::sampler::Sampler;
pub(crate) use self::trace::Trace;

/// Target of the events, for log filters.
pub const TARGET: &str = "interdict::decision";

/// The log of what belongs to no tenant: starts and stops, bundles, and requests of nobody for nothing.
pub const SYSTEM: &str = "_system";
