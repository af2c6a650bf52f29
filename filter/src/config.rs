//! The plugin configuration: JSON, read strictly. An unfit configuration stops the module from starting, and Envoy
//! then denies (rule 21 of the filter: configuration fails closed).

use interdict_proto::enforcement::keys;
use interdict_proto::envoy::core::{GrpcService, grpc_service};
use interdict_proto::envoy::protobuf::UInt32Value;
use prost::Message;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// Who makes the Check call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// This filter. Envoy must hold the headers (`allow_on_headers_stop_iteration: true`).
    Call,
    /// Envoy's native ext_authz filter, placed before this one.
    Split,
}

/// Where the decision point is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authz {
    /// Name of the Envoy cluster.
    pub cluster: String,
    /// The `:authority` of the call; the cluster's name when missing.
    #[serde(default)]
    pub authority: String,
    /// Time for one call, in milliseconds, 1 to 60 000. Must be longer than the server's approval hold.
    #[serde(default = "ten_seconds")]
    pub timeout_ms: u32,
}

/// Reporting how allowed calls ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcomes {
    /// Mode `call`: whether it is done; true when missing. Not allowed in mode `split`, where the section itself says so.
    pub enabled: Option<bool>,
    /// Mode `split`: name of the Envoy cluster of the decision point. Mode `call` uses that of `authz`.
    #[serde(default)]
    pub cluster: String,
    /// Mode `split`: the `:authority` of the call; the cluster's name when missing.
    #[serde(default)]
    pub authority: String,
    /// Time for one call, in milliseconds, 1 to 60 000.
    #[serde(default = "five_seconds")]
    pub timeout_ms: u32,
    /// Most bytes of a response that are kept to read its JSON-RPC outcome, at most 1 MiB; 0 reads none.
    #[serde(default = "sixty_four_kibibytes")]
    pub read_body_bytes: usize,
}

/// Mode `call` reports without being told to.
static UNSAID: Outcomes = Outcomes {
    enabled: None,
    cluster: String::new(),
    authority: String::new(),
    timeout_ms: five_seconds(),
    read_body_bytes: sixty_four_kibibytes(),
};

/// Requests that pass without a decision.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exemption {
    /// This path (the query does not count).
    Path(String),
    /// Every path that starts so.
    PathPrefix(String),
    /// Every request on the Envoy route of this name.
    Route(String),
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who makes the Check call.
    pub mode: Mode,
    /// Where the decision point is. Required in mode `call`, not allowed in mode `split`.
    pub authz: Option<Authz>,
    /// Reporting how allowed calls ended. Mode `split` reports only with this section, because it names the cluster.
    pub outcomes: Option<Outcomes>,
    /// Largest request body, in bytes, 1 to 64 MiB. Must be below Envoy's connection buffer limit.
    #[serde(default = "one_mebibyte")]
    pub max_body_bytes: usize,
    /// Longest time for a request body to arrive, in milliseconds, 100 to 600 000.
    #[serde(default = "ten_seconds")]
    pub body_timeout_ms: u32,
    /// Sent to the decision point as `context_extensions`.
    #[serde(default)]
    pub context: BTreeMap<String, String>,
    /// Requests that pass without a decision.
    #[serde(default)]
    pub exempt: Vec<Exemption>,
}

fn ten_seconds() -> u32 {
    10_000
}

const fn five_seconds() -> u32 {
    5_000
}

const fn sixty_four_kibibytes() -> usize {
    64 << 10
}

fn one_mebibyte() -> usize {
    1 << 20
}

/// Why a configuration was refused: the key's path and what is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Largest answer of the decision point that Envoy accepts, in bytes. It leaves room for edits of a body of 1 MiB. The
/// odd number is one whose protobuf form is also valid UTF-8: the SDK takes the serialized `GrpcService` as a `&str`.
pub const MAX_ANSWER_BYTES: u32 = 0x5f | 0x3f << 7 | 0x7f << 14;

/// Cluster and authority together: with more, the protobuf length prefix would not be valid UTF-8.
const MAX_NAME_BYTES: usize = 100;

impl Config {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// Names the key and says what is right.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let config: Self =
            serde_json::from_slice(bytes).map_err(|error| ConfigError(format!("configuration: {error}")))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |why: &str| Err(ConfigError(why.to_owned()));
        match (self.mode, &self.authz) {
            (Mode::Call, None) => return refuse("authz: required in mode call"),
            (Mode::Split, Some(_)) => {
                return refuse("authz: not allowed in mode split, Envoy's ext_authz filter makes the call");
            }
            (Mode::Call, Some(authz)) => {
                if authz.cluster.is_empty() {
                    return refuse("authz.cluster: must name an Envoy cluster");
                }
                if !(1..=60_000).contains(&authz.timeout_ms) {
                    return refuse("authz.timeout_ms: must be 1 to 60000");
                }
                if !names_fit(&authz.cluster, &authz.authority) {
                    return refuse(
                        "authz.cluster and authz.authority: ASCII, at most 100 bytes together (the authority is the cluster's name when missing)",
                    );
                }
            }
            (Mode::Split, None) => {}
        }
        self.check_outcomes()?;
        if !(1..=64 << 20).contains(&self.max_body_bytes) {
            return refuse("max_body_bytes: must be 1 to 67108864");
        }
        if !(100..=600_000).contains(&self.body_timeout_ms) {
            return refuse("body_timeout_ms: must be 100 to 600000");
        }
        for reserved in [
            keys::ENFORCER,
            keys::ENFORCER_VERSION,
            keys::OUTCOMES,
            keys::PROFILES,
            keys::ROUTE,
            keys::VIRTUAL_HOST,
        ] {
            if self.context.contains_key(reserved) {
                return Err(ConfigError(format!("context.{reserved}: the filter sets this itself")));
            }
        }
        for (index, exemption) in self.exempt.iter().enumerate() {
            let fits = match exemption {
                Exemption::Path(path) => path.starts_with('/') && is_plain(path),
                // "/" would exempt everything; whoever wants that removes the filter.
                Exemption::PathPrefix(path) => path.starts_with('/') && path.len() > 1 && is_plain(path),
                Exemption::Route(name) => !name.is_empty(),
            };
            if !fits {
                return Err(ConfigError(format!(
                    "exempt[{index}]: a path starts with /, a prefix is longer than /, neither holds ? # % \\ // or dot \
                     segments, a route has a name"
                )));
            }
        }
        Ok(())
    }

    fn check_outcomes(&self) -> Result<(), ConfigError> {
        let refuse = |why: &str| Err(ConfigError(why.to_owned()));
        let Some(outcomes) = &self.outcomes else { return Ok(()) };
        match self.mode {
            Mode::Call if !(outcomes.cluster.is_empty() && outcomes.authority.is_empty()) => {
                return refuse(
                    "outcomes.cluster and outcomes.authority: not allowed in mode call, authz names them",
                );
            }
            Mode::Split if outcomes.enabled.is_some() => {
                return refuse("outcomes.enabled: not allowed in mode split, leave the section out instead");
            }
            Mode::Split if outcomes.cluster.is_empty() => {
                return refuse("outcomes.cluster: must name an Envoy cluster");
            }
            Mode::Split if !names_fit(&outcomes.cluster, &outcomes.authority) => {
                return refuse("outcomes.cluster and outcomes.authority: ASCII, at most 100 bytes together");
            }
            Mode::Call | Mode::Split => {}
        }
        if !(1..=60_000).contains(&outcomes.timeout_ms) {
            return refuse("outcomes.timeout_ms: must be 1 to 60000");
        }
        if outcomes.read_body_bytes > 1 << 20 {
            return refuse("outcomes.read_body_bytes: must be at most 1048576");
        }
        Ok(())
    }

    /// How outcomes are reported; `None` when they are not.
    pub fn reporting(&self) -> Option<&Outcomes> {
        let outcomes = match (self.mode, &self.outcomes) {
            (Mode::Call, None) => &UNSAID,
            (Mode::Split, None) => return None,
            (_, Some(outcomes)) => outcomes,
        };
        outcomes.enabled.unwrap_or(true).then_some(outcomes)
    }

    /// Whether a request passes without a decision. `path` is `:path` as it came.
    pub fn is_exempt(&self, path: &str, route: Option<&str>) -> bool {
        if self.exempt.is_empty() {
            return false;
        }
        let bare = path.split_once(['?', '#']).map_or(path, |(bare, _)| bare);
        // A path that somebody downstream may read differently (`/public/../mcp`) is never exempt.
        let plain = is_plain(bare);
        self.exempt.iter().any(|exemption| match exemption {
            Exemption::Path(exact) => plain && bare == exact,
            Exemption::PathPrefix(prefix) => plain && bare.starts_with(prefix.as_str()),
            Exemption::Route(name) => route == Some(name.as_str()),
        })
    }

    /// The upstream of the Check call as Envoy wants it: a serialized `GrpcService`, in a string. `None` in mode split.
    pub fn grpc_service(&self) -> Option<String> {
        let authz = self.authz.as_ref()?;
        grpc_service(&authz.cluster, &authz.authority)
    }

    /// The upstream of the Report call, in the same form. `None` when outcomes are not reported.
    pub fn report_service(&self) -> Option<String> {
        let outcomes = self.reporting()?;
        match &self.authz {
            Some(authz) => grpc_service(&authz.cluster, &authz.authority),
            None => grpc_service(&outcomes.cluster, &outcomes.authority),
        }
    }
}

fn grpc_service(cluster: &str, authority: &str) -> Option<String> {
    let target = grpc_service::EnvoyGrpc {
        cluster_name: cluster.to_owned(),
        authority: or_cluster(authority, cluster).to_owned(),
        max_receive_message_length: Some(UInt32Value { value: MAX_ANSWER_BYTES }),
    };
    let service = GrpcService {
        target_specifier: Some(grpc_service::TargetSpecifier::EnvoyGrpc(target)),
        ..GrpcService::default()
    };
    String::from_utf8(service.encode_to_vec()).ok()
}

fn or_cluster<'a>(authority: &'a str, cluster: &'a str) -> &'a str {
    if authority.is_empty() { cluster } else { authority }
}

/// Whether the serialized upstream will be text.
fn names_fit(cluster: &str, authority: &str) -> bool {
    cluster.len() + or_cluster(authority, cluster).len() <= MAX_NAME_BYTES
        && cluster.is_ascii()
        && authority.is_ascii()
}

fn is_plain(path: &str) -> bool {
    !path.contains(['?', '#', '%', '\\', ';'])
        && !path.contains("//")
        && !path.split('/').any(|segment| segment == "." || segment == "..")
}
