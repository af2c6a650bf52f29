//! Entries that are not decisions.

use interdict_audit::record::Body;
use uuid::Uuid;

use super::SYSTEM;
use crate::audit::NewEntry;

/// An entry of this tenant. `None` when the body cannot be written, which no body is capable of.
pub(super) fn entry<B: Body>(tenant: &str, decision_id: Option<Uuid>, body: &B) -> Option<NewEntry> {
    let bytes = body.to_bytes().map_err(|error| tracing::error!(%error, "a record has no text")).ok()?;
    Some(NewEntry {
        tenant: tenant.to_owned(),
        kind: B::KIND,
        decision_id,
        body: bytes,
        sealed: None,
        expects_outcome: false,
        at_once: false,
    })
}

/// An entry of no tenant.
pub(super) fn system<B: Body>(body: &B) -> Option<NewEntry> {
    entry(SYSTEM, None, body)
}
