//! The bundle in force, and how a new one takes its place: atomically, whole, and only if it loads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use interdict_policy::{Bundle, BundleError};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::config::BundleConfig;
use crate::telemetry::metrics::Metrics;

/// Folders below this depth are not looked at: a loop of symbolic links ends here.
const MAX_FOLDER_DEPTH: usize = 32;

/// The bundle in force and its history.
pub struct BundleKeeper {
    roots: Vec<PathBuf>,
    current: Arc<ArcSwap<Bundle>>,
    /// What the files looked like when they were last tried, whether they loaded or not.
    tried: Mutex<Fingerprint>,
    status: Mutex<BundleStatus>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// What `GET /v1/bundle` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleStatus {
    /// SHA-256 of the bundle in force (hex).
    pub digest: String,
    /// Since when it is in force.
    pub loaded_at: Timestamp,
    /// Where it comes from.
    pub paths: Vec<PathBuf>,
    /// Why the files on disk are not in force, when they are not.
    pub refused: Option<Refused>,
}

/// A new bundle that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Stable code.
    pub code: String,
    /// File, line and what would be right.
    pub message: String,
    /// When it was tried.
    pub at: Timestamp,
}

/// What a look at the files led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The files are as they were when last tried.
    Unchanged,
    /// They were being written while we read; the next look decides.
    Moving,
    /// A new bundle is in force.
    Loaded,
    /// They do not load; the old bundle stays in force.
    Refused,
    /// They are again what is in force.
    Restored,
}

type Fingerprint = [u8; 32];

impl std::fmt::Debug for BundleKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleKeeper").field("roots", &self.roots).finish_non_exhaustive()
    }
}

impl BundleKeeper {
    /// Loads the first bundle. Reads files: call it where blocking is allowed.
    ///
    /// # Errors
    /// When the bundle does not load; a server without a bundle does not start.
    pub fn open(
        config: &BundleConfig,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BundleError> {
        let fingerprint = fingerprint(&config.paths);
        let bundle = Bundle::load(&config.paths)?;
        metrics.bundle_loaded(bundle.digest());
        let status = BundleStatus {
            digest: bundle.digest().to_owned(),
            loaded_at: clock.now(),
            paths: config.paths.clone(),
            refused: None,
        };
        Ok(Self {
            roots: config.paths.clone(),
            current: Arc::new(ArcSwap::from_pointee(bundle)),
            tried: Mutex::new(fingerprint),
            status: Mutex::new(status),
            clock,
            metrics,
        })
    }

    /// The bundle in force, for readers that look at it on every request.
    pub fn current(&self) -> Arc<ArcSwap<Bundle>> {
        Arc::clone(&self.current)
    }

    /// What is in force and what was refused.
    pub fn status(&self) -> BundleStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the files once and takes them over if they changed and load. Blocks.
    pub fn look(&self) -> Look {
        let before = fingerprint(&self.roots);
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if *tried == before {
            return Look::Unchanged;
        }
        let loaded = Bundle::load(&self.roots);
        // A bundle half of whose files are the old ones is none that anybody wrote.
        if fingerprint(&self.roots) != before {
            return Look::Moving;
        }
        *tried = before;
        match loaded {
            Ok(bundle) => self.take(bundle),
            Err(error) => self.refuse(&error),
        }
    }

    fn take(&self, bundle: Bundle) -> Look {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.refused = None;
        if status.digest == bundle.digest() {
            self.metrics.bundle_current();
            return Look::Restored;
        }
        let before = std::mem::replace(&mut status.digest, bundle.digest().to_owned());
        status.loaded_at = self.clock.now();
        self.metrics.bundle_loaded(bundle.digest());
        tracing::info!(digest = bundle.digest(), before = %before, "bundle loaded");
        self.current.store(Arc::new(bundle));
        Look::Loaded
    }

    fn refuse(&self, error: &BundleError) -> Look {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.refused =
            Some(Refused { code: error.code.to_owned(), message: error.to_string(), at: self.clock.now() });
        self.metrics.bundle_refused();
        tracing::error!(code = error.code, error = %error, in_force = %status.digest, "new bundle refused, the old one stays");
        Look::Refused
    }

    /// Looks at the files every `period` until the future is dropped.
    pub async fn watch(self: Arc<Self>, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let keeper = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || keeper.look()).await {
                tracing::error!(error = %error, "looking at the bundle failed");
            }
        }
    }
}

/// Names and contents of all files below the roots. Not the bundle's digest, which is the policy crate's: this one only
/// has to change whenever something could.
fn fingerprint(roots: &[PathBuf]) -> Fingerprint {
    let mut hash = Sha256::new();
    for root in roots {
        add(&mut hash, root, 0);
    }
    hash.finalize().into()
}

fn add(hash: &mut Sha256, path: &Path, depth: usize) {
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    field(path.as_os_str().as_encoded_bytes());
    if path.is_dir() {
        if depth >= MAX_FOLDER_DEPTH {
            return;
        }
        let Ok(entries) = std::fs::read_dir(path) else {
            return field(b"unreadable folder");
        };
        let mut children: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        children.sort();
        for child in children {
            add(hash, &child, depth + 1);
        }
    } else if path.is_file() {
        match std::fs::read(path) {
            Ok(bytes) => field(&bytes),
            Err(_) => field(b"unreadable file"),
        }
    }
}
