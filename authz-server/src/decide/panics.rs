//! A panic inside a decision is a Deny, not a reset connection.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// A future panicked. What it said stays in the log of the panic hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panicked;

/// Runs `future`, turning a panic into an error.
///
/// Unwind safety: what the future shares with others after a panic are atomics, caches and the store, which keep
/// their own invariants; its own state is dropped unused.
pub(super) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_before_or_after_an_await_becomes_an_error() {
        async fn dies(late: bool) -> u8 {
            if late {
                tokio::task::yield_now().await;
            }
            panic!("a test")
        }
        assert_eq!(caught(async { 7 }).await, Ok(7));
        assert_eq!(caught(dies(false)).await, Err(Panicked));
        assert_eq!(caught(dies(true)).await, Err(Panicked));
    }
}
