//! Time and memory that one evaluation may take.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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

/// Live bytes of the process as regorus' allocator counts them.
fn allocated_bytes() -> u64 {
    regorus_mimalloc::global_allocation_stats_snapshot().allocated
}
