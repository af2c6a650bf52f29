//! The disk: what a sync of it costs without us, and what a decision takes of it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::recording::Recorded;
use crate::error::{Context, Result};
use crate::stats::Spread;

/// What a commit writes at least: two pages.
const WRITTEN: usize = 16 << 10;
/// The file is only overwritten, like the log's.
const FILE: usize = 4 << 20;

/// Times writes and syncs of a file that does not grow: nothing that survives a loss of power can be quicker.
pub(super) struct SyncFloor {
    file: File,
    at: usize,
    microseconds: Vec<f64>,
}

impl SyncFloor {
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(true).clone();
        let file = options.open(folder.join("floor")).context("create a file")?;
        file.write_all_at(&vec![7; FILE], 0).and_then(|()| file.sync_all()).context("write a file")?;
        Ok(Self { file, at: 0, microseconds: Vec::new() })
    }

    /// For a time and not for a number, as calls are: then a moment in which the disk is busy weighs the same in both.
    pub(super) fn measure(&mut self, length: Duration) -> Result<()> {
        let (bytes, until) = ([8; WRITTEN], Instant::now() + length);
        while Instant::now() < until {
            let start = Instant::now();
            let written = self.file.write_all_at(&bytes, self.at as u64);
            written.and_then(|()| self.file.sync_data()).context("sync a file")?;
            self.microseconds.push(start.elapsed().as_secs_f64() * 1e6);
            self.at = (self.at + WRITTEN) % FILE;
        }
        Ok(())
    }

    pub(super) fn microseconds(self) -> Spread {
        Spread::of(self.microseconds)
    }
}

/// What lies in the folder of the log after the server has ended.
#[derive(Debug, Serialize)]
pub(super) struct Usage {
    pub(super) decisions: u64,
    pub(super) bytes: u64,
    pub(super) bytes_per_decision: f64,
    /// Of the database of the tenant alone.
    pub(super) database_bytes: u64,
}

pub(super) fn usage(recorded: &Recorded) -> Result<Usage> {
    let bytes = size(&recorded.log)?;
    let database = recorded.log.join("tenants/bench/log.db");
    let database_bytes = std::fs::metadata(&database).context("find the log of the tenant")?.len();
    Ok(Usage {
        decisions: recorded.decisions,
        bytes,
        bytes_per_decision: bytes as f64 / recorded.decisions as f64,
        database_bytes,
    })
}

/// Copies the files of one folder into a new one.
pub(super) fn copy_files(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).context(format!("create {}", to.display()))?;
    for entry in std::fs::read_dir(from).context(format!("read {}", from.display()))? {
        let entry = entry.context("read a folder")?;
        std::fs::copy(entry.path(), to.join(entry.file_name())).context("copy a file")?;
    }
    Ok(())
}

/// Bytes of all files of a folder.
pub(super) fn size(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder).context(format!("read {}", folder.display()))? {
        let entry = entry.context("read a folder")?;
        let metadata = entry.metadata().context("look at a file")?;
        sum += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}
