//! Who is asking: JSON Web Tokens and SPIFFE certificates, turned into one agent of the registry.
//!
//! The rules, and why they are what they are, stand in `docs/identity.md`. In one sentence each:
//!
//! - A token counts only if its issuer is configured, its algorithm is that issuer's, its signature verifies with a key
//!   that is in the issuer's key set *now*, its times hold *now*, and its audience contains the URI of *this* server.
//! - A certificate counts only if Envoy verified it and something proves that it has exactly one URI name.
//! - A header that the client chose is never identity.
//! - Nothing is remembered about a connection: every request is authenticated anew.

mod bearer;
mod certificate;
mod challenge;
mod claims;
pub mod config;
mod error;
pub(crate) mod fetch;
mod jwks;
mod keys;
pub mod mint;
mod spiffe;
mod token;
pub(crate) mod watched_file;
mod xfcc;

#[cfg(test)]
mod tests;

use bytes::Bytes;
pub use interdict_policy::Principal;
use interdict_policy::Registry;
use jiff::Timestamp;

use self::certificate::{Certificates, Workload};
use self::token::{Tokens, Verified};

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
    /// Keys or trusted authorities cannot be read.
    #[error("{path}: {message}")]
    Keys {
        /// Path of the configuration key.
        path: String,
        /// What went wrong.
        message: String,
    },
}

/// Authenticates requests. Cheap to share behind an `Arc`; its background tasks end when it is dropped.
#[derive(Debug)]
pub struct Authenticator {
    tokens: Tokens,
    certificates: Option<Certificates>,
    certificate_sufficient: bool,
    certificate_required: bool,
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
        let mtls = config.mtls.as_ref();
        Ok(Self {
            tokens: Tokens::start(config).await?,
            certificates: mtls.map(|mtls| Certificates::new(mtls, config.leeway_seconds)),
            certificate_sufficient: mtls.is_some_and(|mtls| mtls.sufficient),
            certificate_required: mtls.is_some_and(|mtls| mtls.required),
            authorization_servers: config.authorization_servers.clone(),
        })
    }

    /// The agent behind a request for the server whose canonical URI is `audience`.
    ///
    /// Whatever is presented must be good: a bad token is not forgiven because of a good certificate, nor the other
    /// way round. Takes microseconds, except for the first sight of a token and while an unknown `kid` is looked for.
    pub async fn authenticate(
        &self,
        presented: &Presented<'_>,
        audience: &str,
        agents: &impl AgentDirectory,
        now: Timestamp,
    ) -> Result<Identity, IdentityError> {
        let token = match bearer::token(presented.headers) {
            Ok(token) => Some(self.tokens.check(token, audience, now).await?),
            Err(IdentityError::TokenMissing) if self.certificate_sufficient => None,
            Err(error) => return Err(error),
        };
        let workload = match &self.certificates {
            Some(certificates) => certificates.workload(presented, now.as_second())?,
            None => None,
        };
        match (token, workload) {
            (Some(token), None) if !self.certificate_required => by_token(&token, agents),
            (Some(token), Some(workload)) => by_both(&token, &workload, agents),
            (None, Some(workload)) => by_certificate(&workload, agents),
            (Some(_), None) => Err(IdentityError::CertificateMissing),
            (None, None) => Err(IdentityError::TokenMissing),
        }
    }

    /// Issuer identifiers for [`resource_metadata`].
    pub fn authorization_servers(&self) -> &[String] {
        &self.authorization_servers
    }
}

fn by_token(token: &Verified, agents: &impl AgentDirectory) -> Result<Identity, IdentityError> {
    let claims = &token.claims;
    if claims.certificate_sha256.is_some() {
        return Err(IdentityError::BindingMismatch);
    }
    let agent =
        agents.agent_id_by_token(token.issuer(), &claims.subject).ok_or(IdentityError::AgentUnknown)?;
    Ok(Identity {
        agent_id: agent.to_owned(),
        assurance: 1,
        instance: None,
        principal: principal(token),
        expires_at: timestamp(claims.expires_at),
        sources: Sources { token_issuer: Some(token.issuer().to_owned()), spiffe_id: None },
    })
}

fn by_certificate(workload: &Workload<'_>, agents: &impl AgentDirectory) -> Result<Identity, IdentityError> {
    let (agent, instance) = agent_of(workload, agents).ok_or(IdentityError::AgentUnknown)?;
    Ok(Identity {
        agent_id: agent.to_owned(),
        assurance: 1,
        instance: instance.map(str::to_owned),
        principal: None,
        expires_at: workload.certificate.as_ref().and_then(|certificate| timestamp(certificate.not_after)),
        sources: Sources { token_issuer: None, spiffe_id: Some(workload.id.uri.to_owned()) },
    })
}

fn by_both(
    token: &Verified,
    workload: &Workload<'_>,
    agents: &impl AgentDirectory,
) -> Result<Identity, IdentityError> {
    let claims = &token.claims;
    let certificate = workload.certificate.as_deref();
    if let Some(bound) = &claims.certificate_sha256
        && certificate.is_none_or(|certificate| certificate.sha256 != bound.as_slice())
    {
        return Err(IdentityError::BindingMismatch);
    }
    let agent =
        agents.agent_id_by_token(token.issuer(), &claims.subject).ok_or(IdentityError::AgentUnknown)?;
    // A workload that the registry does not know is not this agent either.
    let (_, instance) =
        agent_of(workload, agents).filter(|(other, _)| *other == agent).ok_or(IdentityError::Mismatch)?;
    let expires_at = claims.expires_at.min(certificate.map_or(i64::MAX, |certificate| certificate.not_after));
    Ok(Identity {
        agent_id: agent.to_owned(),
        assurance: 2,
        instance: instance.map(str::to_owned),
        principal: principal(token),
        expires_at: timestamp(expires_at),
        sources: Sources {
            token_issuer: Some(token.issuer().to_owned()),
            spiffe_id: Some(workload.id.uri.to_owned()),
        },
    })
}

/// The agent with this SPIFFE ID, or the agent of which this is an instance.
fn agent_of<'d, 'w>(
    workload: &Workload<'w>,
    agents: &'d impl AgentDirectory,
) -> Option<(&'d str, Option<&'w str>)> {
    if let Some(agent) = agents.agent_id_by_spiffe(workload.id.uri) {
        return Some((agent, None));
    }
    let (class, instance) = workload.id.split_instance()?;
    Some((agents.agent_id_by_spiffe(class)?, Some(instance)))
}

fn principal(token: &Verified) -> Option<Principal> {
    let id = token.claims.principal.clone()?;
    Some(Principal { id, issuer: token.issuer().to_owned() })
}

fn timestamp(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

// === impl StartError ===

impl StartError {
    fn keys(path: String, message: String) -> Self {
        Self::Keys { path, message }
    }
}

// === impl AgentDirectory ===

impl AgentDirectory for Registry {
    fn agent_id_by_token(&self, issuer: &str, subject: &str) -> Option<&str> {
        self.agent_by_token(issuer, subject).map(|agent| agent.id.as_str())
    }

    fn agent_id_by_spiffe(&self, uri: &str) -> Option<&str> {
        self.agent_by_spiffe(uri).map(|agent| agent.id.as_str())
    }
}
