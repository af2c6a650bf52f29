//! What happens to a response.
//!
//! Today every response of an allowed request passes untouched and unbuffered. This is the place where obligations on
//! responses act: a plan is made from the response's head and the enforcement, before the first byte of its body, and is
//! then asked about every piece.

use crate::event::{Flow, ResponseHead};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponsePlan {
    /// Made here or by another part of Envoy, or exempt: none of our business.
    Untouched,
    /// Comes from the server, on an allowed request.
    Pass(Shape),
}

impl ResponsePlan {
    /// The plan for a response of an allowed request.
    pub fn of_allowed(head: &ResponseHead) -> Self {
        Self::Pass(Shape::of(head.content_type.as_deref()))
    }

    /// A piece of the body, or the trailers.
    pub fn on_piece(self) -> Flow {
        match self {
            // An event stream must never be paused: Envoy would buffer it, and builds before the fix of
            // `filter_manager_forward_added_data_on_continue` lose bytes.
            Self::Untouched | Self::Pass(Shape::Json | Shape::EventStream | Shape::Other) => Flow::Continue,
        }
    }
}

/// Whether the server behind Envoy made this response. When Envoy does not say, it is taken to be so.
pub fn is_from_upstream(head: &ResponseHead) -> bool {
    head.code_details.as_deref().is_none_or(|details| details == VIA_UPSTREAM)
}
