//! Outcomes on their way to the decision point: a bounded queue per VM, one call under way at a time.
//!
//! A batch stays until the decision point took it; sending it again changes nothing there. What does not fit is lost, the
//! oldest first, and counted: the decision point notices a missing outcome by itself.

use crate::drive::Refused;
use crate::metrics::Counter;
use interdict_proto::outcome::{MAX_BATCH, Outcome, ReportRequest, ReportResponse};
use prost::Message;
use std::collections::VecDeque;

/// Most outcomes that wait behind the batch under way.
pub const CAPACITY: usize = 4096;

/// Most bytes of definitions and quarantined texts that wait, batch included: beyond it outcomes are told without.
pub const MAX_WAITING_TEXT: usize = 8 << 20;

/// Bytes of such texts from which on a batch takes no further outcome. With the outcome that goes beyond it a call stays
/// below what gRPC servers take (4 MiB).
const FULL_BATCH_TEXT: usize = 1 << 20;

/// Most bytes of such texts in one outcome.
const MAX_OUTCOME_TEXT: usize = 2 << 20;

/// With so many waiting a call does not wait for the next tick.
pub const HURRY: usize = 128;

const MILLI: u64 = 1_000_000;

/// Wait after the first failure in a row, in nanoseconds; each further one doubles it.
const FIRST_WAIT: u64 = 500 * MILLI;

/// Longest wait between two attempts, in nanoseconds. One that is as long as a decision point lives that fails again and
/// again would miss it for ever.
const LONGEST_WAIT: u64 = 1_000 * MILLI;

/// How long after the call's own timeout its end is waited for, in nanoseconds. Envoy always reports the end of a call;
/// this is for the day on which it does not.
const ANSWER_GRACE: u64 = 2_000 * MILLI;

/// What a reporter needs of Envoy.
pub trait Line {
    /// Starts a Report call and returns its token.
    ///
    /// # Errors
    /// When Envoy does not start it (unknown cluster).
    fn send(&mut self, message: &[u8]) -> Result<u32, Refused>;
    /// Counts, as well as it goes.
    fn count(&mut self, counter: Counter, by: usize);
}

#[derive(Debug, Clone, Copy)]
struct Call {
    token: u32,
    since: u64,
}

/// The outcomes of one VM.
#[derive(Debug, Default)]
pub struct Reporter {
    timeout: u64,
    waiting: VecDeque<Outcome>,
    /// Bytes of texts in `waiting` and `batch`.
    text: usize,
    /// Sent, or to be sent again.
    batch: Vec<Outcome>,
    call: Option<Call>,
    failures: u32,
    not_before: u64,
    /// Something waits that calls are judged by.
    urgent: bool,
}

impl Reporter {
    /// An empty one; `timeout_ms` is that of a call.
    pub fn new(timeout_ms: u32) -> Self {
        Self { timeout: u64::from(timeout_ms) * MILLI, ..Self::default() }
    }

    /// Takes an outcome. True when a call should be made soon.
    pub fn push(&mut self, mut outcome: Outcome, line: &mut impl Line) -> bool {
        if self.waiting.len() >= CAPACITY {
            let lost = self.waiting.pop_front();
            self.text = self.text.saturating_sub(lost.as_ref().map_or(0, text_of));
            line.count(Counter::OutcomesDropped, 1);
        }
        let room = MAX_WAITING_TEXT.saturating_sub(self.text).min(MAX_OUTCOME_TEXT);
        if text_of(&outcome) > room {
            without_texts(&mut outcome);
        }
        self.text = self.text.saturating_add(text_of(&outcome));
        self.urgent |= !outcome.seen.is_empty() || !outcome.quarantined.is_empty();
        self.waiting.push_back(outcome);
        self.is_pressed() && self.call.is_none() && self.failures == 0
    }

    fn is_pressed(&self) -> bool {
        self.urgent || self.waiting.len() >= HURRY
    }

    /// How many were not taken yet.
    pub fn pending(&self) -> usize {
        self.waiting.len() + self.batch.len()
    }

    /// Makes a call if there is something to tell, none is under way and no failure is to be waited out.
    pub fn flush(&mut self, now: u64, line: &mut impl Line) {
        if let Some(call) = self.call {
            if now.saturating_sub(call.since) <= self.timeout + ANSWER_GRACE {
                return;
            }
            self.fail(now, line);
        }
        if self.pending() == 0 || now < self.not_before {
            return;
        }
        let mut text: usize = self.batch.iter().map(text_of).sum();
        while self.batch.len() < MAX_BATCH && text < FULL_BATCH_TEXT {
            let Some(outcome) = self.waiting.pop_front() else { break };
            text = text.saturating_add(text_of(&outcome));
            self.batch.push(outcome);
        }
        self.urgent &= !self.waiting.is_empty();
        let request = ReportRequest { outcomes: std::mem::take(&mut self.batch), ..ReportRequest::default() };
        let sent = line.send(&request.encode_to_vec());
        self.batch = request.outcomes;
        match sent {
            Ok(token) => self.call = Some(Call { token, since: now }),
            Err(Refused) => self.fail(now, line),
        }
    }

    /// A call ended. False when it was none of ours.
    pub fn answered(
        &mut self,
        token: u32,
        status: u32,
        message: Option<&[u8]>,
        now: u64,
        line: &mut impl Line,
    ) -> bool {
        if self.call.is_none_or(|call| call.token != token) {
            return false;
        }
        let taken = message.filter(|_| status == 0).and_then(|bytes| ReportResponse::decode(bytes).ok());
        let taken = taken.and_then(|response| usize::try_from(response.taken).ok()).unwrap_or_default();
        let taken = taken.min(self.batch.len());
        if taken == 0 {
            self.fail(now, line);
            return true;
        }
        self.call = None;
        self.failures = 0;
        let text: usize = self.batch.drain(..taken).map(|outcome| text_of(&outcome)).sum();
        self.text = self.text.saturating_sub(text);
        line.count(Counter::OutcomesReported, taken);
        // A part was taken: the other side is at its limits.
        self.not_before = if self.batch.is_empty() { 0 } else { now.saturating_add(FIRST_WAIT) };
        if self.is_pressed() {
            self.flush(now, line);
        }
        true
    }

    fn fail(&mut self, now: u64, line: &mut impl Line) {
        self.call = None;
        line.count(Counter::OutcomesFailed, 1);
        let wait = FIRST_WAIT.checked_shl(self.failures.min(16)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(wait);
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// Bytes of the texts in an outcome that may be large.
fn text_of(outcome: &Outcome) -> usize {
    let definitions: usize = outcome.seen.iter().map(|entry| entry.definition.len()).sum();
    let originals: usize = outcome.quarantined.iter().map(|text| text.original.len()).sum();
    definitions.saturating_add(originals)
}

/// What remains says that there was something, and its digest or handle.
fn without_texts(outcome: &mut Outcome) {
    outcome.seen.iter_mut().for_each(|entry| entry.definition = String::new());
    outcome.quarantined.iter_mut().for_each(|text| text.original = Vec::new());
}
