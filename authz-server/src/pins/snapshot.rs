//! The pins as decisions see them: in memory, of one moment, never waited for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use interdict_content::definition::{EntryKind, skeleton};
use interdict_content::rules::ListRules;

use super::checks::Checks;
use super::turn::Place;
use super::{Entry, Key, PinState};

/// A digest that no definition has: what is under it is hidden.
const NEVER: &str = "";

/// All pins of a moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    /// By tenant and server.
    servers: HashMap<Place, Arc<ServerPins>>,
}

/// The pins of one server.
#[derive(Debug, Default)]
pub(super) struct ServerPins {
    tools: HashMap<String, Known>,
    prompts: HashMap<String, Known>,
    /// What the enforcement point holds lists against.
    rules: ListRules,
    /// Names of tools that are in force.
    names: BTreeSet<String>,
    /// What the names of approved tools look like: the names behind each look.
    looks: HashMap<String, BTreeSet<String>>,
    /// Approved digests whose definitions were decrypted, which is what shows that a row is whole and of its place.
    opened: HashSet<(EntryKind, String, String)>,
    /// Entries that wait for a person.
    waiting: usize,
}

/// What is known of a name.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) state: PinState,
    /// What was approved, where something was.
    pub(super) checks: Option<Arc<Checks>>,
    /// What stood behind the server when it was approved.
    image: Option<String>,
}

impl Known {
    fn new(entry: &Entry, checks: Option<Arc<Checks>>) -> Self {
        let image = entry.pin.as_ref().and_then(|pin| pin.image.clone());
        Self { state: entry.state, checks, image }
    }

    /// Whether it is approved, and not as it is served from this image. Of a bundle that has just come into force the
    /// entries do not know yet.
    pub(super) fn is_stale(&self, image: Option<&str>) -> bool {
        match self.state {
            PinState::Stale => true,
            PinState::Pinned => self.image.as_deref() != image,
            PinState::Review | PinState::Revoked => false,
        }
    }
}

impl Snapshot {
    /// Of all entries. What was compiled for `before` and is still approved stays compiled.
    pub(super) fn new(entries: &[Entry], before: &Self) -> Self {
        let mut servers: HashMap<Place, ServerPins> = HashMap::new();
        for entry in entries {
            let place = (entry.key.tenant.clone(), entry.key.server.clone());
            let old = before.servers.get(&place);
            servers.entry(place).or_default().add(entry, old.map(Arc::as_ref));
        }
        Self { servers: servers.into_iter().map(|(place, pins)| (place, Arc::new(pins))).collect() }
    }

    /// These are the entries of one server now; of the others nothing changes.
    pub(super) fn replace(&mut self, place: Place, entries: &[Entry]) {
        let mut pins = ServerPins::default();
        let before = self.servers.get(&place).map(Arc::as_ref);
        entries.iter().for_each(|entry| pins.add(entry, before));
        self.servers.insert(place, Arc::new(pins));
    }

    /// Whether what is approved under this digest was read before, so that nobody needs its text again.
    pub(super) fn has(&self, key: &Key, digest: &str) -> bool {
        let read = (key.kind, key.name.clone(), digest.to_owned());
        self.server(&key.tenant, &key.server).is_some_and(|pins| pins.opened.contains(&read))
    }

    /// Entries that wait for a person.
    pub(super) fn waiting(&self) -> usize {
        self.servers.values().map(|pins| pins.waiting).sum()
    }

    pub(super) fn server(&self, tenant: &str, server: &str) -> Option<&Arc<ServerPins>> {
        self.servers.get(&(tenant.to_owned(), server.to_owned()))
    }

    /// Whether a tool's name looks like the other name of an approved tool, whichever server it is of: the pages of a list
    /// are not compared with each other before.
    pub(super) fn looks_like_another(&self, key: &Key) -> bool {
        let look = skeleton(&key.name);
        let mut looks = self.servers.iter().filter(|((tenant, _), _)| *tenant == key.tenant);
        looks.any(|(_, pins)| {
            pins.looks.get(&look).is_some_and(|names| names.iter().any(|name| *name != key.name))
        })
    }

    /// Names of tools of the tenant's other servers.
    pub(super) fn tools_beside(&self, tenant: &str, server: &str) -> BTreeSet<String> {
        let others = self.servers.iter().filter(|((of, id), _)| of == tenant && id != server);
        others.flat_map(|(_, pins)| pins.names.iter().cloned()).collect()
    }
}

impl ServerPins {
    fn add(&mut self, entry: &Entry, before: Option<&Self>) {
        let in_force = entry.pin.as_ref().filter(|_| entry.state.is_shown());
        let digest = in_force.map_or(NEVER, |pin| &pin.digest).to_owned();
        // An unknown name that waits stays unknown to the enforcement point: it is told again, with its marks. One that
        // was refused must not be trusted on first use.
        let is_told = entry.pin.is_some() || entry.state == PinState::Revoked;
        let name = entry.key.name.clone();
        self.waiting += usize::from(entry.waits_for().is_some());
        if let Some(pin) = &entry.pin {
            self.opened.insert((entry.key.kind, name.clone(), pin.digest.clone()));
            if entry.key.kind == EntryKind::Tool {
                self.looks.entry(skeleton(&name)).or_default().insert(name.clone());
            }
        }
        match entry.key.kind {
            EntryKind::Tool => {
                let known = Known::new(entry, checks(entry, before));
                if in_force.is_some() {
                    self.names.insert(name.clone());
                }
                note(&mut self.rules.tools, is_told, &name, digest);
                self.tools.insert(name, known);
            }
            EntryKind::Prompt => {
                note(&mut self.rules.prompts, is_told, &name, digest);
                self.prompts.insert(name, Known::new(entry, None));
            }
            EntryKind::Template => note(&mut self.rules.templates, is_told, &name, digest),
            EntryKind::Instructions => {
                self.rules.instructions = is_told.then_some(digest);
            }
            // Data: its annotations change with every touch.
            EntryKind::Resource => {}
        }
    }

    pub(super) fn tool(&self, name: &str) -> Option<&Known> {
        self.tools.get(name)
    }

    pub(super) fn prompt(&self, name: &str) -> Option<&Known> {
        self.prompts.get(name)
    }

    pub(super) fn rules(&self) -> &ListRules {
        &self.rules
    }
}

fn note(pins: &mut Option<BTreeMap<String, String>>, is_told: bool, name: &str, digest: String) {
    if is_told {
        pins.get_or_insert_default().insert(name.to_owned(), digest);
    }
}

/// Keeps what is compiled of the same definition.
fn checks(entry: &Entry, before: Option<&ServerPins>) -> Option<Arc<Checks>> {
    let pin = entry.pin.as_ref()?;
    let old = before.and_then(|before| before.tool(&entry.key.name)?.checks.clone());
    let same = old.filter(|checks| checks.digest == pin.digest);
    Some(same.unwrap_or_else(|| Arc::new(Checks::new(pin.digest.clone(), &pin.definition))))
}
