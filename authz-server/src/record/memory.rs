//! A log in memory, for tests: it commits, waits or fails as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use interdict_audit::record::Kind;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use crate::audit::{Appended, Appending, AuditError, Health, NewEntry, Recorder};

/// The log.
pub(crate) struct MemoryLog {
    /// Everything that was queued, also what then failed.
    pub(crate) entries: Mutex<Vec<NewEntry>>,
    /// Commits that may happen.
    pub(crate) commits: Arc<Semaphore>,
    /// The code with which appends fail.
    pub(crate) fails: Mutex<Option<&'static str>>,
    /// Calls that went on without a record.
    pub(crate) unrecorded: AtomicUsize,
    pub(crate) health: watch::Sender<Health>,
}

impl Default for MemoryLog {
    /// Commits at once.
    fn default() -> Self {
        Self::allowing(Semaphore::MAX_PERMITS)
    }
}

impl MemoryLog {
    /// Commits so many entries and then waits.
    pub(crate) fn allowing(commits: usize) -> Self {
        Self {
            entries: Mutex::default(),
            commits: Arc::new(Semaphore::new(commits)),
            fails: Mutex::default(),
            unrecorded: AtomicUsize::new(0),
            health: watch::Sender::new(Health::Serving),
        }
    }

    pub(crate) fn fail(&self, code: Option<&'static str>) {
        *self.fails.lock().unwrap() = code;
    }

    /// Tenant, kind and body of every entry.
    pub(crate) fn all(&self) -> Vec<(String, Kind, Value)> {
        let entries = self.entries.lock().unwrap();
        let read = |entry: &NewEntry| {
            interdict_audit::canonical::check(&entry.body).unwrap();
            (entry.tenant.clone(), entry.kind, serde_json::from_slice(&entry.body).unwrap())
        };
        entries.iter().map(read).collect()
    }

    /// The bodies of one kind.
    pub(crate) fn of(&self, kind: Kind) -> Vec<Value> {
        self.all().into_iter().filter(|(_, found, _)| *found == kind).map(|(_, _, body)| body).collect()
    }

    /// The one entry.
    pub(crate) fn only(&self) -> (String, Kind, Value) {
        let all = self.all();
        assert_eq!(all.len(), 1, "{all:?}");
        all.into_iter().next().unwrap()
    }
}

impl Recorder for MemoryLog {
    fn append(&self, entry: NewEntry) -> Appending {
        let mut entries = self.entries.lock().unwrap();
        entries.push(entry);
        let seq = entries.len() as u64 - 1;
        let (commits, fails) = (Arc::clone(&self.commits), *self.fails.lock().unwrap());
        Box::pin(async move {
            commits.acquire().await.unwrap().forget();
            match fails {
                Some(code) => Err(AuditError::new(code, "told to")),
                None => Ok(Appended { seq }),
            }
        })
    }

    fn submit(&self, entry: NewEntry) {
        self.entries.lock().unwrap().push(entry);
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    fn unrecorded(&self, _: &str) {
        self.unrecorded.fetch_add(1, Ordering::SeqCst);
    }
}
