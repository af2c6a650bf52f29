//! A JWT in compact form, read with the same strict reader as message bodies: one reading or none.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use interdict_mcp::json::{Document, Kind, Limits, Numbers, Value};

use super::IdentityError;

/// Far above what issuers write, far below what costs time.
const LIMITS: Limits =
    Limits { max_bytes: 16 * 1024, max_depth: 16, max_tokens: 2_000, numbers: Numbers::IJson };
/// Longest `kid`, agent and principal name, in bytes. They are kept in memory and written to logs.
const MAX_NAME_BYTES: usize = 512;
/// The end of the year 9999, the last that timestamps can hold.
const MAX_SECONDS: i64 = 253_402_300_799;

/// The three parts of a compact JWS (RFC 7515 section 7.1). A JWE has five parts and is not read.
#[derive(Debug)]
pub(crate) struct Compact<'t> {
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// What is signed: header and payload in their encoded form, with the dot.
    pub(crate) signed: &'t str,
}

/// What the header says.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
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

// === impl Compact ===

impl<'t> Compact<'t> {
    /// Splits and decodes. base64url without padding and with zero spare bits, so that a token has one spelling.
    pub(crate) fn split(token: &'t str) -> Result<Self> {
        let (signed, signature) = token.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, payload) = signed.split_once('.').ok_or(MALFORMED)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| MALFORMED);
        // A payload with another dot fails to decode.
        Ok(Self { header: decode(header)?, payload: decode(payload)?, signature: decode(signature)?, signed })
    }

    pub(crate) fn header(&self) -> Result<Header> {
        let document = parse(&self.header)?;
        let root = document.root();
        for refused in ["crit", "jwk", "jku", "x5u", "x5c", "b64"] {
            if root.get(refused).is_some() {
                return Err(IdentityError::HeaderNotAllowed);
            }
        }
        Ok(Header {
            alg: string(&root, "alg")?.ok_or(MALFORMED)?.into_owned(),
            kid: name(&root, "kid")?,
            typ: string(&root, "typ")?.map(Cow::into_owned),
        })
    }

    pub(crate) fn payload(&self) -> Result<Document<'_>> {
        parse(&self.payload)
    }
}

/// The `iss` claim.
pub(crate) fn issuer(payload: &Document<'_>) -> Result<String> {
    Ok(string(&payload.root(), "iss")?.ok_or(MALFORMED)?.into_owned())
}

// === impl Claims ===

impl Claims {
    /// Reads the payload of a token whose signature was verified.
    pub(crate) fn read(payload: &Document<'_>, subject_claim: &str) -> Result<Self> {
        let root = payload.root();
        let (subject, principal) = actors(&root, subject_claim)?;
        Ok(Self {
            subject,
            principal,
            audiences: audiences(&root)?,
            expires_at: seconds(&root, "exp")?.ok_or(MALFORMED)?,
            issued_at: seconds(&root, "iat")?.ok_or(MALFORMED)?,
            not_before: seconds(&root, "nbf")?,
            certificate_sha256: confirmation(&root)?,
        })
    }
}

/// Who acts, and for whom.
///
/// With `act` (RFC 8693 section 4.1) the outermost actor is the agent and `sub` is the principal; actors nested
/// deeper are history and decide nothing. Without it the subject claim is the agent; when that is another claim than
/// `sub`, such as `client_id` (RFC 9068 section 2.2), a differing `sub` is the principal.
fn actors(root: &Value<'_>, subject_claim: &str) -> Result<(String, Option<String>)> {
    let Some(act) = root.get("act") else {
        let agent = name(root, subject_claim)?.ok_or(MALFORMED)?;
        let principal = name(root, "sub")?.filter(|sub| *sub != agent);
        return Ok((agent, principal));
    };
    // The registry knows agents by the token's issuer. An actor that another issuer vouches for is somebody else.
    if !act.is_object()
        || act.get("iss").is_some_and(|iss| iss.as_str() != root.get("iss").and_then(|i| i.as_str()))
    {
        return Err(MALFORMED);
    }
    let agent = name(&act, "sub")?.ok_or(MALFORMED)?;
    let principal = name(root, "sub")?.ok_or(MALFORMED)?;
    Ok((agent, Some(principal)))
}

fn audiences(root: &Value<'_>) -> Result<Vec<String>> {
    let aud = root.get("aud").ok_or(MALFORMED)?;
    if aud.is_array() {
        return aud.elements().map(|each| each.as_str().map(Cow::into_owned).ok_or(MALFORMED)).collect();
    }
    Ok(vec![aud.as_str().ok_or(MALFORMED)?.into_owned()])
}

/// `cnf` binds a token to a key. Only the binding to a certificate can be checked here; ignoring any other would turn
/// a bound token into a bearer token.
fn confirmation(root: &Value<'_>) -> Result<Option<Vec<u8>>> {
    let Some(cnf) = root.get("cnf") else { return Ok(None) };
    let mut members = cnf.members();
    match (members.next(), members.next()) {
        (Some((method, _, value)), None) if method == "x5t#S256" => {
            let text = value.as_str().ok_or(MALFORMED)?;
            Ok(Some(URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(|_| MALFORMED)?))
        }
        _ => Err(IdentityError::BindingUnsupported),
    }
}

fn parse(bytes: &[u8]) -> Result<Document<'_>> {
    let document = Document::parse(bytes, &LIMITS).map_err(|_| MALFORMED)?;
    let is_object = document.root().is_object();
    if is_object { Ok(document) } else { Err(MALFORMED) }
}

/// A string member; of another type it is malformed.
fn string<'d>(object: &Value<'d>, member: &str) -> Result<Option<Cow<'d, str>>> {
    object.get(member).map(|value| value.as_str().ok_or(MALFORMED)).transpose()
}

/// A string member that is safe to keep and to log.
fn name(object: &Value<'_>, member: &str) -> Result<Option<String>> {
    let Some(text) = string(object, member)? else { return Ok(None) };
    let good = (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if good { Ok(Some(text.into_owned())) } else { Err(MALFORMED) }
}

/// A NumericDate (RFC 7519 section 2). Fractions and exponents are allowed there and used by nobody; refused.
fn seconds(object: &Value<'_>, member: &str) -> Result<Option<i64>> {
    let Some(value) = object.get(member) else { return Ok(None) };
    let Kind::Number(text) = value.kind() else { return Err(MALFORMED) };
    let seconds = text.parse::<i64>().map_err(|_| MALFORMED)?;
    if (0..=MAX_SECONDS).contains(&seconds) { Ok(Some(seconds)) } else { Err(MALFORMED) }
}
