//! Entries that wait for their place: bounded, so that a log that stands still is a denial and not a full memory.
//!
//! There are two lanes. Of a decision somebody waits for the answer; the other lane holds what no call waits for
//! ([`Draft::is_patient`]): it lingers until there is enough for a common commit, which the sequencer's thread makes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::writer::Draft;
use super::{Appended, AuditError};

/// The most entries that wait.
const MAX_WAITING: usize = 8_192;
/// The most bytes that wait.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The most entries of one commit, and its bytes: larger ones gain nothing and keep everybody waiting.
const MAX_BATCH: usize = 512;
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long the patient wait for others to share a commit with.
const LINGER: Duration = Duration::from_millis(20);
/// So many of the patient go into one commit: a decision that comes meanwhile waits no longer than for a sync.
const MAX_PATIENT: usize = 32;

/// An entry and who waits for it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) draft: Draft,
    /// `None`: nobody does; then it is kept while the log cannot be written.
    pub(crate) answer: Option<oneshot::Sender<Result<Appended, AuditError>>>,
    pub(crate) since: Instant,
}

impl Waiting {
    /// Tells whoever waits. Nobody listening any more is fine: the entry is written all the same.
    pub(crate) fn tell(self, result: Result<Appended, AuditError>) {
        if let Some(answer) = self.answer {
            let _ = answer.send(result);
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Waiting>,
    patient: VecDeque<Waiting>,
    /// Of both lanes.
    bytes: usize,
    nudged: bool,
    stopping: bool,
}

/// Why the sequencer's thread woke up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Somebody called, or entries wait.
    Called,
    /// The time is over.
    Late,
    /// The log is being closed.
    Stopping,
}

impl Inner {
    /// The next ones of those that somebody waits for, in the order of arrival.
    fn take(&mut self) -> Vec<Waiting> {
        let (mut count, mut bytes) = (0, 0);
        for waiting in self.waiting.iter().take(MAX_BATCH) {
            if count > 0 && bytes + waiting.draft.bytes() > MAX_BATCH_BYTES {
                break;
            }
            count += 1;
            bytes += waiting.draft.bytes();
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        self.waiting.drain(..count).collect()
    }

    /// The next ones of the patient that have waited long enough.
    fn take_patient(&mut self) -> Vec<Waiting> {
        if !self.is_patient_due(Instant::now()) {
            return Vec::new();
        }
        let count = self.patient.len().min(MAX_PATIENT);
        let taken: Vec<_> = self.patient.drain(..count).collect();
        let bytes = taken.iter().map(|waiting| waiting.draft.bytes()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        taken
    }

    /// When the first of the patient has waited long enough.
    fn patient_until(&self) -> Option<Instant> {
        self.patient.front().map(|first| first.since + LINGER)
    }

    fn is_patient_due(&self, now: Instant) -> bool {
        self.patient_until().is_some_and(|until| self.stopping || until <= now)
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an entry in, or gives it back when there is no room.
    pub(crate) fn push(&self, waiting: Waiting) -> Option<Waiting> {
        let mut inner = self.lock();
        let bytes = inner.bytes.saturating_add(waiting.draft.bytes());
        let count = inner.waiting.len() + inner.patient.len();
        if inner.stopping || count >= MAX_WAITING || bytes > MAX_BYTES {
            return Some(waiting);
        }
        inner.bytes = bytes;
        if waiting.draft.is_patient() {
            inner.patient.push_back(waiting);
            // The thread sleeps until the first one's time; it does not know of it yet.
            if inner.patient.len() == 1 {
                self.wake.notify_one();
            }
        } else {
            inner.waiting.push_back(waiting);
        }
        None
    }

    /// The next batch of those that somebody waits for.
    pub(crate) fn take(&self) -> Vec<Waiting> {
        self.lock().take()
    }

    /// The next batch, and of the patient those that have waited long enough.
    pub(crate) fn take_all(&self) -> Vec<Waiting> {
        let mut inner = self.lock();
        let mut batch = inner.take();
        batch.append(&mut inner.take_patient());
        batch
    }

    /// Puts a batch back to where it was.
    pub(crate) fn put_back(&self, batch: Vec<Waiting>) {
        let mut inner = self.lock();
        for waiting in batch.into_iter().rev() {
            inner.bytes = inner.bytes.saturating_add(waiting.draft.bytes());
            inner.waiting.push_front(waiting);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let inner = self.lock();
        inner.waiting.is_empty() && inner.patient.is_empty()
    }

    /// Whether there is an entry that somebody waits for.
    pub(crate) fn is_asked(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Wakes the sequencer's thread, now or before it sleeps next.
    pub(crate) fn nudge(&self) {
        self.lock().nudged = true;
        self.wake.notify_one();
    }

    /// Lets nothing in any more.
    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.wake.notify_one();
    }

    /// Sleeps until there is something to do. `asleep` is asked with the queue held, right before sleeping: whoever
    /// looks at what it noted nudges afterwards.
    pub(crate) fn wait(&self, most: Option<Duration>, may_sleep: impl Fn() -> bool) -> Woken {
        let until = most.map(|most| Instant::now() + most);
        let mut inner = self.lock();
        loop {
            if inner.nudged || !inner.waiting.is_empty() || inner.is_patient_due(Instant::now()) {
                inner.nudged = false;
                return Woken::Called;
            }
            if inner.stopping {
                return Woken::Stopping;
            }
            let Some(until) = [until, inner.patient_until()].into_iter().flatten().min() else {
                if !may_sleep() {
                    return Woken::Called;
                }
                inner = self.wake.wait(inner).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Woken::Late;
            }
            inner = self.wake.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use interdict_audit::record::Kind;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn queued(queue: &Queue, kind: Kind, since: Instant) {
        let waiting = Waiting { draft: Draft::event(kind, b"{}".to_vec()), answer: None, since };
        assert!(queue.push(waiting).is_none());
    }

    fn kinds(batch: &[Waiting]) -> Vec<Kind> {
        batch.iter().map(|waiting| waiting.draft.kind).collect()
    }

    #[test]
    fn a_decision_takes_no_outcome_along_and_outcomes_wait_for_each_other() {
        let (queue, later) = (Queue::default(), Instant::now() + HOUR);
        queued(&queue, Kind::Outcome, later);
        queued(&queue, Kind::Decision, later);
        queued(&queue, Kind::Outcome, later);
        assert_eq!(kinds(&queue.take()), [Kind::Decision]);
        assert!(!queue.is_asked() && !queue.is_empty());
        assert_eq!(kinds(&queue.take_all()), [], "their time has not come");
        queue.stop();
        assert_eq!(kinds(&queue.take_all()), [Kind::Outcome; 2], "nothing waits in a log that is closed");
        assert!(queue.is_empty());
    }

    #[test]
    fn outcomes_whose_time_has_come_are_taken_a_few_at_a_time() {
        let (queue, long_ago) = (Queue::default(), Instant::now());
        for _ in 0..MAX_PATIENT + 1 {
            queued(&queue, Kind::Outcome, long_ago);
        }
        queued(&queue, Kind::Decision, long_ago);
        std::thread::sleep(LINGER);
        let first = queue.take_all();
        assert_eq!(
            (first.len(), first.first().map(|one| one.draft.kind)),
            (MAX_PATIENT + 1, Some(Kind::Decision))
        );
        assert_eq!(queue.wait(None, || true), Woken::Called, "one is left");
        assert_eq!(kinds(&queue.take_all()), [Kind::Outcome]);
        assert!(queue.is_empty());
        assert_eq!(queue.lock().bytes, 0);
    }

    #[test]
    fn the_thread_sleeps_no_longer_than_the_first_outcome_may_wait() {
        let queue = Queue::default();
        queued(&queue, Kind::Outcome, Instant::now());
        assert_ne!(queue.wait(Some(HOUR), || true), Woken::Stopping);
        assert_eq!(kinds(&queue.take_all()), [Kind::Outcome]);
    }
}
