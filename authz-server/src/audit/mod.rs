//! The log: one per tenant, tamper-evident, in SQLite.
//!
//! An entry goes through [`queue`] to the [`sequencer`] of its tenant, which gives it its place ([`chain`]) and commits it
//! ([`writer`]) to the write-ahead log ([`wal`]), by itself or by its thread ([`keeper`]). The thread signs [`checkpoints`]
//! and moves pages ([`backfill`]).
//! [`resume`] checks a log before it goes on, [`reader`] reads it, [`seal`] and [`erase`] care for what replay needs.
//! `docs/decisions/0004-audit-log.md` says what is promised.

mod api;
mod backfill;
mod chain;
mod checkpoints;
mod directory;
mod erase;
mod failure;
mod health;
mod keeper;
mod log;
mod metrics;
mod queue;
mod reader;
mod resume;
mod rotate;
mod rows;
mod schema;
mod seal;
mod sequencer;
mod signing;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wal;
mod witnesses;
mod writer;

pub use self::api::{Appended, Appending, AuditError, Health, NewEntry, Recorder};
pub use self::checkpoints::TARGET as CHECKPOINT_TARGET;
pub use self::directory::{Layout, SYSTEM_TENANT};
pub use self::log::AuditLog;
pub use self::metrics::AuditMetrics;
pub use self::reader::{LogReader, StoredCheckpoint, StoredEntry, Unanswered, decision_of};
pub use self::rotate::rotate_key;
pub(crate) use self::schema::Files;
pub use self::seal::open_sealed;
