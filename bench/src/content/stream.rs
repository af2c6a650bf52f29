//! When the first event of a stream arrives, with and without being looked into.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::calls::PAUSE;
use super::{Bench, Looks};
use crate::answer::Answer;
use crate::cell::Payload;
use crate::error::{Context, Failure, Result};
use crate::load::new_histogram;
use crate::payload::{Request, Tool, id};
use crate::stats::Rounds;
use crate::wire;

/// Request numbers of one slice.
const NUMBERS: u64 = 1_000_000;
/// An event that takes longer ends the run.
const PATIENCE: Duration = Duration::from_secs(20);
/// Slices of one round.
pub(super) const SLICES: usize = 2;

/// First events of one side.
#[derive(Debug)]
pub(super) struct Side {
    /// From the first byte of the request to the last one of the event.
    pub(super) rounds: Rounds,
    pub(super) streams: u64,
    /// Streams whose first event arrived together with, or after the time of, the second one.
    pub(super) held: u64,
}

/// By whether it was looked into.
pub(super) type Found = BTreeMap<bool, Side>;

/// One slice of each side, one connection, one stream after the other.
pub(super) async fn round(bench: &mut Bench, slice: Duration, mut found: Option<&mut Found>) -> Result<()> {
    let mut sides = [false, true];
    bench.random.shuffle(&mut sides);
    bench.next += NUMBERS;
    for looked in sides {
        let request = Request::asking(Payload::Small, Tool::Read, bench.token.now(), Answer::Stream);
        let first = bench.next;
        let address = bench.target(if looked { Looks::Answers } else { Looks::Nowhere })?.address();
        let mut streams = Streams::open(address, request).await?;
        let mut latencies = new_histogram()?;
        let (start, mut held) = (Instant::now(), 0);
        let mut sequence = first;
        while start.elapsed() < slice {
            let seen = tokio::time::timeout(PATIENCE, streams.next(sequence)).await;
            let seen = seen.context("an event did not arrive")??;
            latencies.saturating_record(seen.first.as_nanos() as u64);
            held += u64::from(seen.held);
            sequence += 1;
        }
        let seconds = start.elapsed().as_secs_f64();
        tokio::time::sleep(PAUSE).await;
        if let Some(found) = found.as_deref_mut() {
            let empty = || Side { rounds: Rounds::new(), streams: 0, held: 0 };
            let side = found.entry(looked).or_insert_with(empty);
            side.rounds.push(&latencies, seconds);
            side.streams += latencies.len();
            side.held += held;
        }
    }
    Ok(())
}

/// One connection that asks for one stream after the other.
struct Streams {
    stream: TcpStream,
    request: Request,
    buffer: Vec<u8>,
}

struct Seen {
    first: Duration,
    held: bool,
}

impl Streams {
    async fn open(address: SocketAddr, request: Request) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context(format!("connect to {address}"))?;
        stream.set_nodelay(true).context("set nodelay")?;
        Ok(Self { stream, request, buffer: Vec::new() })
    }

    async fn next(&mut self, sequence: u64) -> Result<Seen> {
        let mut expected = Answer::Stream.body();
        expected.set_id(id(sequence).as_bytes());
        let whole = expected.bytes.len();
        let event = expected.pause_at.context("a stream pauses")?;
        self.buffer.clear();
        let start = Instant::now();
        self.stream.write_all(self.request.fill(sequence)).await.context("send a request")?;
        let mut seen = None;
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.context("read a stream")?;
            let arrived = wire::arrived(&self.buffer);
            let Some(arrived) = arrived.filter(|arrived| arrived.good || arrived.complete) else {
                if read == 0 {
                    return Err(Failure::new("a stream ended before it began"));
                }
                continue;
            };
            if seen.is_none() && arrived.body.len() >= event {
                seen = Some(Seen { first: start.elapsed(), held: arrived.body.len() == whole });
            }
            if arrived.complete || read == 0 {
                let same = arrived.complete && *arrived.body == *expected.bytes;
                return seen.filter(|_| same).ok_or_else(|| self.unexpected());
            }
        }
    }

    fn unexpected(&self) -> Failure {
        let shown: String = String::from_utf8_lossy(&self.buffer).chars().take(1500).collect();
        Failure::new(format!("expected the upstream's two events, got:\n{shown}"))
    }
}
