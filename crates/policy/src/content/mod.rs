//! What content is looked through for, by server, tool and direction: `interdict.content` of the data, checked at load.

mod data;
mod fact;
mod profiles;

use std::collections::BTreeMap;
use std::sync::Arc;

use interdict_content::engine::Engine;
use interdict_content::profile::{InjectionRules, Profile};
use interdict_content::rules::Unreadable;

pub use self::fact::{AccumulatedFact, ContentFact, FindingFact, HOSTILE};
use self::profiles::Table;
use crate::BundleError;
use crate::bundle::Data;
use crate::registry::Registry;

/// Which way content flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the agent to a server.
    Request,
    /// From a server to the agent.
    Response,
}

/// A profile, ready to be used and to travel.
#[derive(Debug)]
pub struct ContentProfile {
    profile: Profile,
    text: String,
    digest: String,
    engine: Arc<Engine>,
}

impl ContentProfile {
    /// What is looked for and what happens to it.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Its JSON text, as an enforcement point gets it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the text, 64 hex digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The detectors of the profile, compiled.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

/// What holds for all traffic of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentSettings {
    /// What happens to responses that cannot be looked into.
    pub unreadable: Unreadable,
    /// What happens to text that reads like instructions; `None`: nothing is looked for.
    pub injection: Option<InjectionRules>,
    /// Longest JSON body or event of a response that is looked into, in bytes.
    pub max_bytes: u64,
}

impl Default for ContentSettings {
    fn default() -> Self {
        Self { unreadable: Unreadable::Pass, injection: None, max_bytes: data::DEFAULT_MAX_BYTES }
    }
}

/// What is looked for in content. Without data, nothing.
#[derive(Debug, Clone, Default)]
pub struct ContentConfig {
    requests: Table,
    responses: Table,
    /// Settings of servers that have their own.
    servers: BTreeMap<String, ContentSettings>,
    others: ContentSettings,
    /// Families of all classes that a rule names.
    families: BTreeMap<String, &'static str>,
    accumulates: bool,
    /// Rules by which a server may see a class.
    clearings: Vec<data::Clearing>,
}

impl ContentConfig {
    /// Reads and checks `interdict.content`.
    pub(crate) fn read(data: &Data, registry: &Registry) -> Result<Self, BundleError> {
        data::read(data, registry)
    }

    /// What the messages of one direction are looked through for: arguments of this tool, or its answers. Without a tool
    /// (prompts, resources, lists), what the rules that name no tools say. `None`: nothing is looked for.
    #[must_use]
    pub fn profile(
        &self,
        server: &str,
        tool: Option<&str>,
        direction: Direction,
    ) -> Option<&Arc<ContentProfile>> {
        match direction {
            Direction::Request => self.requests.find(server, tool),
            Direction::Response => self.responses.find(server, tool),
        }
    }

    /// What holds for all traffic of a server.
    #[must_use]
    pub fn settings(&self, server: &str) -> &ContentSettings {
        self.servers.get(server).unwrap_or(&self.others)
    }

    /// The family of a class: that of the built-in class, `own` for a class of the operator.
    #[must_use]
    pub fn family(&self, class: &str) -> &'static str {
        self.families.get(class).copied().unwrap_or(data::OWN)
    }

    /// Whether some rule looks at how many distinct values a session has sent.
    #[must_use]
    pub fn accumulates(&self) -> bool {
        self.accumulates
    }

    /// Whether a rule that names this server or tool says that values of the class may go there, and no other rule takes
    /// that back: then tokens that stand for such values are turned back into them.
    #[must_use]
    pub fn clears(&self, server: &str, tool: Option<&str>, class: &str) -> bool {
        let held = self.profile(server, tool, Direction::Request);
        self.clearings.iter().any(|clearing| clearing.fits(server, tool, class))
            && held.is_none_or(|profile| !profile.profile.classes.contains_key(class))
    }

    /// Whether answers of some tools of this server are looked through for something else than those of others.
    #[must_use]
    pub fn tells_tools_apart(&self, server: &str) -> bool {
        self.responses.tells_tools_apart(server)
    }

    /// Every profile that may be asked for, each once.
    pub fn profiles(&self) -> impl Iterator<Item = &Arc<ContentProfile>> {
        self.requests.all().chain(self.responses.all())
    }

    /// Whether nothing is looked for at all.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.profiles().next().is_none()
    }
}
