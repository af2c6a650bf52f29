//! Time and memory that one evaluation may take.

use std::time::Duration;

/// Limits of one decision; exceeding one is a Deny (`policy.time_limit`, `policy.memory_limit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvalLimits {
    /// Wall-clock time for the whole evaluation.
    pub time: Duration,
    /// Bytes that the process may grow by while an evaluation runs.
    pub memory_bytes: u64,
}

impl Default for EvalLimits {
    fn default() -> Self {
        Self { time: Duration::from_millis(50), memory_bytes: 64 << 20 }
    }
}
