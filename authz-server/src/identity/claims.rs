//! What a JWT says: before it is verified read with the strict reader of message bodies (one reading or none), and
//! after that from what the library returns as verified.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use interdict_mcp::json::{Document, Limits, Numbers, Value as Unverified};
use serde_json::{Map, Value};

use super::IdentityError;

/// Far above what issuers write, far below what costs time.
const LIMITS: Limits =
    Limits { max_bytes: 16 * 1024, max_depth: 16, max_tokens: 2_000, numbers: Numbers::IJson };
/// Longest `kid`, agent and principal name, in bytes. They are kept in memory and written to logs.
const MAX_NAME_BYTES: usize = 512;
/// The end of the year 9999, the last that timestamps can hold.
const MAX_SECONDS: i64 = 253_402_300_799;

/// What an unverified token says of how it is to be verified.
#[derive(Debug)]
pub(crate) struct Hints {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
    pub(crate) issuer: String,
}

/// What the payload says, as far as anything is decided by it.
#[derive(Debug)]
pub(crate) struct Claims {
    /// The agent.
    pub(crate) subject: String,
    /// On whose behalf.
    pub(crate) principal: Option<String>,
    pub(crate) audiences: Vec<String>,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
    pub(crate) issued_at: i64,
    pub(crate) not_before: Option<i64>,
    /// SHA-256 of the certificate that must be on the connection (RFC 8705 section 3.1).
    pub(crate) certificate_sha256: Option<Vec<u8>>,
}

type Result<T> = std::result::Result<T, IdentityError>;
const MALFORMED: IdentityError = IdentityError::TokenMalformed;

// === impl Hints ===

impl Hints {
    /// Reads header and payload of a compact JWS (RFC 7515 section 7.1), all of both: base64url without padding and
    /// with zero spare bits, strict JSON without duplicate members. A JWE has five parts and is not read.
    pub(crate) fn read(token: &str) -> Result<Self> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MALFORMED);
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| MALFORMED);
        let (header, payload) = (decode(header)?, decode(payload)?);
        let (header, payload) = (parse(&header)?, parse(&payload)?);
        let (header, payload) = (header.root(), payload.root());
        for refused in ["crit", "jwk", "jku", "x5u", "x5c", "b64"] {
            if header.get(refused).is_some() {
                return Err(IdentityError::HeaderNotAllowed);
            }
        }
        let kid = text(&header, "kid")?;
        if kid.as_deref().is_some_and(|kid| !is_name(kid)) {
            return Err(MALFORMED);
        }
        Ok(Self {
            alg: text(&header, "alg")?.ok_or(MALFORMED)?,
            kid,
            typ: text(&header, "typ")?,
            issuer: text(&payload, "iss")?.ok_or(MALFORMED)?,
        })
    }
}

// === impl Claims ===

impl Claims {
    /// Reads the payload of a token that was verified.
    pub(crate) fn read(payload: &Map<String, Value>, subject_claim: &str) -> Result<Self> {
        let (subject, principal) = actors(payload, subject_claim)?;
        Ok(Self {
            subject,
            principal,
            audiences: audiences(payload)?,
            expires_at: seconds(payload, "exp")?.ok_or(MALFORMED)?,
            issued_at: seconds(payload, "iat")?.ok_or(MALFORMED)?,
            not_before: seconds(payload, "nbf")?,
            certificate_sha256: confirmation(payload)?,
        })
    }
}

/// Who acts, and for whom.
///
/// With `act` (RFC 8693 section 4.1) the outermost actor is the agent and `sub` is the principal; actors nested
/// deeper are history and decide nothing. Without it the subject claim is the agent; when that is another claim than
/// `sub`, such as `client_id` (RFC 9068 section 2.2), a differing `sub` is the principal.
fn actors(payload: &Map<String, Value>, subject_claim: &str) -> Result<(String, Option<String>)> {
    let Some(act) = payload.get("act") else {
        let agent = name(payload, subject_claim)?.ok_or(MALFORMED)?;
        let principal = name(payload, "sub")?.filter(|sub| *sub != agent);
        return Ok((agent, principal));
    };
    let act = act.as_object().ok_or(MALFORMED)?;
    // The registry knows agents by the token's issuer. An actor that another issuer vouches for is somebody else.
    if act.get("iss").is_some_and(|iss| Some(iss) != payload.get("iss")) {
        return Err(MALFORMED);
    }
    let agent = name(act, "sub")?.ok_or(MALFORMED)?;
    let principal = name(payload, "sub")?.ok_or(MALFORMED)?;
    Ok((agent, Some(principal)))
}

fn audiences(payload: &Map<String, Value>) -> Result<Vec<String>> {
    let audience = |value: &Value| value.as_str().map(str::to_owned).ok_or(MALFORMED);
    match payload.get("aud").ok_or(MALFORMED)? {
        Value::Array(several) => several.iter().map(audience).collect(),
        one => Ok(vec![audience(one)?]),
    }
}

/// `cnf` binds a token to a key. Only the binding to a certificate can be checked here; ignoring any other would turn
/// a bound token into a bearer token.
fn confirmation(payload: &Map<String, Value>) -> Result<Option<Vec<u8>>> {
    let Some(cnf) = payload.get("cnf") else { return Ok(None) };
    let only = cnf.as_object().filter(|cnf| cnf.len() == 1).and_then(|cnf| cnf.get("x5t#S256"));
    let thumbprint = only.ok_or(IdentityError::BindingUnsupported)?.as_str().ok_or(MALFORMED)?;
    Ok(Some(URL_SAFE_NO_PAD.decode(thumbprint).map_err(|_| MALFORMED)?))
}

fn parse(bytes: &[u8]) -> Result<Document<'_>> {
    let document = Document::parse(bytes, &LIMITS).map_err(|_| MALFORMED)?;
    let is_object = document.root().is_object();
    if is_object { Ok(document) } else { Err(MALFORMED) }
}

/// A string member; of another type it is malformed.
fn text(object: &Unverified<'_>, member: &str) -> Result<Option<String>> {
    object.get(member).map(|value| value.as_str().map(Cow::into_owned).ok_or(MALFORMED)).transpose()
}

/// A string member that is safe to keep and to log.
fn name(object: &Map<String, Value>, member: &str) -> Result<Option<String>> {
    let Some(value) = object.get(member) else { return Ok(None) };
    let text = value.as_str().filter(|text| is_name(text)).ok_or(MALFORMED)?;
    Ok(Some(text.to_owned()))
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A NumericDate (RFC 7519 section 2). Fractions and exponents are allowed there and used by nobody; refused.
fn seconds(object: &Map<String, Value>, member: &str) -> Result<Option<i64>> {
    let Some(value) = object.get(member) else { return Ok(None) };
    let seconds = value.as_i64().filter(|seconds| (0..=MAX_SECONDS).contains(seconds));
    Ok(Some(seconds.ok_or(MALFORMED)?))
}
