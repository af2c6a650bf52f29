//! From rules to one profile for every server and tool that they tell apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use interdict_audit::hex;
use interdict_content::engine::{Engine, ProfileError};
use interdict_content::profile::{Action, InjectionAction, InjectionRules, Profile};
use sha2::{Digest as _, Sha256};

use super::data::{Families, Form, Rule, means, strongest};
use super::{ContentProfile, Direction};
use crate::registry::Registry;

/// A server that is not in the registry.
const OTHER: &str = "";

/// Where nothing is looked for, nothing is.
type Found = Option<Arc<ContentProfile>>;

/// The profiles of one direction.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    by_server: HashMap<String, Tools>,
    /// Every profile once, by its digest.
    distinct: BTreeMap<String, Arc<ContentProfile>>,
}

/// The profiles of one server.
#[derive(Debug, Clone, Default)]
struct Tools {
    /// Of tools that some rule names.
    exact: HashMap<String, Found>,
    /// Of tools that begin so, the longest prefix first.
    prefixes: Vec<(String, Found)>,
    /// Of all others, and of everything that is no call of a tool.
    others: Found,
}

impl Tools {
    fn all_found(&self) -> impl Iterator<Item = &Found> {
        self.exact.values().chain(self.prefixes.iter().map(|(_, found)| found))
    }

    fn all(&self) -> impl Iterator<Item = &Arc<ContentProfile>> {
        let prefixes = self.prefixes.iter().map(|(_, found)| found);
        self.exact.values().chain(prefixes).chain([&self.others]).flatten()
    }
}

impl Table {
    pub(super) fn find(&self, server: &str, tool: Option<&str>) -> Option<&Arc<ContentProfile>> {
        let tools = self.of(server)?;
        let found = tool.and_then(|tool| {
            let prefix = || tools.prefixes.iter().find(|(prefix, _)| tool.starts_with(prefix.as_str()));
            tools.exact.get(tool).or_else(|| prefix().map(|(_, found)| found))
        });
        found.unwrap_or(&tools.others).as_ref()
    }

    fn of(&self, server: &str) -> Option<&Tools> {
        self.by_server.get(server).or_else(|| self.by_server.get(OTHER))
    }

    /// Whether some tool of this server has a profile of its own.
    pub(super) fn tells_tools_apart(&self, server: &str) -> bool {
        let digest = |found: &Found| found.as_ref().map(|profile| profile.digest.clone());
        self.of(server).is_some_and(|tools| {
            let others = digest(&tools.others);
            tools.all_found().any(|found| digest(found) != others)
        })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<ContentProfile>> {
        self.distinct.values()
    }

    /// Whether something of this server is kept from the other side, and not only counted.
    pub(super) fn keeps_back(&self, server: &str) -> bool {
        self.of(server).into_iter().flat_map(Tools::all).any(|profile| {
            let Profile { classes, injection, .. } = &profile.profile;
            classes.values().any(|action| *action > Action::Count)
                || injection.as_ref().is_some_and(|rules| strongest(rules) == InjectionAction::Quarantine)
        })
    }
}

/// Makes the profiles.
pub(super) struct Maker<'a> {
    pub(super) form: &'a Form,
    pub(super) families: &'a Families,
    pub(super) registry: &'a Registry,
}

impl Maker<'_> {
    /// The table of one direction. `injection` says what of it holds for a server.
    pub(super) fn table(
        &self,
        direction: Direction,
        injection: &dyn Fn(&str) -> Option<InjectionRules>,
    ) -> Result<Table, ProfileError> {
        let rules: Vec<&Rule> = self
            .form
            .rules
            .iter()
            .filter(|rule| rule.direction.is_none_or(|only| only == direction))
            .collect();
        let (exact, mut prefixes) = names(&rules);
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        let mut table = Table::default();
        let servers = self.registry.servers().map(|server| server.id.as_str());
        for server in servers.chain([OTHER]) {
            let of_server: Vec<&Rule> =
                rules.iter().copied().filter(|rule| fits_server(rule, server)).collect();
            let injection = injection(server);
            let mut tools =
                Tools { others: self.entry(&mut table, &of_server, None, injection)?, ..Tools::default() };
            for name in &exact {
                tools.exact.insert(name.clone(), self.entry(&mut table, &of_server, Some(name), injection)?);
            }
            for prefix in &prefixes {
                // A name that begins so, and with none of the longer prefixes.
                let name = format!("{prefix}\0");
                tools
                    .prefixes
                    .push((prefix.clone(), self.entry(&mut table, &of_server, Some(&name), injection)?));
            }
            table.by_server.insert(server.to_owned(), tools);
        }
        Ok(table)
    }

    fn entry(
        &self,
        table: &mut Table,
        rules: &[&Rule],
        tool: Option<&str>,
        injection: Option<InjectionRules>,
    ) -> Result<Option<Arc<ContentProfile>>, ProfileError> {
        let fitting: Vec<&Rule> = rules.iter().copied().filter(|rule| fits_tool(rule, tool)).collect();
        let Some(profile) = self.profile(&fitting, injection) else { return Ok(None) };
        // Nothing in it can fail to be written.
        let text = serde_json::to_string(&profile).unwrap_or_default();
        let digest = hex::encode(Sha256::digest(text.as_bytes()));
        if let Some(known) = table.distinct.get(&digest) {
            return Ok(Some(Arc::clone(known)));
        }
        let engine = Arc::new(Engine::new(&profile)?);
        let made = Arc::new(ContentProfile { profile, text, digest: digest.clone(), engine });
        table.distinct.insert(digest, Arc::clone(&made));
        Ok(Some(made))
    }

    /// What these rules come to; `None` when nothing is looked for.
    fn profile(&self, rules: &[&Rule], injection: Option<InjectionRules>) -> Option<Profile> {
        let classes: BTreeMap<String, Action> = self
            .families
            .iter()
            .filter_map(|(class, family)| Some((class.clone(), action(rules, class, family)?)))
            .collect();
        if classes.is_empty() && injection.is_none() {
            return None;
        }
        let own = self.form.patterns.iter().filter(|pattern| classes.contains_key(&pattern.class));
        let exact = self.form.exact.iter().filter(|set| classes.contains_key(&set.class));
        Some(Profile {
            v: Profile::VERSION,
            regions: if classes.is_empty() { Vec::new() } else { self.form.regions.clone() },
            patterns: own.cloned().collect(),
            exact: exact.cloned().collect(),
            classes,
            injection,
        })
    }
}

/// What happens to a class: the strictest of the rules that fit. A rule that names servers or tools and says `allow`
/// takes the rules that name neither out of play. `None`: it is not looked for.
fn action(rules: &[&Rule], class: &str, family: &str) -> Option<Action> {
    let meant = |rule: &&&Rule| rule.classes.iter().any(|name| means(name, class, family));
    let is_special = |rule: &&Rule| rule.servers.is_some() || rule.tools.is_some();
    let cleared = rules.iter().filter(meant).any(|rule| is_special(rule) && rule.action == Action::Allow);
    let holding = rules.iter().filter(meant).filter(|rule| !cleared || is_special(rule));
    holding.map(|rule| rule.action).max().filter(|action| *action != Action::Allow)
}

pub(super) fn fits_server(rule: &Rule, server: &str) -> bool {
    rule.servers.as_ref().is_none_or(|servers| servers.iter().any(|name| name == server))
}

pub(super) fn fits_tool(rule: &Rule, tool: Option<&str>) -> bool {
    let Some(names) = &rule.tools else { return true };
    tool.is_some_and(|tool| {
        names.iter().any(|name| match name.strip_suffix('*') {
            Some(prefix) => tool.starts_with(prefix),
            None => tool == name,
        })
    })
}

/// The exact names and the prefixes of tools in the rules.
fn names(rules: &[&Rule]) -> (BTreeSet<String>, Vec<String>) {
    let mut exact = BTreeSet::new();
    let mut prefixes = BTreeSet::new();
    for name in rules.iter().flat_map(|rule| rule.tools.iter().flatten()) {
        match name.strip_suffix('*') {
            Some(prefix) => prefixes.insert(prefix.to_owned()),
            None => exact.insert(name.clone()),
        };
    }
    (exact, prefixes.into_iter().collect())
}
