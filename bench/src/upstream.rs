//! The MCP server behind every Envoy: reads the whole request and answers one fixed tool result.

use std::convert::Infallible;
use std::net::Ipv4Addr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::child::announce;
use crate::error::{Context, Result};

/// The body of every answer. The load generator compares what it gets with it, byte for byte.
pub(crate) const ANSWER: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"12 rows appended to \
                                 the report; 3 were already there and stayed as they were.\"}],\"isError\":false,\
                                 \"resultType\":\"complete\"}}";

/// Serves until the parent closes standard input.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("upstream: bind")?;
    announce(listener.local_addr().context("upstream: address")?)?;
    loop {
        let (stream, _) = listener.accept().await.context("upstream: accept")?;
        stream.set_nodelay(true).context("upstream: nodelay")?;
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(async move {
            // A connection that Envoy closes at the end of the run is not an error worth a word.
            let _ = connection.await;
        });
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
) -> std::result::Result<hyper::Response<Full<Bytes>>, Infallible> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            break;
        }
    }
    let mut response = hyper::Response::new(Full::new(Bytes::from_static(ANSWER.as_bytes())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
