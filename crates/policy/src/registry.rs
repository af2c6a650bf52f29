//! Agents and servers: who may come, and what is protected.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;
use serde_saphyr::Spanned;

use self::authority::{host_without_port, is_authority};
use self::check::{
    check_host, check_identity, check_image, check_label, check_owner, check_path, check_resource,
    check_tenant, wrong,
};
use crate::BundleError;
use crate::bundle::read_yaml;

mod agent;
mod authority;
mod check;
mod server;

pub use self::agent::{Agent, AgentIdentity};
pub use self::server::{DenyForm, Numbers, Server, ServerEnforcement, ToolPinning, UndeclaredArguments};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentsFile {
    agents: Vec<Spanned<Agent>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServersFile {
    servers: Vec<Spanned<Server>>,
}

/// All agents and servers of a bundle, checked and indexed.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    agents: BTreeMap<String, Agent>,
    servers: BTreeMap<String, Server>,
    by_identity: HashMap<AgentIdentity, String>,
    /// path -> (host or `*` -> server id)
    by_path: HashMap<String, HashMap<String, String>>,
}

impl Registry {
    /// The agent with this id.
    #[must_use]
    pub fn agent(&self, id: &str) -> Option<&Agent> {
        self.agents.get(id)
    }

    /// The agent that a token of `issuer` for `subject` proves.
    #[must_use]
    pub fn agent_by_token(&self, issuer: &str, subject: &str) -> Option<&Agent> {
        let key = AgentIdentity::Token { issuer: issuer.to_owned(), subject: subject.to_owned() };
        self.agents.get(self.by_identity.get(&key)?)
    }

    /// The agent that a workload certificate with this URI proves.
    #[must_use]
    pub fn agent_by_spiffe(&self, uri: &str) -> Option<&Agent> {
        let key = AgentIdentity::Spiffe { spiffe: uri.to_owned() };
        self.agents.get(self.by_identity.get(&key)?)
    }

    /// The server with this id.
    #[must_use]
    pub fn server(&self, id: &str) -> Option<&Server> {
        self.servers.get(id)
    }

    /// The one server that answers for this authority (case and port ignored) and path (query ignored, otherwise
    /// compared byte by byte: no decoding, no dot segments). An authority that is not `host` or `host:port` (RFC 9110
    /// section 7.2) has none: Envoy joins two `Host` headers with a comma, and servers differ on what that means.
    #[must_use]
    pub fn server_for(&self, host: &str, path: &str) -> Option<&Server> {
        if !is_authority(host) {
            return None;
        }
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let hosts = self.by_path.get(path)?;
        let id = hosts.get("*").or_else(|| hosts.get(&host_without_port(host).to_ascii_lowercase()))?;
        self.servers.get(id)
    }

    /// All agents, by id.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }

    /// All servers, by id.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.values()
    }

    /// Adds a file of agents.
    pub(crate) fn add_agents(&mut self, text: &str, file: &Path) -> Result<(), BundleError> {
        for agent in read_yaml::<AgentsFile>(text, file)?.agents {
            let line = u32::try_from(agent.referenced.line()).ok();
            self.add_agent(agent.value).map_err(|error| error.at(file, line))?;
        }
        Ok(())
    }

    /// Adds a file of servers.
    pub(crate) fn add_servers(&mut self, text: &str, file: &Path) -> Result<(), BundleError> {
        for server in read_yaml::<ServersFile>(text, file)?.servers {
            let line = u32::try_from(server.referenced.line()).ok();
            self.add_server(server.value).map_err(|error| error.at(file, line))?;
        }
        Ok(())
    }

    /// What can only be seen when everything is read: every server that an agent names exists and is of its tenant.
    pub(crate) fn check(&self) -> Result<(), BundleError> {
        for agent in self.agents.values() {
            for id in &agent.servers {
                let Some(server) = self.servers.get(id) else {
                    return Err(wrong(
                        "bundle.unknown_server",
                        format!("Agent `{}` names server `{id}`, which no file declares.", agent.id),
                    ));
                };
                if server.tenant != agent.tenant {
                    return Err(wrong(
                        "bundle.foreign_tenant",
                        format!(
                            "Agent `{}` of tenant `{}` names server `{id}` of tenant `{}`; both are of one tenant.",
                            agent.id, agent.tenant, server.tenant
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    fn add_agent(&mut self, agent: Agent) -> Result<(), BundleError> {
        check_label("agent", "id", &agent.id)?;
        check_tenant("agent", &agent.tenant)?;
        check_owner("agent", &agent.id, &agent.owner)?;
        for role in &agent.roles {
            check_label("agent", "role", role)?;
        }
        if self.agents.contains_key(&agent.id) {
            let message = format!("Agent `{}` is declared twice; ids are unique over all files.", agent.id);
            return Err(wrong("bundle.duplicate_agent", message));
        }
        if agent.identities.is_empty() {
            let message =
                format!("Agent `{}` has no identity, so nobody can be it; give at least one.", agent.id);
            return Err(wrong("bundle.no_identity", message));
        }
        for identity in &agent.identities {
            check_identity(&agent.id, identity)?;
            match self.by_identity.entry(identity.clone()) {
                Entry::Vacant(free) => {
                    free.insert(agent.id.clone());
                }
                Entry::Occupied(taken) => {
                    let message = format!(
                        "An identity of agent `{}` already proves agent `{}`; each proves exactly one.",
                        agent.id,
                        taken.get()
                    );
                    return Err(wrong("bundle.duplicate_identity", message));
                }
            }
        }
        self.agents.insert(agent.id.clone(), agent);
        Ok(())
    }

    fn add_server(&mut self, server: Server) -> Result<(), BundleError> {
        check_label("server", "id", &server.id)?;
        check_tenant("server", &server.tenant)?;
        check_owner("server", &server.id, &server.owner)?;
        check_resource(&server.id, &server.resource)?;
        check_image(&server.id, server.image_digest.as_deref())?;
        if self.servers.contains_key(&server.id) {
            let message = format!("Server `{}` is declared twice; ids are unique over all files.", server.id);
            return Err(wrong("bundle.duplicate_server", message));
        }
        if let Some(other) = self.servers.values().find(|other| other.resource == server.resource) {
            let message = format!(
                "Servers `{}` and `{}` share a resource, so a token for one would be good for the other.",
                other.id, server.id
            );
            return Err(wrong("bundle.duplicate_resource", message));
        }
        if server.hosts.is_empty() || server.paths.is_empty() {
            let message = format!("Server `{}` needs at least one host (`*` = any) and one path.", server.id);
            return Err(wrong("bundle.unreachable_server", message));
        }
        for host in &server.hosts {
            check_host(&server.id, host)?;
        }
        for path in &server.paths {
            check_path(&server.id, path)?;
            for host in &server.hosts {
                self.add_route(&server.id, path, host)?;
            }
        }
        self.servers.insert(server.id.clone(), server);
        Ok(())
    }

    fn add_route(&mut self, id: &str, path: &str, host: &str) -> Result<(), BundleError> {
        let hosts = self.by_path.entry(path.to_owned()).or_default();
        let overlap = if host == "*" {
            hosts.iter().next()
        } else {
            hosts.get_key_value("*").or_else(|| hosts.get_key_value(host))
        };
        if let Some((_, other)) = overlap {
            let message = if other == id {
                format!("Server `{id}` names path `{path}` on host `{host}` twice.")
            } else {
                format!("Servers `{other}` and `{id}` both answer for path `{path}` on host `{host}`.")
            };
            return Err(wrong("bundle.ambiguous_server", message));
        }
        hosts.insert(host.to_owned(), id.to_owned());
        Ok(())
    }
}
