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

/// Whether the server behind Envoy made this response. When Envoy does not say, it is taken to be so.
pub fn is_from_upstream(head: &ResponseHead) -> bool {
    head.code_details.as_deref().is_none_or(|details| details == VIA_UPSTREAM)
}
