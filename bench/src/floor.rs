//! The second floor: an external authorization server that answers OK without looking.

use std::net::Ipv4Addr;
use std::time::Duration;

use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, HttpResponse, OkHttpResponse,
};
use envoy_types::pb::google::rpc;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::child::announce;
use crate::error::{Context, Result};

/// As `listen.grpc.max_message_bytes` of the `interdict` server by default, in bytes.
const LARGEST_MESSAGE: u32 = 4 << 20;

struct Yes;

#[tonic::async_trait]
impl Authorization for Yes {
    async fn check(&self, _: Request<CheckRequest>) -> std::result::Result<Response<CheckResponse>, Status> {
        Ok(Response::new(CheckResponse {
            status: Some(rpc::Status { code: tonic::Code::Ok as i32, ..Default::default() }),
            http_response: Some(HttpResponse::OkResponse(OkHttpResponse::default())),
            ..Default::default()
        }))
    }
}

/// Serves until the parent closes standard input. Transport settings are those of the `interdict` server
/// (`authz-server/src/server.rs`): the two differ in what they do with a call, not in how they get it.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("floor server: bind")?;
    announce(listener.local_addr().context("floor server: address")?)?;
    // The builder's own nodelay does not reach sockets that are handed in; without it Nagle's algorithm and delayed
    // acknowledgements add 40 ms to answers that follow a flow-control update (seen with 64 KB bodies).
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .initial_stream_window_size(LARGEST_MESSAGE)
        .initial_connection_window_size(LARGEST_MESSAGE * 4)
        .max_concurrent_streams(1_024)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(AuthorizationServer::new(Yes).max_decoding_message_size(LARGEST_MESSAGE as usize))
        .serve_with_incoming(incoming)
        .await
        .context("floor server")
}
