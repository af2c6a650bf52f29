//! The action: what a request would do, and its digest.
//!
//! An approval is given for an action, so two requests share a digest exactly if a person who approved one has
//! approved the other. Computed only when somebody is asked (never on the way of a plain Allow).
//!
//! ```text
//! args_digest   = H(JCS(params.arguments))
//! rest_digest   = H(JCS(other members of params, without those that change from try to try))
//! action_digest = H(JCS({v, tenant, agent, principal, server_id, method, tool, args_digest, rest_digest}))
//! ```
//!
//! H is SHA-256 in hex, JCS is RFC 8785. What changes from try to try: `requestState` and `inputResponses` (a retry
//! is the same action), and those members of `_meta` that carry correlation or describe the client.
//!
//! JCS writes numbers as IEEE doubles, so two different big integers could get one digest. A value that holds a
//! number which a double does not carry exactly is therefore hashed by its raw bytes, under a domain of its own.

use interdict_mcp::json::{Kind, Value};
use interdict_policy::Principal;
use serde_json::json;
use sha2::{Digest, Sha256};

/// What a request would do.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// The agent's tenant.
    pub tenant: &'a str,
    /// Registry id of the agent.
    pub agent: &'a str,
    /// On whose behalf.
    pub principal: Option<&'a Principal>,
    /// Registry id of the server.
    pub server: &'a str,
    /// MCP method.
    pub method: &'a str,
    /// Tool, prompt or resource.
    pub target: Option<&'a str>,
    /// The request's `params`.
    pub params: Option<Value<'a>>,
}

/// Version of the digest's construction.
const VERSION: u32 = 1;

/// First bytes of what is hashed for a value that JCS cannot carry; no JCS text starts like this.
const RAW_DOMAIN: &[u8] = b"interdict/raw-json/1\0";

/// Members of `params` that a retry may change.
const RETRY_MEMBERS: [&str; 2] = ["requestState", "inputResponses"];

/// Members of `_meta` that say nothing about the action: MCP's own (progress token and the 2026-07-28 envelope) and
/// W3C trace context.
fn is_correlation(name: &str) -> bool {
    matches!(name, "progressToken" | "traceparent" | "tracestate" | "baggage")
        || name.starts_with("io.modelcontextprotocol/")
}

/// A digest could not be computed; the caller denies with `internal.digest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the action has no canonical form")]
pub struct NoCanonicalForm;

impl Action<'_> {
    /// The action's digest, 64 hex digits.
    ///
    /// # Errors
    /// [`NoCanonicalForm`] when the canonicaliser refuses a value; a value that was read strictly has one.
    pub fn digest(&self) -> Result<String, NoCanonicalForm> {
        let (arguments, rest) = self.parts()?;
        digest_of(&json!({
            "v": VERSION,
            "tenant": self.tenant,
            "agent": self.agent,
            "principal": self.principal.map(|who| json!({ "issuer": who.issuer, "id": who.id })),
            "server_id": self.server,
            "method": self.method,
            "tool": self.target,
            "args_digest": arguments,
            "rest_digest": rest,
        }))
    }

    /// What an approver is shown: the arguments in canonical form where there is nothing else to show, otherwise all
    /// that the digest covers.
    pub fn shown(&self) -> String {
        let mut members: Vec<(String, Value<'_>)> = Vec::new();
        for (name, _, value) in self.params.iter().flat_map(Value::members) {
            if name == "_meta" && value.is_object() {
                let kept = value.members().filter(|(key, ..)| !is_correlation(key));
                members.extend(kept.map(|(key, _, entry)| (format!("_meta/{key}"), entry)));
            } else if !RETRY_MEMBERS.contains(&name.as_ref()) && self.target.is_none_or(|_| name != "name") {
                members.push((name.into_owned(), value));
            }
        }
        if let [(name, value)] = members.as_slice()
            && name == "arguments"
        {
            return canonical_text(*value);
        }
        let members: Vec<_> = members
            .iter()
            .map(|(name, value)| {
                format!("{}:{}", serde_json::Value::from(name.as_str()), canonical_text(*value))
            })
            .collect();
        format!("{{{}}}", members.join(","))
    }

    fn parts(&self) -> Result<(Option<String>, String), NoCanonicalForm> {
        let mut arguments = None;
        let mut rest = serde_json::Map::new();
        for (name, _, value) in self.params.iter().flat_map(Value::members) {
            if name == "arguments" {
                arguments = Some(value_digest(value)?);
            } else if name == "_meta" && value.is_object() {
                for (key, _, entry) in value.members().filter(|(key, ..)| !is_correlation(key)) {
                    rest.insert(format!("_meta/{key}"), value_digest(entry)?.into());
                }
            } else if !RETRY_MEMBERS.contains(&name.as_ref()) {
                rest.insert(format!("params/{name}"), value_digest(value)?.into());
            }
        }
        Ok((arguments, digest_of(&rest)?))
    }
}

/// H(JCS(value)) for anything that holds only text and small integers.
pub(crate) fn digest_of(value: &impl serde::Serialize) -> Result<String, NoCanonicalForm> {
    let bytes = serde_json_canonicalizer::to_vec(value).map_err(|_| NoCanonicalForm)?;
    Ok(hex(Sha256::digest(bytes)))
}

/// The value as JCS text, or its own text where JCS would change a number.
fn canonical_text(value: Value<'_>) -> String {
    to_json(value)
        .and_then(|json| serde_json_canonicalizer::to_string(&json).ok())
        .unwrap_or_else(|| value.raw().to_owned())
}

/// The digest of one JSON value of a message.
fn value_digest(value: Value<'_>) -> Result<String, NoCanonicalForm> {
    match to_json(value) {
        Some(json) => digest_of(&json),
        None => {
            let mut hash = Sha256::new();
            hash.update(RAW_DOMAIN);
            hash.update(value.raw());
            Ok(hex(hash.finalize()))
        }
    }
}

/// The value for JCS; `None` if it holds a number that a double does not carry exactly.
fn to_json(value: Value<'_>) -> Option<serde_json::Value> {
    Some(match value.kind() {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool(truth) => truth.into(),
        Kind::Number(token) => number(token)?,
        Kind::String(text) => text.into_owned().into(),
        Kind::Array => value.elements().map(to_json).collect::<Option<Vec<_>>>()?.into(),
        Kind::Object => {
            let mut object = serde_json::Map::new();
            for (name, _, member) in value.members() {
                object.insert(name.into_owned(), to_json(member)?);
            }
            object.into()
        }
    })
}

/// The number, if its double has the same decimal value. Integers beyond 2^53 are refused even where they happen to
/// be doubles: a reader with 64-bit integers and one with doubles would then differ on the neighbours.
fn number(token: &str) -> Option<serde_json::Value> {
    const SAFE: f64 = 9_007_199_254_740_991.0;
    let double: f64 = token.parse().ok()?;
    if !double.is_finite() || double.abs() > SAFE || decimal(token)? != decimal(&format!("{double:e}"))? {
        return None;
    }
    serde_json::Number::from_f64(double).map(serde_json::Value::Number)
}

/// Sign, significant digits and exponent of a decimal number, so that `10`, `1e1` and `10.0` are equal.
fn decimal(token: &str) -> Option<(bool, String, i64)> {
    let (negative, token) = token.strip_prefix('-').map_or((false, token), |rest| (true, rest));
    let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - significant.len()).ok()?;
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    Some((negative, significant.to_owned(), exponent))
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    use std::fmt::Write as _;
    bytes.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
