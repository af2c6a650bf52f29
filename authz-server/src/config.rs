//! The configuration file: one YAML document, read strictly. A server that was told something it does not understand
//! does not start, and says which key and what would be right. `docs/configuration.md` documents every key.

mod address;
mod audit;
mod bundle;
mod load;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::Deserialize;

pub use self::address::ListenAddress;
pub use self::audit::{
    AuditArguments, AuditConfig, AuditDurability, OnWitnessContradiction, ReadsWhenUnavailable, WitnessConfig,
};
pub use self::bundle::{BundleConfig, SignatureConfig};
pub use self::load::ConfigError;
use crate::identity::{IdentityConfig, UpstreamCredentialConfig};

/// Everything that the server is told at start.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server listens.
    pub listen: Listen,
    /// The policy bundle.
    pub bundle: BundleConfig,
    /// How agents prove who they are.
    pub identity: IdentityConfig,
    /// Credentials of ours for MCP servers.
    pub upstream_credentials: Vec<UpstreamCredentialConfig>,
    /// Limits of a message.
    pub limits: Limits,
    /// Limits of a decision.
    pub decision: DecisionConfig,
    /// Intercepted calls.
    pub approvals: ApprovalsConfig,
    /// The tamper-evident log.
    pub audit: AuditConfig,
    /// The log.
    pub log: LogConfig,
}

/// The server's sockets.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Envoy asks here.
    pub grpc: GrpcListen,
    /// The admin API; absent = none.
    pub admin: Option<AdminListen>,
    /// Prometheus; absent = none.
    pub metrics: Option<MetricsListen>,
}

/// The socket that Envoy calls.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcListen {
    /// `IP:port` (port 0 = any free one) or `unix:/path`.
    pub address: ListenAddress,
    /// TLS; absent = plain text, for loopback and Unix sockets.
    pub tls: Option<TlsConfig>,
    /// The largest Check that is read, in bytes: body, headers and certificate together.
    pub max_message_bytes: usize,
    /// How long calls under way may take after a signal to stop, in seconds.
    pub drain_seconds: u64,
}

impl Default for GrpcListen {
    fn default() -> Self {
        Self {
            address: ListenAddress::Tcp(std::net::SocketAddr::from(([127, 0, 0, 1], 9191))),
            tls: None,
            max_message_bytes: 4 * 1024 * 1024,
            drain_seconds: 10,
        }
    }
}

/// Certificates of the gRPC socket, PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// When set, only clients with a certificate of this authority may call.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// The admin API's socket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminListen {
    /// `IP:port` (port 0 = any free one).
    pub address: std::net::SocketAddr,
    /// File with the bearer token, at least 16 characters; read again when it changes.
    pub token_file: PathBuf,
}

/// The socket of the metrics.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsListen {
    /// `IP:port` (port 0 = any free one).
    pub address: std::net::SocketAddr,
}

/// Limits of a message (see `interdict_mcp::json::Limits`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest body, in bytes.
    pub max_body_bytes: usize,
    /// Deepest nesting of arrays and objects.
    pub max_depth: usize,
    /// Most tokens (values and member names).
    pub max_tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_body_bytes: 1_048_576, max_depth: 64, max_tokens: 50_000 }
    }
}

/// Limits of one policy evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionConfig {
    /// Longest evaluation, in milliseconds; more is a Deny.
    pub timeout_ms: u64,
    /// Most memory of one evaluation, in bytes; more is a Deny.
    pub memory_bytes: u64,
}

impl Default for DecisionConfig {
    fn default() -> Self {
        Self { timeout_ms: 250, memory_bytes: 67_108_864 }
    }
}

/// Intercepted calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalsConfig {
    /// The SQLite file; created with mode 0600 when absent.
    pub database: PathBuf,
    /// How long a call may wait for its approval before the client is told to come back, in seconds (0 to 25).
    pub hold_seconds: u64,
    /// How long an approval can be given and used, in seconds.
    pub ttl_seconds: u64,
    /// The most questions of one agent that wait for a person at a time; one more is a Deny.
    pub max_pending_per_agent: u32,
    /// How long closed approvals are kept after their `expires_at`, in days; then they are deleted.
    pub keep_days: u32,
    /// The page where a person approves, with `{id}` where the approval's id goes; absent = no link is shown.
    pub page_url: Option<String>,
    /// File with the key that seals `requestState`: 32 bytes as 64 hex digits. Absent = `request-state.key` beside the
    /// database, generated with mode 0600. Servers that share clients must share the key.
    pub request_state_key_file: Option<PathBuf>,
}

impl Default for ApprovalsConfig {
    fn default() -> Self {
        Self {
            database: PathBuf::from("interdict-approvals.db"),
            hold_seconds: 5,
            ttl_seconds: 1_800,
            max_pending_per_agent: 100,
            keep_days: 30,
            page_url: None,
            request_state_key_file: None,
        }
    }
}

/// The log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// One JSON object per line, or text for people.
    pub format: LogFormat,
    /// The least important events that are written.
    pub level: LogLevel,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// Text for people.
    Text,
}

/// Importance of log events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// What needs attention.
    Warn,
    /// Decisions and life events.
    #[default]
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}
