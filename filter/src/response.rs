//! What happens to a response.
//!
//! Without an obligation the response of an allowed request passes untouched and unbuffered. With one it is looked into
//! ([`crate::inspect`]): a plan is made from the response's head, before the first byte of its body, and is then asked about
//! every piece.

use crate::event::ResponseHead;
use crate::inspect::Inspector;
use crate::metrics::Counter;

/// Envoy's name for a response that came from the server behind it.
pub const VIA_UPSTREAM: &str = "via_upstream";

/// What the body of a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One JSON document.
    Json,
    /// Server-sent events.
    EventStream,
    /// Something else, or nothing.
    Other,
}

impl Shape {
    /// From a `content-type`; parameters and case do not count.
    pub fn of(content_type: Option<&[u8]>) -> Self {
        let text = content_type.and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
        let media = text.split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else if media.eq_ignore_ascii_case("text/event-stream") {
            Self::EventStream
        } else {
            Self::Other
        }
    }

    /// Its counter.
    pub fn counter(self) -> Counter {
        match self {
            Self::Json => Counter::ResponsesJson,
            Self::EventStream => Counter::ResponsesEventStream,
            Self::Other => Counter::ResponsesOther,
        }
    }
}

/// What to do with the pieces of a response.
#[derive(Debug)]
pub enum ResponsePlan {
    /// Made here or by another part of Envoy, or exempt: none of our business.
    Untouched,
    /// Comes from the server, on an allowed request, and is not to be looked into. It is never paused.
    Pass,
    /// It is looked into.
    Inspect(Box<Inspector>),
    /// The stream was aborted.
    Aborted,
}

/// Whether a client that follows this response leaves `authority`, as far as that can be told.
pub fn leads_elsewhere(head: &ResponseHead, authority: &str) -> bool {
    let Some(location) = &head.location else { return false };
    head.status.is_some_and(|status| (300..400).contains(&status))
        && !std::str::from_utf8(location).is_ok_and(|location| stays(location, authority))
}

fn stays(location: &str, authority: &str) -> bool {
    let first = |text: &str| text.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    // Blanks and backslashes are read in more than one way, and two headers come joined by a blank.
    if !location.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return false;
    }
    match location.split_once("://") {
        Some((scheme, rest)) if matches!(&*scheme.to_ascii_lowercase(), "http" | "https") => {
            first(rest) == authority.to_ascii_lowercase()
        }
        _ => !location.starts_with("//") && !first(location).contains(':'),
    }
}

/// Whether the server behind Envoy made this response. When Envoy does not say, it is taken to be so.
pub fn is_from_upstream(head: &ResponseHead) -> bool {
    head.code_details.as_deref().is_none_or(|details| details == VIA_UPSTREAM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_place_that_everybody_finds_at_the_same_host_is_not_elsewhere() {
        let leads = |location: &str| {
            let location = Some(location.as_bytes().to_vec());
            let head = ResponseHead { status: Some(307), location, ..ResponseHead::default() };
            leads_elsewhere(&head, "mcp.example:8443")
        };
        for stays in [
            "/mcp/",
            "mcp/",
            "?a=b:c",
            "/login?next=https://other.example",
            "https://mcp.example:8443/mcp/",
            "HTTP://MCP.example:8443?x",
        ] {
            assert!(!leads(stays), "{stays}");
        }
        for elsewhere in [
            "https://other.example/mcp",
            "https://mcp.example/mcp",
            "https://mcp.example:8443@other.example/mcp",
            "https://mcp.example:8443.other.example/",
            "//other.example/mcp",
            "/\\other.example/mcp",
            "\\\\other.example",
            "https:other.example",
            "https:/other.example",
            " https://other.example",
            "/mcp/, https://other.example",
            "javascript:x",
            "/\u{e4}",
        ] {
            assert!(leads(elsewhere), "{elsewhere}");
        }
        assert!(!leads_elsewhere(&ResponseHead { status: Some(307), ..ResponseHead::default() }, "x"));
        let created = Some(b"https://other.example".to_vec());
        let head = ResponseHead { status: Some(201), location: created, ..ResponseHead::default() };
        assert!(!leads_elsewhere(&head, "x"));
    }
}
