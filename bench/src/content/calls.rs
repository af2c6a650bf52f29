//! The same calls through a filter with obligations and one without, directly after one another.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{Bench, Looks};
use crate::answer::Answer;
use crate::cell::{CONNECTIONS, Payload};
use crate::error::Result;
use crate::payload::{Request, Tool};
use crate::run::Cell;

/// Between slices: late work of one must not fall into the next.
pub(super) const PAUSE: Duration = Duration::from_millis(30);
/// Request numbers of one slice; far more than one can send.
const NUMBERS: u64 = 1_000_000;
/// Slices of one round: two kinds of calls, each with all numbers of connections, looked into and not.
pub(super) const SLICES: usize = 2 * CONNECTIONS.len() * 2;

/// What is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// An answer of 10 KB, by the filter.
    Response10Kb,
    /// A request of 1 KB, by the server.
    Request1Kb,
}

impl Part {
    fn looks(self) -> Looks {
        match self {
            Self::Response10Kb => Looks::Answers,
            Self::Request1Kb => Looks::Requests,
        }
    }

    fn answer(self) -> Answer {
        match self {
            Self::Response10Kb => Answer::Clean,
            Self::Request1Kb => Answer::Short,
        }
    }
}

/// By part, connections, and whether it was looked into.
pub(super) type Found = BTreeMap<(Part, usize, bool), Cell>;

/// Every cell once, in an order that changes.
pub(super) async fn round(bench: &mut Bench, slice: Duration, mut found: Option<&mut Found>) -> Result<()> {
    for connections in CONNECTIONS {
        for part in [Part::Response10Kb, Part::Request1Kb] {
            let request = Request::asking(Payload::Small, Tool::Read, bench.token.now(), part.answer());
            let mut sides = [false, true];
            bench.random.shuffle(&mut sides);
            bench.next += NUMBERS;
            let (first, clock) = (bench.next, bench.clock);
            for looked in sides {
                let target = bench.target(if looked { part.looks() } else { Looks::Nowhere })?;
                let measured = target.load(connections, &request, first, slice, clock).await?;
                tokio::time::sleep(PAUSE).await;
                if let Some(found) = found.as_deref_mut() {
                    found.entry((part, connections, looked)).or_insert(Cell::new()?).add(&measured)?;
                }
            }
        }
    }
    Ok(())
}
