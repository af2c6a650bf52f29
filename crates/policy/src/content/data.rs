//! `interdict.content` as it is written, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use interdict_content::engine::CLASSES;
use interdict_content::profile::{Action, ExactSet, InjectionAction, InjectionRules, Pattern};
use interdict_content::rules::Unreadable;
use serde::Deserialize;

use super::profiles::{Maker, Table, fits_server, fits_tool};
use super::{ContentConfig, ContentSettings, Direction};
use crate::BundleError;
use crate::bundle::Data;
use crate::registry::Registry;

/// The family of classes that the operator brings.
pub(super) const OWN: &str = "own";
/// Longest response that is looked into when nothing else is said: 1.5 MiB, because Envoy collects 2 MiB as we ship it and
/// needs room for one more read.
pub(super) const DEFAULT_MAX_BYTES: u64 = 3 << 19;
/// What a response that is looked into may be at most and must be allowed to be at least.
const MAX_BYTES: std::ops::RangeInclusive<u64> = (4 << 10)..=(64 << 20);
/// Most rules: every one is looked at for every tool that some rule names.
const MAX_RULES: usize = 256;
/// Where it is in the data.
const PATH: [&str; 2] = ["interdict", "content"];

/// The whole of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Form {
    pub(super) regions: Vec<String>,
    pub(super) rules: Vec<Rule>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) exact: Vec<ExactSet>,
    accumulate: Vec<Accumulate>,
    unreadable: Option<Unreadable>,
    injection: Option<InjectionRules>,
    max_bytes: Option<u64>,
    servers: BTreeMap<String, ServerForm>,
}

/// What happens to some classes somewhere.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// Classes or families.
    pub(super) classes: Vec<String>,
    #[serde(default)]
    pub(super) direction: Option<Direction>,
    /// Ids of servers; absent: all.
    #[serde(default)]
    pub(super) servers: Option<Vec<String>>,
    /// Names of tools, or prefixes ending in `*`; absent: all, and everything that is no call of a tool.
    #[serde(default)]
    pub(super) tools: Option<Vec<String>>,
    pub(super) action: Action,
}

/// How many distinct values of some classes, taken together, a session may send. The topic `content` reads it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accumulate {
    classes: Vec<String>,
    distinct: u64,
    action: Action,
}

/// What holds for one server instead.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerForm {
    #[serde(default)]
    unreadable: Option<Unreadable>,
    #[serde(default)]
    injection: Option<InjectionRules>,
    #[serde(default)]
    max_bytes: Option<u64>,
}

/// Every class that there is, and its family.
pub(super) type Families = BTreeMap<String, &'static str>;

/// Whether a name of a rule means the class: its own, that of its family, or `identity` for documents and national
/// numbers alike.
pub(super) fn means(name: &str, class: &str, family: &str) -> bool {
    name == class || name == family || (name == "identity" && family == "national_id")
}

pub(super) fn read(data: &Data, registry: &Registry) -> Result<ContentConfig, BundleError> {
    let document = data.document();
    let found = PATH.iter().try_fold(&document, |value, part| value.get(part));
    let Some(found) = found else { return Ok(ContentConfig::default()) };
    let at = |path: &[&str]| {
        let path: Vec<String> = PATH.iter().chain(path).map(|part| (*part).to_owned()).collect();
        data.owner_of(&path).or_else(|| data.owner_of(&PATH.map(str::to_owned)))
    };
    let form: Form = serde_path_to_error::deserialize(found).map_err(|error| {
        let place = error.path().to_string();
        let first = place.split(['.', '[']).next().unwrap_or_default();
        let message = format!("`interdict.content.{place}`: {}.", error.inner());
        wrong(message, at(&[first]))
    })?;
    let families = families(&form);
    check(&form, &families, registry).map_err(|(member, text)| wrong(text, at(&[member])))?;
    let maker = Maker { form: &form, families: &families, registry };
    let refused = |error: interdict_content::engine::ProfileError| {
        wrong(format!("The detectors cannot be made: {} [{}].", error.message, error.code), at(&[]))
    };
    let requests = maker.table(Direction::Request, &|_| None).map_err(refused)?;
    let injection = |server: &str| form.settings(server).injection;
    let responses = maker.table(Direction::Response, &injection).map_err(refused)?;
    Ok(config(form, families, requests, responses))
}

/// A rule by which some servers or tools may see some classes.
#[derive(Debug, Clone)]
pub(super) struct Clearing {
    rule: Rule,
    classes: BTreeSet<String>,
}

impl Clearing {
    /// Only a rule that names servers or tools says where a value may go.
    fn of(rule: &Rule, families: &Families) -> Option<Self> {
        let clears = rule.action == Action::Allow
            && rule.direction != Some(Direction::Response)
            && (rule.servers.is_some() || rule.tools.is_some());
        let meant = |class: &str, family: &str| rule.classes.iter().any(|name| means(name, class, family));
        let classes = families.iter().filter(|(class, family)| meant(class, family));
        clears
            .then(|| Self { rule: rule.clone(), classes: classes.map(|(class, _)| class.clone()).collect() })
    }

    pub(super) fn fits(&self, server: &str, tool: Option<&str>, class: &str) -> bool {
        self.classes.contains(class) && fits_server(&self.rule, server) && fits_tool(&self.rule, tool)
    }
}

fn wrong(message: String, file: Option<&Path>) -> BundleError {
    let error = BundleError::new("bundle.content", message);
    match file {
        Some(file) => error.at(file, None),
        None => error,
    }
}

fn config(form: Form, families: Families, requests: Table, responses: Table) -> ContentConfig {
    let settings = |server: &str| {
        let mut settings = form.settings(server);
        let declared = form.servers.get(server).and_then(|own| own.unreadable).or(form.unreadable);
        // Whoever wants something kept from the agent does not want it to come in a form that cannot be read.
        let needed = || if responses.keeps_back(server) { Unreadable::Deny } else { Unreadable::Pass };
        settings.unreadable = declared.unwrap_or_else(needed);
        settings
    };
    let named: BTreeSet<&String> =
        form.servers.keys().chain(form.rules.iter().flat_map(|rule| rule.servers.iter().flatten())).collect();
    let clearings = form.rules.iter().filter_map(|rule| Clearing::of(rule, &families)).collect();
    ContentConfig {
        clearings,
        servers: named.into_iter().map(|server| (server.clone(), settings(server))).collect(),
        others: settings(""),
        accumulates: !form.accumulate.is_empty(),
        families,
        requests,
        responses,
    }
}

impl Form {
    /// The settings of a server, without what depends on its profiles.
    fn settings(&self, server: &str) -> ContentSettings {
        let own = self.servers.get(server);
        ContentSettings {
            injection: own
                .and_then(|own| own.injection)
                .or(self.injection)
                .filter(|rules| strongest(rules) != InjectionAction::Off),
            max_bytes: own.and_then(|own| own.max_bytes).or(self.max_bytes).unwrap_or(DEFAULT_MAX_BYTES),
            ..ContentSettings::default()
        }
    }
}

/// The strictest thing that happens to text of any tier.
pub(super) fn strongest(rules: &InjectionRules) -> InjectionAction {
    rules.structural.max(rules.contextual).max(rules.lexical)
}

/// National numbers of other regions are no classes here: nearly every number of some length is one somewhere.
fn families(form: &Form) -> Families {
    let here = |country: &str| country.is_empty() || form.regions.iter().any(|region| region == country);
    let built_in = CLASSES.iter().filter(|class| here(class.country));
    let mut families: Families = built_in.map(|class| (class.name.to_owned(), class.family)).collect();
    let own = form.patterns.iter().map(|pattern| &pattern.class);
    for class in own.chain(form.exact.iter().map(|set| &set.class)) {
        families.entry(class.clone()).or_insert(OWN);
    }
    families
}

/// The first mistake, with the member that it is in.
fn check(form: &Form, families: &Families, registry: &Registry) -> Result<(), (&'static str, String)> {
    for region in &form.regions {
        if region.len() != 2 || !region.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Err((
                "regions",
                format!("Region `{region}` is a country's code in lower case, as `nl`."),
            ));
        }
    }
    if form.rules.len() > MAX_RULES {
        return Err(("rules", format!("There are at most {MAX_RULES} rules.")));
    }
    for rule in &form.rules {
        check_rule(rule, families, registry)?;
    }
    check_own(form, families)?;
    for rule in &form.accumulate {
        check_accumulate(rule, form, families)?;
    }
    for (server, own) in &form.servers {
        known_server("servers", server, registry)?;
        check_bytes("servers", own.max_bytes)?;
    }
    check_bytes("max_bytes", form.max_bytes)
}

fn check_rule(rule: &Rule, families: &Families, registry: &Registry) -> Result<(), (&'static str, String)> {
    known_classes("rules", &rule.classes, families)?;
    for server in rule.servers.iter().flatten() {
        known_server("rules", server, registry)?;
    }
    if rule.servers.as_ref().is_some_and(Vec::is_empty) || rule.tools.as_ref().is_some_and(Vec::is_empty) {
        let text = "`servers` and `tools` of a rule name at least one; leave them out for all.";
        return Err(("rules", text.into()));
    }
    let wrong = |tool: &String| {
        let name = tool.strip_suffix('*').unwrap_or(tool);
        tool.is_empty() || name.contains('*') || name.chars().any(char::is_control)
    };
    if rule.tools.iter().flatten().any(wrong) {
        return Err(("rules", "`tools` of a rule are names, or prefixes that end in `*`.".into()));
    }
    Ok(())
}

/// Operators' own detectors: each must be in a rule, or it would never be looked for.
fn check_own(form: &Form, families: &Families) -> Result<(), (&'static str, String)> {
    let patterns = form.patterns.iter().map(|pattern| ("patterns", &pattern.class));
    for (member, class) in patterns.chain(form.exact.iter().map(|set| ("exact", &set.class))) {
        let family = families.get(class).copied().unwrap_or(OWN);
        let meant = |name: &String| means(name, class, family);
        if !form.rules.iter().any(|rule| rule.classes.iter().any(meant)) {
            return Err((member, format!("Class `{class}` is in no rule, so nothing would look for it.")));
        }
    }
    Ok(())
}

fn check_accumulate(
    rule: &Accumulate,
    form: &Form,
    families: &Families,
) -> Result<(), (&'static str, String)> {
    known_classes("accumulate", &rule.classes, families)?;
    if !(1..=100_000).contains(&rule.distinct) || !matches!(rule.action, Action::Ask | Action::Deny) {
        let text = "`distinct` is 1 to 100000, and `action` is `ask` or `deny`.";
        return Err(("accumulate", text.into()));
    }
    // Only what some rule looks for in requests is counted.
    let looked_for = |class: &str, family: &str| {
        form.rules.iter().any(|found| {
            found.direction != Some(Direction::Response)
                && found.action != Action::Allow
                && found.classes.iter().any(|name| means(name, class, family))
        })
    };
    for name in &rule.classes {
        let mut classes = families.iter().filter(|(class, family)| means(name, class, family));
        if !classes.any(|(class, family)| looked_for(class, family)) {
            let text = format!(
                "`{name}` is counted, but no rule looks for it in requests; add one, if only with `count`."
            );
            return Err(("accumulate", text));
        }
    }
    Ok(())
}

fn known_classes(
    member: &'static str,
    classes: &[String],
    families: &Families,
) -> Result<(), (&'static str, String)> {
    if classes.is_empty() {
        return Err((member, "`classes` names at least one class or family.".into()));
    }
    let known = |name: &str| families.iter().any(|(class, family)| means(name, class, family));
    let Some(name) = classes.iter().find(|name| !known(name)) else { return Ok(()) };
    let text = if CLASSES.iter().any(|class| means(name, class.name, class.family)) {
        format!("`{name}` is about national numbers of countries that are not in `regions`.")
    } else {
        format!("There is no class or family `{name}`; docs/content.md lists them.")
    };
    Err((member, text))
}

fn known_server(
    member: &'static str,
    server: &str,
    registry: &Registry,
) -> Result<(), (&'static str, String)> {
    match registry.server(server) {
        Some(_) => Ok(()),
        None => Err((member, format!("No file declares server `{server}`."))),
    }
}

fn check_bytes(member: &'static str, bytes: Option<u64>) -> Result<(), (&'static str, String)> {
    match bytes {
        Some(bytes) if !MAX_BYTES.contains(&bytes) => {
            Err((member, format!("`max_bytes` is {} to {}.", MAX_BYTES.start(), MAX_BYTES.end())))
        }
        _ => Ok(()),
    }
}
