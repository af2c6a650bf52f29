//! What `GET /v1/bundle` shows.

use std::path::PathBuf;

use interdict_policy::BundleError;
use jiff::Timestamp;
use serde::Serialize;

use super::Examined;
use crate::config::BundleConfig;

/// What `GET /v1/bundle` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleStatus {
    /// SHA-256 of the bundle in force (hex).
    pub digest: String,
    /// Since when it is in force.
    pub loaded_at: Timestamp,
    /// Folders and archives that it comes from; empty when it comes from `url`.
    pub paths: Vec<PathBuf>,
    /// Where it comes from, when not from files.
    pub url: Option<String>,
    /// Its name for people.
    pub revision: Option<String>,
    /// Its sequence.
    pub sequence: Option<u64>,
    /// From when on it decides no consequential calls.
    pub expires_at: Option<Timestamp>,
    /// The key that signed it.
    pub signed_by: Option<String>,
    /// When its source last said that it is still the one.
    pub confirmed_at: Option<Timestamp>,
    /// Why it decides no consequential calls any more, when it does not: `bundle.expired` or `bundle.too_old`.
    pub stale: Option<String>,
    /// Why what the source has is not in force, when it is not.
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

impl Refused {
    pub(crate) fn new(error: &BundleError, at: Timestamp) -> Self {
        Self { code: error.code.to_owned(), message: error.to_string(), at }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.code, &self.message) == (&other.code, &other.message)
    }
}

impl BundleStatus {
    pub(crate) fn new(config: &BundleConfig, examined: &Examined, now: Timestamp) -> Self {
        let none = Self {
            digest: String::new(),
            loaded_at: now,
            paths: if config.url.is_none() { config.paths.clone() } else { Vec::new() },
            url: config.url.clone(),
            revision: None,
            sequence: None,
            expires_at: None,
            signed_by: None,
            confirmed_at: None,
            stale: None,
            refused: None,
        };
        none.followed_by(examined, now)
    }

    /// The status with this bundle in force.
    pub(crate) fn followed_by(&self, examined: &Examined, now: Timestamp) -> Self {
        let manifest = examined.bundle.manifest();
        let term = manifest.and_then(|manifest| manifest.term());
        Self {
            digest: examined.bundle.digest().to_owned(),
            loaded_at: now,
            revision: manifest.and_then(|manifest| manifest.revision.clone()),
            sequence: term.map(|term| term.sequence),
            expires_at: term.map(|term| term.expires_at),
            signed_by: examined.signed.as_ref().map(|signed| signed.by.clone()),
            refused: None,
            ..self.clone()
        }
    }
}
