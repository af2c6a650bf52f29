//! The MCP server behind every Envoy: reads the whole request and gives the answer that it asks for.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::Sleep;

use crate::answer::{Answer, HEADER, SHORT};
use crate::child::announce;
use crate::error::{Context, Result};
use crate::payload::id_of;

/// Between the two events of a stream: much longer than anything that should delay the first one.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

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
) -> std::result::Result<hyper::Response<Pieces>, Infallible> {
    let asked = request.headers().get(HEADER).map(|name| Answer::named(name.as_bytes()));
    let mut body = request.into_body();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { break };
        if let (Some(_), Some(data)) = (asked, frame.data_ref()) {
            read.extend_from_slice(data);
        }
    }
    let (pieces, kind) = match asked {
        None => (Pieces::whole(Bytes::from_static(SHORT.as_bytes())), "application/json"),
        Some(answer) => {
            let mut body = answer.body();
            body.set_id(id_of(&read));
            let bytes = Bytes::from(body.bytes);
            match body.pause_at {
                None => (Pieces::whole(bytes), "application/json"),
                Some(at) => (Pieces::paused(bytes, at), "text/event-stream"),
            }
        }
    };
    let mut response = hyper::Response::new(pieces);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// A body in one piece or, with a pause between them, in two.
struct Pieces {
    now: Option<Bytes>,
    later: Option<(Pin<Box<Sleep>>, Bytes)>,
}

impl Pieces {
    fn whole(bytes: Bytes) -> Self {
        Self { now: Some(bytes), later: None }
    }

    fn paused(mut bytes: Bytes, at: usize) -> Self {
        let second = bytes.split_off(at.min(bytes.len()));
        Self { now: Some(bytes), later: Some((Box::pin(tokio::time::sleep(PAUSE)), second)) }
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        if let Some(bytes) = self.now.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Some((sleep, _)) = &mut self.later else { return Poll::Ready(None) };
        if sleep.as_mut().poll(task).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(self.later.take().map(|(_, bytes)| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.now.is_none() && self.later.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // A stream has no length that is known before its end.
        match (&self.now, &self.later) {
            (Some(bytes), None) => SizeHint::with_exact(bytes.len() as u64),
            (None, None) => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}
