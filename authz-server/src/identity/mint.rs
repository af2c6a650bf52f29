//! Keys and tokens for development and tests. A real deployment has an issuer of its own.

use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{EncodingKey, Header};
use pem::Pem;
use serde_json::{Value, json};

use super::config::SignatureAlgorithm;

/// A private key that signs tokens.
#[derive(Debug)]
pub struct SigningKey {
    algorithm: SignatureAlgorithm,
    key: EncodingKey,
    kid: String,
    jwk: Jwk,
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

// === impl SigningKey ===

impl SigningKey {
    /// A new random key (RSA: 2048 bits). Its `kid` is its RFC 7638 thumbprint.
    pub fn generate(algorithm: SignatureAlgorithm) -> Result<Self, MintError> {
        Self::from_pem(algorithm, &generate_pem(algorithm)?).ok_or(MintError::Crypto)
    }

    /// Reads the key at `path`, or makes one there (readable by its owner only) when there is no such file.
    pub fn load_or_generate(algorithm: SignatureAlgorithm, path: &Path) -> Result<Self, MintError> {
        let failed = |source| MintError::File { path: path.to_owned(), source };
        match std::fs::read_to_string(path) {
            Ok(pem) => Self::from_pem(algorithm, &pem)
                .ok_or_else(|| MintError::NotAKey { path: path.to_owned(), algorithm: algorithm.name() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let pem = generate_pem(algorithm)?;
                write_private(path, pem.as_bytes()).map_err(failed)?;
                Self::from_pem(algorithm, &pem).ok_or(MintError::Crypto)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads a PKCS#8 PEM private key.
    pub fn from_pem(algorithm: SignatureAlgorithm, pem: &str) -> Option<Self> {
        let pem = pem.as_bytes();
        let key = match algorithm {
            SignatureAlgorithm::Rs256 => EncodingKey::from_rsa_pem(pem),
            SignatureAlgorithm::Es256 => EncodingKey::from_ec_pem(pem),
            SignatureAlgorithm::EdDsa => EncodingKey::from_ed_pem(pem),
        }
        .ok()?;
        let mut jwk = Jwk::from_encoding_key(&key, algorithm.jose()).ok()?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Some(Self { algorithm, key, kid, jwk })
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
        json!(self.jwk)
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
        let mut header = Header::new(self.algorithm.jose());
        header.kid = Some(self.kid.clone());
        header.typ = Some(request.typ.unwrap_or("JWT").to_owned());
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_| MintError::Crypto)
    }

    /// A signed JWT of exactly these two texts. Nothing is checked, so that tests can sign what no issuer would.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> Result<String, MintError> {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &self.key, self.algorithm.jose())
            .map_err(|_| MintError::Crypto)?;
        Ok(format!("{input}.{signature}"))
    }
}

/// The public half of a PKCS#8 PEM private key, as `PUBLIC KEY` PEM.
pub fn public_pem(algorithm: SignatureAlgorithm, private: &str) -> Option<String> {
    let der = pem::parse(private).ok()?;
    let der = der.contents();
    let public: PublicKeyX509Der<'_> = match algorithm {
        SignatureAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(der).ok()?.public_key().as_der().ok()?,
        SignatureAlgorithm::Es256 => {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
            key.public_key().as_der().ok()?
        }
        SignatureAlgorithm::EdDsa => {
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?.public_key().as_der().ok()?
        }
    };
    Some(pem::encode(&Pem::new("PUBLIC KEY", public.as_ref())))
}

/// The JWK Set (RFC 7517 section 5) of these keys as JSON text.
pub fn jwks(keys: &[&SigningKey]) -> String {
    json!(JwkSet { keys: keys.iter().map(|key| key.jwk.clone()).collect() }).to_string()
}

/// Writes the JWK Set of these keys, in one step so that no reader sees half of it.
pub fn write_jwks(keys: &[&SigningKey], path: &Path) -> Result<(), MintError> {
    let failed = |source| MintError::File { path: path.to_owned(), source };
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    std::fs::write(&name, jwks(keys)).map_err(failed)?;
    std::fs::rename(&name, path).map_err(failed)
}

/// A new private key as PKCS#8 PEM.
fn generate_pem(algorithm: SignatureAlgorithm) -> Result<String, MintError> {
    let der = generate_pkcs8(algorithm).map_err(|_| MintError::Crypto)?;
    Ok(pem::encode(&Pem::new("PRIVATE KEY", der)))
}

fn generate_pkcs8(algorithm: SignatureAlgorithm) -> Result<Vec<u8>, Unspecified> {
    Ok(match algorithm {
        SignatureAlgorithm::Rs256 => {
            let der: Pkcs8V1Der<'_> = RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?;
            der.as_ref().to_vec()
        }
        SignatureAlgorithm::Es256 => {
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?.to_pkcs8v1()?.as_ref().to_vec()
        }
        // Version 1 of PKCS#8, as OpenSSL writes it: `Jwk::from_encoding_key` reads no other.
        SignatureAlgorithm::EdDsa => Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref().to_vec(),
    })
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
