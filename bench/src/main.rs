//! Measures in one run, side by side and interleaved, what Envoy costs alone, with an authorization call to a server that
//! does not look, and with Interdict. See `bench/README.md`.

mod answer;
mod audit;
mod cell;
mod child;
mod content;
mod environment;
mod envoy;
mod error;
mod floor;
mod interdict;
mod load;
mod payload;
mod quote;
mod random;
mod report;
mod run;
mod stats;
mod target;
mod token;
mod upstream;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::audit::Amount;
use crate::cell::{Group, Scenario};
use crate::environment::Environment;
use crate::error::{Context, Failure, Result};
use crate::run::Plan;
use crate::target::Parts;

/// Measures Envoy with and without Interdict, side by side. Run from the root of the project.
#[derive(Debug, Parser)]
#[command(name = "interdict-bench")]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// Envoy's binary [default: the newest under .cache/envoy, else the one in PATH]
    #[arg(global = true, long)]
    envoy: Option<PathBuf>,
    /// The Interdict server.
    #[arg(global = true, long, default_value = "target/release/interdict")]
    interdict: PathBuf,
    /// The filter.
    #[arg(global = true, long, default_value = "target/wasm32-wasip1/wasm/interdict_filter.wasm")]
    wasm: PathBuf,
    /// Folder with call.yaml, split.yaml and native.yaml.
    #[arg(long, default_value = "envoy")]
    envoy_configs: PathBuf,
    /// Root folders of the policy bundle.
    #[arg(long, value_delimiter = ',', default_value = "policies,bench/bundle")]
    bundle: Vec<PathBuf>,
    /// Only these scenarios, e.g. `bare,floor,call`.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Only these payloads and connections, e.g. `1KB_1c,1KB_32c`.
    #[arg(long, value_delimiter = ',')]
    groups: Vec<String>,
    /// Measured rounds [default: 30, or 4 with --quick]
    #[arg(global = true, long)]
    rounds: Option<usize>,
    /// Length of one slice of load in milliseconds [default: 400, or 200 with --quick]
    #[arg(global = true, long)]
    slice_ms: Option<u64>,
    /// Worker threads of each Envoy. With one, connections cannot be spread unevenly.
    #[arg(long, default_value_t = 1)]
    concurrency: usize,
    /// About half a minute instead of about five; the numbers are rough.
    #[arg(global = true, long)]
    quick: bool,
    /// Where the results go [default: bench/results, or target/bench-quick with --quick]
    #[arg(global = true, long)]
    out: Option<PathBuf>,
}

/// Roles that the program starts itself in.
#[derive(Debug, Subcommand)]
enum Role {
    /// The authorization server that answers OK without looking.
    FloorServer,
    /// The MCP server behind every Envoy.
    Upstream,
    /// What recording, verifying and replaying cost, into audit.json [--rounds 15, --slice-ms 1000].
    Audit,
    /// What looking into content costs, into content.json [--rounds 20].
    Content {
        /// How long the memory of the filter is watched under load [default: two minutes, or ten seconds with --quick]
        #[arg(long)]
        hours: Option<f64>,
        /// The scanning program as WebAssembly; left out when it is not there.
        #[arg(long, default_value = "target/wasm32-wasip1/wasm/interdict-bench-scan.wasm")]
        scan_wasm: PathBuf,
    },
    /// Put the numbers of bench/results/summary.json into README.md.
    Quote,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.role {
        Some(Role::FloorServer) => many_threads(floor::serve()),
        Some(Role::Upstream) => one_thread(upstream::serve()),
        Some(Role::Quote) => quote::write(Path::new("bench/results/summary.json"), Path::new("README.md")),
        Some(Role::Audit) => one_thread(measure_audit(&arguments)),
        Some(Role::Content { hours, scan_wasm }) => {
            one_thread(measure_content(&arguments, *hours, scan_wasm.clone()))
        }
        None => one_thread(measure(&arguments)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("interdict-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn one_thread(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a runtime")?
        .block_on(work)
}

fn many_threads(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start a runtime")?
        .block_on(work)
}

fn parts(arguments: &Arguments) -> Parts {
    Parts {
        envoy: arguments.envoy.clone().unwrap_or_else(envoy::find),
        interdict: arguments.interdict.clone(),
        wasm: arguments.wasm.clone(),
        envoy_configs: arguments.envoy_configs.clone(),
        bundles: arguments.bundle.clone(),
        concurrency: arguments.concurrency,
        recording: true,
    }
}

async fn measure_audit(arguments: &Arguments) -> Result<()> {
    let quick = arguments.quick;
    let (rounds, out) = if quick { (3, "target/bench-quick") } else { (15, "bench/results") };
    let amount = Amount {
        rounds: arguments.rounds.unwrap_or(rounds),
        slice: Duration::from_millis(arguments.slice_ms.unwrap_or(if quick { 300 } else { 1_000 })),
        quick,
    };
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(out));
    let parts = parts(arguments);
    tokio::select! {
        measured = audit::measure(&amount, &parts, &out) => measured,
        reason = stopped() => Err(Failure::new(reason?)),
    }
}

async fn measure_content(arguments: &Arguments, hours: Option<f64>, scan_wasm: PathBuf) -> Result<()> {
    let quick = arguments.quick;
    let (rounds, out) = if quick { (3, "target/bench-quick") } else { (20, "bench/results") };
    let soak = match hours {
        Some(hours) => Duration::try_from_secs_f64(hours * 3600.0).context("--hours")?,
        None => Duration::from_secs(if quick { 10 } else { 120 }),
    };
    let amount = content::Amount {
        rounds: arguments.rounds.unwrap_or(rounds),
        slice: Duration::from_millis(arguments.slice_ms.unwrap_or(if quick { 200 } else { 400 })),
        soak,
        scan: Duration::from_millis(if quick { 20 } else { 200 }),
        scan_wasm,
    };
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(out));
    let parts = parts(arguments);
    tokio::select! {
        measured = content::measure(&amount, &parts, &out) => measured,
        reason = stopped() => Err(Failure::new(reason?)),
    }
}

async fn measure(arguments: &Arguments) -> Result<()> {
    let (rounds, slice_ms, out) =
        if arguments.quick { (4, 200, "target/bench-quick") } else { (30, 400, "bench/results") };
    let mut groups = Group::all();
    groups.retain(|group| arguments.groups.is_empty() || arguments.groups.contains(&group.name()));
    if groups.len() < arguments.groups.len() {
        return Err(Failure::new("--groups: known are 1KB_1c, 1KB_32c, 64KB_1c and 64KB_32c"));
    }
    let plan = Plan {
        groups,
        scenarios: if arguments.only.is_empty() { Scenario::ALL.to_vec() } else { arguments.only.clone() },
        rounds: arguments.rounds.unwrap_or(rounds),
        warm_up: if arguments.quick { 1 } else { 2 },
        slice: Duration::from_millis(arguments.slice_ms.unwrap_or(slice_ms)),
    };
    let parts = parts(arguments);
    let environment = Environment::read(&parts.envoy, &parts.interdict, &parts.wasm, parts.concurrency);
    eprintln!("measuring for about {} s", plan.duration().as_secs());
    let bound = plan.duration() * 2 + Duration::from_secs(120);
    // Leaving this function by any branch drops the run, and the run's children with it.
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(bound, run::run(&plan, &parts)) => {
            outcome.context(format!("the run took longer than {} s", bound.as_secs()))??
        }
        reason = stopped() => return Err(Failure::new(reason?)),
    };
    let folder = arguments.out.clone().unwrap_or_else(|| PathBuf::from(out));
    println!("{}", report::write(&folder, &plan, &outcome, &environment)?);
    eprintln!("written to {}", folder.display());
    Ok(())
}

/// Waits for a person or a supervisor to stop the run.
async fn stopped() -> Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for signals")?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.map(|()| "interrupted").context("listen for signals"),
        _ = terminate.recv() => Ok("told to stop"),
    }
}
