//! Time and memory that one evaluation may take.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use crate::BundleError;

/// Limits of one decision; exceeding one is a Deny (`policy.time_limit`, `policy.memory_limit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvalLimits {
    /// Wall-clock time for the whole evaluation.
    pub time: Duration,
    /// Bytes that the process may grow by while an evaluation runs. regorus counts for the whole process, so other
    /// work of the same moment counts too; the limit is a fuse against runaway policies, not an exact measure.
    pub memory_bytes: u64,
}

impl Default for EvalLimits {
    fn default() -> Self {
        Self { time: Duration::from_millis(250), memory_bytes: 64 << 20 }
    }
}

impl EvalLimits {
    /// Engine steps between two looks at the clock: a step costs about 0.1 to 1 µs, a look 0.03 µs.
    pub(crate) const STEPS: NonZeroU32 = NonZeroU32::new(32).unwrap();
}

/// Ceilings of the evaluations that run right now.
static ACTIVE: Mutex<Vec<u64>> = Mutex::new(Vec::new());

/// Holds regorus' process-wide memory limit down while an evaluation runs: no running evaluation may see the process
/// grow by more than its own limit. The lowest ceiling of all running evaluations is in force.
#[derive(Debug)]
pub(crate) struct MemoryFuse {
    ceiling: u64,
}

impl MemoryFuse {
    pub(crate) fn arm(limits: EvalLimits) -> Self {
        let ceiling = allocated_bytes().saturating_add(limits.memory_bytes).min(u64::MAX - 1);
        let mut active = ACTIVE.lock().unwrap_or_else(PoisonError::into_inner);
        active.push(ceiling);
        regorus::set_global_memory_limit(active.iter().copied().min());
        Self { ceiling }
    }
}

impl Drop for MemoryFuse {
    fn drop(&mut self) {
        let mut active = ACTIVE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = active.iter().position(|ceiling| *ceiling == self.ceiling) {
            active.swap_remove(index);
        }
        regorus::set_global_memory_limit(active.iter().copied().min());
    }
}

/// Reads a bundle again when it was an evaluation beside it that ran out of memory: the engine's limit is one for the
/// whole process, and says nothing of a bundle that is read without any.
pub(crate) fn undisturbed<T>(read: impl Fn() -> Result<T, BundleError>) -> Result<T, BundleError> {
    const ATTEMPTS: u32 = 20;
    /// An evaluation that is stopped needs a moment to give its memory back.
    const PAUSE: Duration = Duration::from_millis(100);
    for _ in 1..ATTEMPTS {
        match read() {
            Err(error) if is_memory_limit(&error.message) => sleep(PAUSE),
            outcome => return outcome,
        }
    }
    read()
}

/// Whether a text of the engine says that the memory limit was exceeded.
fn is_memory_limit(text: &str) -> bool {
    let said = regorus::LimitError::MemoryLimitExceeded { usage: 0, limit: 0 }.to_string();
    said.split_once('(').is_some_and(|(before_figures, _)| text.contains(before_figures))
}

/// Live bytes of the process as regorus' allocator counts them.
fn allocated_bytes() -> u64 {
    regorus_mimalloc::global_allocation_stats_snapshot().allocated
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn read_with(failures: u32, message: &str) -> (Result<(), BundleError>, u32) {
        let reads = Cell::new(0);
        let outcome = undisturbed(|| {
            reads.set(reads.get() + 1);
            if reads.get() > failures { Ok(()) } else { Err(BundleError::new("bundle.rego", message)) }
        });
        (outcome, reads.get())
    }

    #[test]
    fn a_bundle_read_while_an_evaluation_runs_out_of_memory_is_read_again() {
        let said = regorus::LimitError::MemoryLimitExceeded { usage: 1_200_653_589, limit: 34_192_538 };
        assert_eq!(read_with(2, &format!("{said}.")), (Ok(()), 3));
    }

    #[test]
    fn a_bundle_that_is_wrong_is_read_once() {
        let (outcome, reads) = read_with(9, "Unexpected end of the file.");
        assert!(outcome.is_err());
        assert_eq!(reads, 1);
    }
}
