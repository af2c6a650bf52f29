//! Which allowed calls still have no outcome.
//!
//! A decision and its outcome are two entries, because they are two facts. Between them the decision is awaited here; an
//! outcome is taken once, for a decision of this server, and what nobody reported in time is recorded as missing.
//! Memory is bounded: a decision that has no room is recorded as missing early, and an outcome that comes after that is
//! still recorded, as late.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use interdict_audit::record::OutcomeMissing;
use moka::sync::Cache;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use uuid::Uuid;

use super::entries::entry;
use crate::audit::Recorder;
use crate::telemetry::metrics::Metrics;

/// Most decisions that are awaited at once; each takes about 150 bytes.
const MAX_AWAITED: usize = 250_000;

/// Most decisions whose outcome may come but is not awaited: streams, and those recorded as missing.
const MAX_TOLERATED: u64 = 100_000;

/// How long an outcome that is not awaited may come.
pub const TOLERATED: Duration = Duration::from_secs(24 * 60 * 60);

/// How often it is looked at who is late.
const LOOK: Duration = Duration::from_secs(1);

/// Decisions without an outcome.
#[derive(Debug)]
pub struct Outcomes {
    deadline: Duration,
    most: usize,
    awaited: Mutex<AwaitedSet>,
    tolerated: Cache<Uuid, Tolerated>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct AwaitedSet {
    by_id: HashMap<Uuid, Awaited>,
    /// In the order of their deadlines; ids that are not in `by_id` any more are passed over.
    order: VecDeque<Uuid>,
    /// Taken, and not in the log yet.
    on_their_way: HashSet<Uuid>,
}

#[derive(Debug)]
struct Awaited {
    tenant: Arc<str>,
    since: Instant,
}

/// An outcome that may come without being awaited.
#[derive(Debug, Clone)]
struct Tolerated {
    tenant: Arc<str>,
    late: bool,
}

/// A decision whose outcome has come. Whoever cannot record it gives it back.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) tenant: Arc<str>,
    pub(crate) late: bool,
    since: Option<Instant>,
}

/// A decision that waited too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    pub(crate) id: Uuid,
    pub(crate) tenant: Arc<str>,
    pub(crate) waited: Duration,
}

#[derive(Debug, Default)]
struct Counts {
    reports: Family<[(&'static str, &'static str); 1], Counter>,
    missing: Counter,
    awaited: Gauge,
}

impl Outcomes {
    /// Nothing is awaited yet.
    pub fn new(deadline: Duration, metrics: &Metrics) -> Self {
        Self::of(deadline, MAX_AWAITED, metrics)
    }

    fn of(deadline: Duration, most: usize, metrics: &Metrics) -> Self {
        let counts = Counts::default();
        metrics.register(|registry| {
            registry.register(
                "outcome_reports",
                "Reported outcomes of calls, by what became of the report",
                counts.reports.clone(),
            );
            registry.register(
                "outcomes_missing",
                "Allowed calls of which nobody said in time how they ended",
                counts.missing.clone(),
            );
            registry.register(
                "outcomes_awaited",
                "Allowed calls whose outcome is not known yet",
                counts.awaited.clone(),
            );
        });
        let tolerated = Cache::builder().max_capacity(MAX_TOLERATED).time_to_live(TOLERATED).build();
        Self { deadline, most, awaited: Mutex::default(), tolerated, counts }
    }

    fn set(&self) -> MutexGuard<'_, AwaitedSet> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call was allowed. `required`: somebody must say how it ended; otherwise somebody may.
    pub(crate) fn expect(&self, id: Uuid, tenant: &str, required: bool) {
        let tenant: Arc<str> = tenant.into();
        match required {
            true => self.set().add(id, Awaited { tenant, since: Instant::now() }),
            false => self.tolerated.insert(id, Tolerated { tenant, late: false }),
        }
    }

    /// A decision of an earlier run, made so long ago. `missing`: that it has no outcome is on record already.
    pub fn remember(&self, id: Uuid, tenant: &str, age: Duration, missing: bool) {
        let tenant: Arc<str> = tenant.into();
        let now = Instant::now();
        match missing {
            true => self.tolerated.insert(id, Tolerated { tenant, late: true }),
            // Older than this machine's clock goes back is overdue all the same.
            false => self.set().add(id, Awaited { tenant, since: now.checked_sub(age).unwrap_or(now) }),
        }
    }

    /// The decision was not recorded, so it was not made.
    pub(crate) fn forget(&self, id: Uuid) {
        if self.set().by_id.remove(&id).is_none() {
            self.tolerated.invalidate(&id);
        }
    }

    /// Takes the one outcome of a decision, until it is settled or given back. `None`: not a decision of ours that may have
    /// one, or it has one, or one is on its way.
    pub(crate) fn take(&self, id: Uuid) -> Option<Taken> {
        let mut set = self.set();
        let taken = match set.by_id.remove(&id) {
            Some(awaited) => Taken { tenant: awaited.tenant, late: false, since: Some(awaited.since) },
            None => {
                let tolerated = self.tolerated.remove(&id)?;
                Taken { tenant: tolerated.tenant, late: tolerated.late, since: None }
            }
        };
        set.on_their_way.insert(id);
        Some(taken)
    }

    /// The outcome is in the log.
    pub(crate) fn settle(&self, id: Uuid) {
        self.set().on_their_way.remove(&id);
    }

    /// Whether the outcome of a decision is not in the log yet: it is on its way there, or it was given back.
    pub(crate) fn is_open(&self, id: Uuid) -> bool {
        let set = self.set();
        set.on_their_way.contains(&id) || set.by_id.contains_key(&id) || self.tolerated.contains_key(&id)
    }

    /// The outcome could not be recorded; it will come again.
    pub(crate) fn give_back(&self, id: Uuid, taken: Taken) {
        let mut set = self.set();
        set.on_their_way.remove(&id);
        match taken.since {
            Some(since) => set.add(id, Awaited { tenant: taken.tenant, since }),
            None => self.tolerated.insert(id, Tolerated { tenant: taken.tenant, late: taken.late }),
        }
    }

    /// Counts a report: `recorded`, `late`, `unknown`, `invalid` or `unrecorded`.
    pub(crate) fn count(&self, what: &'static str) {
        self.counts.reports.get_or_create(&[("result", what)]).inc();
    }

    /// Those whose time is over by now, and those for which there is no room. An outcome may still come, late.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<Overdue> {
        let found = {
            let mut set = self.set();
            let found = set.overdue(now, self.deadline, self.most);
            self.counts.awaited.set(i64::try_from(set.by_id.len()).unwrap_or(i64::MAX));
            found
        };
        for one in &found {
            self.tolerated.insert(one.id, Tolerated { tenant: Arc::clone(&one.tenant), late: true });
        }
        self.counts.missing.inc_by(found.len() as u64);
        found
    }

    /// Records what is missing, for ever.
    pub async fn watch(self: Arc<Self>, recorder: Arc<dyn Recorder>) {
        let mut every = tokio::time::interval(LOOK);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            for late in self.overdue(Instant::now()) {
                let id = late.id.to_string();
                let waited = late.waited.min(self.deadline).as_secs();
                let body =
                    OutcomeMissing { deadline_seconds: waited.into(), decision_id: id.as_str().into() };
                if let Some(entry) = entry(&late.tenant, Some(late.id), &body) {
                    recorder.submit(entry);
                }
                tracing::warn!(decision_id = id, tenant = %late.tenant, waited, "no outcome was reported");
            }
        }
    }
}

impl AwaitedSet {
    fn add(&mut self, id: Uuid, awaited: Awaited) {
        self.by_id.insert(id, awaited);
        self.order.push_back(id);
        // Most were answered long before their turn.
        if self.order.len() > 2 * self.by_id.len() + 1_024 {
            let by_id = &self.by_id;
            self.order.retain(|id| by_id.contains_key(id));
        }
    }

    fn overdue(&mut self, now: Instant, deadline: Duration, most: usize) -> Vec<Overdue> {
        let mut found = Vec::new();
        while let Some(id) = self.order.front() {
            let Some(awaited) = self.by_id.get(id) else {
                self.order.pop_front();
                continue;
            };
            let waited = now.saturating_duration_since(awaited.since);
            if waited < deadline && self.by_id.len() <= most {
                break;
            }
            if let Some((id, awaited)) = self.by_id.remove_entry(&id.clone()) {
                found.push(Overdue { id, tenant: awaited.tenant, waited });
            }
            self.order.pop_front();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(300);

    fn outcomes(most: usize) -> Outcomes {
        Outcomes::of(DEADLINE, most, &Metrics::new())
    }

    #[test]
    fn an_outcome_is_taken_once_and_only_of_a_decision_that_may_have_one() {
        let outcomes = outcomes(10);
        let id = Uuid::now_v7();
        assert!(outcomes.take(id).is_none());
        outcomes.expect(id, "acme", true);
        let taken = outcomes.take(id).unwrap();
        assert_eq!((&*taken.tenant, taken.late), ("acme", false));
        assert!(outcomes.take(id).is_none());
        outcomes.give_back(id, taken);
        assert!(outcomes.take(id).is_some());
        assert!(outcomes.take(id).is_none());
    }

    #[test]
    fn what_is_not_reported_in_time_is_overdue_once_and_its_outcome_is_late() {
        let outcomes = outcomes(10);
        let (told, silent) = (Uuid::now_v7(), Uuid::now_v7());
        outcomes.expect(told, "acme", true);
        outcomes.expect(silent, "acme", true);
        outcomes.take(told).unwrap();
        let now = Instant::now();
        assert_eq!(outcomes.overdue(now), []);
        let overdue = outcomes.overdue(now + DEADLINE);
        assert_eq!(overdue.iter().map(|one| one.id).collect::<Vec<_>>(), [silent]);
        assert_eq!(outcomes.overdue(now + DEADLINE), []);
        assert!(outcomes.take(silent).unwrap().late);
        assert!(outcomes.take(silent).is_none());
    }

    #[test]
    fn a_stream_is_never_overdue_and_may_report_all_the_same() {
        let outcomes = outcomes(10);
        let id = Uuid::now_v7();
        outcomes.expect(id, "acme", false);
        assert_eq!(outcomes.overdue(Instant::now() + DEADLINE), []);
        assert!(!outcomes.take(id).unwrap().late);
    }

    #[test]
    fn a_decision_that_was_not_recorded_is_not_awaited() {
        let outcomes = outcomes(10);
        for required in [true, false] {
            let id = Uuid::now_v7();
            outcomes.expect(id, "acme", required);
            outcomes.forget(id);
            assert!(outcomes.take(id).is_none());
        }
        assert_eq!(outcomes.overdue(Instant::now() + DEADLINE), []);
    }

    /// Attack: an enforcement point that never reports makes the server remember without end.
    #[test]
    fn the_oldest_is_given_up_when_there_is_no_room() {
        let outcomes = outcomes(3);
        let ids: Vec<_> = (0..5).map(|_| Uuid::now_v7()).collect();
        for id in &ids {
            outcomes.expect(*id, "acme", true);
        }
        let given_up: Vec<_> = outcomes.overdue(Instant::now()).into_iter().map(|one| one.id).collect();
        assert_eq!(given_up, ids[..2]);
        assert!(outcomes.take(ids[0]).unwrap().late);
    }

    #[test]
    fn answered_decisions_leave_no_trace_in_memory() {
        let outcomes = outcomes(10);
        for _ in 0..10_000 {
            let id = Uuid::now_v7();
            outcomes.expect(id, "acme", true);
            outcomes.take(id).unwrap();
        }
        let set = outcomes.set();
        assert!(set.order.len() <= 1_025, "{}", set.order.len());
        assert!(set.by_id.is_empty());
    }

    #[test]
    fn after_a_restart_the_rest_of_the_time_counts_and_what_was_missing_is_late() {
        let outcomes = outcomes(10);
        let (young, missing) = (Uuid::now_v7(), Uuid::now_v7());
        outcomes.remember(young, "acme", Duration::from_secs(1), false);
        outcomes.remember(missing, "acme", DEADLINE, true);
        assert_eq!(outcomes.overdue(Instant::now()), []);
        let rest = DEADLINE - Duration::from_secs(1);
        assert_eq!(outcomes.overdue(Instant::now() + rest).len(), 1);
        assert!(outcomes.take(missing).unwrap().late);
    }
}
