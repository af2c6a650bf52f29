//! Detectors, compiled once per profile and kept.

use std::sync::Arc;

use crate::definition::digest_text;
use crate::engine::Engine;
use crate::profile::{InjectionRules, Profile};
use crate::response::RulesError;
use crate::rules::ResponseRules;

/// What one profile looks for, compiled.
#[derive(Debug)]
pub struct Detectors {
    engine: Engine,
    injection: Option<InjectionRules>,
}

impl Detectors {
    /// Compiles the JSON text of a profile.
    ///
    /// # Errors
    /// [`RulesError`] if it is no profile or asks for what cannot be had.
    pub fn compile(text: &str) -> Result<Self, RulesError> {
        let profile: Profile =
            serde_json::from_str(text).map_err(|_| RulesError { code: "content.bad_profile" })?;
        let engine = Engine::new(&profile).map_err(|error| RulesError { code: error.code })?;
        Ok(Self { engine, injection: profile.injection })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn injection(&self) -> Option<&InjectionRules> {
        self.injection.as_ref()
    }
}

/// The profiles that were used last, compiled.
#[derive(Debug)]
pub struct Profiles {
    most: usize,
    /// By digest; the one used last is at the end.
    held: Vec<(String, Arc<Detectors>)>,
}

impl Profiles {
    /// Keeps at most `most`.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, held: Vec::new() }
    }

    /// The digests of those that are held, joined by commas.
    #[must_use]
    pub fn digests(&self) -> String {
        let digests: Vec<&str> = self.held.iter().map(|(digest, _)| digest.as_str()).collect();
        digests.join(",")
    }

    /// The detectors that rules ask for; `None` if they ask for none. A text that comes along is held against its digest.
    ///
    /// # Errors
    /// [`RulesError`] if the profile is neither held nor there, is another one than its digest says, or cannot be compiled.
    pub fn find(&mut self, rules: &ResponseRules) -> Result<Option<Arc<Detectors>>, RulesError> {
        let Some(digest) = &rules.profile else { return Ok(None) };
        if let Some(place) = self.held.iter().position(|(held, _)| held == digest) {
            let used = self.held.remove(place);
            let detectors = Arc::clone(&used.1);
            self.held.push(used);
            return Ok(Some(detectors));
        }
        let text = rules.profile_text.as_ref().ok_or(RulesError { code: "content.profile_missing" })?;
        if digest_text(text) != *digest {
            return Err(RulesError { code: "content.profile_mismatch" });
        }
        let detectors = Arc::new(Detectors::compile(text)?);
        if self.held.len() >= self.most.max(1) {
            self.held.remove(0);
        }
        self.held.push((digest.clone(), Arc::clone(&detectors)));
        Ok(Some(detectors))
    }
}
