//! The log as the rest of the server uses it.

mod failures;
mod order;
mod start;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use interdict_audit::checkpoint::Checkpoint;
use interdict_audit::merkle::{Leaves, leaf_hash, root};
use interdict_audit::record::{Entry, Kind};
use uuid::Uuid;

use super::testing::Trouble;
use super::*;
use crate::clock::{Clock, FixedClock, SystemClock};
use crate::config::AuditConfig;

/// A folder with a log.
struct Place {
    folder: tempfile::TempDir,
    config: AuditConfig,
    clock: Arc<dyn Clock>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = AuditConfig {
            directory: folder.path().join("log"),
            checkpoint_seconds: 60,
            ..AuditConfig::default()
        };
        Self { folder, config, clock: Arc::new(SystemClock) }
    }

    fn open(&self) -> AuditLog {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<AuditLog, AuditError> {
        AuditLog::open(&self.config, Arc::clone(&self.clock), AuditMetrics::default())
    }

    fn layout(&self) -> Layout {
        Layout::new(&self.config.directory)
    }

    fn reader(&self, tenant: &str) -> LogReader {
        LogReader::open(&self.layout(), tenant).unwrap()
    }

    /// Every entry of a tenant, each of them checked against the one before it.
    fn entries(&self, tenant: &str) -> Vec<Vec<u8>> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        self.reader(tenant)
            .range(0, u64::MAX, |stored| {
                let entry = Entry::read(&stored.record).unwrap();
                let prev = found.last().map_or([0; 32], |last| leaf_hash(last));
                assert_eq!((entry.seq, entry.prev), (found.len() as u64, prev));
                assert_eq!((stored.seq, entry.tenant), (entry.seq, tenant));
                found.push(stored.record);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        found
    }

    /// As [`Place::entries`], and the last checkpoint is one over all of them.
    fn verified(&self, tenant: &str) -> Vec<Vec<u8>> {
        let entries = self.entries(tenant);
        let vkey = std::fs::read_to_string(self.layout().log_vkey()).unwrap();
        let note = self.reader(tenant).last_checkpoint(None).unwrap().unwrap().note;
        let (checkpoint, _) = Checkpoint::open(note.as_bytes(), &[vkey.trim().parse().unwrap()]).unwrap();
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        assert_eq!(checkpoint.size, entries.len() as u64);
        assert_eq!(checkpoint.root, root(&Leaves(&leaves), checkpoint.size).unwrap());
        assert_eq!(checkpoint.root, root(&self.reader(tenant), checkpoint.size).unwrap(), "tiles");
        entries
    }

    /// The folder as `kill -9` would leave it now.
    fn killed(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = AuditConfig { directory: folder.path().join("log"), ..self.config.clone() };
        copy(&self.config.directory, &config.directory);
        Self { folder, config, clock: Arc::clone(&self.clock) }
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = std::fs::read_dir(from).unwrap().map(Result::unwrap).collect();
    // By name, that is head.note before the database: a checkpoint may be made meanwhile, and a kill has them at one moment.
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let target = to.join(entry.file_name());
        match entry.path() {
            // What readers share is memory: a kill takes it away.
            path if path.to_string_lossy().ends_with("-shm") => {}
            path if path.is_dir() => copy(&path, &target),
            path => drop(std::fs::copy(path, target).unwrap()),
        }
    }
}

/// A small entry with a number to find again.
fn entry(tenant: &str, number: u64) -> NewEntry {
    NewEntry {
        tenant: tenant.to_owned(),
        kind: Kind::OutcomeMissing,
        decision_id: None,
        body: format!(r#"{{"deadline_seconds":{number},"decision_id":"x"}}"#).into_bytes(),
        sealed: None,
        expects_outcome: false,
        at_once: false,
    }
}

fn number_of(record: &[u8]) -> Option<u64> {
    let body: serde_json::Value = serde_json::from_slice(record).unwrap();
    body["body"]["deadline_seconds"].as_u64()
}

fn numbers(records: &[Vec<u8>]) -> Vec<u64> {
    records.iter().filter_map(|record| number_of(record)).collect()
}

fn kinds(records: &[Vec<u8>]) -> Vec<Kind> {
    records.iter().map(|record| Entry::read(record).unwrap().kind).collect()
}

async fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
