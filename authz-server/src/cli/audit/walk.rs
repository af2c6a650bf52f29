//! Going through logs from the newest entry back, in bounded memory.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use interdict_audit::record::{Entry, Moment};

use super::place::refused;
use crate::audit::{LogReader, StoredEntry};
use crate::cli::Failure;

/// Entries that are read at once.
const PAGE: usize = 256;

/// One log from its newest entry back.
struct Back {
    reader: LogReader,
    page: VecDeque<StoredEntry>,
    before: Option<u64>,
    ended: bool,
}

/// Several logs as one, newest first by the times of their entries.
pub(in crate::cli) struct Walk {
    logs: Vec<Back>,
}

/// An entry with its log.
pub(in crate::cli) struct Found<'w> {
    /// Whose log.
    pub(in crate::cli) reader: &'w LogReader,
    /// The entry.
    pub(in crate::cli) stored: StoredEntry,
}

impl Back {
    fn peek(&mut self) -> Result<Option<&StoredEntry>, Failure> {
        if self.page.is_empty() && !self.ended {
            let page = &mut self.page;
            let read = self.reader.newest_first(self.before, |entry| {
                page.push_back(entry);
                if page.len() < PAGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            read.map_err(refused)?;
            self.before = self.page.back().map(|entry| entry.seq);
            self.ended = self.page.len() < PAGE;
        }
        Ok(self.page.front())
    }
}

impl Walk {
    /// Over these logs.
    pub(in crate::cli) fn over(readers: Vec<LogReader>) -> Self {
        let back = |reader| Back { reader, page: VecDeque::new(), before: None, ended: false };
        Self { logs: readers.into_iter().map(back).collect() }
    }

    /// The next older entry.
    pub(in crate::cli) fn next(&mut self) -> Result<Option<Found<'_>>, Failure> {
        let mut newest: Option<(usize, Moment)> = None;
        for (at, log) in self.logs.iter_mut().enumerate() {
            let Some(entry) = log.peek()? else { continue };
            let time = time_of(&entry.record);
            if newest.is_none_or(|(_, than)| time > than) {
                newest = Some((at, time));
            }
        }
        let Some((at, _)) = newest else { return Ok(None) };
        let Some(log) = self.logs.get_mut(at) else { return Ok(None) };
        let reader = &log.reader;
        Ok(log.page.pop_front().map(|stored| Found { reader, stored }))
    }
}

/// The time of an entry; one that cannot be read comes first, so that it is seen.
fn time_of(record: &[u8]) -> Moment {
    Entry::read(record).map_or(Moment::MAX, |entry| entry.ts)
}

/// The first entry of this moment or later; the size of the log when there is none. Times never go back in a log.
pub(super) fn first_since(reader: &LogReader, moment: Moment) -> Result<u64, Failure> {
    let (mut low, mut high) = (0, reader.size().map_err(refused)?);
    while low < high {
        let middle = low + (high - low) / 2;
        let stored = reader.entry(middle).map_err(refused)?;
        let earlier = stored.is_some_and(|stored| time_of(&stored.record) < moment);
        if earlier { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}
