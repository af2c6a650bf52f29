//! Assembly: from a [`Config`] to a running server, and from a signal to its end.
//!
//! Start order: log, bundle, keys, store, decider, sockets. Whatever cannot be had stops the start, so that Envoy never
//! talks to half a server. Stop order: health says NOT_SERVING, calls under way are answered, what takes too long is cut,
//! and only then the admin API closes: a held call can be approved to the last moment. The log closes last.

mod error;
mod evidence;
mod exposed;
mod grpc;
mod key;
mod parts;
mod rehearsal;
pub(crate) mod sockets;
#[cfg(test)]
pub(crate) mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::error::ServeError;
use self::evidence::Evidence;
pub use self::exposed::{Exposed, exposed_secrets};
pub(crate) use self::key::beside as key_beside;
pub use self::parts::{Kept, decider};
use self::parts::{Opened, open_files};
pub use self::rehearsal::{Part, Rehearsal, rehearse};
use crate::admin::{AdminState, AdminToken};
use crate::bundle::BundleKeeper;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ListenAddress};
use crate::decide::Decider;
use crate::telemetry::metrics::Metrics;

/// How long admin and metrics calls may take after the last decision.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Where a server listens, ports as they were given by the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Envoy asks here.
    pub grpc: ListenAddress,
    /// The admin API.
    pub admin: Option<SocketAddr>,
    /// Prometheus.
    pub metrics: Option<SocketAddr>,
}

/// A server that runs in this process.
#[derive(Debug)]
pub struct Running {
    addresses: Addresses,
    bundle: Arc<BundleKeeper>,
    metrics: Arc<Metrics>,
    decider: Arc<Decider>,
    stop: watch::Sender<bool>,
    close: watch::Sender<bool>,
    grpc: grpc::GrpcTask,
    evidence: Option<Evidence>,
    others: Vec<JoinHandle<()>>,
    drain: Duration,
    socket_file: Option<PathBuf>,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every call was answered.
    Clean,
    /// The time limit passed with calls under way. The end of the process cuts them off, and Envoy denies them; a
    /// process that lives on keeps their connections until they end.
    Cut,
    /// The gRPC server failed before it was asked to stop.
    Failed,
}

/// Runs until SIGTERM or SIGINT, then drains; a second signal ends the drain.
///
/// # Errors
/// Whatever stops the start, see [`ServeError`].
pub async fn serve(config: Config) -> Result<Drained, ServeError> {
    let mut signals = sockets::StopSignals::listen();
    let mut running = Running::start(config).await?;
    let ended = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, drain_seconds = running.drain.as_secs(), "draining");
            let evidence = running.evidence.clone();
            let ended = tokio::select! {
                ended = running.shutdown() => Some(ended),
                name = signals.next() => {
                    tracing::warn!(signal = name, "a second signal; calls under way are cut off");
                    None
                }
            };
            match (ended, evidence) {
                (Some(ended), _) => ended,
                (None, Some(evidence)) => {
                    evidence.stop(false).await;
                    Drained::Cut
                }
                (None, None) => Drained::Cut,
            }
        }
        () = running.failed() => {
            tracing::error!("the gRPC server ended by itself");
            running.shutdown().await;
            Drained::Failed
        }
    };
    tracing::info!(clean = ended == Drained::Clean, "stopped");
    Ok(ended)
}

impl Running {
    /// Starts everything and returns once every socket listens.
    ///
    /// # Errors
    /// Whatever stops the start, see [`ServeError`].
    pub async fn start(config: Config) -> Result<Self, ServeError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let metrics = Arc::new(Metrics::new());
        for exposed in exposed_secrets(&config) {
            tracing::warn!(key = %exposed.key, "{exposed}");
        }
        let config = Arc::new(config);
        let evidence = {
            let (config, clock, metrics) = (Arc::clone(&config), Arc::clone(&clock), Arc::clone(&metrics));
            tokio::task::spawn_blocking(move || Evidence::open(&config, &clock, &metrics)).await??
        };
        if let Some(evidence) = &evidence {
            evidence.started(&config).await?;
        }
        let assembled = Self::assemble(&config, evidence.clone(), clock, metrics).await;
        if let (Err(_), Some(evidence)) = (&assembled, &evidence) {
            // Nothing was decided, and the log says so.
            evidence.stop(true).await;
        }
        assembled
    }

    async fn assemble(
        config: &Arc<Config>,
        evidence: Option<Evidence>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ServeError> {
        let Opened { bundle, store, key, pins, totals } = {
            let (config, clock, metrics) = (Arc::clone(config), Arc::clone(&clock), Arc::clone(&metrics));
            let recorder = evidence.as_ref().map(Evidence::recorder);
            tokio::task::spawn_blocking(move || open_files(&config, recorder, clock, metrics)).await??
        };
        let recording = evidence.as_ref().map(|evidence| Arc::clone(&evidence.recording));
        let (clock_too, metrics_too) = (Arc::clone(&clock), Arc::clone(&metrics));
        let kept =
            Kept { recording: recording.clone(), pins: Arc::new(pins.clone()), totals: totals.clone() };
        let decider = decider(config, &bundle, Arc::clone(&store), key, clock_too, metrics_too, kept).await?;
        let decider = Arc::new(decider);

        let (stop, stopping) = watch::channel(false);
        let (close, closing) = watch::channel(false);
        let mut others = Vec::new();
        let admin = match &config.listen.admin {
            Some(listen) => {
                let token = Arc::new(AdminToken::open(&listen.token_file)?);
                let (bundle, recording) = (Arc::clone(&bundle), recording.clone());
                let pins = Some(pins.clone());
                let content = Arc::clone(decider.content());
                let state = AdminState { store, bundle, clock, token, recording, pins, totals, content };
                let app = crate::admin::router(state);
                let (address, task) =
                    sockets::serve_http("listen.admin.address", listen.address, app, closing.clone()).await?;
                others.push(task);
                Some(address)
            }
            None => None,
        };
        let prometheus = match &config.listen.metrics {
            Some(listen) => {
                let app = metrics_app(Arc::clone(&metrics));
                let (address, task) =
                    sockets::serve_http("listen.metrics.address", listen.address, app, closing.clone())
                        .await?;
                others.push(task);
                Some(address)
            }
            None => None,
        };
        if let Some(evidence) = &evidence {
            others.extend(evidence.chores().into_iter().map(|chore| until(closing.clone(), chore)));
        }
        let (address, grpc) = grpc::serve_grpc(config, Arc::clone(&decider), recording, stopping).await?;
        let period = Duration::from_secs(config.bundle.reload_seconds);
        others.push(until(closing, Arc::clone(&bundle).watch(period)));

        let addresses = Addresses { grpc: address, admin, metrics: prometheus };
        warn_of_plain_text(&addresses, config.listen.grpc.tls.is_some());
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            grpc = %addresses.grpc,
            admin = addresses.admin.map(tracing::field::display),
            metrics = addresses.metrics.map(tracing::field::display),
            tls = config.listen.grpc.tls.is_some(),
            bundle = %bundle.status().digest,
            "started"
        );
        let socket_file = match &addresses.grpc {
            ListenAddress::Unix(path) => Some(path.clone()),
            ListenAddress::Tcp(_) => None,
        };
        let drain = Duration::from_secs(config.listen.grpc.drain_seconds);
        Ok(Self {
            addresses,
            bundle,
            metrics,
            decider,
            stop,
            close,
            grpc,
            evidence,
            others,
            drain,
            socket_file,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The bundle in force.
    pub fn bundle(&self) -> &Arc<BundleKeeper> {
        &self.bundle
    }

    /// Its metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What decides.
    pub fn decider(&self) -> &Arc<Decider> {
        &self.decider
    }

    /// Resolves when the gRPC server ended without being asked to.
    pub async fn failed(&mut self) {
        match (&mut self.grpc).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = %error, "gRPC server"),
            Err(error) => tracing::error!(error = %error, "gRPC task"),
        }
    }

    /// Stops: health goes to NOT_SERVING, no new connections, calls under way may end within the drain time.
    pub async fn shutdown(mut self) -> Drained {
        self.stop.send_replace(true);
        let drained = if self.grpc.is_finished() {
            Drained::Clean
        } else {
            match tokio::time::timeout(self.drain, &mut self.grpc).await {
                Ok(_) => Drained::Clean,
                Err(_) => {
                    self.grpc.abort();
                    tracing::warn!("the drain time is over; calls under way are cut off");
                    Drained::Cut
                }
            }
        };
        // Only now: a held call that is being drained can still get its approval.
        self.close.send_replace(true);
        for task in &mut self.others {
            if tokio::time::timeout(LAST_ANSWERS, &mut *task).await.is_err() {
                task.abort();
            }
        }
        if let Some(evidence) = &self.evidence {
            evidence.stop(drained == Drained::Clean).await;
        }
        drained
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.grpc.abort();
        for task in &self.others {
            task.abort();
        }
        if let Some(file) = &self.socket_file {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Works in a task until the server closes.
fn until(
    mut closing: watch::Receiver<bool>,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        tokio::select! {
            () = work => {}
            _ = closing.wait_for(|close| *close) => {}
        }
    })
}

/// Tokens and bodies cross these sockets: plain text belongs on loopback or behind something that encrypts.
fn warn_of_plain_text(addresses: &Addresses, tls: bool) {
    if let ListenAddress::Tcp(address) = addresses.grpc
        && !tls
        && !address.ip().is_loopback()
    {
        tracing::warn!(%address, "Checks come in plain text from other machines; set listen.grpc.tls or encrypt in front");
    }
    if let Some(address) = addresses.admin
        && !address.ip().is_loopback()
    {
        tracing::warn!(%address, "the admin API speaks plain HTTP to other machines; put TLS in front of it");
    }
}

fn metrics_app(metrics: Arc<Metrics>) -> axum::Router {
    let page = move || async move {
        use axum::http::{StatusCode, header::CONTENT_TYPE};
        use axum::response::IntoResponse;
        const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        match metrics.render() {
            Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    };
    axum::Router::new().route("/metrics", get(page))
}

/// The path of a file beside another.
fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or_else(|| Path::new(".")).join(name)
}
