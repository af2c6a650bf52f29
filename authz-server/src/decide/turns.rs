//! Turns for large messages.
//!
//! An evaluation takes time in proportion to its message, up to the configured limit, and a worker that evaluates
//! answers nobody else: no other call, no health check, no PING of an HTTP/2 connection. So the evaluation of a large
//! message gives its worker away first, and only as many of them run at once as there are cores. Small messages, that
//! is nearly all, are judged where they are, without a wait.

use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

/// A body of more bytes is large. At the rate at which 135 KB were seen to take 250 ms, one of this size takes 15.
const LARGE: usize = 8 * 1024;

/// How long a large message waits when the enforcement point did not say how long it does.
const PATIENCE: Duration = Duration::from_secs(10);

/// There was no turn in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overloaded;

impl Overloaded {
    /// Reason code.
    pub(crate) const CODE: &str = "internal.overloaded";
    /// What the client is told.
    pub(crate) const TEXT: &str = "Too many large requests are being decided now. Try again later.";
}

/// Hands out turns, first come, first served.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Semaphore,
}

impl Default for Turns {
    /// As many turns as there are cores.
    fn default() -> Self {
        Self::of(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }
}

impl Turns {
    fn of(count: usize) -> Self {
        Self { free: Semaphore::new(count) }
    }

    /// Does `work` for a message of so many bytes. For a small one there is no suspension.
    pub(crate) async fn run<T>(
        &self,
        bytes: usize,
        deadline: Option<Instant>,
        work: impl FnOnce() -> T,
    ) -> Result<T, Overloaded> {
        if bytes <= LARGE {
            return Ok(work());
        }
        let _turn = self.turn(deadline).await?;
        Ok(aside(work))
    }

    async fn turn(&self, deadline: Option<Instant>) -> Result<SemaphorePermit<'_>, Overloaded> {
        if let Ok(turn) = self.free.try_acquire() {
            return Ok(turn);
        }
        let now = Instant::now();
        let patience = deadline.map_or(PATIENCE, |deadline| deadline.saturating_duration_since(now));
        // The evaluation and the answer take their time too.
        let until = now + patience.saturating_sub(patience / 4);
        match timeout_at(until.into(), self.free.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            // Nobody closes the semaphore; were it closed, there would be no turns.
            Ok(Err(_)) | Err(_) => Err(Overloaded),
        }
    }
}

/// Does `work` on this thread, which is no I/O worker while it lasts: another thread takes its place. A runtime of one
/// thread has no other.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;

    const BIG: usize = LARGE + 1;

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(200))
    }

    /// Attack: large messages occupy every worker, and calls of all other agents wait.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn while_large_messages_are_judged_the_only_worker_goes_on_with_others() {
        let turns = Arc::new(Turns::of(1));
        let (go, wait) = channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let theirs = Arc::clone(&turns);
        let large = tokio::spawn(async move {
            theirs
                .run(BIG, None, move || {
                    begun.send(()).unwrap();
                    wait.recv().unwrap();
                })
                .await
        });
        has_begun.await.unwrap();
        let ours = Arc::clone(&turns);
        let small = tokio::spawn(async move { ours.run(LARGE, soon(), || 7).await });
        assert_eq!(small.await.unwrap(), Ok(7));
        // No turn is left for a second large one, and it does not wait for ever.
        assert_eq!(turns.run(BIG, soon(), || 7).await, Err(Overloaded));
        go.send(()).unwrap();
        assert_eq!(large.await.unwrap(), Ok(()));
        assert_eq!(turns.run(BIG, soon(), || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_judges_large_messages_too() {
        assert_eq!(Turns::of(1).run(BIG, None, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_while_it_waits_keeps_no_turn() {
        let turns = Turns::of(1);
        let held = turns.turn(None).await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(20), turns.run(BIG, None, || 7));
        assert!(waiting.await.is_err());
        drop(held);
        assert_eq!(turns.run(BIG, soon(), || 7).await, Ok(7));
    }
}
