//! The bench's own issuer: an RSA key that lives as long as the run, its JWKS, and RS256 tokens.

use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::error::{Context, Result};

/// `iss` of every token.
pub(crate) const ISSUER: &str = "https://issuer.bench.example";
/// `sub` of every token: the agent of the bench bundle.
pub(crate) const SUBJECT: &str = "bench-agent";
/// `aud` of every token: the canonical URI of the MCP server in the bench bundle.
pub(crate) const AUDIENCE: &str = "http://bench.example/mcp";
/// Longer than a round of the program, within the default limit of the server (15 minutes).
const LIFETIME_SECONDS: u64 = 840;

#[derive(Debug)]
pub(crate) struct Issuer {
    key: KeyPair,
}

impl Issuer {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { key: KeyPair::generate(KeySize::Rsa2048).context("generate a key")? })
    }

    pub(crate) fn jwks(&self) -> Value {
        let public = self.key.public_key();
        let number = |positive: aws_lc_rs::io::Positive<'_>| {
            URL_SAFE_NO_PAD.encode(positive.big_endian_without_leading_zero())
        };
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "bench",
            "n": number(public.modulus()), "e": number(public.exponent()),
        }]})
    }

    /// A token that starts now.
    pub(crate) fn mint(&self) -> Result<String> {
        let now =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("read the clock")?.as_secs();
        let head = json!({"alg": "RS256", "typ": "JWT", "kid": "bench"});
        let claims = json!({"iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + LIFETIME_SECONDS});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&head), encode(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let made = self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature);
        made.context("sign a token")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A token that is replaced long before it expires, between slices of load, as a client would do it.
#[derive(Debug)]
pub(crate) struct Fresh {
    issuer: Issuer,
    token: String,
    minted: Instant,
}

impl Fresh {
    const AGE: Duration = Duration::from_secs(300);

    pub(crate) fn new(issuer: Issuer) -> Result<Self> {
        Ok(Self { token: issuer.mint()?, issuer, minted: Instant::now() })
    }

    pub(crate) fn now(&self) -> &str {
        &self.token
    }

    /// Mints another one when this one is old.
    pub(crate) fn renew(&mut self) -> Result<()> {
        if self.minted.elapsed() > Self::AGE {
            self.token = self.issuer.mint()?;
            self.minted = Instant::now();
        }
        Ok(())
    }
}
