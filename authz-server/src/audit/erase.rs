//! Erasing sealed inputs, and saying so in the log.

use std::ops::ControlFlow;
use std::time::Instant;

use interdict_audit::record::{AnyBody, Body, Entry, Key, KeyEvent, Kind, Moment};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::oneshot;

use super::api::NewEntry;
use super::log::Tenant;
use super::reader::{LogReader, StoredEntry, decision_of};
use super::{AuditError, failure, seal};

/// Records that the key of a day is destroyed, and destroys it; whether there was one. In this order: inputs that are gone
/// while the log does not say why look as if somebody had taken them away.
pub(crate) fn destroy_day(tenant: &Tenant, day: Date) -> Result<bool, AuditError> {
    let sequencer = &tenant.sequencer;
    if !seal::has_key(&sequencer.common.layout, &sequencer.tenant, day)? {
        return Ok(false);
    }
    record(tenant, day)?;
    let destroyed = seal::destroy_key(&sequencer.common.layout, &sequencer.tenant, day);
    tenant.sealer.forget();
    if let Err(error) = &destroyed {
        tracing::error!(
            tenant = sequencer.tenant,
            %day,
            code = error.code,
            %error,
            "the log says that the key of a day's sealed inputs is destroyed, and it is not; repeat it"
        );
        return destroyed;
    }
    tracing::info!(tenant = sequencer.tenant, %day, "the key of a day's sealed inputs is destroyed");
    Ok(true)
}

/// Returns when it is in the log. Blocks.
fn record(tenant: &Tenant, day: Date) -> Result<(), AuditError> {
    let gone = || AuditError::new(failure::UNAVAILABLE, "the log has ended");
    let (answer, mut result) = oneshot::channel();
    let text = day.to_string();
    let body =
        Key { day: Some(text.as_str().into()), event: KeyEvent::InputsDestroyed, key: None, previous: None };
    let body = body.to_bytes().map_err(|error| AuditError::new(failure::UNAVAILABLE, error.to_string()))?;
    let entry = NewEntry {
        tenant: tenant.sequencer.tenant.clone(),
        kind: Key::KIND,
        decision_id: None,
        body,
        sealed: None,
        expects_outcome: false,
        at_once: true,
    };
    tenant.append(entry, Some(answer), Instant::now())?;
    // Asked instead of waited for: a caller may be a thread of the runtime, which must not wait like that.
    loop {
        match result.try_recv() {
            Ok(recorded) => return recorded.map(drop),
            Err(oneshot::error::TryRecvError::Closed) => return Err(gone()),
            Err(oneshot::error::TryRecvError::Empty) => {
                std::thread::sleep(std::time::Duration::from_millis(2))
            }
        }
    }
}

/// What a log says of destroyed keys, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Destroyed {
    read: u64,
    /// The number of the entry, and the day.
    said: Vec<(u64, Date)>,
}

impl Destroyed {
    /// Whether an input that no key opens is one that was erased: the log says so of the day that it names, after the
    /// entry, and it is a day on which the entry can have been sealed. The log is committed to; day and key are not.
    pub(crate) fn explain(
        &mut self,
        reader: &LogReader,
        stored: &StoredEntry,
        sealed: &[u8],
    ) -> Result<bool, AuditError> {
        self.read_on(reader)?;
        let (Some(day), Ok(entry)) = (seal::day_in(sealed), Entry::read(&stored.record)) else {
            return Ok(false);
        };
        let recorded = day_of(entry.ts);
        // Sealed after it was decided and before it was recorded, which can be later while a log is down.
        let decided = decision_of(&stored.record).and_then(|id| id.get_timestamp()).map_or(recorded, |at| {
            let (seconds, _) = at.to_unix();
            day_of(Moment::from_unix_ms(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000)))
        });
        let possible = decided.min(recorded) <= day && day <= recorded;
        Ok(possible && self.said.iter().any(|said| said.0 > stored.seq && said.1 == day))
    }

    fn read_on(&mut self, reader: &LogReader) -> Result<(), AuditError> {
        let size = reader.size()?;
        reader.range(self.read, size, |stored| {
            self.said.extend(destroyed_in(&stored.record).map(|day| (stored.seq, day)));
            ControlFlow::Continue(())
        })?;
        self.read = size;
        Ok(())
    }
}

/// The day whose key an entry says to be destroyed.
fn destroyed_in(record: &[u8]) -> Option<Date> {
    let entry = Entry::read(record).ok().filter(|entry| entry.kind == Kind::Key)?;
    match entry.body().ok()? {
        AnyBody::Key(body) if body.event == KeyEvent::InputsDestroyed => body.day?.parse().ok(),
        _ => None,
    }
}

fn day_of(moment: Moment) -> Date {
    seal::day_of(Timestamp::from_millisecond(moment.unix_ms()).unwrap_or(Timestamp::MAX))
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
