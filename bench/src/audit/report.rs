//! `audit.json`, and the same for a person.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::Offline;
use super::appending::Appended;
use super::disk::Usage;
use super::offline::{Replayed, Verified};
use super::recording::{Plan, Recorded};
use crate::cell::CONNECTIONS;
use crate::environment::Environment;
use crate::error::{Context, Result};
use crate::payload::Tool;
use crate::run::Cell;
use crate::stats::{Estimate, Spread, quantile_ratio, rps_ratio};

/// Name of the file.
pub(super) const FILE: &str = "audit.json";

const GOAL_RECORDING: f64 = 1.1;
const GOAL_VERIFY: f64 = 200_000.0;

/// Everything that was measured.
pub(super) struct All {
    pub(super) plan: Plan,
    pub(super) recorded: Recorded,
    pub(super) disk: Usage,
    pub(super) offline: Offline,
    pub(super) environment: Environment,
}

/// `audit.json`.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    /// p50 of a call with consequences (1 KB, 1 connection, mode call), recorded and synced, divided by that of the same
    /// call with recording switched off.
    recording_p50_ratio: Option<f64>,
    /// The same for a tool that only reads: committed before the answer, synced within a second.
    recording_p50_ratio_read_only: Option<f64>,
    /// What `recording_p50_ratio` would be if recording cost one sync of the disk and nothing else.
    recording_p50_ratio_of_the_disk_alone: Option<f64>,
    /// One core, the whole log of the run: as many outcomes as decisions.
    verify_records_per_s: f64,
    /// One core, a log of nothing but decisions.
    verify_decisions_only_per_s: f64,
    /// The most of all numbers of producers, each entry on the disk before its append is over.
    append_records_per_s: f64,
    append_records_per_s_not_synced: f64,
    replay_decisions_per_s: f64,
    bytes_per_decision: f64,
    goals: BTreeMap<&'static str, f64>,
    recording: BTreeMap<&'static str, BTreeMap<String, Compared>>,
    /// Microseconds of a write and sync of 16 KiB in a file by nothing but the operating system, between the rounds.
    disk_sync_us: Spread,
    disk: &'a Usage,
    verify: &'a Verified,
    verify_decisions_only: &'a Verified,
    append: &'a [Appended],
    replay: &'a Replayed,
    /// Share of the machine's CPU time that programs outside the run took while it measured recording.
    others_cpu_share: f64,
    rounds: usize,
    slice_ms: u128,
    environment: &'a Environment,
}

/// A cell with recording beside the same one without.
#[derive(Debug, Serialize)]
struct Compared {
    p50_ratio: Option<Estimate>,
    p99_ratio: Option<Estimate>,
    rps_ratio: Option<Estimate>,
    on: Numbers,
    off: Numbers,
}

#[derive(Debug, Serialize)]
struct Numbers {
    requests: u64,
    requests_per_second: f64,
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    authz_cpu_us: f64,
}

impl Numbers {
    fn of(cell: &Cell) -> Self {
        let quantile = |q| cell.latencies.value_at_quantile(q) as f64 / 1e3;
        Self {
            requests: cell.latencies.len(),
            requests_per_second: cell.requests_per_second(),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            authz_cpu_us: cell.authz_cpu.as_secs_f64() * 1e6 / cell.latencies.len() as f64,
        }
    }
}

fn word(tool: Tool) -> &'static str {
    match tool {
        Tool::Append => "consequential",
        Tool::Read => "read_only",
    }
}

fn compared(recorded: &Recorded) -> BTreeMap<&'static str, BTreeMap<String, Compared>> {
    let mut found: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for tool in [Tool::Append, Tool::Read] {
        for connections in CONNECTIONS {
            let cell = |recording| recorded.cells.get(&(tool, connections, recording));
            if let (Some(on), Some(off)) = (cell(true), cell(false)) {
                let compared = Compared {
                    p50_ratio: quantile_ratio(&on.rounds, &off.rounds, 0.5),
                    p99_ratio: quantile_ratio(&on.rounds, &off.rounds, 0.99),
                    rps_ratio: rps_ratio(&on.rounds, &off.rounds),
                    on: Numbers::of(on),
                    off: Numbers::of(off),
                };
                found.entry(word(tool)).or_default().insert(format!("1KB_{connections}c"), compared);
            }
        }
    }
    found
}

fn summary(all: &All) -> Summary<'_> {
    let recording = compared(&all.recorded);
    let alone = |tool| recording.get(word(tool))?.get("1KB_1c");
    let p50 = |tool| Some(alone(tool)?.p50_ratio?.value);
    let sync = all.recorded.syncs.median;
    let offline = &all.offline;
    let most = |at_once| {
        let those = offline.appended.iter().filter(|one| one.at_once == at_once);
        those.map(|one| one.records_per_s.median).fold(f64::NAN, f64::max)
    };
    Summary {
        recording_p50_ratio: p50(Tool::Append),
        recording_p50_ratio_read_only: p50(Tool::Read),
        recording_p50_ratio_of_the_disk_alone: alone(Tool::Append).map(|cell| 1.0 + sync / cell.off.p50_us),
        verify_records_per_s: offline.verified.records_per_s.median,
        verify_decisions_only_per_s: offline.decisions_only.records_per_s.median,
        append_records_per_s: most(true),
        append_records_per_s_not_synced: most(false),
        replay_decisions_per_s: offline.replayed.decisions_per_s.median,
        bytes_per_decision: all.disk.bytes_per_decision,
        goals: BTreeMap::from([
            ("recording_p50_ratio_at_most", GOAL_RECORDING),
            ("verify_records_per_s_at_least", GOAL_VERIFY),
        ]),
        recording,
        disk_sync_us: all.recorded.syncs,
        disk: &all.disk,
        verify: &offline.verified,
        verify_decisions_only: &offline.decisions_only,
        append: &offline.appended,
        replay: &offline.replayed,
        others_cpu_share: all.recorded.others_cpu,
        rounds: all.plan.rounds,
        slice_ms: all.plan.slice.as_millis(),
        environment: &all.environment,
    }
}

/// Writes `audit.json` into `folder` and returns the readable report.
pub(super) fn write(folder: &Path, all: &All) -> Result<String> {
    let summary = summary(all);
    std::fs::create_dir_all(folder).context(format!("create {}", folder.display()))?;
    let json = serde_json::to_string_pretty(&summary).context(FILE)?;
    std::fs::write(folder.join(FILE), format!("{json}\n")).context(FILE)?;
    Ok(readable(&summary))
}

fn readable(summary: &Summary<'_>) -> String {
    let mut text = format!(
        "{}; others took {:.0} % of the machine; a sync of the disk alone {}\n",
        summary.environment.line(),
        summary.others_cpu_share * 100.0,
        spread(&summary.disk_sync_us, "us"),
    );
    for (tool, cells) in &summary.recording {
        for (cell, c) in cells {
            let range = |e: Option<Estimate>| {
                e.map_or_else(String::new, |e| format!("{:.3} [{:.3}, {:.3}]", e.value, e.low, e.high))
            };
            let _ = writeln!(
                text,
                "{tool:14} {cell:7} p50 {:.0} / {:.0} us = {}, p99 {:.0} / {:.0}, rps {:.0} / {:.0} = {}, cpu {:.0} / {:.0} us",
                c.on.p50_us,
                c.off.p50_us,
                range(c.p50_ratio),
                c.on.p99_us,
                c.off.p99_us,
                c.on.requests_per_second,
                c.off.requests_per_second,
                range(c.rps_ratio),
                c.on.authz_cpu_us,
                c.off.authz_cpu_us,
            );
        }
    }
    let _ = writeln!(
        text,
        "the disk alone would make it {:.3}",
        summary.recording_p50_ratio_of_the_disk_alone.unwrap_or(f64::NAN)
    );
    for one in summary.append {
        let _ = writeln!(
            text,
            "append {:3} producers, at once {:5}: {}, p50 {:.0} us, p99 {:.0} us",
            one.producers,
            one.at_once,
            spread(&one.records_per_s, "/s"),
            one.p50_us,
            one.p99_us
        );
    }
    for (name, verified) in [("whole log", summary.verify), ("decisions only", summary.verify_decisions_only)]
    {
        let _ = writeln!(
            text,
            "verify {name}: {}, {:.0} per CPU second; {} records of {:.0} bytes, {} checkpoints",
            spread(&verified.records_per_s, "/s"),
            verified.records_per_cpu_s,
            verified.records,
            verified.bytes_per_record,
            verified.checkpoints,
        );
    }
    let _ = writeln!(
        text,
        "replay {}; {:.0} bytes per decision",
        spread(&summary.replay.decisions_per_s, "/s"),
        summary.bytes_per_decision,
    );
    text
}

fn spread(spread: &Spread, unit: &str) -> String {
    let Spread { median, q1, q3, lowest, highest, .. } = spread;
    format!("{median:.0} {unit} [{lowest:.0} {q1:.0} {q3:.0} {highest:.0}]")
}
