//! The section `bundle`: where policies come from, and what makes them trustworthy.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;
use super::load::within;
use crate::identity::config::is_loopback;

/// Where the bundle comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BundleConfig {
    /// Folders and `.tar.gz` files, merged; at least one unless there is a `url`.
    pub paths: Vec<PathBuf>,
    /// Where an OPA bundle is fetched from, instead of `paths`.
    pub url: Option<String>,
    /// File with a bearer token for `url`.
    pub token_file: Option<PathBuf>,
    /// PEM file with the authorities to trust for `url`, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long fetching from `url` may take, in seconds.
    pub timeout_seconds: u64,
    /// How often the files or the URL are looked at, in seconds; 0 = never.
    pub reload_seconds: u64,
    /// When set, a bundle is refused that this key did not sign.
    pub signature: Option<SignatureConfig>,
    /// How long after its source last confirmed it a bundle decides consequential calls, in seconds; absent = for ever.
    pub max_age_seconds: Option<u64>,
    /// Whether a bundle that fails its own tests is refused.
    pub run_tests: bool,
}

/// The key that signs bundles.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureConfig {
    /// PEM file with the public key: Ed25519, P-256 or RSA.
    pub key_file: PathBuf,
    /// What a signature that names its key must name.
    #[serde(default)]
    pub key_id: Option<String>,
    /// The scope that a signature must have; absent = none.
    #[serde(default)]
    pub scope: Option<String>,
}

impl Default for BundleConfig {
    fn default() -> Self {
        Self {
            paths: vec![PathBuf::from("policies")],
            url: None,
            token_file: None,
            ca_file: None,
            timeout_seconds: 30,
            reload_seconds: 2,
            signature: None,
            max_age_seconds: None,
            run_tests: true,
        }
    }
}

impl BundleConfig {
    pub(super) fn resolve(&mut self, base: &Path) {
        if self.url.is_some() {
            // What stands there is the default.
            self.paths.clear();
        }
        let paths = self.paths.iter_mut().chain(&mut self.token_file).chain(&mut self.ca_file);
        for path in paths.chain(self.signature.as_mut().map(|signature| &mut signature.key_file)) {
            if path.is_relative() {
                *path = base.join(&*path);
            }
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match &self.url {
            Some(url) => self.validate_url(url)?,
            None if self.paths.is_empty() => {
                return Err(ConfigError::at(
                    "bundle.paths",
                    "is empty; name at least one folder with policies",
                ));
            }
            None => self.validate_paths()?,
        }
        within("bundle.timeout_seconds", self.timeout_seconds, 1, 300)?;
        within("bundle.reload_seconds", self.reload_seconds, 0, 86_400)?;
        if let Some(age) = self.max_age_seconds {
            within("bundle.max_age_seconds", age, 10, 31_536_000)?;
            if self.reload_seconds == 0 || age <= self.reload_seconds {
                return Err(ConfigError::at(
                    "bundle.max_age_seconds",
                    "must be more than `bundle.reload_seconds`, which may not be 0: else every bundle becomes stale",
                ));
            }
        }
        Ok(())
    }

    fn validate_url(&self, url: &str) -> Result<(), ConfigError> {
        let wrong = |message: &str| Err(ConfigError::at("bundle.url", message));
        if self.paths != Self::default().paths {
            return wrong("stands beside `bundle.paths`; a bundle comes from one of them");
        }
        let Ok(url) = url::Url::parse(url) else {
            return wrong("is no URL; write https://bundles.example/bundle.tar.gz");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("holds a password; put a token into `bundle.token_file`");
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_loopback(&url) => Ok(()),
            _ => wrong("must be https (or http on a loopback address)"),
        }
    }

    fn validate_paths(&self) -> Result<(), ConfigError> {
        if self.signature.is_some() && self.paths.len() != 1 {
            return Err(ConfigError::at(
                "bundle.paths",
                "must be one folder or archive when `bundle.signature` is set: one signature is over one bundle; \
                 `interdict bundle build` makes one of several folders",
            ));
        }
        for (key, file) in [("bundle.token_file", &self.token_file), ("bundle.ca_file", &self.ca_file)] {
            if file.is_some() {
                return Err(ConfigError::at(key, "is for `bundle.url`, which is not set"));
            }
        }
        Ok(())
    }
}
