//! One scenario, running: its Envoy, its authorization server, and open connections to it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cell::{CONNECTIONS, Group, Payload, Scenario};
use crate::child::{CpuClock, Process, free_ports};
use crate::envoy::{self, Wiring};
use crate::error::{Context, Failure, Result};
use crate::interdict;
use crate::load::{self, Connection, Slice};
use crate::payload::{Request, Tool};
use crate::token::Issuer;

/// Compiling the Wasm module on a busy machine takes seconds.
const START: Duration = Duration::from_secs(120);

/// Where the programs and files are that a run puts together.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) envoy: PathBuf,
    pub(crate) interdict: PathBuf,
    pub(crate) wasm: PathBuf,
    pub(crate) envoy_configs: PathBuf,
    pub(crate) bundles: Vec<PathBuf>,
    pub(crate) concurrency: usize,
    /// Whether decisions are recorded, as they are by default.
    pub(crate) recording: bool,
}

#[derive(Debug)]
enum Authz {
    None,
    Floor(Process),
    Interdict(Process),
}

/// A scenario that answers. Each has an Envoy process and an authorization server of its own, so that the kernel's account
/// of CPU time belongs to it alone and nothing is warmed by another scenario.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) scenario: Scenario,
    address: SocketAddr,
    envoy: Process,
    authz: Authz,
    connections: BTreeMap<usize, Vec<Connection>>,
}

/// A slice of load with the CPU time that it cost.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) slice: Slice,
    pub(crate) envoy_cpu: Duration,
    pub(crate) authz_cpu: Duration,
}

impl Target {
    pub(crate) fn start(
        scenario: Scenario,
        parts: &Parts,
        upstream: SocketAddr,
        issuer: &Issuer,
        folder: &Path,
    ) -> Result<Self> {
        let ports = free_ports(2)?;
        let [listen, own] = ports.as_slice() else { return Err(Failure::new("two ports were asked for")) };
        let (authz, port) = match scenario {
            Scenario::Bare => (Authz::None, None),
            Scenario::Floor => {
                let (process, address) = Process::start_role("floor-server", folder)?;
                (Authz::Floor(process), Some(address.port()))
            }
            _ => {
                let Parts { interdict, bundles, recording, .. } = parts;
                let server =
                    interdict::start(interdict, bundles, scenario, *own, issuer, *recording, folder)?;
                (Authz::Interdict(server), Some(*own))
            }
        };
        let wasm = if matches!(scenario, Scenario::Call | Scenario::Split) {
            std::fs::canonicalize(&parts.wasm).context(format!("find {}", parts.wasm.display()))?
        } else {
            parts.wasm.clone()
        };
        let wiring = Wiring { listen: *listen, upstream: upstream.port(), authz: port, wasm };
        let config = envoy::configuration(scenario, &parts.envoy_configs, &wiring)?;
        let path = folder.join(format!("envoy-{}.json", scenario.name()));
        std::fs::write(&path, config.to_string()).context("write an Envoy configuration")?;
        let command = envoy::command(&parts.envoy, &path, parts.concurrency);
        let envoy = Process::start(&format!("envoy-{}", scenario.name()), command, folder)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *listen));
        Ok(Self { scenario, address, envoy, authz, connections: BTreeMap::new() })
    }

    /// Waits until a request passes, then opens all connections.
    pub(crate) async fn become_ready(&mut self, token: &str) -> Result<()> {
        let request = Request::new(Payload::Small, Tool::Append, token);
        let deadline = Instant::now() + START;
        while let Err(error) = self.probe(request.clone()).await {
            self.check_alive()?;
            if Instant::now() > deadline {
                let what = format!("scenario {} does not answer: {error}", self.scenario.name());
                return Err(Failure::new(format!("{what}{}", self.last_words())));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for count in CONNECTIONS {
            let mut connections = Vec::with_capacity(count);
            for _ in 0..count {
                connections.push(Connection::open(self.address, request.clone()).await?);
            }
            self.connections.insert(count, connections);
        }
        Ok(())
    }

    async fn probe(&self, request: Request) -> Result<()> {
        Connection::open(self.address, request).await?.call(0).await.map(drop)
    }

    /// Puts one slice of load on this scenario, request numbers from `first` on.
    pub(crate) async fn measure(
        &mut self,
        group: Group,
        tool: Tool,
        first: u64,
        token: &str,
        duration: Duration,
        clock: CpuClock,
    ) -> Result<Measured> {
        let request = Request::new(group.payload, tool, token);
        self.load(group.connections, &request, first, duration, clock).await
    }

    /// The same with any request.
    pub(crate) async fn load(
        &mut self,
        count: usize,
        request: &Request,
        first: u64,
        duration: Duration,
        clock: CpuClock,
    ) -> Result<Measured> {
        let connections = self.connections.get_mut(&count).context("no such connections")?;
        connections.iter_mut().for_each(|connection| connection.set_request(request.clone()));
        let (envoy, authz) = (self.envoy.pid(), self.authz.process().map(Process::pid));
        let authz_cpu = || authz.map_or(Ok(Duration::ZERO), |pid| clock.of(pid));
        let before = (clock.of(envoy)?, authz_cpu()?);
        let slice = load::run(connections, first, duration).await.map_err(|error| {
            let what = format!("scenario {}, {count} connections: {error}", self.scenario.name());
            Failure::new(format!("{what}{}", self.last_words()))
        })?;
        let after = (clock.of(envoy)?, authz_cpu()?);
        Ok(Measured {
            slice,
            envoy_cpu: after.0.saturating_sub(before.0),
            authz_cpu: after.1.saturating_sub(before.1),
        })
    }

    /// Where its Envoy listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn envoy_pid(&self) -> u32 {
        self.envoy.pid()
    }

    /// Of the authorization server, where there is one.
    pub(crate) fn authz_pid(&self) -> Option<u32> {
        self.authz.process().map(Process::pid)
    }

    /// After a round.
    pub(crate) fn tidy(&self) -> Result<()> {
        match &self.authz {
            Authz::Interdict(server) => server.empty_log(),
            Authz::None | Authz::Floor(_) => Ok(()),
        }
    }

    /// All CPU time so far of the processes of this scenario.
    pub(crate) fn cpu(&self, clock: CpuClock) -> Result<Duration> {
        let authz = self.authz.process().map_or(Ok(Duration::ZERO), |process| clock.of(process.pid()))?;
        Ok(clock.of(self.envoy.pid())? + authz)
    }

    /// Ends the authorization server as an operator does, once outcomes that are on their way have arrived.
    pub(crate) async fn stop_server(&mut self) -> Result<()> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        match &mut self.authz {
            Authz::Interdict(process) => process.terminate().await,
            Authz::None | Authz::Floor(_) => Ok(()),
        }
    }

    fn check_alive(&mut self) -> Result<()> {
        self.envoy.check_alive()?;
        match &mut self.authz {
            Authz::None => Ok(()),
            Authz::Floor(process) | Authz::Interdict(process) => process.check_alive(),
        }
    }

    fn last_words(&self) -> String {
        self.envoy.last_words() + &self.authz.process().map(Process::last_words).unwrap_or_default()
    }
}

impl Authz {
    fn process(&self) -> Option<&Process> {
        match self {
            Self::None => None,
            Self::Floor(process) | Self::Interdict(process) => Some(process),
        }
    }
}
