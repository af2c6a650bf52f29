//! The sockets that Envoy calls: decisions, reports of outcomes, health.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::{ServeError, sockets};
use crate::audit::Health;
use crate::config::{Config, ListenAddress};
use crate::decide::Decider;
use crate::record::Recording;

pub(super) fn encrypted(server: Server, config: &Config) -> Result<Server, ServeError> {
    let Some(tls) = &config.listen.grpc.tls else { return Ok(server) };
    server.tls_config(sockets::tls(tls)?).map_err(|error| ServeError::Tls {
        key: "listen.grpc.tls",
        file: tls.cert.clone(),
        reason: sockets::with_sources(&error),
    })
}

pub(super) type GrpcTask = JoinHandle<Result<(), tonic::transport::Error>>;

/// Binds and serves what Envoy calls, until `stopping` is true.
pub(super) async fn serve_grpc(
    config: &Config,
    decider: Arc<Decider>,
    recording: Option<Arc<Recording>>,
    stopping: watch::Receiver<bool>,
) -> Result<(ListenAddress, GrpcTask), ServeError> {
    let listen = &config.listen.grpc;
    // A body of the largest size fits into the windows, so that no Check waits for a window update.
    let window = u32::try_from(listen.max_message_bytes).unwrap_or(u32::MAX >> 1);
    let mut server = encrypted(Server::builder(), config)?
        .initial_stream_window_size(window)
        .initial_connection_window_size(window.saturating_mul(4).min(u32::MAX >> 1))
        .max_concurrent_streams(1_024)
        .http2_keepalive_interval(Some(Duration::from_secs(30)));
    let (health, health_service) = tonic_health::server::health_reporter();
    let content = Arc::clone(decider.content());
    let service = crate::frontdoor::ext_authz_service(decider, listen.max_message_bytes);
    let log = recording.as_ref().map(|recording| recording.recorder().health());
    let outcomes = crate::frontdoor::outcomes::outcomes_service(recording, content);
    let router = server.add_service(health_service).add_service(service).add_service(outcomes);
    tell(&health, log.as_ref().is_none_or(|log| *log.borrow() == Health::Serving)).await;
    let ending = tell_health(health, log, stopping);
    match &listen.address {
        ListenAddress::Tcp(address) => {
            let refuse = |error| ServeError::Listen {
                key: "listen.grpc.address",
                address: address.to_string(),
                error,
            };
            let incoming = TcpIncoming::bind(*address).map_err(refuse)?.with_nodelay(Some(true));
            let bound = incoming.local_addr().map_err(refuse)?;
            let task = tokio::spawn(router.serve_with_incoming_shutdown(incoming, ending));
            Ok((ListenAddress::Tcp(bound), task))
        }
        ListenAddress::Unix(path) => {
            let incoming = sockets::unix(path)?;
            let task = tokio::spawn(router.serve_with_incoming_shutdown(incoming, ending));
            Ok((ListenAddress::Unix(path.clone()), task))
        }
    }
}

/// Says NOT_SERVING while nothing can be recorded, and for good when the server stops; returns then.
async fn tell_health(
    health: HealthReporter,
    mut log: Option<watch::Receiver<Health>>,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let down = log.as_mut().is_some_and(|log| *log.borrow_and_update() != Health::Serving);
        tell(&health, !down).await;
        tokio::select! {
            // An error means that the server is gone, which is a reason to stop as well.
            _ = stopping.wait_for(|stop| *stop) => break,
            // One means that the log is gone: nothing changes any more.
            changed = changed(&mut log) => if changed.is_err() { log = None; },
        }
    }
    tell(&health, false).await;
}

async fn changed(log: &mut Option<watch::Receiver<Health>>) -> Result<(), watch::error::RecvError> {
    match log {
        Some(log) => log.changed().await,
        None => std::future::pending().await,
    }
}

/// Health is asked for by the name of Envoy's service as well as for the whole server.
async fn tell(health: &HealthReporter, serving: bool) {
    let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    health.set_service_status("envoy.service.auth.v3.Authorization", status).await;
    health.set_service_status("", status).await;
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_server::Health as _;

    use super::*;

    #[tokio::test]
    async fn health_says_not_serving_while_nothing_can_be_recorded_and_for_good_when_the_server_stops() {
        let (reporter, _service) = tonic_health::server::health_reporter();
        let service = tonic_health::server::HealthService::from_health_reporter(reporter.clone());
        let (log, (stop, stopping)) = (watch::Sender::new(Health::Serving), watch::channel(false));
        let telling = tokio::spawn(tell_health(reporter, Some(log.subscribe()), stopping));
        let until = async |serving: bool| {
            let right = if serving { 1 } else { 2 };
            for service_name in ["", "envoy.service.auth.v3.Authorization"] {
                let request = || HealthCheckRequest { service: service_name.to_owned() };
                let mut status = 0;
                for _ in 0..10_000 {
                    status = match service.check(tonic::Request::new(request())).await {
                        Ok(answer) => answer.into_inner().status,
                        Err(_) => 0,
                    };
                    if status == right {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                assert_eq!(status, right, "{service_name}");
            }
        };
        until(true).await;
        log.send_replace(Health::Down { code: "audit.disk_full", since: Timestamp::UNIX_EPOCH });
        until(false).await;
        log.send_replace(Health::Serving);
        until(true).await;
        stop.send_replace(true);
        telling.await.unwrap();
        log.send_replace(Health::Down { code: "audit.locked", since: Timestamp::UNIX_EPOCH });
        log.send_replace(Health::Serving);
        until(false).await;
    }
}
