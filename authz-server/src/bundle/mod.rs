//! The bundle in force, and how a new one takes its place: atomically, whole, and only if it is signed as configured, in
//! its time, loads, decides something and passes its own tests. What is refused leaves the old one in force, loudly.
//!
//! `docs/bundles.md` describes all of it for operators.

mod events;
mod examine;
mod freshness;
mod hashing;
mod origin;
mod remote;
pub mod signature;
mod status;
mod store;
#[cfg(test)]
mod tests;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use interdict_policy::{Bundle, BundleError};
use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;

pub use self::events::{BundleEvent, BundleEvents, EventKind, NoEvents};
pub use self::examine::{Examined, Examiner};
pub use self::freshness::Freshness;
use self::origin::{Found, Origin, Tried};
pub use self::status::{BundleStatus, Refused};
use self::store::Store;
use crate::clock::Clock;
use crate::config::BundleConfig;
use crate::telemetry::metrics::Metrics;

/// What may be otherwise at the next look though the bundle is the same.
const WORTH_ANOTHER_TRY: [&str; 2] = ["bundle.not_yet_valid", "bundle.not_kept"];

/// What the keeper needs beside its configuration.
pub struct Opening {
    /// Folder for the bundles that were in force (`bundles` in the audit directory); absent: nothing is kept, and a
    /// rollback is noticed within the life of the process only.
    pub kept: Option<PathBuf>,
    /// Who is told.
    pub events: Arc<dyn BundleEvents>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

impl Opening {
    /// Keeps nothing and tells nobody.
    #[must_use]
    pub fn rehearsal(clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self { kept: None, events: Arc::new(NoEvents), clock, metrics }
    }
}

/// The bundle in force and its history.
pub struct BundleKeeper {
    origin: Origin,
    examiner: Examiner,
    current: Arc<ArcSwap<Bundle>>,
    freshness: Freshness,
    has_max_age: bool,
    /// One look at a time.
    inner: Mutex<Inner>,
    status: Mutex<BundleStatus>,
    too_old: Gauge,
    differences: Gauge,
    events: Arc<dyn BundleEvents>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

struct Inner {
    store: Store,
    tried: Tried,
    /// What was tried last is in force.
    live: bool,
}

/// What a look at the source led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Everything is as it was at the last look.
    Unchanged,
    /// Files were being written while we read; the next look decides.
    Moving,
    /// A new bundle is in force.
    Loaded,
    /// What is there is refused or cannot be had; the old bundle stays in force.
    Refused,
    /// The source has again what is in force.
    Restored,
}

impl std::fmt::Debug for BundleKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleKeeper").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl BundleKeeper {
    /// Loads the first bundle. Reads files and may ask a URL: call it where blocking is allowed. When a URL gives no
    /// bundle that may be in force, the kept one that was in force last is, as long as its signature and term hold.
    ///
    /// # Errors
    /// When there is no bundle to put in force; a server without a bundle does not start.
    pub fn open(config: &BundleConfig, opening: Opening) -> Result<Self, BundleError> {
        let origin = Origin::new(config)?;
        let examiner = Examiner::new(config)?;
        let mut store = Store::open(opening.kept.as_deref())?;
        let now = opening.clock.now();
        let first = first(&origin, &examiner, &mut store, now)?;
        let freshness = Freshness::new(config.max_age_seconds);
        freshness.confirm(first.confirmed);
        freshness.expires(first.examined.expires_at());
        let (too_old, differences) = (Gauge::default(), Gauge::default());
        opening.metrics.register(|registry| {
            registry.register(
                "bundle_too_old",
                "1 while the bundle in force has expired or its source did not confirm it for bundle.max_age_seconds",
                too_old.clone(),
            );
            registry.register(
                "policy_engine_differences",
                "How often the two policy engines said different things about a decision; the interpreter's word counted",
                differences.clone(),
            );
        });
        opening.metrics.bundle_loaded(first.examined.bundle.digest());
        warn_of(&first.examined.bundle);
        let mut status = BundleStatus::new(config, &first.examined, now);
        status.confirmed_at = Some(first.confirmed);
        let keeper = Self {
            current: Arc::new(ArcSwap::from_pointee(first.examined.bundle)),
            inner: Mutex::new(Inner { store, live: first.refused.is_none(), tried: first.tried }),
            status: Mutex::new(status),
            origin,
            examiner,
            freshness,
            has_max_age: config.max_age_seconds.is_some(),
            too_old,
            differences,
            events: opening.events,
            clock: opening.clock,
            metrics: opening.metrics,
        };
        keeper.opened(first.refused);
        Ok(keeper)
    }

    /// Tells of the first bundle.
    fn opened(&self, refused: Option<BundleError>) {
        let status = self.status();
        match refused {
            None => self.tell(EventKind::Loaded, &status, None, None),
            Some(error) => {
                tracing::error!(
                    code = error.code, error = %error, in_force = %status.digest,
                    "the source gives no bundle; the kept one that was in force last is in force"
                );
                self.metrics.bundle_refused();
                self.lock_status().refused = Some(Refused::new(&error, self.clock.now()));
                self.tell(EventKind::Restored, &status, None, Some(&error));
            }
        }
        self.look_at_age();
    }

    /// The bundle in force, for readers that look at it on every request.
    pub fn current(&self) -> Arc<ArcSwap<Bundle>> {
        Arc::clone(&self.current)
    }

    /// Whether the bundle in force may still decide consequential calls, for readers on every request.
    pub fn freshness(&self) -> Freshness {
        self.freshness.clone()
    }

    /// Whether the bundle in force must not decide consequential calls any more.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.freshness.is_stale(now)
    }

    /// What is in force and what was refused.
    pub fn status(&self) -> BundleStatus {
        self.lock_status().clone()
    }

    /// Looks at the source once and takes what is there into force if it changed and may be. Blocks.
    pub fn look(&self) -> Look {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.live && self.is_worth_another_try() {
            inner.tried = Tried::default();
        }
        match self.origin.look(&inner.tried) {
            Err(error) => self.refuse(&error),
            Ok(Found::Moving) => Look::Moving,
            Ok(Found::Unchanged) if inner.live => self.confirm(&mut inner),
            Ok(Found::Unchanged) => Look::Unchanged,
            Ok(Found::New(source, tried)) => {
                inner.tried = tried;
                inner.live = false;
                let examined = self.examiner.examine(&source, Some(&inner.store), self.clock.now());
                match examined.and_then(|examined| self.take(&mut inner, examined)) {
                    Ok(look) => {
                        inner.live = true;
                        look
                    }
                    Err(error) => self.refuse(&error),
                }
            }
        }
    }

    fn is_worth_another_try(&self) -> bool {
        self.lock_status().refused.as_ref().is_some_and(|refused| WORTH_ANOTHER_TRY.contains(&&*refused.code))
    }

    /// The source has what is in force.
    fn confirm(&self, inner: &mut Inner) -> Look {
        let now = self.clock.now();
        self.freshness.confirm(now);
        if self.has_max_age
            && let Err(error) = inner.store.confirm(now)
        {
            tracing::warn!(code = error.code, error = %error, "the time of the last look is not kept");
        }
        let (status, was_refused) = {
            let mut status = self.lock_status();
            status.confirmed_at = Some(now);
            let was_refused = status.refused.take().is_some();
            (status.clone(), was_refused)
        };
        if !was_refused {
            return Look::Unchanged;
        }
        self.metrics.bundle_current();
        tracing::info!(digest = %status.digest, "the source has the bundle in force again");
        self.tell(EventKind::Restored, &status, None, None);
        Look::Restored
    }

    fn take(&self, inner: &mut Inner, examined: Examined) -> Result<Look, BundleError> {
        let before = self.status();
        if before.digest == examined.bundle.digest() {
            return Ok(match self.confirm(inner) {
                Look::Unchanged => Look::Restored,
                look => look,
            });
        }
        let now = self.clock.now();
        // Kept first: what is not kept cannot be replayed.
        inner.store.keep(&examined.bundle, &examined.tokens(), now)?;
        let status = BundleStatus { confirmed_at: Some(now), ..before.followed_by(&examined, now) };
        self.freshness.confirm(now);
        self.freshness.expires(examined.expires_at());
        self.metrics.bundle_loaded(examined.bundle.digest());
        self.metrics.bundle_current();
        warn_of(&examined.bundle);
        self.current.store(Arc::new(examined.bundle));
        *self.lock_status() = status.clone();
        tracing::info!(digest = %status.digest, before = %before.digest, "bundle loaded");
        self.tell(EventKind::Loaded, &status, Some(before.digest), None);
        Ok(Look::Loaded)
    }

    /// The same refusal is told once.
    fn refuse(&self, error: &BundleError) -> Look {
        let refused = Refused::new(error, self.clock.now());
        let status = {
            let mut status = self.lock_status();
            if status.refused.as_ref().is_some_and(|known| known.is_same(&refused)) {
                return Look::Unchanged;
            }
            status.refused = Some(refused);
            status.clone()
        };
        self.metrics.bundle_refused();
        tracing::error!(code = error.code, error = %error, in_force = %status.digest, "new bundle refused, the old one stays");
        self.tell(EventKind::Refused, &status, None, Some(error));
        Look::Refused
    }

    /// Tells when the bundle in force becomes too old, and when it no longer is.
    pub fn look_at_age(&self) {
        let differences = interdict_policy::engine_differences();
        self.differences.set(i64::try_from(differences).unwrap_or(i64::MAX));
        let code = self.freshness.stale_code(self.clock.now());
        let status = {
            let mut status = self.lock_status();
            if status.stale.as_deref() == code {
                return;
            }
            status.stale = code.map(str::to_owned);
            status.clone()
        };
        self.too_old.set(i64::from(code.is_some()));
        match code {
            Some(code) => {
                let message =
                    "The bundle in force is too old to decide consequential calls; they are denied.";
                tracing::error!(code, digest = %status.digest, "{message}");
                self.tell(EventKind::Stale, &status, None, Some(&BundleError::new(code, message)));
            }
            None => {
                tracing::info!(digest = %status.digest, "the bundle in force is no longer too old");
                self.tell(EventKind::Fresh, &status, None, None);
            }
        }
    }

    fn tell(
        &self,
        event: EventKind,
        status: &BundleStatus,
        previous: Option<String>,
        error: Option<&BundleError>,
    ) {
        self.events.happened(&BundleEvent {
            event,
            digest: Some(status.digest.clone()),
            previous,
            revision: status.revision.clone(),
            sequence: status.sequence,
            signed_by: status.signed_by.clone(),
            source: self.origin.name(),
            code: error.map(|error| error.code.to_owned()),
            message: error.map(ToString::to_string),
        });
    }

    fn lock_status(&self) -> MutexGuard<'_, BundleStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bundle to start with.
struct First {
    examined: Examined,
    tried: Tried,
    confirmed: Timestamp,
    /// Why the source's own bundle is not in force.
    refused: Option<BundleError>,
}

fn first(
    origin: &Origin,
    examiner: &Examiner,
    store: &mut Store,
    now: Timestamp,
) -> Result<First, BundleError> {
    let read = || {
        let (source, tried) = match origin.look(&Tried::default())? {
            Found::New(source, tried) => (source, tried),
            Found::Unchanged | Found::Moving => {
                return Err(BundleError::new("bundle.unreachable", "The source answered with nothing."));
            }
        };
        Ok((examiner.examine(&source, Some(store), now)?, tried))
    };
    let error = match read() {
        Ok((examined, tried)) => {
            store.keep(&examined.bundle, &examined.tokens(), now)?;
            return Ok(First { examined, tried, confirmed: now, refused: None });
        }
        Err(error) => error,
    };
    let Some(last) = origin.is_remote().then(|| store.last()).flatten() else { return Err(error) };
    let restored =
        last.and_then(|(kept, confirmed)| Ok((examiner.examine_kept(kept, store, now)?, confirmed)));
    match restored {
        Ok((examined, confirmed)) => {
            let confirmed = confirmed.unwrap_or(now).min(now);
            Ok(First { examined, tried: Tried::default(), confirmed, refused: Some(error) })
        }
        Err(kept) => {
            let message =
                format!("{} And the bundle that was in force last is refused: {kept}", error.message);
            Err(BundleError { message, ..error })
        }
    }
}

/// Tells what may be a mistake in a bundle that comes into force.
fn warn_of(bundle: &Bundle) {
    for warning in bundle.warnings() {
        tracing::warn!(digest = %bundle.digest(), "{warning}");
    }
}
