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
    let plan = Plan {
        rounds: amount.rounds,
        warm_up: if amount.quick { 1 } else { 2 },
        slice: amount.slice,
        decisions: if amount.quick { 5_000 } else { 155_000 },
    };
    eprintln!("recording: about {} s", plan.duration().as_secs());
    let recorded = recording::run(&plan, parts, folder.path()).await?;
    let disk = disk::usage(&recorded)?;
    let work = Work {
        interdict: parts.interdict.clone(),
        log: recorded.log.clone(),
        package: folder.path().join("package"),
        replayed: if amount.quick { 1_000 } else { 30_000 },
    };
    // What blocks has a thread of its own, so that signals are still heard.
    let (offline, appended) = tokio::task::spawn_blocking(move || -> Result<_> {
        let offline = offline::run(&work)?;
        eprintln!("appending");
        Ok((offline, appending::run(&work.package)?))
    })
    .await
    .context("offline part")??;
    let all = report::All { plan, recorded, disk, offline, appended, environment };
    println!("{}", report::write(out, &all)?);
    eprintln!("written to {}", out.join(report::FILE).display());
    Ok(())
}

/// What the parts without Envoy work on.
#[derive(Debug, Clone)]
struct Work {
    interdict: PathBuf,
    /// Folder of the recorded log.
    log: PathBuf,
    /// Where the evidence package goes.
    package: PathBuf,
    /// Decisions that are judged again.
    replayed: u64,
}

impl Plan {
    /// What the load alone takes.
    pub(crate) fn duration(&self) -> Duration {
        let cells = u32::try_from((self.rounds + self.warm_up) * 2).unwrap_or(u32::MAX);
        (self.slice * 4 + recording::SETTLE * 2 + recording::PAUSE * 2) * cells
    }
}
