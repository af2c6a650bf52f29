//! The log: what one entry costs whoever waits for it, how many are written per second, and how much disk they take.
//!
//! Run with `cargo bench -p authz-server --bench audit`; `AUDIT_BENCH_DIR` names a folder on the disk to measure.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use authz_server::audit::{AuditLog, AuditMetrics, NewEntry, Recorder};
use authz_server::clock::SystemClock;
use authz_server::config::AuditConfig;
use interdict_audit::record::Kind;
use uuid::Uuid;

/// Bytes of a usual decision's body and of its sealed input.
const BODY: usize = 1_200;
const SEALED: usize = 1_800;

fn main() {
    let base = std::env::var_os("AUDIT_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("one caller, with a pause between entries");
    for at_once in [false, true] {
        runtime.block_on(async { tokio::spawn(alone(folder(&base), at_once)).await.unwrap() });
    }
    println!("callers without a pause");
    for callers in [1, 2, 8, 64, 256] {
        for at_once in [false, true] {
            runtime.block_on(together(folder(&base), callers, at_once));
        }
    }
    start(&base, &runtime);
}

fn folder(base: &Path) -> tempfile::TempDir {
    tempfile::tempdir_in(base).unwrap()
}

fn open(folder: &Path) -> AuditLog {
    let config = AuditConfig { directory: folder.join("log"), ..AuditConfig::default() };
    AuditLog::open(&config, Arc::new(SystemClock), AuditMetrics::default()).unwrap()
}

fn entry(at_once: bool) -> NewEntry {
    let text = "x".repeat(BODY - 40);
    NewEntry {
        tenant: "acme".to_owned(),
        kind: Kind::Decision,
        decision_id: Some(Uuid::now_v7()),
        body: format!(r#"{{"deadline_seconds":1,"decision_id":"{text}"}}"#).into_bytes(),
        sealed: Some(vec![7; SEALED]),
        expects_outcome: true,
        at_once,
    }
}

/// The time of one append among decisions that come now and then.
async fn alone(folder: tempfile::TempDir, at_once: bool) {
    let log = open(folder.path());
    let mut took = Vec::new();
    for number in 0..4_000_u32 {
        let entry = entry(at_once);
        let started = Instant::now();
        log.append(entry).await.unwrap();
        if number >= 500 {
            took.push(started.elapsed());
        }
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    took.sort();
    println!("  at_once {at_once:5}  {}", percentiles(&took));
    log.close();
}

async fn together(folder: tempfile::TempDir, callers: u32, at_once: bool) {
    let log = open(folder.path());
    let each = 24_000 / callers;
    let started = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut took = Vec::new();
                for _ in 0..each {
                    let entry = entry(at_once);
                    let started = Instant::now();
                    log.append(entry).await.unwrap();
                    took.push(started.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await.unwrap());
    }
    let rate = took.len() as f64 / started.elapsed().as_secs_f64();
    took.sort();
    let times = percentiles(&took);
    log.close();
    drop(log);
    let bytes = size(&folder.path().join("log")) / took.len() as u64;
    println!("  {callers:3} callers  at_once {at_once:5}  {rate:7.0} entries/s  {times}  {bytes} bytes each");
}

/// A start with a long log behind it.
fn start(base: &Path, runtime: &tokio::runtime::Runtime) {
    let folder = folder(base);
    let log = open(folder.path());
    let mut total = 0_u32;
    for count in [1_000, 20_000, 100_000] {
        runtime.block_on(async {
            while total < count {
                // Nobody waits for most of them; the queue is never full.
                for _ in 0..199 {
                    log.submit(entry(false));
                }
                log.append(entry(false)).await.unwrap();
                total += 200;
            }
        });
        let copy = base.join(format!("audit-bench-{}", std::process::id()));
        copy_folder(folder.path(), &copy);
        let started = Instant::now();
        let again = open(&copy);
        println!("start after a kill with {total} entries: {:?}", started.elapsed());
        drop(again);
        std::fs::remove_dir_all(&copy).unwrap();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else if !entry.path().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.path() {
            path if path.is_dir() => size(&path),
            path => std::fs::metadata(path).unwrap().len(),
        })
        .sum()
}

fn percentiles(sorted: &[Duration]) -> String {
    let at = |per_mille: usize| sorted.get((sorted.len() - 1) * per_mille / 1_000).unwrap().as_micros();
    format!("p50 {} us  p90 {} us  p99 {} us  p999 {} us", at(500), at(900), at(990), at(999))
}
