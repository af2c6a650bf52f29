//! The log by itself, in this process: how many entries go in when many append at the same time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use authz_server::audit::{AuditLog, AuditMetrics, NewEntry, Recorder};
use authz_server::clock::SystemClock;
use authz_server::config::AuditConfig;
use hdrhistogram::Histogram;
use interdict_audit::package::file;
use interdict_audit::record::{Entry, Kind};
use serde::Serialize;

use super::Work;
use crate::error::{Context, Failure, Result};
use crate::load::new_histogram;
use crate::stats::Spread;

/// Those who append at the same time.
const PRODUCERS: [usize; 4] = [1, 8, 64, 256];
/// Bytes that are sealed beside a decision of 1 KB of arguments.
const SEALED: usize = 2_300;

/// Everybody appends, waits for the commit, and appends again.
#[derive(Debug, Serialize)]
pub(super) struct Appended {
    pub(super) producers: usize,
    /// Whether every entry is on the disk before its append is over.
    pub(super) at_once: bool,
    pub(super) records_per_s: Spread,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

/// Appends decisions that have the body of one of the run, in several rounds. The log that is kept in the end holds nothing
/// but such decisions.
pub(super) fn run(work: &Work) -> Result<Vec<Appended>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("start a runtime")?;
    let body = a_decision(&work.package)?;
    let mut found: Vec<(bool, usize, Vec<f64>, Histogram<u64>)> = Vec::new();
    for at_once in [true, false] {
        for producers in PRODUCERS {
            found.push((at_once, producers, Vec::new(), new_histogram()?));
        }
    }
    for round in 0..work.append_rounds {
        for (at_once, producers, rates, times) in &mut found {
            // On the same disk as the recorded log. Only the last one is looked at again.
            let folder = tempfile::tempdir_in(&work.folder).context("create a folder")?;
            let last = round + 1 == work.append_rounds && !*at_once && *producers == 256;
            let directory = if last { work.plain_log() } else { folder.path().join("log") };
            let log = open(directory)?;
            let start = Instant::now();
            let length = work.append_length;
            let new = runtime.block_on(together(&log, *producers, &entry(&body, *at_once), length))?;
            rates.push(new.len() as f64 / start.elapsed().as_secs_f64());
            times.add(&new).context("merge a histogram")?;
            log.close();
        }
    }
    let appended = found.into_iter().map(|(at_once, producers, rates, times)| Appended {
        producers,
        at_once,
        records_per_s: Spread::of(rates),
        p50_us: times.value_at_quantile(0.5) as f64 / 1e3,
        p99_us: times.value_at_quantile(0.99) as f64 / 1e3,
    });
    Ok(appended.collect())
}

fn open(directory: PathBuf) -> Result<AuditLog> {
    let config = AuditConfig { directory, ..AuditConfig::default() };
    AuditLog::open(&config, Arc::new(SystemClock), AuditMetrics::default()).context("open a log")
}

/// The body of the first decision of the package.
fn a_decision(package: &Path) -> Result<Vec<u8>> {
    use std::io::BufRead as _;

    let records = std::fs::File::open(package.join(file::RECORDS)).context("open the records")?;
    for line in std::io::BufReader::new(records).lines() {
        let line = line.context("read the records")?;
        let entry = Entry::read(line.as_bytes()).context("read a record")?;
        if entry.kind == Kind::Decision {
            return Ok(entry.body.as_bytes().to_vec());
        }
    }
    Err(Failure::new("there is no decision in the package"))
}

fn entry(body: &[u8], at_once: bool) -> NewEntry {
    NewEntry {
        tenant: "bench".to_owned(),
        kind: Kind::Decision,
        decision_id: None,
        body: body.to_vec(),
        sealed: Some(vec![7; SEALED]),
        expects_outcome: true,
        at_once,
    }
}

async fn together(
    log: &AuditLog,
    producers: usize,
    entry: &NewEntry,
    length: Duration,
) -> Result<Histogram<u64>> {
    let until = Instant::now() + length;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..producers {
        let (log, entry) = (log.clone(), entry.clone());
        tasks.spawn(async move {
            let mut times = new_histogram()?;
            while Instant::now() < until {
                let entry = NewEntry { decision_id: Some(uuid::Uuid::now_v7()), ..entry.clone() };
                let start = Instant::now();
                log.append(entry).await.context("append")?;
                times.saturating_record(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
            Ok::<_, Failure>(times)
        });
    }
    let mut all = new_histogram()?;
    while let Some(done) = tasks.join_next().await {
        all.add(&done.context("append task")??).context("merge a histogram")?;
    }
    Ok(all)
}
