//! Agents and servers: who may come, and what is protected.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// One agent class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Unique id.
    pub id: String,
    /// The person or team that answers for it.
    pub owner: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// Roles that policies read.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Ids of the servers that it may use at all.
    #[serde(default)]
    pub servers: Vec<String>,
    /// What proves that a caller is this agent.
    pub identities: Vec<AgentIdentity>,
}

/// One proof of identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AgentIdentity {
    /// The subject of a token of this issuer.
    Token {
        /// `iss`, compared exactly.
        issuer: String,
        /// The subject claim, compared exactly.
        subject: String,
    },
    /// The URI of the workload's certificate.
    Spiffe {
        /// `spiffe://…`, compared exactly.
        spiffe: String,
    },
}

/// One MCP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Unique id.
    pub id: String,
    /// The person or team that answers for it.
    pub owner: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// Canonical URI, and the audience that a token must name (RFC 8707).
    pub resource: String,
    /// Host names without port, lower case; `*` = any.
    pub hosts: Vec<String>,
    /// Exact paths.
    pub paths: Vec<String>,
    /// How the server reads numbers.
    #[serde(default)]
    pub numbers: Numbers,
    /// Who stands behind a bare ext_authz call for this server.
    #[serde(default)]
    pub enforcement: ServerEnforcement,
    /// The form of a denied `tools/call`.
    #[serde(default)]
    pub deny_form: DenyForm,
}

/// How a server reads numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// Only numbers that survive a double (RFC 7493); others are refused.
    #[default]
    #[serde(rename = "i_json")]
    IJson,
    /// Every JSON number, exactly.
    Exact,
}

/// Who stands behind a bare ext_authz call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerEnforcement {
    /// Envoy's ext_authz filter alone.
    #[default]
    Native,
    /// Envoy's ext_authz filter with our filter behind it.
    Split,
}

/// The form of a denied `tools/call`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenyForm {
    /// A tool result with `isError`.
    #[default]
    ToolResult,
    /// A JSON-RPC error.
    RpcError,
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

    /// The one server that answers for this authority (port ignored) and path (query ignored).
    #[must_use]
    pub fn server_for(&self, host: &str, path: &str) -> Option<&Server> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let hosts = self.by_path.get(path)?;
        let id = hosts.get(&host_without_port(host).to_ascii_lowercase()).or_else(|| hosts.get("*"))?;
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
}

/// `host[:port]` or `[v6][:port]` without the port.
fn host_without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}
