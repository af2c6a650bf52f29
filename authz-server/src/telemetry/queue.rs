//! The queue before standard error. Decisions must not wait because somebody does not read the log for a moment, and no
//! line may be lost: events go into a bounded buffer, a thread of its own writes it out, and only a full buffer makes
//! the writer of an event wait.
//!
//! `tracing-appender` has such a thread too. It bounds lines and not bytes (an agent decides how long a line is), drops
//! what it cannot write without a word, and gives up the rest of a full queue at the end.

use std::io::Write;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait: thousands of decisions.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// How long the end of the process may take to write out what waits; a reader that is stuck must not keep us alive.
const LAST_LINES: Duration = Duration::from_secs(5);

/// What the metrics show of the log of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct LogMetrics {
    /// Bytes that wait for the reader of the log.
    pub(super) waiting: Gauge,
    /// Events that waited for a full buffer.
    pub(super) stalled: Counter,
    /// Writes that standard error refused.
    pub(super) failed: Counter,
}

/// One log, one set of numbers, however many servers run in the process.
pub(super) static METRICS: LazyLock<LogMetrics> = LazyLock::new(LogMetrics::default);

#[derive(Debug, Default)]
struct Buffer {
    waiting: Vec<u8>,
    /// Bytes that the thread has taken and not written yet.
    in_hand: usize,
}

impl Buffer {
    fn bytes(&self) -> usize {
        self.waiting.len().saturating_add(self.in_hand)
    }
}

#[derive(Debug)]
struct Shared {
    buffer: Mutex<Buffer>,
    /// Something to write.
    filled: Condvar,
    /// Something was written.
    emptied: Condvar,
    most_bytes: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: &[u8]) {
        let mut buffer = self.lock();
        // One line that is larger than the bound goes in alone.
        let full = |buffer: &Buffer| {
            buffer.bytes() > 0 && buffer.bytes().saturating_add(line.len()) > self.most_bytes
        };
        if full(&buffer) {
            METRICS.stalled.inc();
            buffer = self
                .emptied
                .wait_while(buffer, |buffer| full(buffer))
                .unwrap_or_else(PoisonError::into_inner);
        }
        buffer.waiting.extend_from_slice(line);
        METRICS.waiting.set(i64::try_from(buffer.bytes()).unwrap_or(i64::MAX));
        drop(buffer);
        self.filled.notify_one();
    }

    fn write_out(&self, mut to: impl Write) -> ! {
        loop {
            let buffer = self.lock();
            let mut buffer = self
                .filled
                .wait_while(buffer, |buffer| buffer.waiting.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            let lines = std::mem::take(&mut buffer.waiting);
            buffer.in_hand = lines.len();
            drop(buffer);
            if to.write_all(&lines).and_then(|()| to.flush()).is_err() {
                METRICS.failed.inc();
            }
            let mut buffer = self.lock();
            buffer.in_hand = 0;
            METRICS.waiting.set(i64::try_from(buffer.bytes()).unwrap_or(i64::MAX));
            drop(buffer);
            self.emptied.notify_all();
        }
    }
}

/// Takes the events; cloning shares the queue. Its thread lives as long as the process.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<Shared>);

/// Writes out what waits when it is dropped, for at most five seconds. Later events are written out as well, as
/// far as the process lives.
#[derive(Debug)]
#[must_use = "what waits in the queue is written out when this is dropped"]
pub struct LogGuard(Option<Arc<Shared>>);

impl Queue {
    /// Starts the thread that writes to `to`.
    pub(super) fn start(to: impl Write + Send + 'static) -> std::io::Result<(Self, LogGuard)> {
        Self::bounded(MOST_BYTES, to)
    }

    fn bounded(most_bytes: usize, to: impl Write + Send + 'static) -> std::io::Result<(Self, LogGuard)> {
        let shared = Arc::new(Shared {
            buffer: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            most_bytes,
        });
        let writer = Arc::clone(&shared);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || -> () { writer.write_out(to) })?;
        Ok((Self(Arc::clone(&shared)), LogGuard(Some(shared))))
    }
}

impl LogGuard {
    /// Nothing waits anywhere.
    pub(super) const fn none() -> Self {
        Self(None)
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let Some(shared) = &self.0 else { return };
        let until = Instant::now() + LAST_LINES;
        let mut buffer = shared.lock();
        while buffer.bytes() > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            (buffer, _) = shared.emptied.wait_timeout(buffer, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// One event: the formatter hands over a whole line at a time.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A reader that does not read before it is told to.
    struct Slow(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn slow(most_bytes: usize) -> (Queue, LogGuard, SyncSender<()>, Arc<Mutex<Vec<u8>>>) {
        let (go, told) = sync_channel(0);
        let page = Arc::new(Mutex::new(Vec::new()));
        let (queue, guard) = Queue::bounded(most_bytes, Slow(told, Arc::clone(&page))).unwrap();
        (queue, guard, go, page)
    }

    #[test]
    fn events_do_not_wait_for_a_reader_that_pauses_and_every_line_arrives_in_order() {
        let (mut queue, guard, go, page) = slow(1_000_000);
        let lines: Vec<String> = (0..1_000).map(|number| format!("line {number}\n")).collect();
        for line in &lines {
            queue.write_all(line.as_bytes()).unwrap();
        }
        assert!(page.lock().unwrap().is_empty(), "nobody has read yet");
        drop(go);
        drop(guard);
        assert_eq!(String::from_utf8(page.lock().unwrap().clone()).unwrap(), lines.concat());
    }

    #[test]
    fn a_full_queue_makes_the_next_event_wait_and_loses_none() {
        let (queue, guard, go, page) = slow(100);
        let mut writer = queue.clone();
        let stalled = METRICS.stalled.get();
        let (done, all_written) = sync_channel(1);
        std::thread::spawn(move || {
            for _ in 0..20 {
                writer.write_all(&[b'x'; 40]).unwrap();
            }
            done.send(()).unwrap();
        });
        while METRICS.stalled.get() == stalled {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(all_written.try_recv().is_err());
        assert!(queue.0.lock().bytes() <= 100);
        drop(go);
        all_written.recv_timeout(Duration::from_secs(60)).unwrap();
        drop(guard);
        assert_eq!(page.lock().unwrap().len(), 800);
    }

    #[test]
    fn a_line_above_the_bound_goes_through_alone() {
        let (mut queue, guard, go, page) = slow(10);
        drop(go);
        queue.write_all(&[b'y'; 5_000]).unwrap();
        queue.write_all(b"z").unwrap();
        drop(guard);
        assert_eq!(page.lock().unwrap().len(), 5_001);
    }

    #[test]
    fn a_reader_that_is_stuck_for_good_does_not_keep_the_process_alive() {
        let (mut queue, guard, _go, _page) = slow(1_000);
        queue.write_all(b"never read").unwrap();
        let begun = Instant::now();
        drop(guard);
        assert!(begun.elapsed() < LAST_LINES + Duration::from_secs(60));
    }
}
