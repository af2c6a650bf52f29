//! The current public keys of one issuer: loaded, refreshed, withdrawn, and refused when they are too old.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::IdentityError;
use super::config::{IssuerConfig, SignatureAlgorithm};
use super::fetch::{Fetch, Source};
use super::jwks::{KeySet, VerifyingKey};

/// How many unknown `kid` values are remembered.
const ABSENT_KIDS: u64 = 1_024;

/// How often things happen; apart from `refresh` and `stale` the operator has no say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between two reads in the background.
    pub(crate) refresh: Duration,
    /// Between the last good read and the refusal of all tokens.
    pub(crate) stale: Duration,
    /// Between two reads that unknown `kid` values cause, whoever sends them.
    pub(crate) unknown_kid: Duration,
    /// How long a `kid` that was not found is not looked for again.
    pub(crate) absent: Duration,
}

/// The keys of one issuer. Dropping it ends the background task.
#[derive(Debug)]
pub(crate) struct Keys {
    shared: Arc<Shared>,
    refresher: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    issuer: String,
    algorithm: SignatureAlgorithm,
    pace: Pace,
    current: ArcSwapOption<Snapshot>,
    began: Instant,
    /// Milliseconds from `began` to the last read that succeeded, changed or not.
    confirmed_ms: AtomicU64,
    /// One read at a time; everybody else waits for its result.
    flight: Mutex<Flight>,
    absent: moka::sync::Cache<String, ()>,
}

#[derive(Debug)]
struct Flight {
    source: Source,
    last: Option<Instant>,
    failing: bool,
}

/// The keys between two changes of the set.
#[derive(Debug)]
pub(crate) struct Snapshot {
    keys: KeySet,
    /// Counts the changes.
    pub(crate) generation: u64,
}

// === impl Pace ===

impl Pace {
    pub(crate) fn of(config: &IssuerConfig) -> Self {
        let refresh = Duration::from_secs(config.jwks.refresh_seconds.into());
        let stale = Duration::from_secs(config.jwks.stale_seconds.into());
        if config.jwks.file.is_some() {
            // Looking at a file costs microseconds.
            let second = Duration::from_secs(1);
            return Self { refresh: second, stale, unknown_kid: Duration::from_millis(100), absent: second };
        }
        let unknown_kid = Duration::from_secs(10).min(refresh);
        Self { refresh, stale, unknown_kid, absent: Duration::from_secs(30).min(refresh) }
    }

    /// How long to wait before the next read: after failures a second, then two, four, ... at most half a minute, and
    /// never longer than usual.
    fn pause_after(&self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => self.refresh,
            Some(earlier) => {
                Duration::from_secs(1 << earlier.min(5)).min(Duration::from_secs(30)).min(self.refresh)
            }
        }
    }
}

// === impl Keys ===

impl Keys {
    /// Reads the keys once and keeps them fresh from then on.
    pub(crate) async fn start(
        issuer: &str,
        algorithm: SignatureAlgorithm,
        source: Source,
        pace: Pace,
    ) -> Result<Self, String> {
        let is_file = source.is_file();
        let shared = Arc::new(Shared {
            issuer: issuer.to_owned(),
            algorithm,
            pace,
            current: ArcSwapOption::empty(),
            began: Instant::now(),
            confirmed_ms: AtomicU64::new(0),
            flight: Mutex::new(Flight { source, last: None, failing: false }),
            absent: moka::sync::Cache::builder().max_capacity(ABSENT_KIDS).time_to_live(pace.absent).build(),
        });
        let mut flight = shared.flight.lock().await;
        let first = shared.read(&mut flight).await;
        drop(flight);
        // A file of ours that is wrong is an operator's mistake to be told at once; a URL of others may come up later.
        if let (Err(message), true) = (first, is_file) {
            return Err(message);
        }
        let refresher = tokio::spawn(Arc::clone(&shared).keep_fresh()).abort_handle();
        Ok(Self { shared, refresher })
    }

    /// The current keys, unless there are none yet or they are too old to be believed.
    pub(crate) fn current(&self) -> Result<Guard<Option<Arc<Snapshot>>>, IdentityError> {
        let current = self.shared.current.load();
        if current.is_none() {
            return Err(IdentityError::KeysUnavailable);
        }
        let age = self.shared.age_ms().saturating_sub(self.shared.confirmed_ms.load(Ordering::Relaxed));
        if u128::from(age) > self.shared.pace.stale.as_millis() {
            return Err(IdentityError::KeysStale);
        }
        Ok(current)
    }

    /// The key with this `kid` and the generation of the set; reads the set again when it has none.
    pub(crate) async fn find(&self, kid: &str) -> Result<(Arc<VerifyingKey>, u64), IdentityError> {
        if let Some(found) = self.lookup(kid)? {
            return Ok(found);
        }
        if self.shared.absent.contains_key(kid) {
            return Err(IdentityError::UnknownKid);
        }
        let mut flight = self.shared.flight.lock().await;
        if let Some(found) = self.lookup(kid)? {
            return Ok(found);
        }
        if flight.last.is_some_and(|last| last.elapsed() < self.shared.pace.unknown_kid) {
            return Err(IdentityError::UnknownKid);
        }
        let outcome = self.shared.read(&mut flight).await;
        drop(flight);
        if let Some(found) = self.lookup(kid)? {
            return Ok(found);
        }
        // After a read that failed nothing is known of this kid: it may be looked for again.
        if outcome.is_ok() {
            self.shared.absent.insert(kid.to_owned(), ());
        }
        Err(IdentityError::UnknownKid)
    }

    fn lookup(&self, kid: &str) -> Result<Option<(Arc<VerifyingKey>, u64)>, IdentityError> {
        let current = self.current()?;
        Ok(current.as_ref().and_then(|snapshot| Some((Arc::clone(snapshot.get(kid)?), snapshot.generation))))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.refresher.abort();
    }
}

// === impl Snapshot ===

impl Snapshot {
    pub(crate) fn get(&self, kid: &str) -> Option<&Arc<VerifyingKey>> {
        self.keys.get(kid)
    }
}

// === impl Shared ===

impl Shared {
    async fn keep_fresh(self: Arc<Self>) {
        let mut failures = u32::from(self.current.load().is_none());
        loop {
            tokio::time::sleep(self.pace.pause_after(failures)).await;
            let mut flight = self.flight.lock().await;
            failures = match self.read(&mut flight).await {
                Ok(()) => 0,
                Err(_) => failures.saturating_add(1),
            };
        }
    }

    async fn read(&self, flight: &mut Flight) -> Result<(), String> {
        let outcome = match flight.source.read().await {
            Ok(Fetch::Unchanged) => Ok(()),
            Ok(Fetch::Content(bytes)) => KeySet::parse(&bytes, self.algorithm)
                .map(|keys| self.replace(keys))
                .map_err(|e| e.to_string()),
            Err(message) => Err(message),
        };
        flight.last = Some(Instant::now());
        match &outcome {
            Ok(()) => {
                self.confirmed_ms.store(self.age_ms(), Ordering::Relaxed);
                flight.failing = false;
            }
            Err(message) => {
                // The next good content must be read even if the file looks as it did.
                flight.source.forget();
                if !flight.failing {
                    tracing::warn!(issuer = %self.issuer, error = %message, "cannot read the issuer's keys");
                }
                flight.failing = true;
            }
        }
        outcome
    }

    fn replace(&self, keys: KeySet) {
        let earlier = self.current.load();
        if earlier.as_ref().is_some_and(|earlier| earlier.keys.same_keys(&keys)) {
            return;
        }
        let generation = earlier.as_ref().map_or(0, |earlier| earlier.generation.wrapping_add(1));
        for (kid, reason) in &keys.left_out {
            tracing::info!(issuer = %self.issuer, kid, reason, "key not usable for tokens of this issuer");
        }
        if keys.len() == 0 {
            tracing::warn!(issuer = %self.issuer, "the issuer has no usable key: its tokens are refused");
        } else {
            tracing::info!(issuer = %self.issuer, keys = keys.len(), generation, "issuer keys loaded");
        }
        self.current.store(Some(Arc::new(Snapshot { keys, generation })));
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
