//! What an auditor does with the log of the run: export it, verify it, judge its decisions again.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use interdict_audit::package::file;
use interdict_audit::verify::{Report, Verdict, verify};
use serde::Serialize;
use serde_json::Value;

use super::Work;
use crate::child::CpuClock;
use crate::error::{Context, Failure, Result};
use crate::stats::Spread;

/// One thread, the package in the page cache.
#[derive(Debug, Serialize)]
pub(super) struct Verified {
    pub(super) records: u64,
    pub(super) records_per_s: Spread,
    /// By CPU time: what a core does that has nothing else to do.
    pub(super) records_per_cpu_s: f64,
    /// Bytes of the records alone.
    pub(super) bytes_per_record: f64,
    pub(super) package_bytes: u64,
    pub(super) checkpoints: u64,
}

/// `interdict replay`, its start and the reading of the log included.
#[derive(Debug, Serialize)]
pub(super) struct Replayed {
    pub(super) decisions: u64,
    /// Judged with the bundle that judged them, and compared byte for byte.
    pub(super) same: u64,
    pub(super) decisions_per_s: Spread,
}

/// Exports a whole log.
pub(super) fn export(work: &Work, log: &Path, package: &Path) -> Result<()> {
    let mut export = Command::new(&work.interdict);
    export.args(["audit", "export", "--tenant", "bench", "--all", "--json", "--out"]).arg(package);
    output(export.arg("--directory").arg(log)).map(drop)
}

/// Verifies a package several times, after once that brings its files into memory.
pub(super) fn verified(work: &Work, package: &Path) -> Result<Verified> {
    let clock = CpuClock::new()?;
    let whole = |report: Report| match report.verdict {
        Verdict::Whole => Ok(report),
        Verdict::Tampered => Err(Failure::new(format!("the log is not whole: {:?}", report.findings))),
    };
    let check = || verify(package, None, true).context("verify").and_then(whole);
    let report = check()?;
    let before = clock.of(std::process::id())?;
    let mut rates = Vec::new();
    for _ in 0..work.verifications {
        let start = Instant::now();
        let records = check()?.records;
        rates.push(records as f64 / start.elapsed().as_secs_f64());
    }
    let cpu = clock.of(std::process::id())?.saturating_sub(before).as_secs_f64();
    let records_file = std::fs::metadata(package.join(file::RECORDS)).context("find the records")?;
    Ok(Verified {
        records: report.records,
        records_per_cpu_s: report.records as f64 * rates.len() as f64 / cpu,
        records_per_s: Spread::of(rates),
        bytes_per_record: records_file.len() as f64 / report.records as f64,
        package_bytes: super::disk::size(package)?,
        checkpoints: report.checkpoints,
    })
}

/// Judges the newest decisions of the recorded log again, several times.
pub(super) fn replayed(work: &Work) -> Result<Replayed> {
    let mut rates = Vec::new();
    let mut counts = (0, 0);
    for _ in 0..work.replays {
        let mut replay = Command::new(&work.interdict);
        replay.args(["replay", "--tenant", "bench", "--since", "24h", "--format", "json", "--limit"]);
        replay.arg(work.replayed.to_string()).arg("--directory").arg(&work.log);
        let start = Instant::now();
        let text = output(&mut replay)?;
        let seconds = start.elapsed().as_secs_f64();
        let said: Value = serde_json::from_str(&text).context("read what replay said")?;
        let number = |name: &str| said.get(name).and_then(Value::as_u64).context(format!("no {name}"));
        counts = (number("decisions")?, number("same")?);
        if counts.0 == 0 || counts.0 != counts.1 {
            return Err(Failure::new(format!("not all decisions are the same again: {text}")));
        }
        rates.push(counts.0 as f64 / seconds);
    }
    Ok(Replayed { decisions: counts.0, same: counts.1, decisions_per_s: Spread::of(rates) })
}

fn output(command: &mut Command) -> Result<String> {
    let what = command.get_program().to_string_lossy().into_owned();
    let output = command.output().context(format!("run {what}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("{what} ended with {}: {said}", output.status)))
}
