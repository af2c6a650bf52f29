//! Agents and servers: who may come, and what is protected.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use interdict_content::rules::Undeclared;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use crate::BundleError;
use crate::bundle::read_yaml;

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
#[serde(try_from = "IdentityForm", into = "IdentityForm")]
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
    /// Tools that change nothing, by their exact names: the operator's word, never the server's. Every other tool's
    /// calls count as consequential: they are denied while no record can be written or the bundle is stale.
    #[serde(default)]
    pub read_only_tools: Vec<String>,
    /// Whether the definitions of its tools, prompts and resources are held against what was approved.
    #[serde(default)]
    pub tool_pinning: ToolPinning,
    /// What stands behind it, as whoever deploys it says: `sha256:` and 64 hex digits. Pins are approvals of what was
    /// served from this image; when it changes, calls ask a person until somebody has approved again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// What happens to arguments that a pinned tool does not declare.
    #[serde(default)]
    pub undeclared_arguments: UndeclaredArguments,
    /// What happens to members of results that a pinned tool's `outputSchema` does not declare, where no contract says
    /// something stricter.
    #[serde(default)]
    pub undeclared_output: Undeclared,
}

/// Whether definitions are held against what was approved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolPinning {
    /// They are not.
    #[default]
    Off,
    /// What is seen first is approved by that; every change waits for a person.
    TrustFirst,
    /// New ones and changes wait for a person.
    ApproveFirst,
}

/// What happens to arguments that a pinned tool does not declare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndeclaredArguments {
    /// The call is refused, unless the tool's schema allows them in so many words (`additionalProperties`).
    #[default]
    Refuse,
    /// What the schema says: most allow them.
    Allow,
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

/// How an identity is written: `{issuer, subject}` or `{spiffe}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spiffe: Option<String>,
}

impl TryFrom<IdentityForm> for AgentIdentity {
    type Error = &'static str;

    fn try_from(form: IdentityForm) -> Result<Self, Self::Error> {
        match (form.issuer, form.subject, form.spiffe) {
            (Some(issuer), Some(subject), None) => Ok(Self::Token { issuer, subject }),
            (None, None, Some(spiffe)) => Ok(Self::Spiffe { spiffe }),
            _ => Err("an identity has either `issuer` and `subject`, or `spiffe`"),
        }
    }
}

impl From<AgentIdentity> for IdentityForm {
    fn from(identity: AgentIdentity) -> Self {
        match identity {
            AgentIdentity::Token { issuer, subject } => {
                Self { issuer: Some(issuer), subject: Some(subject), spiffe: None }
            }
            AgentIdentity::Spiffe { spiffe } => Self { issuer: None, subject: None, spiffe: Some(spiffe) },
        }
    }
}

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

fn wrong(code: &'static str, message: impl Into<String>) -> BundleError {
    BundleError::new(code, message)
}

/// Ids, tenants and roles are written into logs, metrics and policies: short, visible, no surprises.
fn check_label(what: &str, key: &str, value: &str) -> Result<(), BundleError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if value.is_empty() || value.len() > 128 || !value.bytes().all(allowed) {
        let message =
            format!("`{key}` of a {what} is 1 to 128 letters, digits, `-`, `_` or `.`, and not `{value}`.");
        return Err(wrong("bundle.bad_label", message));
    }
    Ok(())
}

/// A tenant's log is a folder of this name, and `_` begins names of our own.
fn check_tenant(what: &str, tenant: &str) -> Result<(), BundleError> {
    check_label(what, "tenant", tenant)?;
    if tenant.starts_with(['_', '.']) {
        let message =
            format!("`tenant` of a {what} begins with a letter, a digit or `-`, and `{tenant}` does not.");
        return Err(wrong("bundle.bad_label", message));
    }
    Ok(())
}

fn check_owner(what: &str, id: &str, owner: &str) -> Result<(), BundleError> {
    if owner.trim().is_empty() || owner.len() > 256 || owner.chars().any(char::is_control) {
        let message = format!("`owner` of {what} `{id}` names the person or team that answers for it.");
        return Err(wrong("bundle.no_owner", message));
    }
    Ok(())
}

fn check_identity(agent: &str, identity: &AgentIdentity) -> Result<(), BundleError> {
    let fine = match identity {
        AgentIdentity::Token { issuer, subject } => !issuer.is_empty() && !subject.is_empty(),
        // SPIFFE ID: scheme, trust domain, path; no query, fragment, port or user.
        AgentIdentity::Spiffe { spiffe } => spiffe.strip_prefix("spiffe://").is_some_and(|rest| {
            let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
            let in_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
            let in_path = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            !domain.is_empty()
                && domain.bytes().all(in_domain)
                && path
                    .split('/')
                    .all(|part| !part.is_empty() && part != "." && part != ".." && part.bytes().all(in_path))
        }),
    };
    if fine {
        return Ok(());
    }
    let message = format!(
        "An identity of agent `{agent}` is wrong: `issuer` and `subject` are not empty, `spiffe` is \
         `spiffe://trust-domain/path`."
    );
    Err(wrong("bundle.bad_identity", message))
}

/// RFC 8707: an absolute URI without fragment. MCP asks for lower-case scheme and host.
fn check_resource(id: &str, resource: &str) -> Result<(), BundleError> {
    let fine = resource.split_once("://").is_some_and(|(scheme, rest)| {
        let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
        matches!(scheme, "https" | "http")
            && !host.is_empty()
            && !host.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'@')
            && resource.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}?".contains(&byte))
    });
    if fine {
        return Ok(());
    }
    let message = format!(
        "`resource` of server `{id}` is the absolute URI that clients call, as `https://files.example/mcp`: lower-case \
         scheme and host, no query, no fragment."
    );
    Err(wrong("bundle.bad_resource", message))
}

fn check_image(id: &str, digest: Option<&str>) -> Result<(), BundleError> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_digest = |hex: &str| hex.len() == 64 && hex.bytes().all(is_hex);
    if digest.is_none_or(|digest| digest.strip_prefix("sha256:").is_some_and(is_digest)) {
        return Ok(());
    }
    let message = format!("`image_digest` of server `{id}` is `sha256:` and 64 lower-case hex digits.");
    Err(wrong("bundle.bad_image_digest", message))
}

fn check_host(id: &str, host: &str) -> Result<(), BundleError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fine = host == "*"
        || v6.is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok())
        || (!host.is_empty() && host.bytes().all(allowed));
    if fine {
        return Ok(());
    }
    let message = format!(
        "Host `{host}` of server `{id}` is `*` or one lower-case name or address without port (IPv6 in brackets)."
    );
    Err(wrong("bundle.bad_host", message))
}

fn check_path(id: &str, path: &str) -> Result<(), BundleError> {
    let fine =
        path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if fine {
        return Ok(());
    }
    let message =
        format!("Path `{path}` of server `{id}` starts with `/` and has no query, fragment or space.");
    Err(wrong("bundle.bad_path", message))
}

/// `host[:port]` or `[v6][:port]` without the port.
/// `host` or `host:port`, without user information; names, IPv4 and bracketed IPv6 addresses.
fn is_authority(text: &str) -> bool {
    let name = host_without_port(text);
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fits = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }
    };
    let port = text.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
    fits && (text == name || port.is_some_and(|port| port.parse::<u16>().is_ok()))
}

fn host_without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}
