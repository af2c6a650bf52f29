//! Whether the bundle in force is still one to act by.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Asked on every decision; cheap to clone. The default is never stale.
#[derive(Debug, Clone)]
pub struct Freshness(Arc<Times>);

#[derive(Debug)]
struct Times {
    /// When the source last said that the bundle in force is its own.
    confirmed_ms: AtomicI64,
    /// Until when the bundle may be in force.
    expires_ms: AtomicI64,
    max_age_ms: i64,
}

impl Default for Freshness {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Freshness {
    pub(crate) fn new(max_age_seconds: Option<u64>) -> Self {
        let max_age = max_age_seconds.and_then(|seconds| i64::try_from(seconds).ok());
        Self(Arc::new(Times {
            confirmed_ms: AtomicI64::new(i64::MAX),
            expires_ms: AtomicI64::new(i64::MAX),
            max_age_ms: max_age.map_or(i64::MAX, |seconds| seconds.saturating_mul(1_000)),
        }))
    }

    /// Whether consequential calls must not be decided by this bundle any more.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.stale_code(now).is_some()
    }

    /// Why it is stale: `bundle.expired` or `bundle.too_old`.
    #[must_use]
    pub fn stale_code(&self, now: Timestamp) -> Option<&'static str> {
        let now = now.as_millisecond();
        if now >= self.0.expires_ms.load(Ordering::Relaxed) {
            return Some("bundle.expired");
        }
        let age = now.saturating_sub(self.0.confirmed_ms.load(Ordering::Relaxed));
        (age > self.0.max_age_ms).then_some("bundle.too_old")
    }

    /// The source has the bundle that is in force.
    pub(crate) fn confirm(&self, at: Timestamp) {
        self.0.confirmed_ms.store(at.as_millisecond(), Ordering::Relaxed);
    }

    pub(crate) fn expires(&self, at: Option<Timestamp>) {
        self.0.expires_ms.store(at.map_or(i64::MAX, |at| at.as_millisecond()), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_bundle_is_stale_after_its_age_or_at_its_end() {
        let freshness = Freshness::new(Some(60));
        freshness.confirm(at(1_000));
        assert!(!freshness.is_stale(at(1_060)));
        assert_eq!(freshness.stale_code(at(1_061)), Some("bundle.too_old"));
        freshness.confirm(at(1_061));
        assert!(!freshness.is_stale(at(1_061)));
        freshness.expires(Some(at(1_070)));
        assert!(!freshness.is_stale(at(1_069)));
        assert_eq!(freshness.stale_code(at(1_070)), Some("bundle.expired"));
    }

    #[test]
    fn without_a_limit_nothing_is_ever_stale() {
        assert!(!Freshness::default().is_stale(Timestamp::MAX));
    }
}
