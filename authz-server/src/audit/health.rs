//! Whether the logs can be written, and what they missed while they could not.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use interdict_audit::record::{Body, Count, Gap, Moment};
use jiff::Timestamp;
use tokio::sync::watch;

use super::Health;
use super::writer::Draft;

/// Reason of a gap: calls that went on without a record, by configuration.
const UNRECORDED: &str = "audit.unrecorded";

/// The health of all tenants' logs together: down while one of them is.
#[derive(Debug)]
pub(crate) struct Board {
    down: Mutex<BTreeMap<String, (&'static str, Timestamp)>>,
    sender: watch::Sender<Health>,
}

impl Default for Board {
    fn default() -> Self {
        Self { down: Mutex::default(), sender: watch::Sender::new(Health::Serving) }
    }
}

impl Board {
    pub(crate) fn watch(&self) -> watch::Receiver<Health> {
        self.sender.subscribe()
    }

    /// Says that a tenant's log cannot be written; since when is kept from the first time.
    pub(crate) fn down(&self, tenant: &str, code: &'static str, now: Timestamp) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let since = down.get(tenant).map_or(now, |(_, since)| *since);
        down.insert(tenant.to_owned(), (code, since));
        self.publish(&down);
    }

    /// Says that it can be written.
    pub(crate) fn up(&self, tenant: &str) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if down.remove(tenant).is_some() {
            self.publish(&down);
        }
    }

    fn publish(&self, down: &BTreeMap<String, (&'static str, Timestamp)>) {
        let now = down
            .values()
            .min_by_key(|(_, since)| *since)
            .map_or(Health::Serving, |(code, since)| Health::Down { code, since: *since });
        self.sender.send_if_modified(|health| {
            let other = *health != now;
            *health = now;
            other
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Missing {
    count: u64,
    from: Moment,
    to: Moment,
}

/// What is not in one tenant's log, by reason.
#[derive(Debug, Default)]
pub(crate) struct Losses(Mutex<BTreeMap<&'static str, Missing>>);

impl Losses {
    /// An entry was refused with this code, and whoever asked was told.
    pub(crate) fn refused(&self, code: &'static str, now: Moment) {
        self.add(code, Missing { count: 1, from: now, to: now });
    }

    /// A call went on without its entry.
    pub(crate) fn unrecorded(&self, now: Moment) {
        self.refused(UNRECORDED, now);
    }

    fn add(&self, reason: &'static str, missing: Missing) {
        let mut losses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        losses
            .entry(reason)
            .and_modify(|so_far| {
                so_far.count = so_far.count.saturating_add(missing.count);
                so_far.from = so_far.from.min(missing.from);
                so_far.to = so_far.to.max(missing.to);
            })
            .or_insert(missing);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes everything, to be written; what cannot be written is put back.
    pub(crate) fn take(&self) -> Taken<'_> {
        let taken = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Taken { losses: self, taken }
    }
}

/// Losses on their way into the log; dropped before [`Taken::written`], they are still to be told.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    losses: &'a Losses,
    taken: BTreeMap<&'static str, Missing>,
}

impl Taken<'_> {
    /// One entry per reason.
    pub(crate) fn drafts(&self) -> Vec<Draft> {
        let gap = |(reason, missing): (&&'static str, &Missing)| {
            let Missing { count, from, to } = *missing;
            let body = Gap { count: Count::new(count), from, reason: (*reason).into(), to };
            body.to_bytes().ok().map(|body| Draft::event(Gap::KIND, body))
        };
        self.taken.iter().filter_map(gap).collect()
    }

    /// They are in the log.
    pub(crate) fn written(mut self) {
        self.taken.clear();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for (reason, missing) in std::mem::take(&mut self.taken) {
            self.losses.add(reason, missing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_down_while_one_tenants_is_and_since_the_first_failure() {
        let board = Board::default();
        let health = board.watch();
        let at = |second| Timestamp::from_second(second).unwrap();
        board.down("a", "audit.disk_full", at(1));
        board.down("b", "audit.locked", at(2));
        board.down("a", "audit.unavailable", at(3));
        assert_eq!(*health.borrow(), Health::Down { code: "audit.unavailable", since: at(1) });
        board.up("a");
        assert_eq!(*health.borrow(), Health::Down { code: "audit.locked", since: at(2) });
        board.up("b");
        assert_eq!(*health.borrow(), Health::Serving);
    }

    #[test]
    fn losses_are_told_once_and_again_when_that_failed() {
        let losses = Losses::default();
        for ms in [5, 3, 9] {
            losses.unrecorded(Moment::from_unix_ms(ms));
        }
        drop(losses.take());
        losses.refused("audit.disk_full", Moment::from_unix_ms(4));
        let taken = losses.take();
        let bodies: Vec<_> =
            taken.drafts().into_iter().map(|draft| String::from_utf8(draft.body).unwrap()).collect();
        assert_eq!(bodies.len(), 2);
        assert!(
            bodies[1].contains(r#""count":3,"from":"1970-01-01T00:00:00.003Z","reason":"audit.unrecorded""#),
            "{bodies:?}"
        );
        taken.written();
        assert!(losses.is_empty());
    }
}
