//! Memory of the filter under load of every kind, over a time.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::memory::Memory;
use super::{Bench, Looks};
use crate::answer::Answer;
use crate::cell::Payload;
use crate::error::Result;
use crate::payload::{Request, Tool};

/// What the client asks for in turns: clean, to be edited, in events, and long.
const ANSWERS: [Answer; 4] = [Answer::Clean, Answer::Dirty, Answer::Stream, Answer::Long];
const CONNECTIONS: usize = 32;
const SLICE: Duration = Duration::from_millis(500);
/// Samples that a soak of any length has, as far as slices are short enough.
const SAMPLES: u32 = 120;
const NUMBERS: u64 = 1_000_000;

/// The filter that looks into answers, and the one without obligations.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Both {
    pub(super) looking: Memory,
    pub(super) plain: Memory,
}

/// What was seen after so many seconds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Sample {
    pub(super) seconds: f64,
    pub(super) memory: Memory,
}

/// Memory at the start, after the load of the other parts, and over the soak.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) started: Both,
    pub(super) loaded: Both,
    pub(super) samples: Vec<Sample>,
    pub(super) requests: u64,
}

/// Puts load on the filter that looks into answers for `length`.
pub(super) async fn run(bench: &mut Bench, length: Duration, started: Both, loaded: Both) -> Result<Found> {
    let mut found = Found { started, loaded, samples: Vec::new(), requests: 0 };
    let start = Instant::now();
    let clock = bench.clock;
    let mut due = Duration::ZERO;
    for answer in ANSWERS.into_iter().cycle() {
        if start.elapsed() >= due {
            found.sample(bench, start)?;
            due = start.elapsed() + length / SAMPLES;
        }
        if start.elapsed() >= length {
            break;
        }
        bench.next += NUMBERS;
        let first = bench.next;
        let request = Request::asking(Payload::Small, Tool::Read, bench.token.now(), answer);
        let target = bench.target(Looks::Answers)?;
        let measured = target.load(CONNECTIONS, &request, first, SLICE, clock).await?;
        found.requests += measured.slice.latencies.len();
        bench.tidy()?;
    }
    found.sample(bench, start)?;
    Ok(found)
}

impl Found {
    fn sample(&mut self, bench: &mut Bench, start: Instant) -> Result<()> {
        let memory = Memory::of(bench.target(Looks::Answers)?)?;
        self.samples.push(Sample { seconds: start.elapsed().as_secs_f64(), memory });
        Ok(())
    }

    /// Of the second half: what of the first is still warming up says nothing about growth.
    pub(super) fn growth(&self, of: impl Fn(&Memory) -> u64) -> Growth {
        let end = self.samples.last().map_or(0.0, |sample| sample.seconds);
        let half = self.samples.iter().filter(|sample| sample.seconds >= end / 2.0);
        let points: Vec<(f64, f64)> = half.map(|s| (s.seconds / 60.0, of(&s.memory) as f64)).collect();
        Growth::of(&points)
    }
}

/// How a number of bytes moved.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Growth {
    pub(super) first: f64,
    pub(super) last: f64,
    /// Of the straight line with the least squares.
    pub(super) bytes_per_minute: f64,
    /// Whether that line, over the watched half, moves by less than one per cent.
    pub(super) flat: bool,
}

impl Growth {
    fn of(points: &[(f64, f64)]) -> Self {
        let count = points.len() as f64;
        let mean = |value: fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / count;
        let (time, bytes) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|(at, _)| (at - time).powi(2)).sum();
        let together: f64 = points.iter().map(|(at, value)| (at - time) * (value - bytes)).sum();
        let bytes_per_minute = if spread > 0.0 { together / spread } else { f64::NAN };
        let (first, last) = (points.first().copied(), points.last().copied());
        let minutes = last.zip(first).map_or(0.0, |(last, first)| last.0 - first.0);
        Self {
            first: first.map_or(f64::NAN, |point| point.1),
            last: last.map_or(f64::NAN, |point| point.1),
            bytes_per_minute,
            flat: bytes_per_minute * minutes < bytes / 100.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_up_and_down_is_flat_and_what_goes_up_is_not() {
        let still = Growth::of(&[(0.0, 100.0), (1.0, 101.0), (2.0, 99.0), (3.0, 100.0)]);
        assert!(still.flat && still.bytes_per_minute.abs() < 1.0, "{still:?}");
        let growing = Growth::of(&[(0.0, 100.0), (1.0, 110.0), (2.0, 120.0)]);
        assert!(!growing.flat && (growing.bytes_per_minute - 10.0).abs() < 0.01, "{growing:?}");
    }
}
