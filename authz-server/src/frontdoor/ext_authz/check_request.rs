//! A CheckRequest as a [`Request`].
//!
//! Envoy sends headers and body in two forms each: `header_map` and `raw_body` with `encode_raw_headers` and
//! `pack_as_bytes`, else `headers` and `body`, in which duplicates are joined and bytes outside of UTF-8 replaced. The
//! raw forms are preferred; a header with two values at once has two readings and is refused.

use std::time::Instant;

use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{Address, CheckRequest};
use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::Peer as WirePeer;
use interdict_proto::enforcement::{EnforcerKind, keys};

use crate::request::{BodyState, Enforcer, Http, Peer, Request, Undecodable};

/// Envoy sets it next to a body that it sends (`allow_partial_message`): `false` only for a whole one.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

/// Names of ids, routes and versions are shorter; what is longer is cut off from logs by not being taken.
const MAX_LABEL: usize = 256;

/// Most profiles that an enforcement point says it holds.
const MAX_PROFILES: usize = 64;

/// Translates; judges nothing.
///
/// # Errors
/// When the message is not one that Envoy or our filter sends.
pub fn decode(check: CheckRequest, deadline: Option<Instant>) -> Result<Request, Undecodable> {
    let attributes = check.attributes.ok_or(UNDECODABLE)?;
    let mut extensions = attributes.context_extensions;
    let http = attributes.request.and_then(|request| request.http).ok_or(UNDECODABLE)?;
    if http.method.is_empty() || http.path.is_empty() {
        return Err(UNDECODABLE);
    }

    let kind = match extensions.remove(keys::ENFORCER) {
        None => EnforcerKind::Native,
        Some(name) => EnforcerKind::from_name(&name).ok_or(UNKNOWN_ENFORCER)?,
    };
    let mut label =
        |key: &str| extensions.remove(key).filter(|text| !text.is_empty() && text.len() <= MAX_LABEL);
    let version = label(keys::ENFORCER_VERSION).unwrap_or_default();
    let route = label(keys::ROUTE);
    let reports_outcomes = label(keys::OUTCOMES).is_some_and(|said| said == keys::OUTCOMES_REPORTED);
    let profiles = extensions.remove(keys::PROFILES).map(|held| profiles(&held));
    // A server that is named must be looked up under that name, whatever it is: falling back to host and path would
    // let a mistyped configuration judge by other rules than its author meant.
    let server_hint = extensions.remove(keys::SERVER).filter(|id| !id.is_empty());

    let headers = headers(http.header_map, http.headers)?;
    let body = body(&headers, http.size, http.raw_body, http.body);
    Ok(Request {
        enforcer: Enforcer { kind, version, reports_outcomes, profiles },
        id: http.id,
        http: Http {
            method: http.method,
            path: http.path,
            host: http.host,
            scheme: http.scheme,
            headers,
            body,
        },
        peer: peer(attributes.source),
        server_hint,
        route,
        deadline,
    })
}

const UNDECODABLE: Undecodable = Undecodable {
    code: "enforcer.undecodable",
    message: "The enforcement point sent a Check that is not about an HTTP request.",
};

const UNKNOWN_ENFORCER: Undecodable = Undecodable {
    code: "enforcer.unknown_kind",
    message: "The enforcement point calls itself something that this decision point does not know.",
};

const AMBIGUOUS_HEADER: Undecodable = Undecodable {
    code: "enforcer.ambiguous_header",
    message: "The enforcement point sent a header with two values at once.",
};

/// Digests of profiles; what is none is passed over, and then the profile is sent along.
fn profiles(held: &str) -> Vec<String> {
    let is_digest = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    held.split(',').filter(is_digest).take(MAX_PROFILES).map(str::to_owned).collect()
}

fn headers(
    raw: Option<HeaderMap>,
    plain: std::collections::HashMap<String, String>,
) -> Result<Vec<(String, Bytes)>, Undecodable> {
    let headers: Vec<(String, Bytes)> = match raw {
        Some(map) => map
            .headers
            .into_iter()
            .map(|header| match (header.value.is_empty(), header.raw_value.is_empty()) {
                (false, false) => Err(AMBIGUOUS_HEADER),
                (false, true) => Ok((header.key, Bytes::from(header.value))),
                (true, _) => Ok((header.key, Bytes::from(header.raw_value))),
            })
            .collect::<Result<_, _>>()?,
        None => {
            let mut headers: Vec<_> =
                plain.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect();
            headers.sort();
            headers
        }
    };
    Ok(headers
        .into_iter()
        .filter(|(name, _)| !name.starts_with(':'))
        .map(|(name, value)| match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => (name.to_ascii_lowercase(), value),
            false => (name, value),
        })
        .collect())
}

fn body(headers: &[(String, Bytes)], size: i64, raw: Vec<u8>, text: String) -> BodyState {
    let all = |wanted: &str| {
        let wanted = wanted.to_owned();
        headers.iter().filter(move |(name, _)| *name == wanted).map(|(_, value)| value.as_ref())
    };
    // The client may send this header too; only a clear "false", and nothing else, says that the body is whole.
    if all(PARTIAL_BODY).any(|value| value != b"false") {
        return BodyState::Partial;
    }
    let body = if raw.is_empty() { Bytes::from(text) } else { Bytes::from(raw) };
    let announced = size > 0
        || all("content-length").any(|value| value != b"0")
        || all("transfer-encoding").next().is_some();
    if body.is_empty() && announced { BodyState::Missing } else { BodyState::Raw(body) }
}

fn peer(source: Option<WirePeer>) -> Peer {
    let Some(source) = source else { return Peer::default() };
    let address = match source.address.and_then(|address| address.address) {
        Some(Address::SocketAddress(socket)) => socket.address,
        _ => String::new(),
    };
    let present = |text: String| Some(text).filter(|text| !text.is_empty());
    Peer { address, principal: present(source.principal), certificate: present(source.certificate) }
}

#[cfg(test)]
mod tests;
