//! The load generator: closed loop over kept-alive HTTP/1.1 connections, one thread, as little work per request as possible.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::answer::{Answer, Body, PLANTED};
use crate::error::{Context, Failure, Result};
use crate::payload::{Request, id};
use crate::wire;

/// A request that takes longer than this ends the run.
const PATIENCE: Duration = Duration::from_secs(20);

/// Latencies in nanoseconds with three significant digits.
pub(crate) fn new_histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1_000, PATIENCE.as_nanos() as u64 * 2, 3).context("create a histogram")
}

/// What one slice of load saw.
#[derive(Debug)]
pub(crate) struct Slice {
    /// Latency of every request, first byte written to last byte read, in nanoseconds.
    pub(crate) latencies: Histogram<u64>,
    /// From the first request's start to the last one's end.
    pub(crate) elapsed: Duration,
}

/// One kept-alive connection and its own copy of the request.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    request: Request,
    expected: Expected,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, request: Request) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context(format!("connect to {address}"))?;
        stream.set_nodelay(true).context("set nodelay")?;
        let expected = Expected::of(request.answer);
        Ok(Self { stream, request, expected, buffer: Vec::with_capacity(16 << 10) })
    }

    /// Replaces the request of the next calls, e.g. for a fresh token.
    pub(crate) fn set_request(&mut self, request: Request) {
        self.expected = Expected::of(request.answer);
        self.request = request;
    }

    /// Sends request number `sequence` and reads the answer. Everything but the expected answer is an error.
    pub(crate) async fn call(&mut self, sequence: u64) -> Result<Duration> {
        self.expected.set_id(id(sequence).as_bytes());
        let bytes = self.request.fill(sequence);
        let start = Instant::now();
        self.stream.write_all(bytes).await.context("send a request")?;
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.context("read an answer")?;
            if read == 0 {
                return Err(Failure::new(format!(
                    "the connection was closed before the answer ended:{}",
                    self.shown()
                )));
            }
            if let Some(complete) = self.expected.judge(&self.buffer) {
                let took = start.elapsed();
                return if complete { Ok(took) } else { Err(self.unexpected()) };
            }
        }
    }

    fn unexpected(&self) -> Failure {
        let expected = match &self.expected {
            Expected::Exactly(body) => format!("the upstream's {} bytes", body.bytes.len()),
            Expected::Without(_) => "an answer without what was planted".to_owned(),
        };
        Failure::new(format!("expected status 200 and {expected}, got:{}", self.shown()))
    }

    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.buffer);
        text.chars().take(1500).collect::<String>().lines().map(|line| format!("\n    {line}")).collect()
    }
}

/// What a request has to be answered with.
#[derive(Debug)]
enum Expected {
    /// These bytes, with the id of the request.
    Exactly(Body),
    /// Anything that is whole and does not have this in it.
    Without(&'static str),
}

impl Expected {
    fn of(answer: Answer) -> Self {
        match answer {
            // What stands in its place depends on the session.
            Answer::Dirty => Self::Without(PLANTED),
            answer => Self::Exactly(answer.body()),
        }
    }

    fn set_id(&mut self, id: &[u8]) {
        if let Self::Exactly(body) = self {
            body.set_id(id);
        }
    }

    /// `None`: more bytes are needed. Otherwise whether this is the answer, whole.
    fn judge(&self, answer: &[u8]) -> Option<bool> {
        let arrived = wire::arrived(answer)?;
        if !arrived.good {
            return Some(false);
        }
        let same = || match self {
            Self::Exactly(body) => *arrived.body == *body.bytes,
            Self::Without(text) => !arrived.body.windows(text.len()).any(|w| w == text.as_bytes()),
        };
        arrived.complete.then(same)
    }
}

/// Runs all connections for `duration`; every one then finishes the request that is in flight. Request numbers are
/// `first + connection + k * connections`, so that slices of all scenarios send the same sequence.
pub(crate) async fn run(connections: &mut Vec<Connection>, first: u64, duration: Duration) -> Result<Slice> {
    let count = connections.len() as u64;
    let start = Instant::now();
    let deadline = start + duration;
    let mut tasks = JoinSet::new();
    for (index, mut connection) in connections.drain(..).enumerate() {
        let mut sequence = first + index as u64;
        tasks.spawn(async move {
            let mut latencies = new_histogram()?;
            while Instant::now() < deadline {
                latencies.saturating_record(connection.call(sequence).await?.as_nanos() as u64);
                sequence += count;
            }
            Ok::<_, Failure>((connection, latencies))
        });
    }
    let mut latencies = new_histogram()?;
    let all = async {
        while let Some(done) = tasks.join_next().await {
            let (connection, own) = done.context("load task")??;
            latencies.add(&own).context("merge a histogram")?;
            connections.push(connection);
        }
        Ok::<_, Failure>(())
    };
    let answered = tokio::time::timeout(duration + PATIENCE, all).await;
    answered.context(format!("a request had no answer after {} s", PATIENCE.as_secs()))??;
    Ok(Slice { latencies, elapsed: start.elapsed() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::SHORT;

    fn answer(status: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\ndate: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    fn judge(answer: &[u8]) -> Option<bool> {
        Expected::of(Answer::Short).judge(answer)
    }

    #[test]
    fn only_the_upstreams_own_answer_is_accepted() {
        assert_eq!(judge(&answer("200 OK", SHORT)), Some(true));
        assert_eq!(judge(&answer("403 Forbidden", SHORT)), Some(false));
        assert_eq!(judge(&answer("200 OK", "{}")), Some(false));
        assert_eq!(judge(&answer("200 OK", &SHORT.replace("12 rows", "13 rows"))), Some(false));
        assert_eq!(judge(b"HTTP/1.1 200 OK\r\n\r\n"), Some(false));
    }

    #[test]
    fn an_answer_in_pieces_is_waited_for() {
        let whole = answer("200 OK", SHORT);
        for end in 0..whole.len() {
            assert_eq!(judge(&whole[..end]), None, "after {end} bytes");
        }
    }

    #[test]
    fn an_answer_that_still_has_the_planted_value_is_not_accepted() {
        let expected = Expected::of(Answer::Dirty);
        assert_eq!(expected.judge(&answer("200 OK", "[[dlp:pan:5f0c6b]]")), Some(true));
        assert_eq!(expected.judge(&answer("200 OK", PLANTED)), Some(false));
    }
}
