//! The load generator: closed loop over kept-alive HTTP/1.1 connections, one thread, as little work per request as possible.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::error::{Context, Failure, Result};
use crate::payload::Request;
use crate::upstream::ANSWER;

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
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, request: Request) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context(format!("connect to {address}"))?;
        stream.set_nodelay(true).context("set nodelay")?;
        Ok(Self { stream, request, buffer: Vec::with_capacity(16 << 10) })
    }

    /// Replaces the request of the next calls, e.g. for a fresh token.
    pub(crate) fn set_request(&mut self, request: Request) {
        self.request = request;
    }

    /// Sends request number `sequence` and reads the answer. Everything but the expected answer is an error.
    pub(crate) async fn call(&mut self, sequence: u64) -> Result<Duration> {
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
            if let Some(complete) = judge(&self.buffer) {
                let took = start.elapsed();
                return if complete { Ok(took) } else { Err(self.unexpected()) };
            }
        }
    }

    fn unexpected(&self) -> Failure {
        Failure::new(format!(
            "expected status 200 and the upstream's {} bytes, got:{}",
            ANSWER.len(),
            self.shown()
        ))
    }

    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.buffer);
        text.chars().take(1500).collect::<String>().lines().map(|line| format!("\n    {line}")).collect()
    }
}

/// `None`: more bytes are needed. Otherwise whether this is the answer of the upstream, unchanged and complete.
fn judge(answer: &[u8]) -> Option<bool> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let (head, rest) = answer.split_at_checked(end)?;
    let body = rest.get(4..)?;
    if !head.starts_with(b"HTTP/1.1 200 ") {
        return Some(false);
    }
    let mut lengths = head.split(|&b| b == b'\n').filter_map(|line| {
        let (name, value) = line.split_at_checked(line.iter().position(|&b| b == b':')?)?;
        let value = std::str::from_utf8(value.get(1..)?).ok()?.trim();
        name.eq_ignore_ascii_case(b"content-length").then(|| value.parse::<usize>().ok()).flatten()
    });
    // An answer without a length (or with a longer one) is not the upstream's: no need to read on.
    match lengths.next_back() {
        Some(length) if length != ANSWER.len() => Some(false),
        None => Some(false),
        Some(length) if body.len() < length => None,
        Some(_) => Some(body == ANSWER.as_bytes()),
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

    fn answer(status: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\ndate: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    #[test]
    fn only_the_upstreams_own_answer_is_accepted() {
        assert_eq!(judge(&answer("200 OK", ANSWER)), Some(true));
        assert_eq!(judge(&answer("403 Forbidden", ANSWER)), Some(false));
        assert_eq!(judge(&answer("200 OK", "{}")), Some(false));
        assert_eq!(judge(&answer("200 OK", &ANSWER.replace("12 rows", "13 rows"))), Some(false));
        assert_eq!(judge(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), Some(false));
    }

    #[test]
    fn an_answer_in_pieces_is_waited_for() {
        let whole = answer("200 OK", ANSWER);
        for end in 0..whole.len() {
            assert_eq!(judge(&whole[..end]), None, "after {end} bytes");
        }
    }
}
