//! Sockets, TLS files and signals.

use std::net::SocketAddr;
use std::path::Path;

use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::ServeError;
use crate::config::TlsConfig;

/// Binds and serves a small HTTP application until `closing` is true.
pub(super) async fn serve_http(
    key: &'static str,
    address: SocketAddr,
    app: axum::Router,
    mut closing: watch::Receiver<bool>,
) -> Result<(SocketAddr, JoinHandle<()>), ServeError> {
    let refuse = |error| ServeError::Listen { key, address: address.to_string(), error };
    let listener = TcpListener::bind(address).await.map_err(refuse)?;
    let bound = listener.local_addr().map_err(refuse)?;
    let ending = async move {
        let _ = closing.wait_for(|close| *close).await;
    };
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(ending).await {
            tracing::error!(key, error = %error, "HTTP server");
        }
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

/// Resolves with the name of the first SIGTERM or SIGINT. Listens from the moment of the call, so that a signal during
/// start-up is not lost.
pub(super) fn stop_signal() -> impl Future<Output = &'static str> {
    let (term, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        match (term, interrupt) {
            (Ok(mut term), Ok(mut interrupt)) => tokio::select! {
                _ = term.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            },
            _ => {
                tracing::error!("signals cannot be received; stop this server with SIGKILL");
                std::future::pending().await
            }
        }
    }
}
