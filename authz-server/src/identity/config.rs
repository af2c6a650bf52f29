//! The `identity` and `upstream_credentials` parts of the configuration file: shapes, defaults and limits.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Longest `leeway_seconds` that is accepted. More than a minute of clock difference is a broken clock, not skew.
pub const MAX_LEEWAY_SECONDS: u32 = 60;
/// Longest `max_lifetime_seconds` that is accepted: one day.
pub const MAX_LIFETIME_SECONDS: u32 = 86_400;

/// How agents prove who they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// Token issuers, each with exactly one signature algorithm.
    #[serde(default)]
    pub issuers: Vec<IssuerConfig>,
    /// Clock difference to forgive on `exp`, `nbf`, `iat` and certificate validity, in seconds (0 to 60).
    #[serde(default)]
    pub leeway_seconds: u32,
    /// Issuer identifiers of authorization servers, announced in the RFC 9728 metadata of every MCP server.
    #[serde(default)]
    pub authorization_servers: Vec<String>,
    /// SPIFFE identities of verified peer certificates. Absent: peer certificates are not looked at.
    #[serde(default)]
    pub mtls: Option<MtlsConfig>,
}

/// One token issuer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The exact `iss` value.
    pub issuer: String,
    /// The only `alg` that tokens of this issuer may carry.
    pub algorithm: SignatureAlgorithm,
    /// Where the public keys come from.
    pub jwks: JwksConfig,
    /// The `typ` header that tokens must carry, compared as RFC 7515 section 4.1.9 says (`at+jwt` equals
    /// `application/at+jwt`, letter case ignored). Absent: `typ` is not looked at.
    #[serde(default)]
    pub typ: Option<String>,
    /// Longest accepted `exp - iat`, in seconds (1 to 86400).
    #[serde(default = "defaults::max_lifetime_seconds")]
    pub max_lifetime_seconds: u32,
    /// The claim that names the agent when the token has no `act` claim.
    #[serde(default = "defaults::subject_claim")]
    pub subject_claim: String,
}

/// Signature algorithms (RFC 7518, RFC 8037). There is no "none" and no shared secret.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of 2048 to 8192 bits.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// Where an issuer's public keys (RFC 7517 JWK Set) are read: exactly one of `file` and `url`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwksConfig {
    /// A file; looked at once a second and read again when it changed.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// An `https` URL, or `http` on a loopback address.
    #[serde(default)]
    pub url: Option<String>,
    /// PEM file of the authorities to trust for `url`, instead of the system's (Kubernetes: the cluster's `ca.crt`).
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// File with a bearer token to send to `url`, read before each fetch (Kubernetes: our own service-account token).
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// How often `url` is fetched, in seconds (1 to 86400).
    #[serde(default = "defaults::refresh_seconds")]
    pub refresh_seconds: u32,
    /// How long keys are used after the last successful read, in seconds; then all tokens of the issuer are refused.
    #[serde(default = "defaults::stale_seconds")]
    pub stale_seconds: u32,
}

/// Identities from verified peer certificates (X.509-SVID).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MtlsConfig {
    /// Trust domains whose SPIFFE IDs are accepted, such as `example.org`.
    pub trust_domains: Vec<String>,
    /// Whether Envoy must send what proves that the certificate has exactly one URI name.
    #[serde(default)]
    pub certificate_evidence: CertificateEvidence,
    /// A certificate alone is enough; no token is asked for.
    #[serde(default)]
    pub sufficient: bool,
    /// A request without a verified certificate is refused even when it has a good token.
    #[serde(default)]
    pub required: bool,
}

/// See [`MtlsConfig::certificate_evidence`]. Evidence that is present and wrong is refused in both cases.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum CertificateEvidence {
    /// `source.certificate` or an `x-forwarded-client-cert` header written by Envoy must come with the principal.
    #[default]
    Required,
    /// The principal alone is believed. Envoy reports only the first URI name of a certificate.
    Optional,
}

/// A credential of ours for one MCP server, sent upstream in place of the agent's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamCredentialConfig {
    /// Id of the server in the registry.
    pub server: String,
    /// Header that carries the credential.
    #[serde(default = "defaults::header")]
    pub header: String,
    /// Word before the secret. Absent: `Bearer` in `authorization`, nothing elsewhere. Empty: nothing.
    #[serde(default)]
    pub scheme: Option<String>,
    /// File with the secret, at most 16 KiB; looked at once a second at most and read again when it changed.
    pub file: PathBuf,
}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ConfigProblem {
    /// Path of the key, such as `identity.issuers[0].jwks.url`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl ConfigProblem {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

// === impl SignatureAlgorithm ===

impl SignatureAlgorithm {
    /// The `alg` value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The same algorithm in the JWT library.
    pub(crate) fn jose(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    /// The algorithm with this exact `alg` value.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256, Self::EdDsa].into_iter().find(|alg| alg.name() == name)
    }
}

// === impl IdentityConfig ===

impl IdentityConfig {
    /// Makes relative paths relative to `base`, the folder of the configuration file.
    pub fn resolve_paths(&mut self, base: &Path) {
        for issuer in &mut self.issuers {
            let jwks = &mut issuer.jwks;
            for path in [&mut jwks.file, &mut jwks.ca_file, &mut jwks.bearer_token_file].into_iter().flatten()
            {
                *path = base.join(&*path);
            }
        }
    }

    /// Everything that is wrong, with paths that begin with `identity`. Touches no file and no network.
    pub fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut wrong = |path: String, message: &str| problems.push(ConfigProblem::new(path, message));

        if self.leeway_seconds > MAX_LEEWAY_SECONDS {
            wrong("identity.leeway_seconds".into(), "must be between 0 and 60");
        }
        if self.issuers.is_empty() && !self.mtls.as_ref().is_some_and(|mtls| mtls.sufficient) {
            let message = "must name at least one issuer, unless identity.mtls.sufficient is true: \
                           otherwise no agent can prove who it is";
            wrong("identity.issuers".into(), message);
        }
        for (index, issuer) in self.issuers.iter().enumerate() {
            let path = |key: &str| format!("identity.issuers[{index}].{key}");
            if issuer.issuer.is_empty() {
                wrong(path("issuer"), "must be the exact `iss` value of the tokens");
            }
            if self.issuers.iter().take(index).any(|earlier| earlier.issuer == issuer.issuer) {
                wrong(path("issuer"), "is already configured above; an issuer has exactly one algorithm");
            }
            if !(1..=MAX_LIFETIME_SECONDS).contains(&issuer.max_lifetime_seconds) {
                wrong(path("max_lifetime_seconds"), "must be between 1 and 86400");
            }
            if issuer.subject_claim.is_empty() {
                wrong(path("subject_claim"), "must name a claim, such as `sub` or `client_id`");
            }
            if issuer.typ.as_ref().is_some_and(String::is_empty) {
                wrong(path("typ"), "must be a type such as `at+jwt`; leave the key out to accept any");
            }
            for problem in issuer.jwks.problems() {
                wrong(path(&problem.path), &problem.message);
            }
        }
        for (index, server) in self.authorization_servers.iter().enumerate() {
            if url::Url::parse(server).is_err() {
                wrong(format!("identity.authorization_servers[{index}]"), "must be a URL (RFC 8414 issuer)");
            }
        }
        if let Some(mtls) = &self.mtls {
            if mtls.trust_domains.is_empty() {
                wrong("identity.mtls.trust_domains".into(), "must name at least one trust domain");
            }
            for (index, domain) in mtls.trust_domains.iter().enumerate() {
                if !super::spiffe::is_trust_domain(domain) {
                    let message = "must be a bare trust domain such as `example.org`: lower-case letters, digits, \
                                   dots, dashes and underscores";
                    wrong(format!("identity.mtls.trust_domains[{index}]"), message);
                }
            }
        }
        problems
    }
}

impl JwksConfig {
    fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut wrong = |key: &str, message: &str| problems.push(ConfigProblem::new(key, message));
        match (&self.file, &self.url) {
            (Some(_), None) => {
                if self.ca_file.is_some() || self.bearer_token_file.is_some() {
                    wrong(
                        "jwks.file",
                        "cannot be combined with `ca_file` or `bearer_token_file`, which belong to `url`",
                    );
                }
            }
            (None, Some(url)) => {
                if !is_acceptable_url(url) {
                    wrong("jwks.url", "must be an https URL, or http on 127.0.0.1, [::1] or localhost");
                }
            }
            _ => wrong("jwks", "must have exactly one of `file` and `url`"),
        }
        if !(1..=86_400).contains(&self.refresh_seconds) {
            wrong("jwks.refresh_seconds", "must be between 1 and 86400");
        }
        if self.stale_seconds < self.refresh_seconds {
            wrong(
                "jwks.stale_seconds",
                "must not be less than `refresh_seconds`: keys would go stale between fetches",
            );
        }
        problems
    }
}

/// Keys fetched in the clear could be replaced on the way; loopback has no way.
fn is_acceptable_url(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url))
}

pub(crate) fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

// === impl UpstreamCredentialConfig ===

impl UpstreamCredentialConfig {
    /// Makes a relative path relative to `base`, the folder of the configuration file.
    pub fn resolve_paths(&mut self, base: &Path) {
        self.file = base.join(&self.file);
    }
}

mod defaults {
    pub(super) fn max_lifetime_seconds() -> u32 {
        900
    }
    pub(super) fn subject_claim() -> String {
        "sub".to_owned()
    }
    pub(super) fn refresh_seconds() -> u32 {
        300
    }
    pub(super) fn stale_seconds() -> u32 {
        3600
    }
    pub(super) fn header() -> String {
        "authorization".to_owned()
    }
}
