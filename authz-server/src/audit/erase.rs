//! Erasing sealed inputs, and saying so in the log.

use std::time::Instant;

use interdict_audit::record::{Body, Key, KeyEvent};
use jiff::civil::Date;

use super::api::NewEntry;
use super::log::Tenant;
use super::{AuditError, failure, seal};

/// Destroys the key of a day and records that; whether there was one.
pub(crate) fn destroy_day(tenant: &Tenant, day: Date) -> Result<bool, AuditError> {
    let sequencer = &tenant.sequencer;
    let destroyed = seal::destroy_key(&sequencer.common.layout, &sequencer.tenant, day)?;
    tenant.sealer.forget();
    if !destroyed {
        return Ok(false);
    }
    let text = day.to_string();
    let body =
        Key { day: Some(text.as_str().into()), event: KeyEvent::InputsDestroyed, key: None, previous: None };
    let body = body.to_bytes().map_err(|error| AuditError::new(failure::UNAVAILABLE, error.to_string()))?;
    let entry = NewEntry {
        tenant: sequencer.tenant.clone(),
        kind: Key::KIND,
        decision_id: None,
        body,
        sealed: None,
        expects_outcome: false,
        at_once: true,
    };
    tenant.append(entry, None, Instant::now())?;
    tracing::info!(tenant = sequencer.tenant, %day, "the key of a day's sealed inputs is destroyed");
    Ok(true)
}

/// Destroys the keys of all days that are more than `keep` days ago.
pub(crate) fn destroy_old(tenant: &Tenant, keep: u32) -> Result<u64, AuditError> {
    let sequencer = &tenant.sequencer;
    let today = seal::day_of(sequencer.timestamp());
    let first = today.checked_sub(jiff::Span::new().days(i64::from(keep))).unwrap_or(Date::MIN);
    let mut count = 0;
    for day in seal::days_with_keys(&sequencer.common.layout, &sequencer.tenant)? {
        if day < first && destroy_day(tenant, day)? {
            count += 1;
        }
    }
    Ok(count)
}
