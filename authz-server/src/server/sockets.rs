//! Sockets, TLS files and signals.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::ServeError;
use crate::config::TlsConfig;

/// How long a client may take for the head of a request, and how long an idle connection lives.
const HEAD: Duration = Duration::from_secs(10);
/// How long accepting rests after a failure (no file descriptors left, as a rule).
const REST: Duration = Duration::from_millis(100);

/// Binds and serves a small HTTP/1.1 application until `closing` is true. Not `axum::serve`: it has no time limit for
/// the head of a request, so that connections that say nothing would stay for ever.
pub(crate) async fn serve_http(
    key: &'static str,
    address: SocketAddr,
    app: axum::Router,
    mut closing: watch::Receiver<bool>,
) -> Result<(SocketAddr, JoinHandle<()>), ServeError> {
    let refuse = |error| ServeError::Listen { key, address: address.to_string(), error };
    let listener = TcpListener::bind(address).await.map_err(refuse)?;
    let bound = listener.local_addr().map_err(refuse)?;
    let task = tokio::spawn(async move {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD);
        let open = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // An error means that the server is gone, which is a reason to stop as well.
                _ = closing.wait_for(|close| *close) => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(key, error = %error, "no connection accepted");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            let service = TowerToHyperService::new(app.clone());
            let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
            // A connection that fails is the client's affair.
            tokio::spawn(async move { drop(connection.await) });
        }
        drop(listener);
        open.shutdown().await;
    });
    Ok((bound, task))
}

/// Binds a Unix socket. A file that a dead server left behind is removed; one that somebody listens on is not.
pub(super) fn unix(path: &Path) -> Result<UnixListenerStream, ServeError> {
    use std::os::unix::fs::FileTypeExt;
    let refuse =
        |error| ServeError::Listen { key: "listen.grpc.address", address: path.display().to_string(), error };
    let stale = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
    if stale {
        std::fs::remove_file(path).map_err(refuse)?;
    }
    UnixListener::bind(path).map(UnixListenerStream::new).map_err(refuse)
}

/// Reads the PEM files.
pub(super) fn tls(config: &TlsConfig) -> Result<ServerTlsConfig, ServeError> {
    let read = |key: &'static str, file: &Path| {
        std::fs::read(file).map_err(|error| ServeError::Tls {
            key,
            file: file.to_owned(),
            reason: format!("cannot be read: {error}"),
        })
    };
    let identity = Identity::from_pem(
        read("listen.grpc.tls.cert", &config.cert)?,
        read("listen.grpc.tls.key", &config.key)?,
    );
    let mut tls = ServerTlsConfig::new().identity(identity);
    if let Some(file) = &config.client_ca {
        tls = tls.client_ca_root(Certificate::from_pem(read("listen.grpc.tls.client_ca", file)?));
    }
    Ok(tls)
}

/// An error with everything below it: transport errors say little by themselves.
pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

/// SIGTERM and SIGINT, one after the other.
pub(crate) struct StopSignals(std::io::Result<(Signal, Signal)>);

impl StopSignals {
    /// Listens from the moment of the call, so that a signal during start-up is not lost.
    pub(crate) fn listen() -> Self {
        let both = || Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?));
        Self(both())
    }

    /// Resolves with the name of the next one.
    pub(crate) async fn next(&mut self) -> &'static str {
        match &mut self.0 {
            Ok((term, interrupt)) => tokio::select! {
                _ = term.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            },
            Err(error) => {
                tracing::error!(error = %error, "signals cannot be received; stop this server with SIGKILL");
                std::future::pending().await
            }
        }
    }
}
