//! What roles grant, as far as the data says it: which entries of lists an agent is shown.
//!
//! The topics `tools` and `session` of the default policies allow what `interdict.roles` names. Where another topic allows
//! something too, the data alone does not say what an agent may use, and then nobody claims to know. What is shown is a
//! courtesy in any case: a call is judged by the policy.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::bundle::Data;

/// Topics that allow what roles name, and nothing beyond that has an entry in a list.
const BY_ROLES: [&str; 2] = ["tools", "session"];
/// Stands for every server.
const ANY: &str = "*";

/// Server -> names, or prefixes that end in `*`.
type Names = BTreeMap<String, Vec<String>>;

/// What one role names. What else roles hold is the topics' own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Role {
    tools: Names,
    prompts: Names,
    resources: Names,
}

/// What all roles name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roles(BTreeMap<String, Role>);

/// What some roles name of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Tools: exact names, or prefixes that end in `*`.
    pub tools: Vec<String>,
    /// Prompts, as tools.
    pub prompts: Vec<String>,
    /// Prefixes of URIs.
    pub resources: Vec<String>,
}

impl Roles {
    /// Reads `interdict.roles`; `None` where it does not say what agents may use.
    pub(crate) fn read<'t>(
        data: &Data,
        mut topics: impl Iterator<Item = (&'t String, &'t BTreeSet<String>)>,
    ) -> Option<Self> {
        if topics.any(|(name, sets)| sets.contains("allow") && !BY_ROLES.contains(&name.as_str())) {
            return None;
        }
        let document = data.document();
        let roles = document.get("interdict")?.get("roles")?;
        // Of another shape: some other policy's own.
        serde_json::from_value(roles.clone()).ok().map(Self)
    }

    /// What these roles name of a server.
    pub(crate) fn of(&self, roles: &[String], server: &str) -> Grants {
        let named = |pick: fn(&Role) -> &Names| {
            let held = roles.iter().filter_map(|role| self.0.get(role));
            let names = held.flat_map(|role| [server, ANY].into_iter().filter_map(|at| pick(role).get(at)));
            let names: BTreeSet<&String> = names.flatten().collect();
            names.into_iter().cloned().collect()
        };
        Grants {
            tools: named(|role| &role.tools),
            prompts: named(|role| &role.prompts),
            resources: named(|role| &role.resources),
        }
    }
}
