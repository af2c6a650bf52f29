//! The Check call: what the decision point is told.

use crate::config::Config;
use crate::event::{RequestHead, Surroundings};
use interdict_proto::enforcement::{EnforcerKind, keys};
use interdict_proto::envoy::{auth, core, protobuf};
use prost::Message;

/// Headers that are copied into the initial metadata, so that the decision point is part of the trace. Envoy sends
/// calls out of a VM without a span of its own.
const CORRELATION: [&str; 3] = ["traceparent", "tracestate", "x-request-id"];

const NANOS: u64 = 1_000_000_000;

/// The serialized `CheckRequest`. The body is borrowed for the time of the call and given back, because it is needed
/// again for edits and must not be copied twice. `profiles` are the digests of the content profiles that are held.
pub fn request(head: &RequestHead, body: &mut Vec<u8>, config: &Config, profiles: &str) -> Vec<u8> {
    let attributes = auth::AttributeContext {
        source: Some(source(&head.surroundings)),
        destination: None,
        request: Some(auth::attribute_context::Request {
            time: Some(protobuf::Timestamp {
                seconds: i64::try_from(head.now / NANOS).unwrap_or_default(),
                nanos: i32::try_from(head.now % NANOS).unwrap_or_default(),
            }),
            http: Some(http(head, std::mem::take(body))),
        }),
        context_extensions: context(head, config, profiles),
        tls_session: head
            .surroundings
            .sni
            .clone()
            .filter(|sni| !sni.is_empty())
            .map(|sni| auth::attribute_context::TlsSession { sni }),
    };
    let mut check = auth::CheckRequest { attributes: Some(attributes) };
    let encoded = check.encode_to_vec();
    let http =
        check.attributes.as_mut().and_then(|all| all.request.as_mut()).and_then(|all| all.http.as_mut());
    if let Some(http) = http {
        *body = std::mem::take(&mut http.raw_body);
    }
    encoded
}

/// The initial metadata of the call.
pub fn metadata(head: &RequestHead) -> Vec<(String, Vec<u8>)> {
    let carried = head.headers.iter().filter(|(name, value)| {
        CORRELATION.contains(&name.as_str()) && value.iter().all(|byte| (b' '..=b'~').contains(byte))
    });
    carried.cloned().collect()
}

fn http(head: &RequestHead, raw_body: Vec<u8>) -> auth::attribute_context::HttpRequest {
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| core::HeaderValue::raw(name.as_str(), value.as_slice()));
    auth::attribute_context::HttpRequest {
        id: head.text("x-request-id").to_owned(),
        method: head.text(":method").to_owned(),
        header_map: Some(core::HeaderMap { headers: headers.collect() }),
        path: head.text(":path").to_owned(),
        host: head.text(":authority").to_owned(),
        scheme: head.text(":scheme").to_owned(),
        size: i64::try_from(raw_body.len()).unwrap_or(-1),
        protocol: head.surroundings.protocol.clone().unwrap_or_default(),
        raw_body,
        ..Default::default()
    }
}

fn context(
    head: &RequestHead,
    config: &Config,
    profiles: &str,
) -> std::collections::BTreeMap<String, String> {
    let mut context = config.context.clone();
    let mut set = |key: &str, value: &str| context.insert(key.to_owned(), value.to_owned());
    set(keys::ENFORCER, EnforcerKind::Call.as_str());
    set(keys::ENFORCER_VERSION, env!("CARGO_PKG_VERSION"));
    set(keys::PROFILES, profiles);
    if config.reporting().is_some() {
        set(keys::OUTCOMES, keys::OUTCOMES_REPORTED);
    }
    if let Some(route) = &head.surroundings.route {
        set(keys::ROUTE, route);
    }
    if let Some(virtual_host) = &head.surroundings.virtual_host {
        set(keys::VIRTUAL_HOST, virtual_host);
    }
    context
}

fn source(around: &Surroundings) -> auth::attribute_context::Peer {
    auth::attribute_context::Peer {
        address: around.source_address.as_deref().and_then(address),
        principal: principal(around).unwrap_or_default().to_owned(),
        ..Default::default()
    }
}

/// The identity that Envoy verified, chosen as its ext_authz filter does: URI SAN, else DNS SAN, else subject. None
/// without a client certificate, or with one that Envoy accepted unverified.
pub fn principal(around: &Surroundings) -> Option<&str> {
    if around.mtls != Some(true) || around.certificate_valid == Some(false) {
        return None;
    }
    [&around.uri_san, &around.dns_san, &around.subject]
        .into_iter()
        .filter_map(|name| name.as_deref())
        .find(|name| !name.is_empty())
}

/// From Envoy's text form: `192.0.2.1:80`, `[2001:db8::1]:80`, or the path of a Unix socket.
fn address(text: &str) -> Option<core::Address> {
    use core::address::Address;
    let address = match text.rsplit_once(':') {
        Some((host, port)) => Address::SocketAddress(core::SocketAddress {
            protocol: core::socket_address::Protocol::Tcp as i32,
            address: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(
                port.parse::<u16>().ok()?.into(),
            )),
        }),
        None if text.is_empty() => return None,
        None => Address::Pipe(core::Pipe { path: text.to_owned() }),
    };
    Some(core::Address { address: Some(address) })
}
