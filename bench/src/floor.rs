//! The second floor: an external authorization server that answers OK without looking.

use std::net::Ipv4Addr;

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

/// Serves until the parent closes standard input. Transport settings are those of the `interdict` server.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("floor server: bind")?;
    announce(listener.local_addr().context("floor server: address")?)?;
    // The builder's own nodelay does not reach sockets that are handed in; without it Nagle's algorithm and delayed
    // acknowledgements add 40 ms to answers that follow a flow-control update (seen with 64 KB bodies).
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .add_service(AuthorizationServer::new(Yes).max_decoding_message_size(4 << 20))
        .serve_with_incoming(incoming)
        .await
        .context("floor server")
}
