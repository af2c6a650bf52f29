//! `content.json`, and the same for a person.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::All;
use super::calls::{self, Part};
use super::scan;
use super::soak::{Both, Growth, Sample};
use crate::answer::Answer;
use crate::cell::CONNECTIONS;
use crate::environment::Environment;
use crate::error::{Context, Result};
use crate::run::Cell;
use crate::stats::{Estimate, Rounds, quantile_difference, rps_ratio};

/// Name of the file.
pub(super) const FILE: &str = "content.json";

const GOAL_RESPONSE_MS: f64 = 0.3;
const GOAL_NATIVE: f64 = 300.0;
const GOAL_WASM: f64 = 150.0;

/// `content.json`.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    /// What looking into an answer of 10 KB adds to the p50 of a call, in milliseconds, to a filter without obligations.
    response_10kb_added_p50_ms: Option<f64>,
    response_10kb_added_p99_ms: Option<f64>,
    /// The same of looking into a request with 1 KB of arguments.
    request_1kb_added_p50_ms: Option<f64>,
    request_1kb_added_p99_ms: Option<f64>,
    /// What looking adds to the time to the first event of a stream.
    first_event_added_p50_ms: Option<f64>,
    first_event_added_p99_ms: Option<f64>,
    /// Streams whose first event was not there before the second one, of those looked into.
    first_events_held: Option<u64>,
    /// Linear memory of the virtual machine of a worker after the soak.
    vm_bytes_per_worker: Option<u64>,
    /// Whether neither the machine nor its Envoy grew in the second half of the soak.
    memory_flat: bool,
    /// A document of 1 MB, classes alone.
    engine_native_mb_per_s: Option<f64>,
    engine_wasm_mb_per_s: Option<f64>,
    /// A document of 1 MB, read, and looked through for classes and instructions.
    all_native_mb_per_s: Option<f64>,
    all_wasm_mb_per_s: Option<f64>,
    goals: BTreeMap<&'static str, f64>,
    calls: BTreeMap<String, Compared>,
    first_event: Option<FirstEvent>,
    memory: Memory<'a>,
    scan: &'a scan::Found,
    /// Share of the machine's CPU time that programs outside the run took while calls and streams were measured.
    others_cpu_share: f64,
    rounds: usize,
    slice_ms: u128,
    environment: &'a Environment,
}

/// A cell that was looked into beside the same one that was not.
#[derive(Debug, Serialize)]
struct Compared {
    added_p50_us: Option<Estimate>,
    added_p99_us: Option<Estimate>,
    rps_ratio: Option<Estimate>,
    looked_into: Numbers,
    plain: Numbers,
}

#[derive(Debug, Serialize)]
struct Numbers {
    requests: u64,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    envoy_cpu_us: f64,
    authz_cpu_us: f64,
}

#[derive(Debug, Serialize)]
struct FirstEvent {
    event_bytes: usize,
    /// Between the two events, at the MCP server.
    pause_ms: u128,
    added_p50_us: Option<Estimate>,
    added_p99_us: Option<Estimate>,
    streams_looked_into: u64,
    streams_plain: u64,
    /// Reading and looking through so many bytes at the speed of the 10 KB document: what the event should be late by.
    one_event_native_us: Option<f64>,
    one_event_wasm_us: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Memory<'a> {
    after_start: &'a Both,
    after_load: &'a Both,
    soak_seconds: f64,
    soak_requests: u64,
    /// The second half of the soak.
    vm: Growth,
    envoy_resident: Growth,
    server_resident: Growth,
    samples: Vec<&'a Sample>,
}

impl Numbers {
    fn of(cell: &Cell) -> Self {
        let requests = cell.latencies.len();
        let quantile = |q| cell.latencies.value_at_quantile(q) as f64 / 1e3;
        Self {
            requests,
            requests_per_second: cell.requests_per_second(),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            envoy_cpu_us: cell.envoy_cpu.as_secs_f64() * 1e6 / requests as f64,
            authz_cpu_us: cell.authz_cpu.as_secs_f64() * 1e6 / requests as f64,
        }
    }
}

fn added_us(own: &Rounds, other: &Rounds, quantile: f64) -> Option<Estimate> {
    quantile_difference(own, other, quantile).map(|added| Estimate {
        value: added.value / 1e3,
        low: added.low / 1e3,
        high: added.high / 1e3,
        median_of_rounds: added.median_of_rounds / 1e3,
    })
}

fn name(part: Part, connections: usize) -> String {
    let part = match part {
        Part::Response10Kb => "response_10kb",
        Part::Request1Kb => "request_1kb",
    };
    format!("{part}_{connections}c")
}

fn compared(found: &calls::Found) -> BTreeMap<String, Compared> {
    let mut all = BTreeMap::new();
    for part in [Part::Response10Kb, Part::Request1Kb] {
        for connections in CONNECTIONS {
            let cell = |looked| found.get(&(part, connections, looked));
            if let (Some(looked), Some(plain)) = (cell(true), cell(false)) {
                let compared = Compared {
                    added_p50_us: added_us(&looked.rounds, &plain.rounds, 0.5),
                    added_p99_us: added_us(&looked.rounds, &plain.rounds, 0.99),
                    rps_ratio: rps_ratio(&looked.rounds, &plain.rounds),
                    looked_into: Numbers::of(looked),
                    plain: Numbers::of(plain),
                };
                all.insert(name(part, connections), compared);
            }
        }
    }
    all
}

fn first_event(all: &All) -> Option<FirstEvent> {
    let (looked, plain) = (all.stream.get(&true)?, all.stream.get(&false)?);
    let event_bytes = Answer::Stream.body().pause_at?;
    let time = |documents: &BTreeMap<_, scan::Speeds>| {
        Some(event_bytes as f64 / documents.get("10KB")?.get("all")?.median)
    };
    Some(FirstEvent {
        event_bytes,
        pause_ms: crate::upstream::PAUSE.as_millis(),
        added_p50_us: added_us(&looked.rounds, &plain.rounds, 0.5),
        added_p99_us: added_us(&looked.rounds, &plain.rounds, 0.99),
        streams_looked_into: looked.streams,
        streams_plain: plain.streams,
        one_event_native_us: time(&all.scan.native),
        one_event_wasm_us: all.scan.wasm.as_ref().and_then(time),
    })
}

fn memory(all: &All) -> Memory<'_> {
    let found = &all.memory;
    Memory {
        after_start: &found.started,
        after_load: &found.loaded,
        soak_seconds: found.samples.last().map_or(0.0, |sample| sample.seconds),
        soak_requests: found.requests,
        vm: found.growth(|memory| memory.vm),
        envoy_resident: found.growth(|memory| memory.envoy_resident),
        server_resident: found.growth(|memory| memory.server_resident),
        samples: found.samples.iter().collect(),
    }
}

fn summary(all: &All) -> Summary<'_> {
    let calls = compared(&all.calls);
    let first_event = first_event(all);
    let memory = memory(all);
    let milliseconds = |added: Option<Estimate>| added.map(|added| added.value / 1e3);
    let of = |part, quantile: fn(&Compared) -> Option<Estimate>| {
        milliseconds(calls.get(&name(part, 1)).and_then(quantile))
    };
    let native = |part: &str| Some(all.scan.native.get("1MB")?.get(part)?.median);
    let wasm = |part: &str| Some(all.scan.wasm.as_ref()?.get("1MB")?.get(part)?.median);
    Summary {
        response_10kb_added_p50_ms: of(Part::Response10Kb, |cell| cell.added_p50_us),
        response_10kb_added_p99_ms: of(Part::Response10Kb, |cell| cell.added_p99_us),
        request_1kb_added_p50_ms: of(Part::Request1Kb, |cell| cell.added_p50_us),
        request_1kb_added_p99_ms: of(Part::Request1Kb, |cell| cell.added_p99_us),
        first_event_added_p50_ms: milliseconds(first_event.as_ref().and_then(|event| event.added_p50_us)),
        first_event_added_p99_ms: milliseconds(first_event.as_ref().and_then(|event| event.added_p99_us)),
        first_events_held: all.stream.get(&true).map(|side| side.held),
        vm_bytes_per_worker: memory.samples.last().map(|sample| sample.memory.vm),
        memory_flat: memory.vm.flat && memory.envoy_resident.flat,
        engine_native_mb_per_s: native("engine"),
        engine_wasm_mb_per_s: wasm("engine"),
        all_native_mb_per_s: native("all"),
        all_wasm_mb_per_s: wasm("all"),
        goals: BTreeMap::from([
            ("response_10kb_added_p50_ms_at_most", GOAL_RESPONSE_MS),
            ("engine_native_mb_per_s_at_least", GOAL_NATIVE),
            ("engine_wasm_mb_per_s_at_least", GOAL_WASM),
            ("first_events_held_at_most", 0.0),
        ]),
        calls,
        first_event,
        memory,
        scan: &all.scan,
        others_cpu_share: all.others_cpu,
        rounds: all.amount.rounds,
        slice_ms: all.amount.slice.as_millis(),
        environment: &all.environment,
    }
}

/// Writes `content.json` into `folder` and returns the readable report.
pub(super) fn write(folder: &Path, all: &All) -> Result<String> {
    let summary = summary(all);
    std::fs::create_dir_all(folder).context(format!("create {}", folder.display()))?;
    let json = serde_json::to_string_pretty(&summary).context(FILE)?;
    std::fs::write(folder.join(FILE), format!("{json}\n")).context(FILE)?;
    Ok(readable(&summary))
}

fn readable(summary: &Summary<'_>) -> String {
    let others = summary.others_cpu_share * 100.0;
    let mut text = format!("{}; others took {others:.0} % of the machine\n", summary.environment.line());
    for (cell, c) in &summary.calls {
        let _ = writeln!(
            text,
            "{cell:18} p50 {:.0} / {:.0} us: +{}, p99 {:.0} / {:.0} us: +{}, requests/s {:.0} / {:.0}",
            c.looked_into.p50_us,
            c.plain.p50_us,
            range(c.added_p50_us),
            c.looked_into.p99_us,
            c.plain.p99_us,
            range(c.added_p99_us),
            c.looked_into.requests_per_second,
            c.plain.requests_per_second,
        );
    }
    if let Some(event) = &summary.first_event {
        let (p50, p99) = (range(event.added_p50_us), range(event.added_p99_us));
        let (held, streams) = (summary.first_events_held.unwrap_or_default(), event.streams_looked_into);
        let _ = writeln!(text, "first event        p50 +{p50} us, p99 +{p99} us, held {held} of {streams}");
    }
    text + &memory_lines(&summary.memory) + &scan_lines(summary.scan)
}

fn memory_lines(memory: &Memory<'_>) -> String {
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let (start, load) = (&memory.after_start, &memory.after_load);
    let mut text = String::new();
    for (name, both) in [("after start", start), ("after load", load)] {
        for (side, memory) in [("looked into", &both.looking), ("plain", &both.plain)] {
            let (vm, envoy) = (mib(memory.vm as f64), mib(memory.envoy_resident as f64));
            let _ =
                writeln!(text, "memory {name}, {side}: virtual machine {vm:.1} MiB, Envoy {envoy:.1} MiB");
        }
    }
    let watched =
        [("machine", memory.vm), ("Envoy", memory.envoy_resident), ("server", memory.server_resident)];
    for (name, growth) in watched {
        let _ = writeln!(
            text,
            "soak of {:.0} s, second half, {name}: {:.2} to {:.2} MiB, {:+.3} MiB per minute, flat {}",
            memory.soak_seconds,
            mib(growth.first),
            mib(growth.last),
            mib(growth.bytes_per_minute),
            growth.flat,
        );
    }
    text
}

fn scan_lines(scan: &scan::Found) -> String {
    let mut text = String::new();
    for (way, documents) in [("native", Some(&scan.native)), ("wasm", scan.wasm.as_ref())] {
        for (document, parts) in documents.into_iter().flatten() {
            let parts: Vec<String> =
                parts.iter().map(|(part, rate)| format!("{part} {:.0}", rate.median)).collect();
            let _ = writeln!(text, "scan {way} {document:5} MB/s: {}", parts.join(", "));
        }
    }
    if let Some(why) = &scan.wasm_left_out {
        let _ = writeln!(text, "scan wasm: left out, {why}");
    }
    text
}

fn range(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(String::new, |e| format!("{:.0} [{:.0}, {:.0}]", e.value, e.low, e.high))
}
