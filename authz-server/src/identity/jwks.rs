//! JWK Sets (RFC 7517): which of the keys may verify tokens of one algorithm.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use interdict_mcp::json::{Document, Limits, Numbers, Value};
use sha2::{Digest as _, Sha256};

use super::config::SignatureAlgorithm;

/// Largest JWK Set, in bytes.
pub(crate) const MAX_BYTES: usize = 256 * 1024;
/// Longest `kid`; longer ones are not looked up either.
const MAX_KID_BYTES: usize = 512;

/// A public key that is fit for its issuer's algorithm.
pub(crate) struct VerifyingKey {
    key: ParsedPublicKey,
    /// SHA-256 of the key itself: two keys under one `kid` are two keys.
    pub(crate) fingerprint: [u8; 32],
}

/// The usable keys of a JWK Set.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    by_kid: HashMap<String, Arc<VerifyingKey>>,
    /// `kid` (or position) and reason of each key that is not usable, for the log.
    pub(crate) left_out: Vec<(String, &'static str)>,
}

/// Not a JWK Set.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum JwksError {
    #[error("not strict JSON: {0}")]
    Json(String),
    #[error("not an object with an array `keys` of objects")]
    Shape,
}

// === impl KeySet ===

impl KeySet {
    /// Reads a set for tokens of this algorithm. Keys for other purposes are left out; a set in which nothing is
    /// left is a good set (all keys were withdrawn).
    pub(crate) fn parse(bytes: &[u8], algorithm: SignatureAlgorithm) -> Result<Self, JwksError> {
        let limits =
            Limits { max_bytes: MAX_BYTES, max_depth: 16, max_tokens: 20_000, numbers: Numbers::IJson };
        let document = Document::parse(bytes, &limits).map_err(|error| JwksError::Json(error.to_string()))?;
        let keys = document.root().get("keys").filter(Value::is_array).ok_or(JwksError::Shape)?;
        let mut set = Self::default();
        let mut ambiguous = Vec::new();
        for (index, jwk) in keys.elements().enumerate() {
            if !jwk.is_object() {
                return Err(JwksError::Shape);
            }
            let label = || text(&jwk, "kid").unwrap_or_else(|| format!("#{index}"));
            match usable(&jwk, algorithm) {
                Err(reason) => set.left_out.push((label(), reason)),
                Ok((kid, key)) => {
                    let fingerprint = key.fingerprint;
                    if let Some(earlier) = set.by_kid.insert(kid.clone(), Arc::new(key))
                        && earlier.fingerprint != fingerprint
                    {
                        ambiguous.push(kid);
                    }
                }
            }
        }
        for kid in ambiguous {
            set.by_kid.remove(&kid);
            set.left_out.push((kid, "two different keys have this kid"));
        }
        Ok(set)
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&Arc<VerifyingKey>> {
        self.by_kid.get(kid)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_kid.len()
    }

    /// True when both hold the same keys under the same names.
    pub(crate) fn same_keys(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .by_kid
                .iter()
                .all(|(kid, key)| other.get(kid).is_some_and(|o| o.fingerprint == key.fingerprint))
    }
}

// === impl VerifyingKey ===

impl VerifyingKey {
    /// True if the signature is this key's over `message`. The algorithm is part of the key.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").finish_non_exhaustive()
    }
}

/// `kid` and key, or why this JWK must not verify tokens of the algorithm.
fn usable(jwk: &Value<'_>, algorithm: SignatureAlgorithm) -> Result<(String, VerifyingKey), &'static str> {
    if jwk.get("d").is_some() || jwk.get("k").is_some() {
        return Err("holds a private or shared key: withdraw it, it is no longer secret");
    }
    let kid = text(jwk, "kid").ok_or("has no kid")?;
    if kid.is_empty() || kid.len() > MAX_KID_BYTES {
        return Err("has an empty or overlong kid");
    }
    if jwk.get("use").is_some_and(|u| u.as_str().as_deref() != Some("sig")) {
        return Err("its `use` is not sig");
    }
    if let Some(operations) = jwk.get("key_ops")
        && !operations.elements().any(|op| op.as_str().as_deref() == Some("verify"))
    {
        return Err("its `key_ops` lack verify");
    }
    if jwk.get("alg").is_some_and(|alg| alg.as_str().as_deref() != Some(algorithm.name())) {
        return Err("its `alg` is not the issuer's");
    }
    let key = match algorithm {
        SignatureAlgorithm::Rs256 => rsa(jwk)?,
        SignatureAlgorithm::Es256 => p256(jwk)?,
        SignatureAlgorithm::EdDsa => ed25519(jwk)?,
    };
    let fingerprint = Sha256::digest(key.as_ref()).into();
    Ok((kid, VerifyingKey { key, fingerprint }))
}

fn rsa(jwk: &Value<'_>) -> Result<ParsedPublicKey, &'static str> {
    expect(jwk, "kty", "RSA")?;
    let n = number(jwk, "n").ok_or("has no good `n`")?;
    let e = number(jwk, "e").ok_or("has no good `e`")?;
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if bits < 2048 {
        return Err("its RSA modulus is shorter than 2048 bits");
    }
    // aws-lc takes an exponent of 1, under which anything is a signature of itself. FIPS 186-5 appendix A.1.1 asks for
    // an odd number above 2^16; in practice it is 65537.
    if e.len() < 3 || e.len() > 8 || e.last().is_none_or(|last| last % 2 == 0) {
        return Err("its RSA exponent is not an odd number above 2^16");
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| "is not a usable RSA key")
}

fn p256(jwk: &Value<'_>) -> Result<ParsedPublicKey, &'static str> {
    expect(jwk, "kty", "EC")?;
    expect(jwk, "crv", "P-256")?;
    let coordinate = |member| bytes(jwk, member).filter(|bytes| bytes.len() == 32).ok_or("has no good point");
    // SEC 1 section 2.3.3: an uncompressed point begins with 4. That it lies on the curve is checked by `new`.
    let mut point = vec![4];
    point.extend(coordinate("x")?);
    point.extend(coordinate("y")?);
    ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).map_err(|_| "is not a point on P-256")
}

fn ed25519(jwk: &Value<'_>) -> Result<ParsedPublicKey, &'static str> {
    expect(jwk, "kty", "OKP")?;
    expect(jwk, "crv", "Ed25519")?;
    let point = bytes(jwk, "x").ok_or("has no good `x`")?;
    ParsedPublicKey::new(&signature::ED25519, point).map_err(|_| "is not an Ed25519 key")
}

fn expect(jwk: &Value<'_>, member: &str, value: &str) -> Result<(), &'static str> {
    if jwk.get(member).is_some_and(|found| found.as_str().as_deref() == Some(value)) {
        Ok(())
    } else {
        Err("its type or curve does not fit the issuer's algorithm")
    }
}

fn text(jwk: &Value<'_>, member: &str) -> Option<String> {
    Some(jwk.get(member)?.as_str()?.into_owned())
}

/// A big-endian number without leading zeros.
fn number(jwk: &Value<'_>, member: &str) -> Option<Vec<u8>> {
    Some(bytes(jwk, member)?.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn bytes(jwk: &Value<'_>, member: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(jwk.get(member)?.as_str()?.as_bytes()).ok()
}
