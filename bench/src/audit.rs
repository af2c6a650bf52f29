//! What evidence costs: recording beside no recording, the log by itself, verification, replay, and disk.

mod appending;
mod disk;
mod offline;
mod recording;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::recording::Plan;
use crate::environment::Environment;
use crate::error::{Context, Result};
use crate::target::Parts;

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Amount {
    pub(crate) rounds: usize,
    pub(crate) slice: Duration,
    pub(crate) quick: bool,
}

/// Measures everything and writes `audit.json` into `out`.
pub(crate) async fn measure(amount: &Amount, parts: &Parts, out: &Path) -> Result<()> {
    let environment = Environment::read(&parts.envoy, &parts.interdict, &parts.wasm, parts.concurrency);
    // The log lies where temporary files lie: TMPDIR names the disk that is measured.
    let folder = tempfile::Builder::new().prefix("interdict-audit-bench-").tempdir();
    let folder = folder.context("create a folder")?;
    let plan = Plan::of(amount);
    eprintln!("recording: about {} s", plan.duration().as_secs());
    let recorded = recording::run(&plan, parts, folder.path()).await?;
    let disk = disk::usage(&recorded)?;
    let work = Work::of(amount, parts, &recorded.log, folder.path());
    // What blocks has a thread of its own, so that signals are still heard.
    let offline = tokio::task::spawn_blocking(move || work.run()).await.context("offline part")??;
    let all = report::All { plan, recorded, disk, offline, environment };
    println!("{}", report::write(out, &all)?);
    eprintln!("written to {}", out.join(report::FILE).display());
    Ok(())
}

/// What the parts without Envoy work on, and how much of it they do.
#[derive(Debug, Clone)]
struct Work {
    interdict: PathBuf,
    /// Folder of the recorded log.
    log: PathBuf,
    /// Folder for everything else.
    folder: PathBuf,
    /// The recorded log as an evidence package.
    package: PathBuf,
    verifications: usize,
    replays: usize,
    /// Decisions that are judged again, the newest ones.
    replayed: u64,
    append_rounds: usize,
    append_length: Duration,
}

/// What the parts without Envoy found out.
struct Offline {
    verified: offline::Verified,
    /// A log of nothing but decisions: its records are the longest.
    decisions_only: offline::Verified,
    replayed: offline::Replayed,
    appended: Vec<appending::Appended>,
}

impl Work {
    fn of(amount: &Amount, parts: &Parts, log: &Path, folder: &Path) -> Self {
        let quick = amount.quick;
        Self {
            interdict: parts.interdict.clone(),
            log: log.to_owned(),
            folder: folder.to_owned(),
            package: folder.join("package"),
            verifications: if quick { 3 } else { 9 },
            replays: if quick { 1 } else { 3 },
            replayed: if quick { 1_000 } else { 30_000 },
            append_rounds: if quick { 1 } else { 5 },
            append_length: Duration::from_millis(if quick { 300 } else { 1_000 }),
        }
    }

    /// A log that holds decisions only, made by appending.
    fn plain_log(&self) -> PathBuf {
        self.folder.join("plain")
    }

    fn run(&self) -> Result<Offline> {
        eprintln!("exporting and verifying");
        offline::export(self, &self.log, &self.package)?;
        let verified = offline::verified(self, &self.package)?;
        eprintln!("replaying");
        let replayed = offline::replayed(self)?;
        eprintln!("appending");
        // A package without the bundle that its decisions name would not be whole.
        disk::copy_files(&self.log.join("bundles"), &self.plain_log().join("bundles"))?;
        let appended = appending::run(self)?;
        let package = self.folder.join("plain-package");
        offline::export(self, &self.plain_log(), &package)?;
        let decisions_only = offline::verified(self, &package)?;
        Ok(Offline { verified, decisions_only, replayed, appended })
    }
}
