//! Verified tokens: the slow way once per token, the quick way on every call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;
use sha2::{Digest as _, Sha256};

use super::claims::{Claims, Hints};
use super::config::{IdentityConfig, IssuerConfig};
use super::fetch::Source;
use super::jwks::VerifyingKey;
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
    validation: Validation,
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
    key: Arc<VerifyingKey>,
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
        let digest = Sha256::digest(token).into();
        let verified = match self.verified.get(&digest) {
            Some(verified) => verified,
            None => self.first_sight(token, digest).await?,
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

    async fn first_sight(&self, token: &str, digest: Digest) -> Result<Arc<Verified>, IdentityError> {
        let hints = Hints::read(token)?;
        let issuer = self.issuers.get(&hints.issuer).ok_or(IdentityError::IssuerUnknown)?;
        let kid = issuer.accept(hints)?;
        // Waits only while an unknown `kid` is looked for.
        let (key, generation) = issuer.keys.find(&kid).await?;
        if self.rejected.get(&digest) == Some(generation) {
            return Err(IdentityError::SignatureInvalid);
        }
        let claims = issuer.verify(token, &key).inspect_err(|error| {
            if *error == IdentityError::SignatureInvalid {
                self.rejected.insert(digest, generation);
            }
        })?;
        let verified = Arc::new(Verified { issuer: Arc::clone(issuer), kid, key, claims });
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
            validation: validation(config),
            typ: config.typ.clone(),
            max_lifetime_seconds: config.max_lifetime_seconds.into(),
            subject_claim: config.subject_claim.clone(),
            keys: Keys::start(&config.issuer, config.algorithm, source, pace).await?,
        })
    }

    /// The `kid`, if algorithm and type are the issuer's. The header never chooses how it is verified.
    fn accept(&self, hints: Hints) -> Result<String, IdentityError> {
        // `decode` asks this again; asked before, a wrong algorithm costs no search for a key and has its own code.
        if hints.alg != self.algorithm {
            return Err(IdentityError::AlgorithmNotAllowed);
        }
        if let Some(expected) = &self.typ
            && !hints.typ.is_some_and(|typ| media_type(&typ).eq_ignore_ascii_case(media_type(expected)))
        {
            return Err(IdentityError::TypeNotAllowed);
        }
        hints.kid.ok_or(IdentityError::KidMissing)
    }

    /// The claims, if the signature is the key's and they are what this issuer may say.
    fn verify(&self, token: &str, key: &VerifyingKey) -> Result<Claims, IdentityError> {
        let verified =
            jsonwebtoken::decode(token, &key.key, &self.validation).map_err(|error| refusal(&error))?;
        let claims = Claims::read(&verified.claims, &self.subject_claim)?;
        let lifetime = claims.expires_at.saturating_sub(claims.issued_at);
        if lifetime <= 0 {
            return Err(IdentityError::TokenMalformed);
        }
        if lifetime > self.max_lifetime_seconds {
            return Err(IdentityError::LifetimeTooLong);
        }
        Ok(claims)
    }
}

/// What the library asks of a token of this issuer.
fn validation(config: &IssuerConfig) -> Validation {
    let mut validation = Validation::new(config.algorithm.jose());
    validation.set_required_spec_claims(&["iss", "exp"]);
    validation.set_issuer(&[&config.issuer]);
    // Times and audience are asked on every call, of remembered tokens too: see `Tokens::check`. The library would ask
    // once, by the machine's clock instead of the one that decides, and accept a token in the second it expires in.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn refusal(error: &jsonwebtoken::errors::Error) -> IdentityError {
    match error.kind() {
        ErrorKind::InvalidSignature => IdentityError::SignatureInvalid,
        ErrorKind::InvalidAlgorithm => IdentityError::AlgorithmNotAllowed,
        ErrorKind::InvalidIssuer => IdentityError::IssuerUnknown,
        _ => IdentityError::TokenMalformed,
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
            Some(key) if key.fingerprint == self.key.fingerprint => Ok(()),
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
