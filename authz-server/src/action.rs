//! The action: what a request would do, and its digest.
//!
//! An approval is given for an action, so two requests share a digest exactly if a person who approved one has
//! approved the other. Computed only when somebody is asked (never on the way of a plain Allow).
//!
//! ```text
//! args_digest   = H(JCS(params.arguments))
//! rest_digest   = H(JCS(other members of params, without those that change from try to try))
//! action_digest = H(JCS({v, tenant, agent, principal, server_id, path, method, tool, args_digest, rest_digest}))
//! ```
//!
//! H is SHA-256 in hex, JCS is RFC 8785. What is left out:
//! - `requestState` and `inputResponses` of a round of ours: the very members that are taken out of the body before a
//!   server sees it. Those of a server's own round steer its tool and are part of the action.
//! - the members of `_meta` that describe the connection or the client and differ from try to try ([`VOLATILE_META`]).
//! - the session (`mcp-session-id`). A client of the older revisions whose connection ended has to open a new session,
//!   and its approved call must still find the approval. So an approval holds for any session of the same agent at the
//!   same server and path; a server that keeps in its session what a call is about cannot rely on approvals for that.
//!   A session id in the query (the transport of 2024-11-05) is part of the path and so of the action.
//! - all other headers.
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
    /// Path with query, as it goes to the server: servers choose databases and toolsets by it.
    pub path: &'a str,
    /// MCP method.
    pub method: &'a str,
    /// Tool, prompt or resource.
    pub target: Option<&'a str>,
    /// The request's `params`.
    pub params: Option<Value<'a>>,
    /// Whether `requestState` and `inputResponses` are taken out of the body before the server sees it.
    pub our_round: bool,
}

/// Version of the digest's construction.
const VERSION: u32 = 2;

/// First bytes of what is hashed for a value that JCS cannot carry; no JCS text starts like this.
const RAW_DOMAIN: &[u8] = b"interdict/raw-json/1\0";

/// Members of `params` that a round of ours adds.
const ROUND_MEMBERS: [&str; 2] = ["requestState", "inputResponses"];

/// Members of `_meta` that say nothing about the action: the progress token, the envelope of MCP 2026-07-28, and W3C
/// trace context. By their exact names: others under `io.modelcontextprotocol/` select what a call works on
/// (`related-task`), and new ones will be invented.
const VOLATILE_META: [&str; 8] = [
    "baggage",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/logLevel",
    "io.modelcontextprotocol/protocolVersion",
    "progressToken",
    "traceparent",
    "tracestate",
];

fn is_volatile(name: &str) -> bool {
    VOLATILE_META.contains(&name)
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
            "path": self.path,
            "method": self.method,
            "tool": self.target,
            "args_digest": arguments,
            "rest_digest": rest,
        }))
    }

    /// What an approver is shown: the arguments in canonical form where there is nothing else to show, otherwise all
    /// members of `params` that the digest covers. Where the path says something, both as
    /// `{"path": ..., "params": ...}`.
    ///
    /// `only_path`: the server has this path and no other, so its id says it all.
    pub fn shown(&self, only_path: bool) -> String {
        let params = self.shown_params();
        if only_path {
            return params;
        }
        format!(r#"{{"path":{},"params":{params}}}"#, serde_json::Value::from(self.path))
    }

    fn shown_params(&self) -> String {
        let mut members: Vec<(String, Value<'_>)> = Vec::new();
        for (name, _, value) in self.params.iter().flat_map(Value::members) {
            if name == "_meta" && value.is_object() {
                let kept = value.members().filter(|(key, ..)| !is_volatile(key));
                members.extend(kept.map(|(key, _, entry)| (format!("_meta/{key}"), entry)));
            } else if !self.leaves_out(&name) && self.target.is_none_or(|_| name != "name") {
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

    /// Whether this member of `params` never gets to the server.
    fn leaves_out(&self, name: &str) -> bool {
        self.our_round && ROUND_MEMBERS.contains(&name)
    }

    fn parts(&self) -> Result<(Option<String>, String), NoCanonicalForm> {
        let mut arguments = None;
        let mut rest = serde_json::Map::new();
        for (name, _, value) in self.params.iter().flat_map(Value::members) {
            if name == "arguments" {
                arguments = Some(value_digest(value)?);
            } else if name == "_meta" && value.is_object() {
                for (key, _, entry) in value.members().filter(|(key, ..)| !is_volatile(key)) {
                    rest.insert(format!("_meta/{key}"), value_digest(entry)?.into());
                }
            } else if !self.leaves_out(&name) {
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
pub(crate) fn canonical_text(value: Value<'_>) -> String {
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
