//! Verified tokens: the slow way once per token, the quick way on every call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::claims::{self, Claims, Compact, Header};
use super::config::{IdentityConfig, IssuerConfig};
use super::fetch::Source;
use super::keys::{Keys, Pace};
use super::{IdentityError, StartError};

/// Memory for verified tokens, in bytes; the least recently used go first.
const VERIFIED_BYTES: u64 = 32 * 1024 * 1024;
/// Each token is verified anew after this, whatever its lifetime.
const VERIFIED_FOR: Duration = Duration::from_secs(900);
/// How many tokens with a wrong signature are remembered, so that repeating one costs a hash and not a verification.
const REJECTED: u64 = 4_096;
const REJECTED_FOR: Duration = Duration::from_secs(60);

type Digest = [u8; 32];

/// Verifies tokens of all configured issuers.
#[derive(Debug)]
pub(crate) struct Tokens {
    issuers: HashMap<String, Arc<Issuer>>,
    leeway_seconds: i64,
    verified: moka::sync::Cache<Digest, Arc<Verified>>,
    /// The generation of the issuer's keys under which the signature was wrong.
    rejected: moka::sync::Cache<Digest, u64>,
}

#[derive(Debug)]
struct Issuer {
    name: String,
    algorithm: &'static str,
    typ: Option<String>,
    max_lifetime_seconds: i64,
    subject_claim: String,
    keys: Keys,
}

/// A token whose signature was good. Whether it is good *now* and *here* is asked on every call.
#[derive(Debug)]
pub(crate) struct Verified {
    issuer: Arc<Issuer>,
    kid: String,
    key_fingerprint: [u8; 32],
    pub(crate) claims: Claims,
}

// === impl Tokens ===

impl Tokens {
    pub(crate) async fn start(config: &IdentityConfig) -> Result<Self, StartError> {
        let mut starting = tokio::task::JoinSet::new();
        for (index, issuer) in config.issuers.iter().cloned().enumerate() {
            starting.spawn(async move {
                let key = if issuer.jwks.file.is_some() { "file" } else { "url" };
                let failed =
                    |message| StartError::keys(format!("identity.issuers[{index}].jwks.{key}"), message);
                let source = Source::new(&issuer.jwks).map_err(failed)?;
                Issuer::start(&issuer, source, Pace::of(&issuer)).await.map_err(failed)
            });
        }
        let mut issuers = Vec::new();
        while let Some(started) = starting.join_next().await {
            issuers.push(
                started.map_err(|error| StartError::keys("identity.issuers".into(), error.to_string()))??,
            );
        }
        Ok(Self::new(issuers, config.leeway_seconds))
    }

    fn new(issuers: Vec<Issuer>, leeway_seconds: u32) -> Self {
        let weigh = |_: &Digest, token: &Arc<Verified>| u32::try_from(token.size()).unwrap_or(u32::MAX);
        Self {
            issuers: issuers.into_iter().map(|issuer| (issuer.name.clone(), Arc::new(issuer))).collect(),
            leeway_seconds: leeway_seconds.into(),
            verified: moka::sync::Cache::builder()
                .weigher(weigh)
                .max_capacity(VERIFIED_BYTES)
                .time_to_live(VERIFIED_FOR)
                .build(),
            rejected: moka::sync::Cache::builder().max_capacity(REJECTED).time_to_live(REJECTED_FOR).build(),
        }
    }

    /// A token that is good at `now` for the resource `audience`.
    pub(crate) async fn check(
        &self,
        token: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Arc<Verified>, IdentityError> {
        let digest = sha256(token.as_bytes());
        let verified = match self.verified.get(&digest) {
            Some(verified) => verified,
            None => self.verify(token, digest).await?,
        };
        if let Err(error) = verified.key_still_in_force() {
            self.verified.invalidate(&digest);
            return Err(error);
        }
        verified.holds_at(now.as_second(), self.leeway_seconds)?;
        if !verified.claims.audiences.iter().any(|each| each == audience) {
            return Err(IdentityError::AudienceMismatch);
        }
        Ok(verified)
    }

    async fn verify(&self, token: &str, digest: Digest) -> Result<Arc<Verified>, IdentityError> {
        let compact = Compact::split(token)?;
        let header = compact.header()?;
        let payload = compact.payload()?;
        let name = claims::issuer(&payload)?;
        let issuer = self.issuers.get(&name).ok_or(IdentityError::IssuerUnknown)?;
        let kid = issuer.accept_header(header)?;
        let (key, generation) = issuer.keys.find(&kid).await?;
        if self.rejected.get(&digest) == Some(generation) {
            return Err(IdentityError::SignatureInvalid);
        }
        if !key.verifies(compact.signed.as_bytes(), &compact.signature) {
            self.rejected.insert(digest, generation);
            return Err(IdentityError::SignatureInvalid);
        }
        let claims = Claims::read(&payload, &issuer.subject_claim)?;
        let lifetime = claims.expires_at.saturating_sub(claims.issued_at);
        if lifetime <= 0 {
            return Err(IdentityError::TokenMalformed);
        }
        if lifetime > issuer.max_lifetime_seconds {
            return Err(IdentityError::LifetimeTooLong);
        }
        let verified =
            Arc::new(Verified { issuer: Arc::clone(issuer), kid, key_fingerprint: key.fingerprint, claims });
        self.verified.insert(digest, Arc::clone(&verified));
        Ok(verified)
    }
}

// === impl Issuer ===

impl Issuer {
    async fn start(config: &IssuerConfig, source: Source, pace: Pace) -> Result<Self, String> {
        Ok(Self {
            name: config.issuer.clone(),
            algorithm: config.algorithm.name(),
            typ: config.typ.clone(),
            max_lifetime_seconds: config.max_lifetime_seconds.into(),
            subject_claim: config.subject_claim.clone(),
            keys: Keys::start(&config.issuer, config.algorithm, source, pace).await?,
        })
    }

    /// The `kid`, if algorithm and type are the issuer's. The header never chooses how it is verified.
    fn accept_header(&self, header: Header) -> Result<String, IdentityError> {
        if header.alg != self.algorithm {
            return Err(IdentityError::AlgorithmNotAllowed);
        }
        if let Some(expected) = &self.typ
            && !header.typ.is_some_and(|typ| media_type(&typ).eq_ignore_ascii_case(media_type(expected)))
        {
            return Err(IdentityError::TypeNotAllowed);
        }
        header.kid.ok_or(IdentityError::KidMissing)
    }
}

// === impl Verified ===

impl Verified {
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer.name
    }

    fn key_still_in_force(&self) -> Result<(), IdentityError> {
        let keys = self.issuer.keys.current()?;
        let key = keys.as_ref().and_then(|snapshot| snapshot.get(&self.kid));
        match key {
            Some(key) if key.fingerprint == self.key_fingerprint => Ok(()),
            _ => Err(IdentityError::KeyRevoked),
        }
    }

    fn holds_at(&self, now: i64, leeway: i64) -> Result<(), IdentityError> {
        let earliest = now.saturating_add(leeway);
        if now.saturating_sub(leeway) >= self.claims.expires_at {
            return Err(IdentityError::TokenExpired);
        }
        if self.claims.issued_at > earliest || self.claims.not_before.is_some_and(|nbf| nbf > earliest) {
            return Err(IdentityError::TokenNotYetValid);
        }
        Ok(())
    }

    /// About how many bytes it occupies.
    fn size(&self) -> usize {
        let claims = &self.claims;
        let audiences: usize = claims.audiences.iter().map(|each| each.len() + size_of::<String>()).sum();
        let names = self.kid.len() + claims.subject.len() + claims.principal.as_ref().map_or(0, String::len);
        size_of::<Self>() + size_of::<Digest>() + audiences + names
    }
}

/// RFC 7515 section 4.1.9: `application/` is understood before a type without a slash.
fn media_type(typ: &str) -> &str {
    let prefix = "application/";
    match typ.split_at_checked(prefix.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(prefix) => rest,
        _ => typ,
    }
}

fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}
