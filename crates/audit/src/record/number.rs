//! Integers that every reader of JSON carries exactly.

use serde::{Deserialize, Serialize};

/// Largest integer of a record: 2^53-1. Beyond it a reader with doubles and one with integers would differ.
pub const MAX_SAFE: u64 = 9_007_199_254_740_991;

/// A number of things, bytes or units of time, at most [`MAX_SAFE`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u64")]
pub struct Count(u64);

impl Count {
    /// The number, cut at [`MAX_SAFE`].
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(if value > MAX_SAFE { MAX_SAFE } else { value })
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for Count {
    fn from(value: u64) -> Self {
        Self::new(value)
    }
}

impl From<usize> for Count {
    fn from(value: usize) -> Self {
        Self::new(u64::try_from(value).unwrap_or(MAX_SAFE))
    }
}

impl From<u32> for Count {
    fn from(value: u32) -> Self {
        Self(u64::from(value))
    }
}

/// Microseconds.
impl From<std::time::Duration> for Count {
    fn from(value: std::time::Duration) -> Self {
        Self::new(u64::try_from(value.as_micros()).unwrap_or(MAX_SAFE))
    }
}

/// The code of a JSON-RPC error, between -[`MAX_SAFE`] and [`MAX_SAFE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "i64")]
pub struct RpcCode(i64);

impl RpcCode {
    const MAX: i64 = 9_007_199_254_740_991;

    /// The code, cut at both ends.
    #[must_use]
    pub const fn new(value: i64) -> Self {
        match value {
            Self::MAX.. => Self(Self::MAX),
            ..=-9_007_199_254_740_991 => Self(-Self::MAX),
            _ => Self(value),
        }
    }

    /// The code.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl From<i64> for RpcCode {
    fn from(value: i64) -> Self {
        Self::new(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_double_does_not_carry_is_cut() {
        assert_eq!(Count::from(u64::MAX).get(), MAX_SAFE);
        assert_eq!(Count::from(MAX_SAFE).get(), MAX_SAFE);
        assert_eq!(Count::from(std::time::Duration::MAX).get(), MAX_SAFE);
        assert_eq!(Count::from(std::time::Duration::from_millis(2)).get(), 2000);
        assert_eq!(RpcCode::from(i64::MIN).get(), -RpcCode::MAX);
        assert_eq!(RpcCode::from(i64::MAX).get(), RpcCode::MAX);
        assert_eq!(RpcCode::from(-32602).get(), -32602);
    }
}
