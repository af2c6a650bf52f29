//! What an auditor does with the log of the run: export it, verify it, judge its decisions again.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use interdict_audit::verify::{Report, Verdict, verify};
use serde::Serialize;
use serde_json::Value;

use super::Work;
use crate::child::CpuClock;
use crate::error::{Context, Failure, Result};

/// Verifications that count; one before them brings the files into memory.
const VERIFICATIONS: usize = 7;

#[derive(Debug, Serialize)]
pub(super) struct Offline {
    pub(super) verify: Verified,
    pub(super) replay: Replayed,
}

/// One thread, the package in the page cache.
#[derive(Debug, Serialize)]
pub(super) struct Verified {
    pub(super) records: u64,
    pub(super) package_bytes: u64,
    pub(super) checkpoints: u64,
    /// The median of the runs, and the slowest and the quickest.
    pub(super) records_per_s: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// By CPU time: what a core does that has nothing else to do.
    pub(super) records_per_cpu_s: f64,
}

/// `interdict replay`, its start and the reading of the log included.
#[derive(Debug, Serialize)]
pub(super) struct Replayed {
    pub(super) decisions: u64,
    /// Judged with the bundle that judged them, and compared byte for byte.
    pub(super) same: u64,
    pub(super) decisions_per_s: f64,
}

pub(super) fn run(work: &Work) -> Result<Offline> {
    eprintln!("exporting");
    let mut export = Command::new(&work.interdict);
    export.args(["audit", "export", "--tenant", "bench", "--all", "--json", "--out"]).arg(&work.package);
    output(export.arg("--directory").arg(&work.log))?;
    eprintln!("verifying");
    let verify = verified(&work.package)?;
    eprintln!("replaying");
    Ok(Offline { verify, replay: replayed(work)? })
}

fn verified(package: &Path) -> Result<Verified> {
    let clock = CpuClock::new()?;
    let whole = |report: Report| match report.verdict {
        Verdict::Whole => Ok(report),
        Verdict::Tampered => Err(Failure::new(format!("the log is not whole: {:?}", report.findings))),
    };
    let check = || verify(package, None, true).context("verify").and_then(whole);
    let report = check()?;
    let before = clock.of(std::process::id())?;
    let mut rates = Vec::new();
    for _ in 0..VERIFICATIONS {
        let start = Instant::now();
        let records = check()?.records;
        rates.push(records as f64 / start.elapsed().as_secs_f64());
    }
    let cpu = clock.of(std::process::id())?.saturating_sub(before).as_secs_f64();
    rates.sort_by(f64::total_cmp);
    let at = |index: usize| rates.get(index).copied().unwrap_or(f64::NAN);
    Ok(Verified {
        records: report.records,
        package_bytes: super::disk::size(package)?,
        checkpoints: report.checkpoints,
        records_per_s: at(VERIFICATIONS / 2),
        low: at(0),
        high: at(VERIFICATIONS - 1),
        records_per_cpu_s: report.records as f64 * VERIFICATIONS as f64 / cpu,
    })
}

fn replayed(work: &Work) -> Result<Replayed> {
    let mut replay = Command::new(&work.interdict);
    replay.args(["replay", "--tenant", "bench", "--format", "json", "--limit"]);
    replay.arg(work.replayed.to_string()).arg("--directory").arg(&work.log);
    let start = Instant::now();
    let text = output(&mut replay)?;
    let seconds = start.elapsed().as_secs_f64();
    let said: Value = serde_json::from_str(&text).context("read what replay said")?;
    let number = |name: &str| said.get(name).and_then(Value::as_u64).context(format!("no {name}"));
    let (decisions, same) = (number("decisions")?, number("same")?);
    if decisions == 0 || decisions != same {
        return Err(Failure::new(format!("not all decisions are the same again: {text}")));
    }
    Ok(Replayed { decisions, same, decisions_per_s: decisions as f64 / seconds })
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
