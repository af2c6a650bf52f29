//! Entries that wait for their place: bounded, so that a log that stands still is a denial and not a full memory.

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

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an entry in, or gives it back when there is no room.
    pub(crate) fn push(&self, waiting: Waiting) -> Option<Waiting> {
        let mut inner = self.lock();
        let bytes = inner.bytes.saturating_add(waiting.draft.bytes());
        if inner.stopping || inner.waiting.len() >= MAX_WAITING || bytes > MAX_BYTES {
            return Some(waiting);
        }
        inner.bytes = bytes;
        inner.waiting.push_back(waiting);
        None
    }

    /// The next batch, in the order of arrival.
    pub(crate) fn take(&self) -> Vec<Waiting> {
        let mut inner = self.lock();
        let (mut count, mut bytes) = (0, 0);
        for waiting in inner.waiting.iter().take(MAX_BATCH) {
            if count > 0 && bytes + waiting.draft.bytes() > MAX_BATCH_BYTES {
                break;
            }
            count += 1;
            bytes += waiting.draft.bytes();
        }
        inner.bytes = inner.bytes.saturating_sub(bytes);
        inner.waiting.drain(..count).collect()
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
        self.lock().waiting.is_empty()
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
            if inner.nudged || !inner.waiting.is_empty() {
                inner.nudged = false;
                return Woken::Called;
            }
            if inner.stopping {
                return Woken::Stopping;
            }
            let Some(until) = until else {
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
