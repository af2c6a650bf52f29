//! The thread of a sequencer: it commits what others left, signs checkpoints in time, moves pages into the database, and
//! brings a log that failed back by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use interdict_audit::record::{Body, Count, Health as HealthBody, HealthEvent};
use jiff::Timestamp;

use super::api::AuditError;
use super::backfill::Backfill;
use super::failure::{CORRUPT, LOCKED};
use super::queue::{Waiting, Woken};
use super::sequencer::Sequencer;
use super::writer::{Draft, Writer};
use super::{checkpoints, resume};

/// How long a write waits for another program's before the log counts as locked.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest pause between two tries to write again.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Part of the time between two checkpoints that passes before the next one: the rest is for making it.
const EARLY: f64 = 0.85;
/// Within this time entries that nobody asked to sync are on the disk. The promise is a second.
const SYNC_WITHIN: Duration = Duration::from_millis(850);
/// The most entries without anybody waiting that are kept while the log cannot be written.
const MAX_KEPT: usize = 4_096;

/// The state of the thread.
pub(crate) struct Keeper {
    sequencer: Arc<Sequencer>,
    backfill: Option<Backfill>,
    down: Option<Down>,
    /// Entries that nobody waits for, from while the log could not be written.
    kept: Vec<Waiting>,
    /// When the first entry without a checkpoint was seen, and the first that is not synced.
    uncovered_since: Option<Instant>,
    unsynced_since: Option<Instant>,
    pause: Duration,
}

struct Down {
    code: &'static str,
    since: Timestamp,
    retry_at: Instant,
}

impl Keeper {
    pub(crate) fn new(sequencer: Arc<Sequencer>) -> Self {
        Self {
            sequencer,
            backfill: None,
            down: None,
            kept: Vec::new(),
            uncovered_since: None,
            unsynced_since: None,
            pause: Duration::from_millis(20),
        }
    }

    /// Opens the database, before the thread starts or as its first work.
    pub(crate) fn open(&mut self) -> Result<(), AuditError> {
        let sequencer = Arc::clone(&self.sequencer);
        let mut slot = sequencer.writer();
        self.ensure_open(&mut slot).map(drop)
    }

    /// Works until the sequencer stops and nothing waits any more.
    pub(crate) fn run(mut self) {
        loop {
            let most = self.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
            let sequencer = Arc::clone(&self.sequencer);
            let woken = sequencer.queue.wait(most, || sequencer.fall_asleep());
            self.work();
            if woken == Woken::Stopping && sequencer.queue.is_empty() {
                return self.finish();
            }
        }
    }

    fn work(&mut self) {
        let batch = self.sequencer.queue.take_all();
        let retry = self.down.as_ref().is_some_and(|down| Instant::now() >= down.retry_at);
        let waited_for = batch.iter().any(|waiting| waiting.answer.is_some());
        match &self.down {
            // Every entry that somebody waits for is a try, others wait for the next one.
            Some(_) if !waited_for && !retry => self.keep(batch),
            Some(_) => self.attempt(batch),
            None if self.sequencer.halted().is_err() => self.attempt(batch),
            None if !batch.is_empty() || !self.sequencer.losses.is_empty() => self.attempt(batch),
            None => {}
        }
        if self.down.is_none() {
            self.tick();
        }
    }

    fn attempt(&mut self, batch: Vec<Waiting>) {
        let sequencer = Arc::clone(&self.sequencer);
        let mut error = None;
        // The second time on a database that was opened and looked at again.
        for _ in 0..2 {
            if let Some(unsynced) = self.unsynced() {
                error = Some(unsynced);
                break;
            }
            match self.try_commit(&batch) {
                Ok(first) => {
                    // Whoever hears of a success finds the health check serving.
                    self.recovered();
                    return sequencer.tell(first, batch);
                }
                Err(failed) => error = Some(failed),
            }
            let again = error.as_ref().is_some_and(|error| ![LOCKED, CORRUPT].contains(&error.code));
            if self.down.is_some() || !again || sequencer.halted().is_err() {
                break;
            }
        }
        if let Some(error) = error {
            self.failed(&error, batch);
        }
    }

    /// Why what waits has to be refused: a sync failed, here or where somebody appended. Once the log is down, every try
    /// begins with writing everything again.
    fn unsynced(&self) -> Option<AuditError> {
        let slot = self.sequencer.writer();
        slot.as_ref().and_then(Writer::unsynced).filter(|_| self.down.is_none()).cloned()
    }

    /// Commits what the log has to say of itself, what was kept, and the batch; the number of the batch's first entry.
    fn try_commit(&mut self, batch: &[Waiting]) -> Result<u64, AuditError> {
        let sequencer = Arc::clone(&self.sequencer);
        sequencer.halted()?;
        let mut slot = sequencer.writer();
        self.ensure_open(&mut slot)?;
        let Some(writer) = slot.as_mut() else { return Ok(0) };
        let losses = sequencer.losses.take();
        let mut own: Vec<Draft> = self.back_again().into_iter().collect();
        own.extend(losses.drafts());
        own.extend(self.kept.iter().map(|waiting| waiting.draft.clone()));
        let before = u64::try_from(own.len()).unwrap_or_default();
        writer.wait_for_others(if self.down.is_some() { Duration::ZERO } else { PATIENCE });
        let first = if own.is_empty() {
            sequencer.commit(writer, batch)
        } else {
            own.extend(batch.iter().map(|waiting| waiting.draft.clone()));
            let first = writer.commit(own.iter(), sequencer.common.now());
            first.inspect(|_| sequencer.note_size(writer))
        };
        writer.wait_for_others(Duration::ZERO);
        let first = first?;
        losses.written();
        self.kept.clear();
        Ok(first.saturating_add(before))
    }

    fn ensure_open(&mut self, slot: &mut Option<Writer>) -> Result<(), AuditError> {
        let sequencer = &self.sequencer;
        match slot.as_mut() {
            Some(writer) if writer.is_open() => return Ok(()),
            Some(writer) => {
                writer.reopen()?;
                // Only now: without any connection SQLite would take the write-ahead log away.
                self.backfill = None;
            }
            None => {
                let writer = resume::open(sequencer)?;
                sequencer.note_size(&writer);
                *slot = Some(writer);
            }
        }
        if self.backfill.is_none() {
            let file = sequencer.common.layout.database(&sequencer.tenant)?;
            self.backfill = Some(Backfill::open(&file, &sequencer.tenant)?);
        }
        if let Some(writer) = slot.as_ref() {
            writer.wait_for_others(Duration::ZERO);
        }
        if self.down.is_none() && sequencer.halted().is_ok() {
            sequencer.allow_inline(true);
        }
        Ok(())
    }

    /// The entry that says that the log was down, first in the batch that ends it.
    fn back_again(&self) -> Option<Draft> {
        let down = self.down.as_ref()?;
        let took = self.sequencer.timestamp().duration_since(down.since).as_secs();
        let body = HealthBody {
            code: Some(down.code.into()),
            event: HealthEvent::Up,
            seconds: Some(Count::new(u64::try_from(took).unwrap_or_default())),
        };
        body.to_bytes().ok().map(|body| Draft::event(HealthBody::KIND, body))
    }

    fn recovered(&mut self) {
        let sequencer = &self.sequencer;
        if let Some(down) = self.down.take() {
            tracing::warn!(tenant = sequencer.tenant, code = down.code, since = %down.since, "the log is written again");
        }
        self.pause = Duration::from_millis(20);
        sequencer.metrics.down.set(0);
        sequencer.common.board.up(&sequencer.tenant);
        sequencer.allow_inline(true);
    }

    fn failed(&mut self, error: &AuditError, batch: Vec<Waiting>) {
        let now = self.sequencer.timestamp();
        self.sequencer.allow_inline(false);
        // Before anybody is answered: whoever hears of the failure finds it in the health check.
        self.sequencer.common.board.down(&self.sequencer.tenant, error.code, now);
        self.sequencer.metrics.down.set(1);
        if self.down.as_ref().is_none_or(|down| down.code != error.code) {
            tracing::error!(
                tenant = self.sequencer.tenant,
                code = error.code,
                error = error.message,
                "the log cannot be written; calls with consequences are denied"
            );
        }
        let since = self.down.as_ref().map_or(now, |down| down.since);
        self.down = Some(Down { code: error.code, since, retry_at: Instant::now() + self.pause });
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        let (asked, unasked) = batch.into_iter().partition::<Vec<_>, _>(|waiting| waiting.answer.is_some());
        self.sequencer.refuse(error, asked);
        self.keep(unasked);
    }

    /// Keeps what nobody waits for until the log can be written again.
    fn keep(&mut self, batch: Vec<Waiting>) {
        let room = MAX_KEPT.saturating_sub(self.kept.len());
        let mut batch = batch;
        let beyond = batch.split_off(room.min(batch.len()));
        self.kept.append(&mut batch);
        if let Some(code) = self.down.as_ref().map(|down| down.code) {
            self.sequencer.refuse(&AuditError::new(code, "too many entries wait for the log"), beyond);
        }
    }

    /// What is to be done in time.
    fn tick(&mut self) {
        let sequencer = Arc::clone(&self.sequencer);
        let (now, uncovered) = (Instant::now(), sequencer.uncovered());
        if uncovered == 0 {
            (self.uncovered_since, self.unsynced_since) = (None, None);
            return;
        }
        let since = *self.uncovered_since.get_or_insert(now);
        let unsynced = *self.unsynced_since.get_or_insert(now);
        let due = now >= since + sequencer.common.checkpoint_every.mul_f64(EARLY)
            || uncovered >= sequencer.common.checkpoint_entries;
        if due {
            self.checkpoint();
        } else if now >= unsynced + SYNC_WITHIN {
            let synced = self.backfill.as_ref().map_or(Ok(()), Backfill::sync);
            // What is committed from here on needs the next one.
            self.unsynced_since = Some(Instant::now());
            if let Err(error) = synced {
                self.fail_writer(&error);
            }
        }
    }

    fn checkpoint(&mut self) {
        let Some(backfill) = &mut self.backfill else { return };
        // Most of what the commit of the checkpoint has to sync is on the disk before anybody waits for it.
        let made = backfill.sync().and_then(|()| checkpoints::make(&self.sequencer));
        match made {
            Ok(()) => {
                (self.uncovered_since, self.unsynced_since) = (None, None);
                backfill.run(&self.sequencer);
            }
            Err(error) => self.fail_writer(&error),
        }
    }

    /// A failure outside of a batch: nobody waits, but nobody may be let through either.
    fn fail_writer(&mut self, error: &AuditError) {
        self.sequencer.metrics.all.failed(error.code);
        if let Some(writer) = self.sequencer.writer().as_mut() {
            writer.distrust(error);
        }
        self.failed(error, Vec::new());
    }

    fn next_deadline(&self) -> Option<Instant> {
        if let Some(down) = &self.down {
            return Some(down.retry_at);
        }
        let checkpoint = self.uncovered_since? + self.sequencer.common.checkpoint_every.mul_f64(EARLY);
        let sync = self.unsynced_since.map(|since| since + SYNC_WITHIN);
        Some(sync.map_or(checkpoint, |sync| sync.min(checkpoint)))
    }

    /// The last checkpoint, and everything in the database proper.
    fn finish(mut self) {
        if self.down.is_some() || !self.kept.is_empty() {
            self.attempt(Vec::new());
        }
        if self.down.is_none() && self.sequencer.uncovered() > 0 {
            self.checkpoint();
        }
        let rest = std::mem::take(&mut self.kept);
        let code = self.down.as_ref().map_or(super::failure::UNAVAILABLE, |down| down.code);
        self.sequencer.refuse(&AuditError::new(code, "the log is closed"), rest);
        self.backfill = None;
        *self.sequencer.writer() = None;
    }
}
