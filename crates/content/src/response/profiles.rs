//! Detectors, compiled once per profile and kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::definition::digest_text;
use crate::engine::Engine;
use crate::injection::Injection;
use crate::profile::{InjectionRules, Profile};
use crate::response::RulesError;
use crate::rules::ResponseRules;

/// What one profile looks for in the responses of one agent, compiled.
#[derive(Debug, Clone)]
pub struct Detectors {
    engine: Arc<Engine>,
    injection: Option<Arc<Injection>>,
}

impl Detectors {
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn injection(&self) -> Option<&Injection> {
        self.injection.as_deref()
    }
}

/// One profile, compiled.
#[derive(Debug)]
struct Held {
    digest: String,
    engine: Arc<Engine>,
    rules: Option<InjectionRules>,
    /// By the other tools of an agent; the one used last is at the end.
    injections: Vec<(BTreeSet<String>, Arc<Injection>)>,
}

/// Sets of tools for which one profile is kept compiled.
const MOST_TOOL_SETS: usize = 4;

impl Held {
    fn compile(digest: &str, text: &str) -> Result<Self, RulesError> {
        let profile: Profile =
            serde_json::from_str(text).map_err(|_| RulesError { code: "content.bad_profile" })?;
        let engine = Engine::new(&profile).map_err(|error| RulesError { code: error.code })?;
        let (digest, engine) = (digest.to_owned(), Arc::new(engine));
        Ok(Self { digest, engine, rules: profile.injection, injections: Vec::new() })
    }

    fn detectors(&mut self, tools: &BTreeSet<String>) -> Detectors {
        let engine = Arc::clone(&self.engine);
        Detectors { engine, injection: self.rules.map(|rules| self.injection(&rules, tools)) }
    }

    fn injection(&mut self, rules: &InjectionRules, tools: &BTreeSet<String>) -> Arc<Injection> {
        let used = match self.injections.iter().position(|(held, _)| held == tools) {
            Some(place) => self.injections.remove(place),
            None => (tools.clone(), Arc::new(Injection::new(rules, tools))),
        };
        if self.injections.len() >= MOST_TOOL_SETS {
            self.injections.remove(0);
        }
        let injection = Arc::clone(&used.1);
        self.injections.push(used);
        injection
    }
}

/// The profiles that were used last, compiled.
#[derive(Debug)]
pub struct Profiles {
    most: usize,
    /// The one used last is at the end.
    held: Vec<Held>,
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
        let digests: Vec<&str> = self.held.iter().map(|held| held.digest.as_str()).collect();
        digests.join(",")
    }

    /// The detectors that rules ask for; `None` if they ask for none. A text that comes along is held against its digest.
    ///
    /// # Errors
    /// [`RulesError`] if the profile is neither held nor there, is another one than its digest says, or cannot be compiled.
    pub fn find(&mut self, rules: &ResponseRules) -> Result<Option<Detectors>, RulesError> {
        let Some(digest) = &rules.profile else { return Ok(None) };
        let mut used = match self.held.iter().position(|held| held.digest == *digest) {
            Some(place) => self.held.remove(place),
            None => {
                let text =
                    rules.profile_text.as_ref().ok_or(RulesError { code: "content.profile_missing" })?;
                if digest_text(text) != *digest {
                    return Err(RulesError { code: "content.profile_mismatch" });
                }
                Held::compile(digest, text)?
            }
        };
        let detectors = used.detectors(&rules.tools);
        if self.held.len() >= self.most.max(1) {
            self.held.remove(0);
        }
        self.held.push(used);
        Ok(Some(detectors))
    }
}
