//! Judging again, in the background, a share of what was decided: a decision that comes out different means that it was
//! no function of its record, by a fault of ours or because somebody changed what is kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use interdict_audit::commit::{DECISION, INPUT, SALT_BYTES, commit};
use interdict_audit::record::{AnyBody, Decision, Entry, ReplayDifference};
use interdict_policy::Bundle;
use interdict_policy::replay::{Exact, Judge};
use jiff::{SignedDuration, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::entries::entry;
use crate::audit::{AuditError, Layout, LogReader, Recorder};
use crate::telemetry::metrics::Metrics;

/// How often new entries are sampled.
const ROUND: Duration = Duration::from_secs(60);

/// Where a server that starts begins.
const BACK: SignedDuration = SignedDuration::from_hours(24);

/// Most replays of one tenant in one round: on a busy server the share becomes smaller, not the load larger.
const MOST: u64 = 1_000;

/// A pause after each replay: decisions have the cores first.
const PAUSE: Duration = Duration::from_millis(2);

/// Stands in place of what came out, where what is sealed is not what was sealed: nothing can be judged again by it.
const TAMPERED: &str = "replay.sealed_tampered";

/// Samples, and tells.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    layout: Layout,
    per_mille: u32,
    results: Family<[(&'static str, &'static str); 1], Counter>,
}

/// A decision that came out different.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) tenant: String,
    pub(crate) decision_id: String,
    pub(crate) recorded: String,
    pub(crate) replayed: String,
}

/// What is sealed beside a decision, behind the salt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed<'a> {
    #[serde(rename = "v")]
    _version: u32,
    #[serde(borrow)]
    facts: &'a RawValue,
    #[serde(borrow)]
    decisions: Vec<&'a RawValue>,
}

/// Why a decision was not judged again.
enum Untestable {
    /// Its inputs are gone, as they should be.
    Erased,
    /// Anything else.
    Other,
}

impl Sampler {
    /// Samples `per_mille` of a thousand entries of the logs in `layout`.
    pub(crate) fn new(layout: Layout, per_mille: u32, metrics: &Metrics) -> Self {
        let results = Family::default();
        metrics.register(|registry| {
            registry.register(
                "replay_sampled",
                "Decisions judged again in the background, by what came out",
                Family::clone(&results),
            );
        });
        Self { layout, per_mille, results }
    }

    /// Samples for ever.
    pub(crate) async fn run(self, recorder: Arc<dyn Recorder>) {
        let mut next: HashMap<String, u64> = HashMap::new();
        let stop = StopOnDrop(Arc::default());
        loop {
            tokio::time::sleep(ROUND).await;
            let (sampler, stopped) = (self.clone(), Arc::clone(&stop.0));
            // The thread has no part of the log, which can be closed while this still reads.
            let round = tokio::task::spawn_blocking(move || {
                let found = sampler.round(&mut next, Timestamp::now(), &stopped);
                (found, next)
            });
            let Ok((found, after)) = round.await else {
                tracing::error!("decisions are not judged again any more");
                return;
            };
            next = after;
            for difference in &found {
                difference.tell(&*recorder);
            }
        }
    }

    /// One round over all tenants. `next`: the first entry of each that was not looked at.
    pub(crate) fn round(
        &self,
        next: &mut HashMap<String, u64>,
        now: Timestamp,
        stop: &AtomicBool,
    ) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut judges = Judges { layout: &self.layout, made: HashMap::new() };
        for tenant in self.layout.known_tenants().unwrap_or_default() {
            if let Err(error) = self.tenant(&tenant, next, now, stop, &mut judges, &mut found) {
                tracing::warn!(tenant, code = error.code, %error, "decisions cannot be judged again");
            }
        }
        found
    }

    fn tenant(
        &self,
        tenant: &str,
        next: &mut HashMap<String, u64>,
        now: Timestamp,
        stop: &AtomicBool,
        judges: &mut Judges<'_>,
        found: &mut Vec<Difference>,
    ) -> Result<(), AuditError> {
        let reader = LogReader::open(&self.layout, tenant)?;
        let size = reader.size()?;
        let from = match next.get(tenant) {
            Some(from) => *from,
            None => first_since(&reader, size, now.saturating_sub(BACK).unwrap_or(Timestamp::MIN))?,
        };
        next.insert(tenant.to_owned(), size);
        let all = size.saturating_sub(from).max(1);
        let per_million = (u64::from(self.per_mille) * 1_000).min(MOST * 1_000_000 / all);
        for seq in (from..size).filter(|_| chosen(per_million)) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            found.extend(self.look_at(&reader, seq, judges)?);
        }
        Ok(())
    }

    /// Judges one entry again, if it is a judged decision.
    fn look_at(
        &self,
        reader: &LogReader,
        seq: u64,
        judges: &mut Judges<'_>,
    ) -> Result<Option<Difference>, AuditError> {
        let Some(stored) = reader.entry(seq)? else { return Ok(None) };
        let Ok(AnyBody::Decision(body)) = Entry::read(&stored.record).and_then(|entry| entry.body()) else {
            return Ok(None);
        };
        if body.judgements.is_empty() {
            return Ok(None);
        }
        let result = again(reader, seq, &body, judges);
        let word = match &result {
            Ok(None) => "same",
            Ok(Some(_)) => "different",
            Err(Untestable::Erased) => "erased",
            Err(Untestable::Other) => "not_testable",
        };
        self.results.get_or_create(&[("result", word)]).inc();
        std::thread::sleep(PAUSE);
        let Ok(Some((recorded, replayed))) = result else { return Ok(None) };
        let (tenant, decision_id) = (reader.tenant().to_owned(), body.decision_id.into_owned());
        Ok(Some(Difference { tenant, decision_id, recorded, replayed }))
    }
}

/// Judges a decision again. The commitments of the first difference, recorded and replayed, or [`TAMPERED`].
fn again(
    reader: &LogReader,
    seq: u64,
    body: &Decision<'_>,
    judges: &mut Judges<'_>,
) -> Result<Option<(String, String)>, Untestable> {
    if body.policy.as_ref().is_some_and(|policy| policy.engine != interdict_policy::ENGINE) {
        return Err(Untestable::Other);
    }
    let tampered = || {
        let recorded = body.input_commit.as_deref().unwrap_or_default();
        Ok(Some((recorded.to_owned(), TAMPERED.to_owned())))
    };
    let plain = match reader.open_sealed(seq) {
        Ok(Some(plain)) => plain,
        Err(error) if error.code == "audit.inputs_erased" => return Err(Untestable::Erased),
        Err(error) if error.code == "audit.corrupt" => return tampered(),
        Ok(None) if body.input_commit.is_some() => return tampered(),
        Ok(None) | Err(_) => return Err(Untestable::Other),
    };
    let (salt, text) = plain.split_first_chunk::<SALT_BYTES>().ok_or(Untestable::Other)?;
    let sealed: Sealed<'_> = serde_json::from_slice(text).map_err(|_| Untestable::Other)?;
    let facts: Vec<&RawValue> = serde_json::from_str(sealed.facts.get()).map_err(|_| Untestable::Other)?;
    // What is sealed must be what was committed to, or the replay would prove nothing about the record.
    let input = commit(INPUT, salt, sealed.facts.get().as_bytes());
    if let Some(recorded) = body.input_commit.as_deref().filter(|recorded| *recorded != input) {
        return Ok(Some((recorded.to_owned(), input)));
    }
    if facts.len() != body.judgements.len() || sealed.decisions.len() != body.judgements.len() {
        return tampered();
    }
    for ((judgement, facts), decision) in body.judgements.iter().zip(facts).zip(sealed.decisions) {
        let judge = judges.of(&judgement.bundle).ok_or(Untestable::Other)?;
        let recorded = judgement.decision_commit.as_ref();
        let replayed = match judge.exact(facts.get().as_bytes(), decision.get().as_bytes()) {
            Exact::Same => commit(DECISION, salt, decision.get().as_bytes()),
            Exact::Different { replayed, .. } => commit(DECISION, salt, &replayed.canonical()),
            Exact::Failed(_) => return Err(Untestable::Other),
        };
        if replayed != recorded {
            return Ok(Some((recorded.to_owned(), replayed)));
        }
    }
    Ok(None)
}

impl Difference {
    fn tell(&self, recorder: &dyn Recorder) {
        tracing::error!(
            tenant = self.tenant,
            decision_id = self.decision_id,
            "a decision came out different when it was judged again"
        );
        let body = ReplayDifference {
            decision_id: self.decision_id.as_str().into(),
            recorded: self.recorded.as_str().into(),
            replayed: self.replayed.as_str().into(),
        };
        let id = Uuid::try_parse(&self.decision_id).ok();
        if let Some(entry) = entry(&self.tenant, id, &body) {
            recorder.submit(entry);
        }
    }
}

/// Kept bundles, each read once in a round.
struct Judges<'l> {
    layout: &'l Layout,
    made: HashMap<String, Option<Judge>>,
}

impl Judges<'_> {
    fn of(&mut self, digest: &str) -> Option<&mut Judge> {
        if !self.made.contains_key(digest) {
            let judge = kept(self.layout, digest).map(|bundle| Judge::new(&bundle));
            self.made.insert(digest.to_owned(), judge);
        }
        self.made.get_mut(digest)?.as_mut()
    }
}

/// The kept bundle of this digest, if it still is that.
fn kept(layout: &Layout, digest: &str) -> Option<Bundle> {
    // It becomes a file's name.
    if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let bytes = std::fs::read(layout.bundles().join(format!("{digest}.json"))).ok()?;
    Bundle::from_kept(&bytes).ok().filter(|bundle| bundle.digest() == digest)
}

/// The first entry that is not older: times never decrease, so halving finds it.
fn first_since(reader: &LogReader, size: u64, since: Timestamp) -> Result<u64, AuditError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        let older = reader.entry(middle)?.is_some_and(|stored| {
            Entry::read(&stored.record).is_ok_and(|entry| entry.ts.unix_ms() < since.as_millisecond())
        });
        (low, high) = if older { (middle + 1, high) } else { (low, middle) };
    }
    Ok(low)
}

fn chosen(per_million: u64) -> bool {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).is_ok() && u64::from_le_bytes(bytes) % 1_000_000 < per_million
}

/// Tells the thread that its round is over.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
