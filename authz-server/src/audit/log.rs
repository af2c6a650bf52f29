//! The log of a server: one sequencer per tenant, opened when the tenant is first heard of.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::{oneshot, watch};

use super::api::{Appended, Appending, AuditError, Health, NewEntry, Recorder};
use super::directory::Directory;
use super::failure::UNAVAILABLE;
use super::health::Board;
use super::keeper::Keeper;
use super::metrics::AuditMetrics;
use super::queue::Waiting;
use super::reader::{LogReader, Unanswered};
use super::seal::Sealer;
use super::sequencer::{Common, Sequencer};
use super::signing::Signing;
use super::witnesses::Witnesses;
use super::writer::Draft;
use super::{Layout, SYSTEM_TENANT, erase, schema};
use crate::clock::Clock;
use crate::config::{AuditConfig, AuditDurability, OnWitnessContradiction};
use interdict_audit::record::Kind;

/// The log; cloning shares it. The folder is free for another server after [`AuditLog::close`], which signs a checkpoint
/// over everything, or when the last clone is gone.
#[derive(Clone)]
pub struct AuditLog(Arc<Inner>);

struct Inner {
    common: Arc<Common>,
    metrics: AuditMetrics,
    tenants: RwLock<HashMap<String, Arc<Tenant>>>,
    /// Closed: no tenant is started any more.
    closed: AtomicBool,
    /// Holds the folder until the log is closed.
    directory: Mutex<Option<Directory>>,
}

/// A tenant's sequencer with what is done before an entry gets there.
pub(crate) struct Tenant {
    pub(crate) sequencer: Arc<Sequencer>,
    pub(crate) sealer: Sealer,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl AuditLog {
    /// Opens the folder and the logs of all tenants that are in it, and `_system`'s. Blocks: for every log its last
    /// checkpoint is checked and what came after it is hashed again, whatever the log's size.
    ///
    /// # Errors
    /// Why the server must not start: `audit.locked`, `audit.rolled_back`, `audit.corrupt`, `audit.key_changed`,
    /// `audit.name_changed`, `audit.bad_key`, `audit.disk_full`, `audit.unavailable`.
    pub fn open(
        config: &AuditConfig,
        clock: Arc<dyn Clock>,
        metrics: AuditMetrics,
    ) -> Result<Self, AuditError> {
        let started = Instant::now();
        let directory = Directory::open(&config.directory, config.name.as_deref())?;
        let signing = Signing::open(&directory.layout, &directory.name, config.signing_key_file.as_deref())?;
        let common = Common {
            layout: directory.layout.clone(),
            signing: Arc::new(signing),
            witnesses: Witnesses::of(&config.witnesses)?,
            stop_on_contradiction: config.on_witness_contradiction == OnWitnessContradiction::Stop,
            clock,
            board: Board::default(),
            every: config.durability == AuditDurability::Every,
            checkpoint_every: Duration::from_secs(config.checkpoint_seconds),
            checkpoint_entries: config.checkpoint_entries,
            keep_days: config.inputs_keep_days,
        };
        let inner = Inner {
            common: Arc::new(common),
            metrics,
            tenants: RwLock::default(),
            closed: AtomicBool::new(false),
            directory: Mutex::new(Some(directory)),
        };
        let log = Self(Arc::new(inner));
        let mut names = log.0.common.layout.known_tenants()?;
        if !names.iter().any(|name| name == SYSTEM_TENANT) {
            names.push(SYSTEM_TENANT.to_owned());
        }
        for name in &names {
            log.start(name, true)?;
        }
        log.0.metrics.started(started.elapsed());
        tracing::info!(
            tenants = names.len(),
            took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            key = %log.0.common.signing.verifier(),
            "audit log opened"
        );
        Ok(log)
    }

    /// Where its files are, for readers.
    pub fn layout(&self) -> &Layout {
        &self.0.common.layout
    }

    /// The public key that verifies its checkpoints.
    pub fn verifier_key(&self) -> String {
        self.0.common.signing.verifier().to_string()
    }

    /// Ends every sequencer: what waits is committed, a last checkpoint is signed, the databases are closed. Entries
    /// that come later are refused. Blocks.
    pub fn close(&self) {
        {
            // Whoever starts a tenant holds this lock too: after it, the list is complete.
            let _starting = self.0.tenants.write().unwrap_or_else(PoisonError::into_inner);
            self.0.closed.store(true, Ordering::Relaxed);
        }
        let tenants: Vec<_> = self.tenants();
        for tenant in &tenants {
            tenant.sequencer.queue.stop();
        }
        for tenant in &tenants {
            let thread = tenant.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if thread.is_some_and(|thread| thread.join().is_err()) {
                tracing::error!(tenant = tenant.sequencer.tenant, "the sequencer ended badly");
            }
        }
        // Clones may live on in connections that are being closed; they write nothing any more.
        drop(self.0.directory.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Decisions since `since` that expect an outcome and have none, of all tenants. Blocks.
    ///
    /// # Errors
    /// Why a log cannot be read.
    pub fn unanswered(&self, since: Timestamp) -> Result<Vec<Unanswered>, AuditError> {
        let mut found = Vec::new();
        for tenant in self.tenants() {
            let reader = LogReader::open(self.layout(), &tenant.sequencer.tenant)?;
            found.append(&mut reader.unanswered(since)?);
        }
        Ok(found)
    }

    /// Destroys the key of a day's sealed inputs and records that; whether there was one. Blocks.
    ///
    /// # Errors
    /// `audit.bad_tenant`, and why the key's file cannot be removed.
    pub fn destroy_day(&self, tenant: &str, day: Date) -> Result<bool, AuditError> {
        let tenant = self.tenant(tenant)?;
        erase::destroy_day(&tenant, day)
    }

    /// Destroys all keys that are older than `audit.inputs_keep_days`; how many. Once a day is enough. Blocks.
    ///
    /// # Errors
    /// As [`AuditLog::destroy_day`]; those before it are destroyed.
    pub fn destroy_old_days(&self) -> Result<u64, AuditError> {
        let mut count = 0;
        for tenant in self.tenants() {
            count += erase::destroy_old(&tenant, self.0.common.keep_days)?;
        }
        Ok(count)
    }

    /// Sends checkpoints to the witnesses until the log is closed; `None` when none is configured.
    pub fn witnessing(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let witnesses = self.0.common.witnesses.clone()?;
        // Weak: the task of the witnesses does not keep the folder.
        let log = Arc::downgrade(&self.0);
        let sequencer_of = move |tenant: &str| {
            let inner = log.upgrade()?;
            let tenants = inner.tenants.read().unwrap_or_else(PoisonError::into_inner);
            Some(Arc::clone(&tenants.get(tenant)?.sequencer))
        };
        Some(witnesses.run(sequencer_of))
    }

    #[cfg(test)]
    pub(crate) fn sequencer(&self, tenant: &str) -> Arc<Sequencer> {
        Arc::clone(&self.tenant(tenant).unwrap().sequencer)
    }

    fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.0.tenants.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn tenant(&self, name: &str) -> Result<Arc<Tenant>, AuditError> {
        let found = self.0.tenants.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        found.map_or_else(|| self.start(name, false), Ok)
    }

    /// Starts a tenant's sequencer. `now`: opens the log here; otherwise that is the first work of its thread.
    fn start(&self, name: &str, now: bool) -> Result<Arc<Tenant>, AuditError> {
        // A name that is no folder's is refused before it is anything.
        self.layout().tenant(name)?;
        let mut tenants = self.0.tenants.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenant) = tenants.get(name) {
            return Ok(Arc::clone(tenant));
        }
        if self.0.closed.load(Ordering::Relaxed) {
            return Err(AuditError::new(UNAVAILABLE, "the log is closed"));
        }
        let metrics = self.0.metrics.of(name);
        let sequencer = Arc::new(Sequencer::new(name, Arc::clone(&self.0.common), metrics));
        let mut keeper = Keeper::new(Arc::clone(&sequencer));
        if now {
            keeper.open()?;
        }
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || keeper.run())
            .map_err(|error| AuditError::new(UNAVAILABLE, format!("no thread: {error}")))?;
        let sealer = Sealer::new(self.layout().clone(), name);
        let tenant = Arc::new(Tenant { sequencer, sealer, thread: Mutex::new(Some(thread)) });
        tenants.insert(name.to_owned(), Arc::clone(&tenant));
        Ok(tenant)
    }

    fn queue(
        &self,
        entry: NewEntry,
        answer: Option<oneshot::Sender<Result<Appended, AuditError>>>,
    ) -> Result<(), AuditError> {
        let since = Instant::now();
        let tenant = self.tenant(&entry.tenant)?;
        tenant.append(entry, answer, since)
    }
}

impl Tenant {
    pub(crate) fn append(
        &self,
        entry: NewEntry,
        answer: Option<oneshot::Sender<Result<Appended, AuditError>>>,
        since: Instant,
    ) -> Result<(), AuditError> {
        let flags = flags_of(&entry);
        let NewEntry { kind, decision_id, body, sealed, at_once, .. } = entry;
        let sealed = sealed.map(|plain| self.sealer.seal(decision_id, plain, self.sequencer.timestamp()));
        let sealed = sealed.transpose().inspect_err(|error| self.lost(error))?;
        let draft = Draft { kind, decision_id, body, sealed, flags, at_once };
        self.sequencer.append(Waiting { draft, answer, since });
        Ok(())
    }

    /// An entry that did not get as far as the queue.
    fn lost(&self, error: &AuditError) {
        self.sequencer.refuse(error, []);
        self.sequencer.losses.refused(error.code, self.sequencer.common.now());
        self.sequencer.queue.nudge();
    }
}

fn flags_of(entry: &NewEntry) -> i64 {
    let expects = if entry.expects_outcome { schema::EXPECTS_OUTCOME } else { 0 };
    expects
        | match entry.kind {
            Kind::Outcome => schema::IS_OUTCOME,
            Kind::OutcomeMissing => schema::IS_MISSING,
            _ => 0,
        }
}

impl Recorder for AuditLog {
    fn append(&self, entry: NewEntry) -> Appending {
        let (answer, result) = oneshot::channel();
        let queued = self.queue(entry, Some(answer));
        Box::pin(async move {
            queued?;
            result.await.map_err(|_| AuditError::new(UNAVAILABLE, "the log has ended"))?
        })
    }

    fn submit(&self, entry: NewEntry) {
        let tenant = entry.tenant.clone();
        if let Err(error) = self.queue(entry, None) {
            tracing::error!(tenant, code = error.code, error = error.message, "an entry is lost");
        }
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.0.common.board.watch()
    }

    fn unrecorded(&self, tenant: &str) {
        self.0.metrics.unrecorded();
        if let Ok(tenant) = self.tenant(tenant) {
            tenant.sequencer.losses.unrecorded(self.0.common.now());
            tenant.sequencer.queue.nudge();
        }
    }
}

/// What was committed stays; a checkpoint over the rest is the next start's work unless the log was closed.
impl Drop for Inner {
    fn drop(&mut self) {
        let tenants = self.tenants.get_mut().unwrap_or_else(PoisonError::into_inner);
        for tenant in tenants.values() {
            tenant.sequencer.queue.stop();
        }
        // The lock on the folder is given back after this: nobody may write then.
        for tenant in tenants.values() {
            let thread = tenant.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            let _ = thread.map(JoinHandle::join);
        }
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog").field("layout", self.layout()).finish_non_exhaustive()
    }
}
