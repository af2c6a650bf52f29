//! JWK Sets (RFC 7517): which of the keys may verify tokens of one algorithm.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use interdict_mcp::json::{Document, Limits, Numbers, Value};
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse, ThumbprintHash,
};
use jsonwebtoken::{DecodingKey, DecodingKeyKind as Kind};

use super::config::SignatureAlgorithm;

/// Largest JWK Set, in bytes.
pub(crate) const MAX_BYTES: usize = 256 * 1024;
/// Longest `kid`; longer ones are not looked up either.
const MAX_KID_BYTES: usize = 512;

/// Length of 32 bytes in base64url.
const ENCODED_32_BYTES: usize = 43;

/// A public key that is fit for its issuer's algorithm.
#[derive(Debug)]
pub(crate) struct VerifyingKey {
    pub(crate) key: DecodingKey,
    /// RFC 7638 thumbprint of the key itself: two keys under one `kid` are two keys.
    pub(crate) fingerprint: String,
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
            let kid = || Some(jwk.get("kid")?.as_str()?.into_owned());
            let label = || kid().unwrap_or_else(|| format!("#{index}"));
            match usable(&jwk, algorithm) {
                Err(reason) => set.left_out.push((label(), reason)),
                Ok((kid, key)) => {
                    let key = Arc::new(key);
                    if let Some(earlier) = set.by_kid.insert(kid.clone(), Arc::clone(&key))
                        && earlier.fingerprint != key.fingerprint
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

/// The `kid` and the key, if it can verify tokens of the algorithm.
fn usable(value: &Value<'_>, algorithm: SignatureAlgorithm) -> Result<(String, VerifyingKey), &'static str> {
    if value.get("d").is_some() || value.get("k").is_some() {
        return Err("holds a private or shared key: withdraw it, it is no longer secret");
    }
    let jwk: Jwk = serde_json::from_str(value.raw()).map_err(|_| "is not a JWK")?;
    let kid = jwk.common.key_id.as_ref().ok_or("has no kid")?;
    if kid.is_empty() || kid.len() > MAX_KID_BYTES {
        return Err("has an empty or overlong kid");
    }
    if jwk.common.public_key_use.as_ref().is_some_and(|u| *u != PublicKeyUse::Signature) {
        return Err("its `use` is not sig");
    }
    if jwk.common.key_operations.as_ref().is_some_and(|ops| !ops.contains(&KeyOperations::Verify)) {
        return Err("its `key_ops` lack verify");
    }
    if jwk.common.key_algorithm.is_some_and(|alg| alg != KeyAlgorithm::from(algorithm.jose())) {
        return Err("its `alg` is not the issuer's");
    }
    let key = fit(&jwk, algorithm)?;
    // Of the key as it was understood: the JWK's own text can spell a number in several ways.
    let fingerprint = Jwk::from_decoding_key(&key, None)
        .and_then(|jwk| jwk.thumbprint(ThumbprintHash::SHA256))
        .map_err(|_| "has no thumbprint")?;
    Ok((kid.clone(), VerifyingKey { key, fingerprint }))
}

/// The key, of the algorithm's type and sound.
///
/// The library looks at a key only when it verifies with it. A key that can verify nothing, or anything, is to be found
/// when it is published.
fn fit(jwk: &Jwk, algorithm: SignatureAlgorithm) -> Result<DecodingKey, &'static str> {
    let key = DecodingKey::from_jwk(jwk).map_err(|_| "its numbers are not base64url")?;
    let is_32_bytes = |text: &String| text.len() == ENCODED_32_BYTES;
    let sound = match (algorithm, &jwk.algorithm, key.kind()) {
        (SignatureAlgorithm::Rs256, AlgorithmParameters::RSA(_), Kind::RsaModulusExponent { n, e }) => {
            return rsa(n, e);
        }
        (SignatureAlgorithm::Es256, AlgorithmParameters::EllipticCurve(ec), Kind::SecretOrDer(point))
            if ec.curve == EllipticCurve::P256 && is_32_bytes(&ec.x) && is_32_bytes(&ec.y) =>
        {
            ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).is_ok()
        }
        (SignatureAlgorithm::EdDsa, AlgorithmParameters::OctetKeyPair(okp), Kind::SecretOrDer(point))
            if okp.curve == EllipticCurve::Ed25519 && is_32_bytes(&okp.x) =>
        {
            ParsedPublicKey::new(&signature::ED25519, point).is_ok()
        }
        _ => return Err("its type, curve or length does not fit the issuer's algorithm"),
    };
    if sound { Ok(key) } else { Err("is not a point on its curve") }
}

/// Leading zeros are not digits, though some issuers write them; aws-lc refuses them.
fn rsa(n: &[u8], e: &[u8]) -> Result<DecodingKey, &'static str> {
    let digits = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let (n, e) = (digits(n), digits(e));
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if bits < 2048 {
        return Err("its RSA modulus is shorter than 2048 bits");
    }
    // aws-lc takes an exponent of 1, under which anything is a signature of itself. FIPS 186-5 appendix A.1.1 asks for
    // an odd number above 2^16; in practice it is 65537.
    if e.len() < 3 || e.len() > 8 || e.last().is_none_or(|last| last % 2 == 0) {
        return Err("its RSA exponent is not an odd number above 2^16");
    }
    RsaPublicKeyComponents { n: &n, e: &e }
        .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| "is not a usable RSA key")?;
    Ok(DecodingKey::from_rsa_raw_components(&n, &e))
}
