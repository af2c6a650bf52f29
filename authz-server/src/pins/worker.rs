//! The thread that owns the database of pins: it takes jobs, and tells decisions what changed.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use interdict_policy::Bundle;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{oneshot, watch};

use super::snapshot::Snapshot;
use super::{Happened, PinError, Pins, Vault};
use crate::audit::Recorder;
use crate::record::pin_entry;
use crate::store::pins::{PinFile, Query};
use crate::telemetry::metrics::Metrics;

/// How soon a change by another process is seen.
const POLL: Duration = Duration::from_millis(250);

/// Work on the database. It returns what happened; `None` when nothing was changed.
pub(super) type Job = Box<dyn FnOnce(&mut PinFile) -> Done + Send>;

/// What a job did.
pub(super) struct Done {
    /// What happened, to be recorded.
    pub(super) told: Vec<Happened>,
    /// Whether the snapshot is out of date.
    pub(super) changed: bool,
    /// Runs when decisions see it.
    pub(super) then: Box<dyn FnOnce() + Send>,
}

pub(super) struct Worker {
    file: PinFile,
    bundle: Arc<ArcSwap<Bundle>>,
    inbox: Receiver<Job>,
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
    ) -> Result<(Sender<Job>, watch::Receiver<u64>), PinError> {
        let waiting = Gauge::default();
        metrics.register(|registry| {
            let help = "Definitions of tools, prompts and the like that wait for a person";
            registry.register("pins_waiting", help, waiting.clone());
        });
        let (jobs, inbox) = channel();
        let (news, changed) = watch::channel(0);
        let file = PinFile::open(file, Arc::clone(vault))?;
        let worker = Self { file, bundle, inbox, snapshot, news, recorder, waiting };
        worker.publish()?;
        std::thread::Builder::new()
            .name("pins".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| PinError::Unavailable(format!("no thread: {error}")))?;
        Ok((jobs, changed))
    }

    fn publish(&self) -> Result<(), PinError> {
        let entries = self.file.entries(&Query::default())?;
        let snapshot = Snapshot::new(&entries, &self.snapshot.load());
        self.waiting.set(i64::try_from(snapshot.waiting).unwrap_or(i64::MAX));
        self.snapshot.store(Arc::new(snapshot));
        self.news.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    fn run(mut self) {
        let mut seen = self.file.version();
        let mut polled = Instant::now();
        let mut bundle = self.bundle.load_full();
        self.served_from(&bundle);
        loop {
            match self.inbox.recv_timeout(POLL.saturating_sub(polled.elapsed())) {
                Ok(job) => {
                    let done = job(&mut self.file);
                    for happened in &done.told {
                        self.record(happened);
                    }
                    if done.changed {
                        self.published();
                    }
                    (done.then)();
                }
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
                    self.published();
                }
            }
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
                self.published();
            }
            Err(error) => {
                // A decision sees by itself that a pin is stale; only the record and the list of what waits have to wait.
                tracing::error!(code = error.code(), %error, "pins could not be marked as stale");
            }
        }
    }

    fn published(&self) {
        if let Err(error) = self.publish() {
            tracing::error!(code = error.code(), %error, "the pins could not be read again; the last ones stay in force");
        }
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
    pub(super) fn submit(&self, work: impl FnOnce(&mut PinFile) -> Done + Send + 'static) {
        // Without the thread nothing is written any more, and decisions go on with the last pins.
        if self.jobs.send(Box::new(work)).is_err() {
            tracing::error!("the pin store has stopped");
        }
    }

    /// Does `work` on the thread of the database. The answer comes when decisions see what it changed. What is told is
    /// recorded.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PinFile) -> Result<(T, bool, Vec<Happened>), PinError> + Send + 'static,
    ) -> Result<T, PinError> {
        let (answer, result) = oneshot::channel();
        self.submit(move |file| {
            let (outcome, changed, told) = match work(file) {
                Ok((value, changed, told)) => (Ok(value), changed, told),
                Err(error) => (Err(error), false, Vec::new()),
            };
            let then = Box::new(move || {
                // Nobody listening any more is fine: the row is written all the same.
                let _ = answer.send(outcome);
            });
            Done { told, changed, then }
        });
        result.await.map_err(|_| PinError::Unavailable("the store has stopped".to_owned()))?
    }
}
