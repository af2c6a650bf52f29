mod keeper;
mod opa;
mod signatures;
mod url;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use interdict_policy::{RawFile, SIGNATURES, Source};
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::clock::FixedClock;
use crate::config::SignatureConfig;
use crate::identity::config::SignatureAlgorithm;
use crate::identity::mint::{SigningKey, public_pem};

const RULES: &str =
    "package interdict.policy.house\n\nallow contains {\"code\": \"fine\", \"message\": \"Fine.\"}\n";
const NOW: &str = "2026-11-21T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// A folder for a bundle, a key, and what else a test writes.
struct House {
    folder: tempfile::TempDir,
    key: SigningKey,
    clock: Arc<FixedClock>,
    events: Arc<Noted>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Noted(Mutex<Vec<BundleEvent>>);

impl BundleEvents for Noted {
    fn happened(&self, event: &BundleEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl House {
    fn new() -> Self {
        Self::with_key(SignatureAlgorithm::EdDsa)
    }

    fn with_key(algorithm: SignatureAlgorithm) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let private = folder.path().join("private.pem");
        let key = SigningKey::load_or_generate(algorithm, &private).unwrap();
        let public = public_pem(algorithm, &std::fs::read_to_string(private).unwrap()).unwrap();
        std::fs::write(folder.path().join("key.pem"), public).unwrap();
        let house = Self {
            folder,
            key,
            clock: Arc::new(FixedClock::new(now())),
            events: Arc::default(),
            metrics: Arc::new(Metrics::new()),
        };
        house.write("bundle/house.rego", RULES);
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn config(&self) -> BundleConfig {
        BundleConfig { paths: vec![self.path("bundle")], ..BundleConfig::default() }
    }

    fn signed_config(&self) -> BundleConfig {
        let signature = SignatureConfig { key_file: self.path("key.pem"), key_id: None, scope: None };
        BundleConfig { signature: Some(signature), ..self.config() }
    }

    /// Writes a manifest with this sequence that ends in a day, and signs the folder.
    fn sign(&self, sequence: u64) {
        self.sign_until(sequence, None, now() + SignedDuration::from_hours(24));
    }

    fn sign_until(&self, sequence: u64, not_before: Option<Timestamp>, expires_at: Timestamp) {
        let mut term = serde_json::json!({"sequence": sequence, "expires_at": expires_at});
        if let Some(start) = not_before {
            term["not_before"] = serde_json::json!(start);
        }
        let manifest =
            serde_json::json!({"revision": format!("r{sequence}"), "metadata": {"interdict": term}});
        self.write("bundle/.manifest", &manifest.to_string());
        self.sign_as_it_is();
    }

    fn sign_as_it_is(&self) {
        let text = signature::sign(&self.files(), &self.key, None, None).unwrap();
        std::fs::write(self.path("bundle").join(SIGNATURES), text).unwrap();
    }

    fn source(&self) -> Source {
        Source::read(&[self.path("bundle")], true).unwrap()
    }

    fn files(&self) -> Vec<RawFile> {
        self.source().roots.remove(0).files
    }

    /// The folder as an archive.
    fn archive(&self) -> Vec<u8> {
        interdict_policy::write_tarball(&self.files()).unwrap()
    }

    fn open(&self, config: &BundleConfig) -> Result<BundleKeeper, BundleError> {
        BundleKeeper::open(
            config,
            Opening {
                kept: Some(self.path("audit/bundles")),
                events: Arc::clone(&self.events) as _,
                clock: Arc::clone(&self.clock) as _,
                metrics: Arc::clone(&self.metrics),
            },
        )
    }

    fn events(&self) -> Vec<(EventKind, Option<String>)> {
        let events = self.events.0.lock().unwrap();
        events.iter().map(|event| (event.event, event.code.clone())).collect()
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }
}

fn rules(code: &str) -> String {
    RULES.replace("fine", code)
}

/// `make unit` sets the variable, so that a missing program cannot pass for a test that ran.
fn opa() -> Option<PathBuf> {
    let named = PathBuf::from(std::env::var_os("INTERDICT_OPA")?);
    assert!(named.is_file(), "INTERDICT_OPA names {}, which is no file", named.display());
    Some(named)
}
