//! What is left of a run: `summary.json`, `results.md`, `rounds.csv` and the raw histograms.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Serialize;

use crate::cell::{Group, Scenario};
use crate::environment::Environment;
use crate::error::{Context, Result};
use crate::run::{Cell, Outcome, Plan};
use crate::stats::{Estimate, added_ratio, rps_ratio};

/// The goals of the project (`docs/architecture.md`, Speed).
const GOAL_P50: f64 = 1.25;
const GOAL_P99: f64 = 1.5;

/// `summary.json`. Ratios are `null` when the run did not measure what they need.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    /// Scenario `call`, 1 KB, 1 connection: added p50 over bare, divided by what the floor adds.
    added_p50_ratio: Option<f64>,
    added_p99_ratio: Option<f64>,
    /// Scenario `call`, 1 KB, 32 connections: requests per second divided by the floor's.
    rps_ratio: Option<f64>,
    goals: BTreeMap<&'static str, f64>,
    /// Scenario, then group: the same ratios with their ranges.
    ratios: BTreeMap<&'static str, BTreeMap<String, Ratios>>,
    cells: Vec<Numbers>,
    /// Share of the machine's CPU time that programs outside the run took while it measured.
    others_cpu_share: f64,
    rounds: usize,
    slice_ms: u128,
    environment: &'a Environment,
}

#[derive(Debug, Serialize)]
struct Ratios {
    added_p50_ratio: Option<Estimate>,
    added_p90_ratio: Option<Estimate>,
    added_p99_ratio: Option<Estimate>,
    rps_ratio: Option<Estimate>,
    /// CPU time per request, Envoy and authorization server together, added over bare, divided by what the floor adds.
    added_cpu_ratio: Option<f64>,
}

/// One cell in absolute numbers.
#[derive(Debug, Serialize)]
struct Numbers {
    scenario: Scenario,
    payload: &'static str,
    connections: usize,
    requests: u64,
    seconds: f64,
    requests_per_second: f64,
    mean_us: f64,
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
    envoy_cpu_us: f64,
    authz_cpu_us: f64,
}

impl Numbers {
    fn new(group: Group, scenario: Scenario, cell: &Cell) -> Self {
        let quantile = |q| cell.latencies.value_at_quantile(q) as f64 / 1e3;
        let per_request = |cpu: Duration| cpu.as_secs_f64() * 1e6 / cell.latencies.len() as f64;
        Self {
            scenario,
            payload: group.payload.name(),
            connections: group.connections,
            requests: cell.latencies.len(),
            seconds: cell.seconds,
            requests_per_second: cell.requests_per_second(),
            mean_us: cell.latencies.mean() / 1e3,
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: cell.latencies.max() as f64 / 1e3,
            envoy_cpu_us: per_request(cell.envoy_cpu),
            authz_cpu_us: per_request(cell.authz_cpu),
        }
    }

    fn cpu_us(&self) -> f64 {
        self.envoy_cpu_us + self.authz_cpu_us
    }
}

type Cells = BTreeMap<(Group, Scenario), Cell>;

/// Writes everything into `folder` and returns the readable report.
pub(crate) fn write(
    folder: &Path,
    plan: &Plan,
    outcome: &Outcome,
    environment: &Environment,
) -> Result<String> {
    fs::create_dir_all(folder).context(format!("create {}", folder.display()))?;
    let cells: Vec<Numbers> =
        outcome.cells.iter().map(|((group, s), cell)| Numbers::new(*group, *s, cell)).collect();
    let mut ratios: BTreeMap<&'static str, BTreeMap<String, Ratios>> = BTreeMap::new();
    for (group, scenario) in outcome.cells.keys() {
        if !matches!(scenario, Scenario::Bare | Scenario::Floor) {
            let found = compare(&outcome.cells, *group, *scenario);
            ratios.entry(scenario.name()).or_default().insert(group.name(), found);
        }
    }
    let headline = |group: Group, pick: fn(&Ratios) -> Option<Estimate>| {
        ratios
            .get("call")
            .and_then(|by_group| by_group.get(&group.name()))
            .and_then(pick)
            .map(|found| found.value)
    };
    let summary = Summary {
        added_p50_ratio: headline(Group::LATENCY, |r| r.added_p50_ratio),
        added_p99_ratio: headline(Group::LATENCY, |r| r.added_p99_ratio),
        rps_ratio: headline(Group::THROUGHPUT, |r| r.rps_ratio),
        goals: BTreeMap::from([("added_p50_ratio_at_most", GOAL_P50), ("added_p99_ratio_at_most", GOAL_P99)]),
        ratios,
        cells,
        others_cpu_share: outcome.others_cpu,
        rounds: plan.rounds,
        slice_ms: plan.slice.as_millis(),
        environment,
    };
    let save =
        |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).context(format!("write {name}"));
    let json = serde_json::to_string_pretty(&summary).context("summary.json")?;
    save("summary.json", format!("{json}\n").as_bytes())?;
    save("rounds.csv", rounds(&outcome.cells).as_bytes())?;
    save("histograms.hlog", &histograms(outcome)?)?;
    let readable = readable(&summary);
    save("results.md", readable.as_bytes())?;
    Ok(readable)
}

fn compare(cells: &Cells, group: Group, scenario: Scenario) -> Ratios {
    let cell = |scenario| cells.get(&(group, scenario));
    let (own, bare, floor) = (cell(scenario), cell(Scenario::Bare), cell(Scenario::Floor));
    let added = |quantile| added_ratio(&own?.rounds, &bare?.rounds, &floor?.rounds, quantile);
    let cpu = |scenario| cell(scenario).map(|cell| Numbers::new(group, scenario, cell).cpu_us());
    let added_cpu = || {
        let bare = cpu(Scenario::Bare)?;
        Some((cpu(scenario)? - bare) / (cpu(Scenario::Floor)? - bare)).filter(|ratio: &f64| ratio.is_finite())
    };
    Ratios {
        added_p50_ratio: added(0.5),
        added_p90_ratio: added(0.9),
        added_p99_ratio: added(0.99),
        rps_ratio: own.zip(floor).and_then(|(own, floor)| rps_ratio(&own.rounds, &floor.rounds)),
        added_cpu_ratio: added_cpu(),
    }
}

fn rounds(cells: &Cells) -> String {
    let mut text = String::from("scenario,payload,connections,round,requests,seconds,p50_ns,p99_ns\n");
    for ((group, scenario), cell) in cells {
        for (round, (requests, seconds, p50, p99)) in cell.by_round.iter().enumerate() {
            let (name, payload, connections) = (scenario.name(), group.payload.name(), group.connections);
            let _ =
                writeln!(text, "{name},{payload},{connections},{round},{requests},{seconds:.6},{p50},{p99}");
        }
    }
    text
}

/// An HdrHistogram interval log (version 2, deflated), one line per cell, tagged `scenario_payload_connections`, in nanoseconds.
fn histograms(outcome: &Outcome) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("latencies in nanoseconds, all rounds of a cell merged")
        .with_start_time(outcome.started);
    let mut log = builder.begin_log_with(&mut bytes, &mut serializer).context("histograms.hlog")?;
    for ((group, scenario), cell) in &outcome.cells {
        let tag = format!("{}_{}", scenario.name(), group.name());
        let length = Duration::from_secs_f64(cell.seconds);
        log.write_histogram(&cell.latencies, Duration::ZERO, length, Tag::new(&tag))
            .context("histograms.hlog")?;
    }
    Ok(bytes)
}

fn readable(summary: &Summary<'_>) -> String {
    let mut text = String::from("# Envoy with and without Interdict, one run\n\n");
    let number = |value: Option<f64>| value.map_or_else(|| "not measured".to_owned(), |v| format!("{v:.2}"));
    let _ = write!(
        text,
        "{}. {} rounds of {} ms per scenario and cell, interleaved; other programs took {:.0} % of the machine meanwhile.\n\n\
         | headline, scenario call | measured | goal |\n|---|---|---|\n\
         | `added_p50_ratio` (1 KB, 1 connection) | {} | at most {GOAL_P50} |\n\
         | `added_p99_ratio` (1 KB, 1 connection) | {} | at most {GOAL_P99} |\n\
         | `rps_ratio` (1 KB, 32 connections) | {} | |\n\n\
         An added ratio is the latency that a scenario adds over bare Envoy, divided by what the floor adds: native ext_authz to\n\
         a server that answers OK without looking. `rps` is divided by the floor's. In brackets: 95 % range over the rounds.\n",
        summary.environment.line(),
        summary.rounds,
        summary.slice_ms,
        summary.others_cpu_share * 100.0,
        number(summary.added_p50_ratio),
        number(summary.added_p99_ratio),
        number(summary.rps_ratio),
    );
    for group in Group::all() {
        let same = |n: &&Numbers| n.payload == group.payload.name() && n.connections == group.connections;
        if !summary.cells.iter().any(|n| same(&n)) {
            continue;
        }
        let _ = write!(
            text,
            "\n## {} arguments, {} connection(s)\n\n\
             | scenario | p50 µs | p90 µs | p99 µs | p99.9 µs | mean µs | requests/s | Envoy CPU µs | authz CPU µs | added p50 | added p99 | rps |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|\n",
            group.payload.name(),
            group.connections
        );
        for n in summary.cells.iter().filter(same) {
            let ratios =
                summary.ratios.get(n.scenario.name()).and_then(|by_group| by_group.get(&group.name()));
            let range = |pick: fn(&Ratios) -> Option<Estimate>| {
                let found = ratios.and_then(pick);
                found.map_or_else(String::new, |e| format!("{:.2} [{:.2}, {:.2}]", e.value, e.low, e.high))
            };
            let _ = writeln!(
                text,
                "| {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {} | {} |",
                n.scenario.name(),
                n.p50_us,
                n.p90_us,
                n.p99_us,
                n.p999_us,
                n.mean_us,
                n.requests_per_second,
                n.envoy_cpu_us,
                n.authz_cpu_us,
                range(|r| r.added_p50_ratio),
                range(|r| r.added_p99_ratio),
                range(|r| r.rps_ratio),
            );
        }
    }
    let _ = write!(text, "\n`bench/README.md` says what these numbers mean and what they do not.\n");
    text
}
