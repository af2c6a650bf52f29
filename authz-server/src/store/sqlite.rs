//! Approvals in one SQLite file (write-ahead log, `synchronous=FULL`): an answer that was given survives `kill -9`, and
//! several servers may use one file.
//!
//! One thread owns the connection and takes jobs from a channel: SQLite has one writer anyway, and no worker thread of
//! the server ever waits for a disk. Between jobs the thread looks for changes of other processes (`data_version`)
//! and expires what is due.

pub(super) mod look;
pub(super) mod rows;
pub(super) mod schema;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use self::rows::Change;
use super::{
    Approval, ApprovalState, ApprovalStore, HumanAnswer, ListFilter, Move, NewApproval, StoreError,
    StoreFuture,
};
use crate::clock::Clock;

/// How soon a change by another process is seen.
const POLL: Duration = Duration::from_millis(250);
/// How often rows past their time are marked; reading marks them too, so nothing depends on this.
const SWEEP: Duration = Duration::from_secs(5);
/// Channels kept for approvals that nobody watches any more, before they are dropped.
const IDLE_WATCHES: usize = 1_024;

type Job = Box<dyn FnOnce(&mut Connection, &dyn StoreEvents) -> Vec<String> + Send>;

/// The store; cloning shares it. The thread ends when the last clone is gone.
#[derive(Clone)]
pub struct SqliteStore {
    jobs: Sender<Job>,
    watches: Arc<Watches>,
    max_pending_per_agent: u32,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("max_pending_per_agent", &self.max_pending_per_agent)
            .finish_non_exhaustive()
    }
}

/// What the store tells the rest of the server.
pub trait StoreEvents: Send {
    /// An approval took an arrow, in this process. Told after the commit and before the answer of the call that did it,
    /// on the store's thread. A person's answer is not told: whoever takes it knows.
    fn moved(&self, moved: Move, approval: &Approval);
    /// The sweeper deleted so many closed rows.
    fn deleted(&self, _count: u64) {}
}

impl StoreEvents for () {
    fn moved(&self, _moved: Move, _approval: &Approval) {}
}

impl SqliteStore {
    /// How long closed rows are kept when nothing else is said: 30 days.
    pub const KEEP: SignedDuration = SignedDuration::from_hours(30 * 24);

    /// [`SqliteStore::open_keeping`] with [`SqliteStore::KEEP`].
    ///
    /// # Errors
    /// As there.
    pub fn open(
        file: &Path,
        max_pending_per_agent: u32,
        clock: Arc<dyn Clock>,
        events: Box<dyn StoreEvents>,
    ) -> Result<Self, StoreError> {
        Self::open_keeping(file, max_pending_per_agent, Self::KEEP, clock, events)
    }

    /// Opens or creates the file (mode 0600) and starts the store's thread. Closed rows are deleted `keep` after
    /// their `expires_at`: whatever they say holds no longer than until then.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the file's name: no folder, no permission, not a database, damaged, or written
    /// by a newer version.
    pub fn open_keeping(
        file: &Path,
        max_pending_per_agent: u32,
        keep: SignedDuration,
        clock: Arc<dyn Clock>,
        events: Box<dyn StoreEvents>,
    ) -> Result<Self, StoreError> {
        let connection = schema::open(file, &schema::FORM)
            .map_err(|reason| StoreError::Unavailable(format!("{}: {reason}", file.display())))?;
        let (jobs, inbox) = channel();
        let watches = Arc::new(Watches::default());
        let worker = Worker { connection, inbox, watches: Arc::clone(&watches), clock, events, keep };
        std::thread::Builder::new()
            .name("approvals".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| StoreError::Unavailable(format!("no thread: {error}")))?;
        Ok(Self { jobs, watches, max_pending_per_agent })
    }

    /// Runs `work` on the store's thread. `work` returns its answer and the ids of the approvals that it changed.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<Change<T>, StoreError> + Send + 'static,
    ) -> StoreFuture<T> {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |connection, events| {
            let (outcome, changed) = match work(connection) {
                Ok(change) => {
                    tell(events, &change.moves);
                    (Ok(change.value), change.changed)
                }
                Err(error) => (Err(error), Vec::new()),
            };
            // Nobody listening any more is fine: the row is written all the same.
            let _ = answer.send(outcome);
            changed
        });
        let gone = || StoreError::Unavailable("the store has stopped".to_owned());
        let sent = self.jobs.send(job).map_err(|_| gone());
        Box::pin(async move {
            sent?;
            result.await.map_err(|_| gone())?
        })
    }
}

impl ApprovalStore for SqliteStore {
    fn open_or_get(&self, new: NewApproval) -> StoreFuture<Approval> {
        let most = self.max_pending_per_agent;
        self.run(move |connection| rows::open_or_get(connection, &new, most))
    }

    fn get(&self, id: &str, now: Timestamp) -> StoreFuture<Option<Approval>> {
        let id = id.to_owned();
        self.run(move |connection| rows::get(connection, &id, now))
    }

    fn list(&self, filter: ListFilter, now: Timestamp) -> StoreFuture<Vec<Approval>> {
        self.run(move |connection| rows::list(connection, &filter, now))
    }

    fn decide(
        &self,
        id: &str,
        answer: HumanAnswer,
        by: &str,
        note: Option<&str>,
        now: Timestamp,
    ) -> StoreFuture<Approval> {
        let (id, by, note) = (id.to_owned(), by.to_owned(), note.map(str::to_owned));
        self.run(move |connection| rows::decide(connection, &id, answer, &by, note.as_deref(), now))
    }

    fn consume(&self, id: &str, binding: &str, now: Timestamp) -> StoreFuture<Approval> {
        let (id, binding) = (id.to_owned(), binding.to_owned());
        self.run(move |connection| rows::consume(connection, &id, &binding, now))
    }

    fn cancel(&self, id: &str, by: &str, now: Timestamp) -> StoreFuture<Approval> {
        let (id, by) = (id.to_owned(), by.to_owned());
        self.run(move |connection| {
            rows::close(connection, &id, ApprovalState::Cancelled, Some(&by), None, now)
        })
    }

    fn supersede(&self, id: &str, by_id: &str, now: Timestamp) -> StoreFuture<Approval> {
        let (id, by_id) = (id.to_owned(), by_id.to_owned());
        self.run(move |connection| {
            rows::close(connection, &id, ApprovalState::Superseded, None, Some(&by_id), now)
        })
    }

    fn expire_due(&self, now: Timestamp) -> StoreFuture<u64> {
        self.run(move |connection| rows::expire_due(connection, now))
    }

    fn watch(&self, id: &str) -> watch::Receiver<u64> {
        self.watches.subscribe(id)
    }
}

fn tell(events: &dyn StoreEvents, moves: &[(Move, Approval)]) {
    for (moved, approval) in moves {
        events.moved(*moved, approval);
    }
}

/// The thread behind the store.
struct Worker {
    connection: Connection,
    inbox: Receiver<Job>,
    watches: Arc<Watches>,
    clock: Arc<dyn Clock>,
    events: Box<dyn StoreEvents>,
    keep: SignedDuration,
}

impl Worker {
    fn run(mut self) {
        let mut seen = rows::data_version(&self.connection);
        let (mut polled, mut swept) = (Instant::now(), Instant::now());
        loop {
            match self.inbox.recv_timeout(POLL.saturating_sub(polled.elapsed())) {
                Ok(job) => {
                    for id in job(&mut self.connection, &*self.events) {
                        self.watches.fire(&id);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if polled.elapsed() >= POLL {
                polled = Instant::now();
                // The number moves only when another connection commits.
                let version = rows::data_version(&self.connection);
                if version != seen {
                    seen = version;
                    self.watches.fire_all();
                }
            }
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                self.sweep();
            }
        }
    }

    fn sweep(&mut self) {
        let now = self.clock.now();
        match rows::expire_due(&mut self.connection, now) {
            Ok(change) => {
                tell(&*self.events, &change.moves);
                for id in &change.changed {
                    self.watches.fire(id);
                }
            }
            Err(error) => tracing::warn!(code = error.code(), error = %error, "approvals could not be swept"),
        }
        let before = now.saturating_sub(self.keep).unwrap_or(Timestamp::MIN);
        match rows::delete_closed(&self.connection, before) {
            Ok(0) => {}
            Ok(count) => self.events.deleted(count),
            Err(error) => {
                tracing::warn!(code = error.code(), error = %error, "old approvals could not be deleted");
            }
        }
    }
}

/// One channel per watched approval.
#[derive(Default)]
struct Watches(Mutex<HashMap<String, watch::Sender<u64>>>);

impl Watches {
    fn subscribe(&self, id: &str) -> watch::Receiver<u64> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= IDLE_WATCHES {
            map.retain(|_, sender| sender.receiver_count() > 0);
        }
        map.entry(id.to_owned()).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    fn fire(&self, id: &str) {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = map.get(id) {
            sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    fn fire_all(&self) {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in map.values() {
            sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}
