//! What looking into content costs: answers, requests and streams through Envoy, memory of the filter, and scanning alone.

mod calls;
mod memory;
mod report;
mod scan;
mod soak;
mod stream;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cell::Scenario;
use crate::child::{CpuClock, Process};
use crate::environment::Environment;
use crate::error::{Context, Result};
use crate::random::Random;
use crate::run::ours;
use crate::target::{Parts, Target};
use crate::token::{Fresh, Issuer};

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Amount {
    pub(crate) rounds: usize,
    pub(crate) slice: Duration,
    /// How long the memory of the filter is watched under load.
    pub(crate) soak: Duration,
    /// Length of one measurement of scanning alone.
    pub(crate) scan: Duration,
    /// The scanning program as WebAssembly.
    pub(crate) scan_wasm: PathBuf,
}

/// Rounds that are thrown away before.
const WARM_UP: usize = 1;

/// What a target looks into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looks {
    /// Nothing: the filter has no obligation.
    Nowhere,
    /// All classes in requests, looked for by the server.
    Requests,
    /// All classes and all tiers in answers, looked for by the filter.
    Answers,
}

impl Looks {
    fn name(self) -> &'static str {
        match self {
            Self::Nowhere => "plain",
            Self::Requests => "request",
            Self::Answers => "response",
        }
    }
}

/// Three scenarios of mode `call` that differ in what is looked into alone.
struct Bench {
    targets: Vec<(Looks, Target)>,
    upstream: Process,
    token: Fresh,
    clock: CpuClock,
    random: Random,
    /// Of the next request.
    next: u64,
}

/// Everything that was measured.
struct All {
    calls: calls::Found,
    stream: stream::Found,
    memory: soak::Found,
    scan: scan::Found,
    others_cpu: f64,
    amount: Amount,
    environment: Environment,
}

/// Measures everything and writes `content.json` into `out`.
pub(crate) async fn measure(amount: &Amount, parts: &Parts, out: &Path) -> Result<()> {
    let environment = Environment::read(&parts.envoy, &parts.interdict, &parts.wasm, parts.concurrency);
    let folder = tempfile::Builder::new().prefix("interdict-content-bench-").tempdir();
    let folder = folder.context("create a folder")?;
    eprintln!("scanning alone");
    let (work, wasm) = (amount.scan, amount.scan_wasm.clone());
    // What blocks has a thread of its own, so that signals are still heard.
    let scan = tokio::task::spawn_blocking(move || scan::measure(work, &wasm)).await.context("scan")??;
    let mut bench = Bench::start(parts, folder.path()).await?;
    let started = bench.memory()?;
    eprintln!("through Envoy: about {} s", amount.duration().as_secs());
    let (mut calls, mut stream) = (calls::Found::default(), stream::Found::default());
    let before = bench.accounts()?;
    for round in 0..WARM_UP + amount.rounds {
        let measured = round >= WARM_UP;
        calls::round(&mut bench, amount.slice, measured.then_some(&mut calls)).await?;
        stream::round(&mut bench, amount.slice, measured.then_some(&mut stream)).await?;
        bench.tidy()?;
    }
    let others_cpu = bench.others_since(before)?;
    let loaded = bench.memory()?;
    eprintln!("memory under load: {} s", amount.soak.as_secs());
    let memory = soak::run(&mut bench, amount.soak, started, loaded).await?;
    let all = All { calls, stream, memory, scan, others_cpu, amount: amount.clone(), environment };
    println!("{}", report::write(out, &all)?);
    eprintln!("written to {}", out.join(report::FILE).display());
    Ok(())
}

impl Amount {
    fn duration(&self) -> Duration {
        let slices = calls::SLICES + stream::SLICES;
        (self.slice + calls::PAUSE) * u32::try_from((self.rounds + WARM_UP) * slices).unwrap_or(u32::MAX)
    }
}

impl Bench {
    async fn start(parts: &Parts, folder: &Path) -> Result<Self> {
        let issuer = Issuer::new()?;
        let (upstream, address) = Process::start_role("upstream", folder)?;
        let mut targets = Vec::new();
        for looks in [Looks::Nowhere, Looks::Requests, Looks::Answers] {
            let own = folder.join(looks.name());
            std::fs::create_dir(&own).context("create a folder")?;
            // Without the log of decisions: an hour of load would fill the disk, and no disk is what is measured.
            let mut parts = Parts { recording: false, ..parts.clone() };
            if looks != Looks::Nowhere {
                parts.bundles.push(Path::new("bench/content").join(looks.name()));
            }
            targets.push((looks, Target::start(Scenario::Call, &parts, address, &issuer, &own)?));
        }
        let token = Fresh::new(issuer)?;
        for (_, target) in &mut targets {
            target.become_ready(token.now()).await?;
        }
        Ok(Self { targets, upstream, token, clock: CpuClock::new()?, random: Random::new(5), next: 1 })
    }

    fn target(&mut self, looks: Looks) -> Result<&mut Target> {
        let found = self.targets.iter_mut().find(|(own, _)| *own == looks);
        found.map(|(_, target)| target).context("no such target")
    }

    fn memory(&mut self) -> Result<soak::Both> {
        Ok(soak::Both {
            looking: memory::Memory::of(self.target(Looks::Answers)?)?,
            plain: memory::Memory::of(self.target(Looks::Nowhere)?)?,
        })
    }

    fn tidy(&mut self) -> Result<()> {
        self.targets.iter().try_for_each(|(_, target)| target.tidy())?;
        self.token.renew()
    }

    /// Busy time and all time of the machine, and what of the busy time was ours.
    fn accounts(&self) -> Result<[Duration; 3]> {
        let (busy, total) = self.clock.machine()?;
        let mut own = ours(&[], &self.upstream, self.clock)?;
        for (_, target) in &self.targets {
            own += target.cpu(self.clock)?;
        }
        Ok([busy, total, own])
    }

    /// The part of the machine that others took.
    fn others_since(&self, [busy, total, own]: [Duration; 3]) -> Result<f64> {
        let [busy_now, total_now, own_now] = self.accounts()?;
        let others = (busy_now - busy).saturating_sub(own_now.saturating_sub(own));
        Ok(others.as_secs_f64() / (total_now - total).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use interdict_bench_scan::measure;

    use super::*;
    use crate::answer::Answer;
    use crate::cell::Payload;
    use crate::payload::{Request, Tool};

    fn clean(json: &[u8]) {
        measure(json, Duration::ZERO).unwrap();
    }

    #[test]
    fn nothing_is_found_in_the_answers_that_are_called_clean() {
        clean(&Answer::Clean.body().bytes);
        clean(&Answer::Long.body().bytes);
        let stream = String::from_utf8(Answer::Stream.body().bytes).unwrap();
        stream.lines().filter_map(|line| line.strip_prefix("data: ")).for_each(|data| clean(data.as_bytes()));
    }

    #[test]
    fn nothing_is_found_in_requests() {
        let mut request = Request::new(Payload::Small, Tool::Read, "t");
        for sequence in 0..20 {
            let bytes = request.fill(sequence * 7_919);
            let start = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
            clean(&bytes[start..]);
        }
    }

    #[test]
    fn something_is_found_in_the_dirty_answer() {
        assert!(measure(&Answer::Dirty.body().bytes, Duration::ZERO).is_err());
    }
}
