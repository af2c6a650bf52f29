//! Keys and tokens for development and tests. A real deployment has an issuer of its own.

use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::config::SignatureAlgorithm;

/// A private key that signs tokens.
pub struct SigningKey {
    algorithm: SignatureAlgorithm,
    kid: String,
    pkcs8: Vec<u8>,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// What a minted token says.
#[derive(Clone, Debug)]
pub struct TokenRequest<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// The agent: `sub`, or `act.sub` when there is a principal.
    pub subject: &'a str,
    /// `aud`: the canonical URI of the MCP server, as in the registry.
    pub audience: &'a str,
    /// `exp - iat`, in seconds.
    pub lifetime_seconds: u32,
    /// On whose behalf: becomes `sub` (RFC 8693 section 4.1).
    pub principal: Option<&'a str>,
    /// The `typ` header; `JWT` when absent.
    pub typ: Option<&'a str>,
}

/// Why a key or token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The cryptographic library refused.
    #[error("cannot make or use the key")]
    Crypto,
    /// Not a PKCS#8 private key in PEM form for the algorithm.
    #[error("{}: not a PKCS#8 PEM private key for {algorithm}", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// The algorithm that was asked for.
        algorithm: &'static str,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

// === impl SigningKey ===

impl SigningKey {
    /// A new random key (RSA: 2048 bits). Its `kid` is its RFC 7638 thumbprint.
    pub fn generate(algorithm: SignatureAlgorithm) -> Result<Self, MintError> {
        let rng = aws_lc_rs::rand::SystemRandom::new();
        let pkcs8 = match algorithm {
            SignatureAlgorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| MintError::Crypto)?;
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> =
                    pair.as_der().map_err(|_| MintError::Crypto)?;
                der.as_ref().to_vec()
            }
            SignatureAlgorithm::Es256 => {
                EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &rng)
                    .map_err(|_| MintError::Crypto)?
                    .as_ref()
                    .to_vec()
            }
            SignatureAlgorithm::EdDsa => {
                Ed25519KeyPair::generate_pkcs8(&rng).map_err(|_| MintError::Crypto)?.as_ref().to_vec()
            }
        };
        Self::from_pkcs8(algorithm, pkcs8).ok_or(MintError::Crypto)
    }

    /// Reads the key at `path`, or makes one there (readable by its owner only) when there is no such file.
    pub fn load_or_generate(algorithm: SignatureAlgorithm, path: &Path) -> Result<Self, MintError> {
        let failed = |source| MintError::File { path: path.to_owned(), source };
        match std::fs::read_to_string(path) {
            Ok(pem) => Self::from_pem(algorithm, &pem)
                .ok_or_else(|| MintError::NotAKey { path: path.to_owned(), algorithm: algorithm.name() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = Self::generate(algorithm)?;
                write_private(path, key.to_pem().as_bytes()).map_err(failed)?;
                Ok(key)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads a PKCS#8 PEM private key.
    pub fn from_pem(algorithm: SignatureAlgorithm, pem: &str) -> Option<Self> {
        let (_, rest) = pem.split_once(PEM_BEGIN)?;
        let (body, _) = rest.split_once(PEM_END)?;
        let body: String = body.split_ascii_whitespace().collect();
        Self::from_pkcs8(algorithm, STANDARD.decode(body).ok()?)
    }

    /// The key as PKCS#8 PEM.
    pub fn to_pem(&self) -> String {
        let body = STANDARD.encode(&self.pkcs8);
        let mut pem = format!("{PEM_BEGIN}\n");
        for line in body.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str(PEM_END);
        pem.push('\n');
        pem
    }

    /// The algorithm that it signs with.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The `kid` that its tokens carry.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JWK.
    pub fn jwk(&self) -> Value {
        let mut jwk = self.pair.public_members();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".to_owned(), self.kid.as_str().into());
            members.insert("use".to_owned(), "sig".into());
            members.insert("alg".to_owned(), self.algorithm.name().into());
        }
        jwk
    }

    /// A token, valid from `now` for [`TokenRequest::lifetime_seconds`].
    pub fn mint(&self, request: &TokenRequest<'_>, now: Timestamp) -> Result<String, MintError> {
        let issued_at = now.as_second();
        let mut claims = json!({
            "iss": request.issuer,
            "sub": request.subject,
            "aud": request.audience,
            "iat": issued_at,
            "exp": issued_at + i64::from(request.lifetime_seconds),
            "jti": uuid::Uuid::now_v7().to_string(),
        });
        if let (Some(principal), Some(members)) = (request.principal, claims.as_object_mut()) {
            members.insert("sub".to_owned(), principal.into());
            members.insert("act".to_owned(), json!({ "sub": request.subject }));
        }
        let header =
            json!({ "alg": self.algorithm.name(), "kid": self.kid, "typ": request.typ.unwrap_or("JWT") });
        self.sign(&header.to_string(), &claims.to_string())
    }

    /// A signed JWT of exactly these two texts. Nothing is checked, so that tests can sign what no issuer would.
    pub fn sign(&self, header: &str, claims: &str) -> Result<String, MintError> {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(input.as_bytes()).map_err(|_| MintError::Crypto)?;
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn from_pkcs8(algorithm: SignatureAlgorithm, pkcs8: Vec<u8>) -> Option<Self> {
        let pair = match algorithm {
            SignatureAlgorithm::Rs256 => Pair::Rsa(RsaKeyPair::from_pkcs8(&pkcs8).ok()?),
            SignatureAlgorithm::Es256 => {
                Pair::Ec(EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).ok()?)
            }
            SignatureAlgorithm::EdDsa => Pair::Ed(Ed25519KeyPair::from_pkcs8(&pkcs8).ok()?),
        };
        // RFC 7638 section 3: the hash of the required members, in alphabetical order, without spaces.
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(pair.public_members().to_string()));
        Some(Self { algorithm, kid, pkcs8, pair })
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// The JWK Set (RFC 7517 section 5) of these keys as JSON text.
pub fn jwks(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// Writes the JWK Set of these keys, in one step so that no reader sees half of it.
pub fn write_jwks(keys: &[&SigningKey], path: &Path) -> Result<(), MintError> {
    let failed = |source| MintError::File { path: path.to_owned(), source };
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    std::fs::write(&name, jwks(keys)).map_err(failed)?;
    std::fs::rename(&name, path).map_err(failed)
}

// === impl Pair ===

impl Pair {
    /// The required members of the public JWK, in alphabetical order, and nothing else.
    fn public_members(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(pair) => {
                let key = pair.public_key();
                json!({
                    "e": encode(key.exponent().big_endian_without_leading_zero()),
                    "kty": "RSA",
                    "n": encode(key.modulus().big_endian_without_leading_zero()),
                })
            }
            Self::Ec(pair) => {
                // SEC 1 uncompressed point: 0x04, x, y.
                let point = pair.public_key().as_ref();
                let (x, y) = point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
                json!({ "crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y) })
            }
            Self::Ed(pair) => {
                json!({ "crv": "Ed25519", "kty": "OKP", "x": encode(pair.public_key().as_ref()) })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let rng = aws_lc_rs::rand::SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &rng, message, &mut signature)?;
                Ok(signature)
            }
            Self::Ec(pair) => Ok(pair.sign(&rng, message)?.as_ref().to_vec()),
            Self::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
