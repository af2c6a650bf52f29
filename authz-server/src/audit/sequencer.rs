//! One tenant's order of entries. Whoever appends commits by itself when nobody else is at it and the disk is quick: then
//! no other thread has to wake up, which would take as long as the commit. Otherwise the entry waits in the queue, and
//! the sequencer's thread ([`super::keeper`]) commits all that wait as one batch.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use interdict_audit::note::Signature;
use interdict_audit::record::Moment;
use jiff::Timestamp;

use super::api::{Appended, AuditError};
use super::checkpoints;
use super::directory::Layout;
use super::failure::OVERLOADED;
use super::health::{Board, Losses};
use super::metrics::TenantMetrics;
use super::queue::{Queue, Waiting};
use super::signing::Signing;
use super::witnesses::Witnesses;
use super::writer::Writer;
use crate::clock::Clock;

/// Commits that take longer on average are left to the sequencer's thread: a slow disk must not hold the threads that
/// decide.
const QUICK_US: u32 = 1_000;

/// What all tenants share.
pub(crate) struct Common {
    pub(crate) layout: Layout,
    pub(crate) signing: Arc<Signing>,
    pub(crate) witnesses: Option<Witnesses>,
    /// A witness that contradicts the log stops it.
    pub(crate) stop_on_contradiction: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) board: Board,
    /// Every commit is synced.
    pub(crate) every: bool,
    pub(crate) checkpoint_every: Duration,
    pub(crate) checkpoint_entries: u64,
    pub(crate) keep_days: u32,
}

impl Common {
    /// Now, as entries say it.
    pub(crate) fn now(&self) -> Moment {
        Moment::from_unix_ms(self.clock.now().as_millisecond())
    }
}

/// See the module.
pub(crate) struct Sequencer {
    pub(crate) tenant: String,
    pub(crate) common: Arc<Common>,
    pub(crate) metrics: TenantMetrics,
    pub(crate) queue: Queue,
    pub(crate) losses: Losses,
    /// `None` until the database was opened.
    writer: Mutex<Option<Writer>>,
    /// Whoever appends may commit.
    inline: AtomicBool,
    /// The thread sleeps without an end and wants to know of the first commit.
    asleep: AtomicBool,
    /// Entries committed and entries under a checkpoint, for those who do not hold the writer.
    committed: AtomicU64,
    checkpointed: AtomicU64,
    /// Average time of a commit in microseconds, not synced and synced.
    pace: [AtomicU32; 2],
    halted: OnceLock<AuditError>,
}

impl Sequencer {
    pub(crate) fn new(tenant: &str, common: Arc<Common>, metrics: TenantMetrics) -> Self {
        Self {
            tenant: tenant.to_owned(),
            common,
            metrics,
            queue: Queue::default(),
            losses: Losses::default(),
            writer: Mutex::new(None),
            inline: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            committed: AtomicU64::new(0),
            checkpointed: AtomicU64::new(0),
            pace: [AtomicU32::new(0), AtomicU32::new(0)],
            halted: OnceLock::new(),
        }
    }

    /// Queues an entry and commits it right here when that is quick and somebody waits for it.
    pub(crate) fn append(&self, waiting: Waiting) {
        let (at_once, patient) = (waiting.draft.at_once, waiting.draft.is_patient());
        match self.queue.push(waiting) {
            None if patient => {}
            None => self.lead(at_once),
            Some(waiting) => {
                let error = AuditError::new(OVERLOADED, "too many entries wait, or the log is being closed");
                self.refuse(&error, [waiting]);
                self.queue.nudge();
            }
        }
    }

    /// Commits what waits, unless somebody does already: that one looks at the queue again when it is done.
    fn lead(&self, at_once: bool) {
        let pace = self.pace_of(at_once || self.common.every).load(Ordering::Relaxed);
        if pace > QUICK_US || !self.inline.load(Ordering::Acquire) || self.halted.get().is_some() {
            return self.queue.nudge();
        }
        let mut slot = match self.writer.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let Some(writer) = slot.as_mut().filter(|writer| writer.is_open()) else {
            return self.queue.nudge();
        };
        let batch = self.queue.take();
        let result = if batch.is_empty() { Ok(0) } else { self.commit(writer, &batch) };
        drop(slot);
        match result {
            Ok(first) => self.tell(first, batch),
            // What takes time is for the thread: to wait for another writer, to open the database again.
            Err(_) => {
                self.inline.store(false, Ordering::Release);
                self.queue.put_back(batch);
            }
        }
        self.look_again();
    }

    /// Whoever found the writer taken left its entry in the queue: everybody who had the writer looks there afterwards.
    fn look_again(&self) {
        if self.queue.is_asked() {
            self.queue.nudge();
        }
    }

    /// Commits a batch and notes how long that took.
    pub(crate) fn commit(&self, writer: &mut Writer, batch: &[Waiting]) -> Result<u64, AuditError> {
        let started = Instant::now();
        let first = writer.commit(batch.iter().map(|waiting| &waiting.draft), self.common.now())?;
        let synced = self.common.every || batch.iter().any(|waiting| waiting.draft.at_once);
        // The patient come many at once: how long they take says nothing about a decision's commit.
        if !batch.iter().any(|waiting| waiting.draft.is_patient()) {
            self.note_pace(synced, started.elapsed());
        }
        self.note_size(writer);
        Ok(first)
    }

    /// What a commit changed, for those without the writer. Called with the writer held.
    pub(crate) fn note_size(&self, writer: &Writer) {
        let (size, checkpointed) = (writer.chain.size(), writer.chain.checkpointed());
        self.committed.store(size, Ordering::SeqCst);
        self.checkpointed.store(checkpointed, Ordering::SeqCst);
        let shown = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.entries.set(shown(size));
        self.metrics.checkpointed.set(shown(checkpointed));
        let full = size.saturating_sub(checkpointed) == self.common.checkpoint_entries;
        if full || self.asleep.swap(false, Ordering::SeqCst) {
            self.queue.nudge();
        }
    }

    /// Answers a committed batch whose first entry has this number.
    pub(crate) fn tell(&self, first: u64, batch: Vec<Waiting>) {
        if batch.is_empty() {
            return;
        }
        self.metrics.all.committed(batch.len());
        for (seq, waiting) in (first..).zip(batch) {
            self.metrics.all.appended(waiting.since.elapsed());
            waiting.tell(Ok(Appended { seq }));
        }
    }

    /// Answers entries that are not in the log and will not be.
    pub(crate) fn refuse(&self, error: &AuditError, batch: impl IntoIterator<Item = Waiting>) {
        for waiting in batch {
            self.losses.refused(error.code, self.common.now());
            self.metrics.all.failed(error.code);
            waiting.tell(Err(error.clone()));
        }
    }

    fn pace_of(&self, synced: bool) -> &AtomicU32 {
        let [plain, full] = &self.pace;
        if synced { full } else { plain }
    }

    fn note_pace(&self, synced: bool, took: Duration) {
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let pace = self.pace_of(synced);
        let before = pace.load(Ordering::Relaxed);
        pace.store(before - before / 8 + took / 8, Ordering::Relaxed);
    }

    /// The writer, whoever has it now.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether whoever appends may commit.
    pub(crate) fn allow_inline(&self, allowed: bool) {
        self.inline.store(allowed, Ordering::Release);
    }

    /// Puts a cosignature to the checkpoint over `size` entries.
    pub(crate) fn cosigned(&self, size: u64, signature: Signature) -> Result<(), AuditError> {
        let mut slot = self.writer();
        let Some(writer) = slot.as_mut() else { return Ok(()) };
        let note = writer.cosign(size, signature);
        // With the writer held: a newer checkpoint cannot be written before and replaced by this one.
        if let Ok(Some(note)) = &note
            && writer.chain.checkpointed() == size
        {
            checkpoints::write_head(self, note);
        }
        drop(slot);
        self.look_again();
        note.map(drop)
    }

    /// Stops this log for good: what is in it contradicts what somebody else has seen.
    pub(crate) fn halt(&self, error: AuditError) {
        if self.halted.set(error.clone()).is_ok() {
            tracing::error!(
                tenant = self.tenant,
                code = error.code,
                error = error.message,
                "THE LOG CONTRADICTS A WITNESS; nothing is written any more"
            );
            self.allow_inline(false);
            self.common.board.down(&self.tenant, error.code, self.timestamp());
            self.metrics.down.set(1);
            self.queue.nudge();
        }
    }

    /// Why the log was stopped for good.
    pub(crate) fn halted(&self) -> Result<(), AuditError> {
        self.halted.get().cloned().map_or(Ok(()), Err)
    }

    /// Entries that no checkpoint covers yet.
    pub(crate) fn uncovered(&self) -> u64 {
        self.committed.load(Ordering::SeqCst).saturating_sub(self.checkpointed.load(Ordering::SeqCst))
    }

    /// Entries that a checkpoint covers.
    pub(crate) fn covered(&self) -> u64 {
        self.checkpointed.load(Ordering::SeqCst)
    }

    /// Announces that the thread is about to sleep; whether it may.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        // A commit between the last look and the announcement did not see it.
        self.uncovered() == 0 && self.losses.is_empty()
    }

    /// Now, for files and metrics.
    pub(crate) fn timestamp(&self) -> Timestamp {
        self.common.clock.now()
    }
}

impl std::fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sequencer").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}
