//! Looking again and again.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use tokio::task::{JoinError, JoinHandle};

use super::{BundleKeeper, Look};

/// How often the age of the bundle is looked at.
const AGE_PERIOD: Duration = Duration::from_secs(1);
/// How long reading a bundle may take before that is an error in the log, again and again.
const LONG_LOOK: Duration = Duration::from_secs(60);
/// Longest time between two looks at a source that cannot be had.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(300);

impl BundleKeeper {
    /// Looks at the source every `period` (zero: never) and at the age of the bundle every second, until the future is
    /// dropped.
    pub async fn watch(self: Arc<Self>, period: Duration) {
        let ages = Arc::clone(&self).watch_age();
        if period.is_zero() {
            return ages.await;
        }
        tokio::join!(self.watch_source(period), ages);
    }

    async fn watch_source(self: Arc<Self>, period: Duration) {
        let mut failures = 0;
        loop {
            tokio::time::sleep(self.pause(period, failures)).await;
            let keeper = Arc::clone(&self);
            let look = tokio::task::spawn_blocking(move || (keeper.look(), keeper.cannot_be_had()));
            match patiently(look).await {
                Ok((Look::Refused | Look::Unchanged, true)) => failures += 1,
                Ok(_) => failures = 0,
                Err(error) => tracing::error!(error = %error, "looking at the bundle failed"),
            }
        }
    }

    async fn watch_age(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(AGE_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let keeper = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || keeper.look_at_age()).await {
                tracing::error!(error = %error, "looking at the bundle's age failed");
            }
        }
    }

    fn cannot_be_had(&self) -> bool {
        self.status().refused.is_some_and(|refused| refused.code == "bundle.unreachable")
    }

    /// Files are looked at evenly. A server is asked with some irregularity, so that many of us do not ask at once, and
    /// more and more rarely while it does not answer.
    fn pause(&self, period: Duration, failures: u32) -> Duration {
        if !self.origin.is_remote() {
            return period;
        }
        jittered(backed_off(period, failures), random_byte())
    }
}

/// Waits, and says so when it takes long: the bundle in force stays, and nothing else would tell that nobody looks for
/// another one.
async fn patiently<T>(mut look: JoinHandle<T>) -> Result<T, JoinError> {
    loop {
        match tokio::time::timeout(LONG_LOOK, &mut look).await {
            Ok(done) => return done,
            Err(_) => tracing::error!(
                seconds = LONG_LOOK.as_secs(),
                "reading the bundle takes long; the one in force stays until it is done"
            ),
        }
    }
}

fn backed_off(period: Duration, failures: u32) -> Duration {
    let longest = LONGEST_BACK_OFF.max(period);
    period.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(longest)
}

/// Between 90 and 110 percent.
fn jittered(pause: Duration, random: u8) -> Duration {
    pause.mul_f64(0.9 + 0.2 * f64::from(random) / 255.0)
}

fn random_byte() -> u8 {
    let mut byte = [128];
    // Without chance the pause is the middle one.
    let _ = SystemRandom::new().fill(&mut byte);
    let [byte] = byte;
    byte
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_does_not_answer_is_asked_more_and_more_rarely() {
        let period = Duration::from_secs(10);
        let pauses: Vec<u64> = (0..7).map(|failures| backed_off(period, failures).as_secs()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(backed_off(period, u32::MAX).as_secs(), 300);
        assert_eq!(backed_off(Duration::from_secs(3_600), 4).as_secs(), 3_600);
    }

    #[test]
    fn the_pause_varies_by_a_tenth() {
        let pause = Duration::from_secs(100);
        assert_eq!(jittered(pause, 0).as_secs_f64().round(), 90.0);
        assert_eq!(jittered(pause, 255).as_secs_f64().round(), 110.0);
    }
}
