//! Names in data and of agents that nothing declares. A typing mistake in one (`limits: {mien: …}`) would be a ceiling that
//! somebody wrote and no call ever meets, so it is told. It is no error: data may be written ahead of the server.

use std::collections::{BTreeMap, BTreeSet};

use super::unread::near;
use super::{Data, INTERDICT};
use crate::Registry;

/// Where the default policies look servers up by their id, below `interdict`.
const BY_SERVER: [&[&str]; 5] =
    [&["limits"], &["destructive"], &["hours"], &["contracts"], &["destinations", "tools"]];
/// The same, below each role.
const BY_SERVER_OF_ROLE: [&str; 3] = ["tools", "prompts", "resources"];

/// One sentence for every server that data name and no file declares, and for every role that an agent has and neither the
/// data of roles nor any of these policies names. `by_roles`: those data say what agents may use.
pub(super) fn undeclared<'t>(
    data: &Data,
    registry: &Registry,
    by_roles: bool,
    policies: impl Iterator<Item = &'t str> + Clone,
) -> Vec<String> {
    let mut said = servers(data, registry);
    if by_roles {
        said.extend(roles(data, registry, policies));
    }
    said
}

fn servers(data: &Data, registry: &Registry) -> Vec<String> {
    let known: BTreeSet<&str> = registry.servers().map(|server| server.id.as_str()).collect();
    if known.is_empty() {
        // A part of a bundle; the servers are in another.
        return Vec::new();
    }
    let roles: Vec<&str> = data.members(&[INTERDICT, "roles"]).map(|(role, _)| role).collect();
    let of_roles = roles.iter().flat_map(|role| BY_SERVER_OF_ROLE.map(|list| vec!["roles", *role, list]));
    let places = BY_SERVER.iter().map(|place| place.to_vec()).chain(of_roles);
    let mut said = Vec::new();
    for place in places {
        let path: Vec<&str> = std::iter::once(INTERDICT).chain(place).collect();
        let strange = data.members(&path).filter(|(id, _)| !id.contains('*') && !known.contains(id));
        said.extend(strange.map(|(id, file)| {
            let (file, hint) = (file.display(), hint(&known, id));
            format!("{file}: `{}` names server `{id}`, which no file declares{hint}", path.join("."))
        }));
    }
    said
}

fn roles<'t>(
    data: &Data,
    registry: &Registry,
    policies: impl Iterator<Item = &'t str> + Clone,
) -> Vec<String> {
    let known: BTreeSet<&str> = data.members(&[INTERDICT, "roles"]).map(|(role, _)| role).collect();
    let mut strange: BTreeMap<&str, &str> = BTreeMap::new();
    for agent in registry.agents() {
        let unknown = agent.roles.iter().map(String::as_str).filter(|role| !known.contains(role));
        strange.extend(unknown.map(|role| (role, agent.id.as_str())));
    }
    // A rule of somebody's own may ask for a role by its name.
    strange.retain(|role, _| !policies.clone().any(|text| text.contains(&format!("\"{role}\""))));
    let sentence = |(role, agent): (&str, &str)| {
        let hint = hint(&known, role);
        format!("agent `{agent}` has role `{role}`, which `interdict.roles` does not define{hint}")
    };
    strange.into_iter().map(sentence).collect()
}

fn hint(known: &BTreeSet<&str>, name: &str) -> String {
    near(known, name).map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}
