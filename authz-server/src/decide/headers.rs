//! The headers of the client that do not go to the server.

use bytes::Bytes;
use interdict_mcp::{Message, Reading};

/// Headers that Envoy's HTTP connection manager writes itself and that change nothing upstream.
const ENVOYS_OWN: [&str; 2] = ["x-envoy-external-address", "x-envoy-internal"];

/// Names of the headers to be removed, each once. None of those that are set: Envoy's ext_authz filter sets headers
/// first and removes afterwards, so a header in both lists would be gone.
pub(super) fn to_remove(
    reading: &Reading<'_>,
    headers: &[(String, Bytes)],
    set: &[(String, String)],
) -> Vec<String> {
    let is_set = |name: &str| set.iter().any(|(set, _)| set == name);
    let modern = match reading {
        Reading::OpenStream { era } | Reading::EndSession { era } => era.is_modern(),
        Reading::Message(message) => Message::era(message).is_modern(),
        Reading::Batch(_) => false,
    };
    let mut remove = Vec::new();
    // Also when it is not among the headers that were told: an enforcement point may keep it to itself.
    if !is_set("authorization") {
        remove.push("authorization".to_owned());
    }
    for (name, _) in headers {
        let goes = is_credential(name)
            || controls_envoy(name)
            || (!modern && is_unjudged(name))
            || set.iter().any(|(set, _)| is_twin(name, set));
        if goes && !is_set(name) && !remove.contains(name) {
            remove.push(name.clone());
        }
    }
    remove
}

/// What the agent proves itself with was for us, and also what a server could take for it: CGI and its descendants do
/// not tell `_` from `-`.
fn is_credential(name: &str) -> bool {
    ["authorization", "proxy-authorization"].iter().any(|own| name == *own || is_twin(name, own))
}

/// Headers by which the sender of a request controls what Envoy does with it upstream: retries (`x-envoy-retry-on`,
/// `-retry-grpc-on`, `-max-retries`, `-retriable-status-codes`, `-retriable-header-names`), hedging
/// (`-hedge-on-per-try-timeout`), timeouts (`-upstream-rq-*`, `-upstream-stream-duration-ms`,
/// `-expected-rq-timeout-ms`), statistics (`-upstream-alt-stat-name`), the address of an original-destination cluster
/// (`-original-dst-host`), and what it claims about the way so far (`-attempt-count`, `-ip-tags`, ...). Envoy honours
/// the first from addresses that it takes for internal, and a call that was approved once would run six times. So all
/// of the namespace goes, also what later versions add (Envoy 1.40: HTTP router filter, "HTTP headers (consumed from
/// downstreams)"; HTTP header manipulation).
fn controls_envoy(name: &str) -> bool {
    name.starts_with("x-envoy-") && !ENVOYS_OWN.contains(&name)
}

/// Only 2026-07-28 has these, and only there they were compared with the body. A server that believes them on an older
/// wire would believe the client's words.
fn is_unjudged(name: &str) -> bool {
    matches!(name, "mcp-method" | "mcp-name") || name.starts_with("mcp-param-")
}

/// Whether two different names are one to a server that maps `-` to `_`.
fn is_twin(name: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name != other && name.bytes().map(plain).eq(other.bytes().map(plain))
}

#[cfg(test)]
mod tests {
    use interdict_mcp::Era;

    use super::*;

    fn removed(headers: &[&str], set: &[&str]) -> Vec<String> {
        let headers: Vec<_> =
            headers.iter().map(|name| ((*name).to_owned(), Bytes::from_static(b"x"))).collect();
        let set: Vec<_> = set.iter().map(|name| ((*name).to_owned(), "ours".to_owned())).collect();
        to_remove(&Reading::OpenStream { era: Era::V2025_11_25 }, &headers, &set)
    }

    /// Attack: `x-envoy-retry-on: retriable-status-codes` makes Envoy send an approved call six times.
    #[test]
    fn headers_that_control_envoy_go_when_the_client_sent_them() {
        for name in [
            "x-envoy-retry-on",
            "x-envoy-retry-grpc-on",
            "x-envoy-max-retries",
            "x-envoy-retriable-status-codes",
            "x-envoy-retriable-header-names",
            "x-envoy-hedge-on-per-try-timeout",
            "x-envoy-upstream-rq-timeout-ms",
            "x-envoy-upstream-rq-per-try-timeout-ms",
            "x-envoy-upstream-rq-timeout-alt-response",
            "x-envoy-upstream-stream-duration-ms",
            "x-envoy-upstream-alt-stat-name",
            "x-envoy-expected-rq-timeout-ms",
            "x-envoy-original-dst-host",
            "x-envoy-attempt-count",
            "x-envoy-ip-tags",
            "x-envoy-of-a-later-version",
        ] {
            assert_eq!(removed(&[name, name], &[]), ["authorization", name]);
        }
        let harmless = ["x-envoy-external-address", "x-envoy-internal", "x-request-id", "accept"];
        assert_eq!(removed(&harmless, &[]), ["authorization"]);
    }

    /// Attack: a second credential beside ours, under a name that some servers cannot tell from it.
    #[test]
    fn twins_of_a_header_that_is_set_go_and_the_header_itself_stays() {
        let sent = ["x_api_key", "x-api_key", "x-api-key", "x-apikey"];
        assert_eq!(removed(&sent, &["x-api-key"]), ["authorization", "x_api_key", "x-api_key"]);
        assert_eq!(removed(&["x_agent"], &["authorization", "x-agent"]), ["x_agent"]);
        assert!(removed(&["x-envoy-max-retries"], &["authorization", "x-envoy-max-retries"]).is_empty());
    }

    /// Attack: the agent's token travels on in a header that nobody judged.
    #[test]
    fn no_credential_of_the_agent_goes_on() {
        assert_eq!(
            removed(&["authorization", "proxy-authorization", "proxy_authorization"], &[]),
            ["authorization", "proxy-authorization", "proxy_authorization"]
        );
    }
}
