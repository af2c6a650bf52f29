//! The same calls through two servers that differ in `audit.enabled` alone, in alternating slices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Amount;
use super::disk::SyncFloor;
use crate::cell::{CONNECTIONS, Group, Payload, Scenario};
use crate::child::{CpuClock, Process};
use crate::error::{Context, Result};
use crate::interdict;
use crate::payload::Tool;
use crate::random::Random;
use crate::run::{Cell, ours};
use crate::stats::Spread;
use crate::target::{Parts, Target};
use crate::token::Issuer;

/// After a slice with recording: checkpoints and outcomes that are still to come must not fall into a slice of another.
const SETTLE: Duration = Duration::from_millis(1_100);
/// After a slice without.
const PAUSE: Duration = Duration::from_millis(30);
/// A token is replaced long before it expires.
const TOKEN_AGE: Duration = Duration::from_secs(300);
/// Request numbers of one slice; far more than one can send.
const NUMBERS: u64 = 1_000_000;
/// How long syncs of the disk alone are timed in every round.
const SYNCS: Duration = Duration::from_millis(250);

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) warm_up: usize,
    /// Long enough for the checkpoint of every second to fall into it.
    pub(crate) slice: Duration,
    /// Decisions that the log shall hold in the end.
    pub(crate) decisions: u64,
}

impl Plan {
    pub(super) fn of(amount: &Amount) -> Self {
        Self {
            rounds: amount.rounds,
            warm_up: if amount.quick { 1 } else { 2 },
            slice: amount.slice,
            decisions: if amount.quick { 5_000 } else { 100_000 },
        }
    }

    /// What the load alone takes.
    pub(super) fn duration(&self) -> Duration {
        // Two tools with each number of connections, with and without recording.
        let pairs = u32::try_from((self.rounds + self.warm_up) * CONNECTIONS.len() * 2).unwrap_or(u32::MAX);
        (self.slice * 2 + SETTLE + PAUSE) * pairs
    }
}

/// Tool, connections, and whether it was recorded.
pub(super) type Key = (Tool, usize, bool);

/// What was found out, and the log that it left.
pub(super) struct Recorded {
    pub(super) cells: BTreeMap<Key, Cell>,
    /// Microseconds of one write and sync of the disk alone.
    pub(super) syncs: Spread,
    pub(super) others_cpu: f64,
    pub(super) decisions: u64,
    pub(super) log: PathBuf,
}

struct Bench {
    off: Target,
    on: Target,
    issuer: Issuer,
    token: (String, Instant),
    clock: CpuClock,
    next: u64,
    decisions: u64,
}

/// Runs the plan; the log is closed and lies in `folder` afterwards.
pub(super) async fn run(plan: &Plan, parts: &Parts, folder: &Path) -> Result<Recorded> {
    let issuer = Issuer::new()?;
    let token = (issuer.mint()?, Instant::now());
    let (upstream, address) = Process::start_role("upstream", folder)?;
    let start = |recording: bool, name: &str| {
        let own = folder.join(name);
        std::fs::create_dir(&own).context("create a folder")?;
        let parts = Parts { recording, ..parts.clone() };
        Target::start(Scenario::Call, &parts, address, &issuer, &own)
    };
    let (mut off, mut on) = (start(false, "off")?, start(true, "on")?);
    off.become_ready(&token.0).await?;
    on.become_ready(&token.0).await?;
    // `become_ready` made one call.
    let mut bench = Bench { off, on, issuer, token, clock: CpuClock::new()?, next: 1, decisions: 1 };
    let mut floor = SyncFloor::new(folder)?;
    let mut cells = BTreeMap::new();
    let mut random = Random::new(3);
    let mut accounts = None;
    for round in 0..plan.warm_up + plan.rounds {
        if round == plan.warm_up {
            accounts = Some((bench.clock.machine()?, bench.spent(&upstream)?));
        }
        bench.round(&mut random, plan.slice, (round >= plan.warm_up).then_some(&mut cells)).await?;
        floor.measure(SYNCS)?;
        if (round + 1).is_multiple_of(5) {
            eprintln!("round {} of {}", round + 1, plan.warm_up + plan.rounds);
        }
    }
    let others_cpu = match accounts {
        Some(((busy, total), own)) => {
            let (busy_now, total_now) = bench.clock.machine()?;
            let spent = bench.spent(&upstream)?.saturating_sub(own);
            (busy_now - busy).saturating_sub(spent).as_secs_f64() / (total_now - total).as_secs_f64()
        }
        None => 0.0,
    };
    bench.fill(plan.decisions).await?;
    let decisions = bench.decisions;
    bench.on.stop_server().await?;
    let log = folder.join("on").join(interdict::LOG);
    Ok(Recorded { cells, syncs: floor.microseconds(), others_cpu, decisions, log })
}

impl Bench {
    fn spent(&self, upstream: &Process) -> Result<Duration> {
        Ok(ours(std::slice::from_ref(&self.off), upstream, self.clock)? + self.on.cpu(self.clock)?)
    }

    /// Every cell once: with and without recording directly after one another, in an order that changes.
    async fn round(
        &mut self,
        random: &mut Random,
        slice: Duration,
        mut cells: Option<&mut BTreeMap<Key, Cell>>,
    ) -> Result<()> {
        if self.token.1.elapsed() > TOKEN_AGE {
            self.token = (self.issuer.mint()?, Instant::now());
        }
        for connections in CONNECTIONS {
            for tool in [Tool::Append, Tool::Read] {
                let mut sides = [false, true];
                random.shuffle(&mut sides);
                self.next += NUMBERS;
                for recording in sides {
                    let cell = cells.as_deref_mut().map(|cells| (cells, (tool, connections, recording)));
                    self.slice(tool, connections, recording, slice, cell).await?;
                }
            }
        }
        self.off.tidy()?;
        self.on.tidy()
    }

    async fn slice(
        &mut self,
        tool: Tool,
        connections: usize,
        recording: bool,
        length: Duration,
        cell: Option<(&mut BTreeMap<Key, Cell>, Key)>,
    ) -> Result<()> {
        let group = Group { payload: Payload::Small, connections };
        let target = if recording { &mut self.on } else { &mut self.off };
        let measured = target.measure(group, tool, self.next, &self.token.0, length, self.clock).await?;
        if recording {
            self.decisions += measured.slice.latencies.len();
        }
        tokio::time::sleep(if recording { SETTLE } else { PAUSE }).await;
        if let Some((cells, key)) = cell {
            cells.entry(key).or_insert(Cell::new()?).add(&measured)?;
        }
        Ok(())
    }

    /// More decisions until the log is as long as verification and replay want it.
    async fn fill(&mut self, wanted: u64) -> Result<()> {
        while self.decisions < wanted {
            self.next += NUMBERS;
            self.slice(Tool::Append, 32, true, Duration::from_secs(5), None).await?;
            eprintln!("{} of {wanted} decisions", self.decisions);
        }
        Ok(())
    }
}
