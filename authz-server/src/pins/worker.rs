//! The thread that owns the database of pins: it takes jobs, and tells decisions what changed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use interdict_policy::Bundle;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{oneshot, watch};

use super::inbox::{Asked, Asker, Inbox};
use super::snapshot::Snapshot;
use super::turn::Place;
use super::{Happened, PinError, Pins, Vault};
use crate::audit::Recorder;
use crate::record::pin_entry;
use crate::store::pins::{PinFile, Query};
use crate::telemetry::metrics::Metrics;

/// How soon a change by another process is seen.
const POLL: Duration = Duration::from_millis(250);
/// How often decisions are told of what was reported: to tell them costs more than a report.
const PACE: Duration = Duration::from_millis(100);
/// When it is tried again to read what could not be read.
const RETRY: Duration = Duration::from_secs(5);

/// Work on the database.
pub(super) type Job = Box<dyn FnOnce(&mut PinFile) -> Done + Send>;

/// What a job did.
pub(super) struct Done {
    /// What happened, to be recorded.
    pub(super) told: Vec<Happened>,
    /// The server of which the snapshot is out of date.
    pub(super) changed: Option<Place>,
    /// Runs when it is done. Somebody waits for it, so decisions see first what it changed; without it they see it soon.
    pub(super) then: Option<Box<dyn FnOnce() + Send>>,
}

impl Done {
    /// Nothing that anybody has to know.
    pub(super) fn nothing() -> Self {
        Self { told: Vec::new(), changed: None, then: None }
    }
}

/// What the snapshot does not have yet.
#[derive(Debug, Default)]
struct Pending {
    /// Something anywhere.
    all: bool,
    /// Something of these servers.
    places: BTreeSet<Place>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        !self.all && self.places.is_empty()
    }
}

pub(super) struct Worker {
    file: PinFile,
    bundle: Arc<ArcSwap<Bundle>>,
    inbox: Inbox,
    pending: Pending,
    /// When decisions may be told again.
    due: Instant,
    snapshot: Arc<ArcSwap<Snapshot>>,
    news: watch::Sender<u64>,
    recorder: Option<Arc<dyn Recorder>>,
    waiting: Gauge,
}

impl Worker {
    /// Reads everything and starts the thread.
    pub(super) fn start(
        (file, vault): (&Path, &Arc<Vault>),
        bundle: Arc<ArcSwap<Bundle>>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        recorder: Option<Arc<dyn Recorder>>,
        metrics: &Metrics,
    ) -> Result<(Sender<Asked>, watch::Receiver<u64>), PinError> {
        let waiting = Gauge::default();
        metrics.register(|registry| {
            let help = "Definitions of tools, prompts and the like that wait for a person";
            registry.register("pins_waiting", help, waiting.clone());
        });
        let (jobs, arriving) = channel();
        let (news, changed) = watch::channel(0);
        let file = PinFile::open(file, Arc::clone(vault))?;
        let entries = file.entries(&Query::default())?;
        snapshot.store(Arc::new(Snapshot::new(&entries, &Snapshot::default())));
        let (inbox, pending, due) = (Inbox::new(arriving), Pending::default(), Instant::now());
        let worker = Self { file, bundle, inbox, pending, due, snapshot, news, recorder, waiting };
        worker.tell();
        std::thread::Builder::new()
            .name("pins".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| PinError::Unavailable(format!("no thread: {error}")))?;
        Ok((jobs, changed))
    }

    fn tell(&self) {
        self.waiting.set(i64::try_from(self.snapshot.load().waiting()).unwrap_or(i64::MAX));
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Reads again what changed.
    fn publish(&self) -> Result<(), PinError> {
        let before = self.snapshot.load();
        let snapshot = match self.pending.all {
            true => Snapshot::new(&self.file.renewed(None, |key, digest| before.has(key, digest))?, &before),
            false => {
                let mut snapshot = Snapshot::clone(&before);
                for place in &self.pending.places {
                    let entries = self.file.renewed(Some(place), |key, digest| before.has(key, digest))?;
                    snapshot.replace(place.clone(), &entries);
                }
                snapshot
            }
        };
        self.snapshot.store(Arc::new(snapshot));
        self.tell();
        Ok(())
    }

    fn run(mut self) {
        let mut seen = self.file.version();
        let mut polled = Instant::now();
        let mut bundle = self.bundle.load_full();
        self.served_from(&bundle);
        loop {
            let mut wait = POLL.saturating_sub(polled.elapsed());
            if !self.pending.is_empty() {
                wait = wait.min(self.due.saturating_duration_since(Instant::now()));
            }
            match self.inbox.next(wait) {
                Ok(job) => self.work(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if polled.elapsed() >= POLL {
                polled = Instant::now();
                if !Arc::ptr_eq(&bundle, &self.bundle.load()) {
                    bundle = self.bundle.load_full();
                    self.served_from(&bundle);
                }
                // The number moves only when another connection commits.
                let version = self.file.version();
                if version != seen {
                    seen = version;
                    self.pending.all = true;
                }
            }
            if !self.pending.is_empty() && self.due <= Instant::now() {
                self.published();
            }
        }
    }

    fn work(&mut self, job: Job) {
        let done = job(&mut self.file);
        for happened in &done.told {
            self.record(happened);
        }
        let is_changed = done.changed.is_some();
        self.pending.places.extend(done.changed);
        if let Some(then) = done.then {
            if is_changed {
                self.published();
            }
            then();
        }
    }

    /// Notes of every definition whether its server is still served from what it was approved for.
    fn served_from(&mut self, bundle: &Bundle) {
        match self.file.served_from(bundle.registry()) {
            Ok(told) if told.is_empty() => {}
            Ok(told) => {
                for happened in &told {
                    self.record(happened);
                }
                self.pending.all = true;
            }
            Err(error) => {
                // A decision sees by itself that a pin is stale; only the record and the list of what waits have to wait.
                tracing::error!(code = error.code(), %error, "pins could not be marked as stale");
            }
        }
    }

    fn published(&mut self) {
        let pause = match self.publish() {
            Ok(()) => {
                self.pending = Pending::default();
                PACE
            }
            Err(error) => {
                tracing::error!(code = error.code(), %error, "the pins could not be read again; the last ones stay in force");
                RETRY
            }
        };
        self.due = Instant::now() + pause;
    }

    fn record(&self, happened: &Happened) {
        tracing::info!(
            event = ?happened.event,
            tenant = %happened.key.tenant,
            server = %happened.key.server,
            kind = happened.key.kind.as_str(),
            digest = %happened.digest,
            "definition"
        );
        if let (Some(recorder), Some(entry)) = (&self.recorder, pin_entry(happened)) {
            recorder.submit(entry);
        }
    }
}

impl Pins {
    /// Does `work` on the thread of the database; nobody waits for it.
    pub(super) fn submit(&self, asker: Asker, work: impl FnOnce(&mut PinFile) -> Done + Send + 'static) {
        // Without the thread nothing is written any more, and decisions go on with the last pins.
        if self.jobs.send((asker, Box::new(work))).is_err() {
            tracing::error!("the pin store has stopped");
        }
    }

    /// Does `work` for somebody who waits, before everything that was reported. The answer comes when decisions see what
    /// it changed.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PinFile) -> Result<(T, Option<Place>), PinError> + Send + 'static,
    ) -> Result<T, PinError> {
        self.run_as(Asker::Person, work).await
    }

    pub(super) async fn run_as<T: Send + 'static>(
        &self,
        asker: Asker,
        work: impl FnOnce(&mut PinFile) -> Result<(T, Option<Place>), PinError> + Send + 'static,
    ) -> Result<T, PinError> {
        let (answer, result) = oneshot::channel();
        self.submit(asker, move |file| {
            let (outcome, changed) = match work(file) {
                Ok((value, changed)) => (Ok(value), changed),
                Err(error) => (Err(error), None),
            };
            let then: Box<dyn FnOnce() + Send> = Box::new(move || {
                // Nobody listening any more is fine: the row is written all the same.
                let _ = answer.send(outcome);
            });
            Done { told: Vec::new(), changed, then: Some(then) }
        });
        result.await.map_err(|_| PinError::Unavailable("the store has stopped".to_owned()))?
    }

    /// Waits until decisions see everything that was reported of this server.
    #[cfg(test)]
    pub(crate) async fn settled(&self, tenant: &str, server: &str) {
        let place = (tenant.to_owned(), server.to_owned());
        let changed = Some(place.clone());
        self.run_as(Asker::Report(place), |_| Ok(((), changed))).await.unwrap();
    }
}

/// A file of its own, with its key.
#[cfg(test)]
pub(super) fn test_file(folder: &Path) -> PinFile {
    let file = folder.join(super::DATABASE);
    let vault = Arc::new(Vault::open(&file).unwrap());
    PinFile::open(&file, vault).unwrap()
}
