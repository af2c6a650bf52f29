//! The run: everything is started, warmed up, and then measured in many short rounds, every scenario in each of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::cell::{Group, Scenario};
use crate::child::{CpuClock, Process};
use crate::error::{Context, Result};
use crate::load;
use crate::payload::Tool;
use crate::random::Random;
use crate::stats::Rounds;
use crate::target::{Measured, Parts, Target};
use crate::token::Issuer;

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) groups: Vec<Group>,
    pub(crate) rounds: usize,
    /// Rounds that are thrown away before.
    pub(crate) warm_up: usize,
    pub(crate) slice: Duration,
}

impl Plan {
    /// What the load alone takes.
    pub(crate) fn duration(&self) -> Duration {
        let slices = (self.rounds + self.warm_up) * self.scenarios.len() * self.groups.len();
        (self.slice + PAUSE) * u32::try_from(slices).unwrap_or(u32::MAX)
    }
}

/// Between slices: late work of one scenario must not fall into the next one.
const PAUSE: Duration = Duration::from_millis(15);
/// A token is replaced long before it expires, between rounds, as a client would do it.
const TOKEN_AGE: Duration = Duration::from_secs(300);
/// Request numbers of one slice; far more than one can send.
const NUMBERS: u64 = 1_000_000;

/// One scenario in one group, over all rounds.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) latencies: Histogram<u64>,
    pub(crate) rounds: Rounds,
    pub(crate) seconds: f64,
    pub(crate) envoy_cpu: Duration,
    pub(crate) authz_cpu: Duration,
    /// One line per round: requests, seconds, p50 and p99 in nanoseconds.
    pub(crate) by_round: Vec<(u64, f64, u64, u64)>,
}

impl Cell {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            latencies: load::new_histogram()?,
            rounds: Rounds::new(),
            seconds: 0.0,
            envoy_cpu: Duration::ZERO,
            authz_cpu: Duration::ZERO,
            by_round: Vec::new(),
        })
    }

    pub(crate) fn add(&mut self, measured: &Measured) -> Result<()> {
        let (latencies, seconds) = (&measured.slice.latencies, measured.slice.elapsed.as_secs_f64());
        self.latencies.add(latencies).context("merge a histogram")?;
        self.rounds.push(latencies, seconds);
        self.seconds += seconds;
        self.envoy_cpu += measured.envoy_cpu;
        self.authz_cpu += measured.authz_cpu;
        let (p50, p99) = (latencies.value_at_quantile(0.5), latencies.value_at_quantile(0.99));
        self.by_round.push((latencies.len(), seconds, p50, p99));
        Ok(())
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }
}

/// Everything that a run found out.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) cells: BTreeMap<(Group, Scenario), Cell>,
    /// Share of the machine's CPU time, during the measured rounds, that other programs took (0..=1).
    pub(crate) others_cpu: f64,
    pub(crate) started: std::time::SystemTime,
}

/// Runs the plan. All children end with this future, whether it completes, fails or is dropped.
pub(crate) async fn run(plan: &Plan, parts: &Parts) -> Result<Outcome> {
    let folder = tempfile::Builder::new().prefix("interdict-bench-").tempdir().context("create a folder")?;
    let clock = CpuClock::new()?;
    let issuer = Issuer::new()?;
    let mut token = (issuer.mint()?, Instant::now());
    let (upstream, upstream_address) = Process::start_role("upstream", folder.path())?;
    let mut targets = Vec::new();
    for &scenario in &plan.scenarios {
        targets.push(Target::start(scenario, parts, upstream_address, &issuer, folder.path())?);
    }
    for target in &mut targets {
        target.become_ready(&token.0).await?;
        eprintln!("{:>8}: answers ({})", target.scenario.name(), target.scenario.describe());
    }

    let started = std::time::SystemTime::now();
    let mut cells = BTreeMap::new();
    let mut random = Random::new(1);
    let mut accounts = None;
    for round in 0..plan.warm_up + plan.rounds {
        let measured = round >= plan.warm_up;
        if round == plan.warm_up {
            accounts = Some((clock.machine()?, ours(&targets, &upstream, clock)?));
        }
        if token.1.elapsed() > TOKEN_AGE {
            token = (issuer.mint()?, Instant::now());
        }
        let mut groups: Vec<(usize, Group)> = plan.groups.iter().copied().enumerate().collect();
        random.shuffle(&mut groups);
        for (index, group) in groups {
            // The scenarios of one group follow each other directly, in an order that changes every time.
            random.shuffle(&mut targets);
            let first = (round as u64 * 16 + index as u64) * NUMBERS;
            for target in &mut targets {
                let result = target.measure(group, Tool::Append, first, &token.0, plan.slice, clock).await?;
                tokio::time::sleep(PAUSE).await;
                if measured {
                    cells.entry((group, target.scenario)).or_insert(Cell::new()?).add(&result)?;
                }
            }
        }
        targets.iter().try_for_each(Target::tidy)?;
        if measured && (round + 1 - plan.warm_up).is_multiple_of(5) {
            eprintln!("round {} of {}", round + 1 - plan.warm_up, plan.rounds);
        }
    }
    let others_cpu = match accounts {
        Some(((busy, total), own)) => {
            let (busy_now, total_now) = clock.machine()?;
            let own_spent = ours(&targets, &upstream, clock)?.saturating_sub(own);
            (busy_now - busy).saturating_sub(own_spent).as_secs_f64() / (total_now - total).as_secs_f64()
        }
        None => 0.0,
    };
    Ok(Outcome { cells, others_cpu, started })
}

/// CPU time of all processes of the run, this one included.
pub(crate) fn ours(targets: &[Target], upstream: &Process, clock: CpuClock) -> Result<Duration> {
    let mut sum = clock.of(upstream.pid())? + clock.of(std::process::id())?;
    for target in targets {
        sum += target.cpu(clock)?;
    }
    Ok(sum)
}
