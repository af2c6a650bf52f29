//! `interdict witness`: a process of its own that cosigns checkpoints of logs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Failure;
use crate::clock::SystemClock;
use crate::config::LogConfig;
use crate::telemetry::logs;
use crate::witness::{KnownLog, Settings, cosigner, serve};

pub(super) const HELP: &str = "\
Examples:
  interdict witness --key witness.key --state seen \\
      --log 'interdict-0f3a9c11d2e4b567/*=interdict-0f3a9c11d2e4b567+a1b2c3d4+AbC…'
  interdict witness --listen 0.0.0.0:7380 --key /etc/witness/key --state /var/lib/witness \\
      --name witness.example/w1 --log 'payments/acme=payments+a1b2c3d4+AbC…'

The key is made at the first start (mode 0600). Its public half is printed on standard output
and written beside it with the ending .vkey; the log's configuration names it:
  audit: {witnesses: [{url: 'http://127.0.0.1:7380/', key: '…'}]}
The log's verifier key lies in its audit directory (log.vkey).

Run it on another machine, under another administration, and keep its state: a witness that
forgets protects nobody. It speaks C2SP tlog-witness (POST /add-checkpoint) over plain HTTP/1.1;
put TLS in front of it.

Exit codes: 0 ended by a signal, 2 it did not start: usage error.";

#[derive(Debug, Args)]
pub(super) struct WitnessArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7380")]
    listen: SocketAddr,
    /// The folder that holds the last cosigned checkpoint of every log; made with mode 0700 when absent.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The signing key: 32 bytes as 64 hex digits; made when absent.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The name of the key, a URL without its scheme by custom [default: made from the key]. It never changes.
    #[arg(long)]
    name: Option<String>,
    /// A log: its origin and the verifier key that signs its checkpoints. `ORIGIN/*` stands for every origin below, one
    /// per tenant. May be given more than once, also for one origin while its key changes.
    #[arg(long = "log", value_name = "ORIGIN=VKEY", required = true)]
    logs: Vec<KnownLog>,
}

pub(super) fn run(args: WitnessArgs) -> Result<u8, Failure> {
    let _log = logs::install(LogConfig::default());
    let cosigner = cosigner(&args.key, args.name.as_deref())
        .map_err(|error| Failure::usage(format!("--key: {error}")))?;
    println!("{}", cosigner.verifier());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
    let settings = Settings { listen: args.listen, state: args.state, logs: args.logs };
    runtime
        .block_on(serve(settings, cosigner, Arc::new(SystemClock)))
        .map_err(|error| Failure::usage(error.to_string()))?;
    Ok(0)
}
