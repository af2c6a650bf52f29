//! Answers to the client, in the form of each revision.

use crate::{Era, Id, Method};

/// JSON-RPC error codes.
pub mod code {
    /// The body is not JSON (JSON-RPC 2.0).
    pub const PARSE_ERROR: i64 = -32700;
    /// The body is not a JSON-RPC message (JSON-RPC 2.0).
    pub const INVALID_REQUEST: i64 = -32600;
    /// The method is not known (JSON-RPC 2.0).
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters do not fit the method (JSON-RPC 2.0).
    pub const INVALID_PARAMS: i64 = -32602;
    /// Headers and body differ (MCP 2026-07-28).
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The revision is not supported (MCP 2026-07-28).
    pub const UNSUPPORTED_VERSION: i64 = -32022;
    /// The user has to visit a URL first (MCP 2025-11-25; retired in 2026-07-28).
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// Policy denies the request. Ours: outside the range that JSON-RPC reserves.
    pub const DENIED: i64 = -31403;
    /// A person has to approve the request first. Ours.
    pub const APPROVAL_REQUIRED: i64 = -31409;
    /// No decision could be made. Ours.
    pub const UNAVAILABLE: i64 = -31503;
}

/// An HTTP answer made here instead of by the server behind Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, if there is a body.
    pub content_type: Option<&'static str>,
    /// Further headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What an answer tells about its decision: `data` of an error, `_meta["io.interdict/..."]` of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Reason code.
    pub reason: &'a str,
    /// Decision id.
    pub decision_id: &'a str,
    /// Approval id, if a person is asked.
    pub approval_id: Option<&'a str>,
    /// Where the state of the approval can be seen.
    pub status_url: Option<&'a str>,
    /// When to try again, in seconds.
    pub retry_after_s: Option<u32>,
}

impl<'a> Facts<'a> {
    /// Facts of a decision without an approval.
    #[must_use]
    pub fn new(reason: &'a str, decision_id: &'a str) -> Self {
        Facts { reason, decision_id, approval_id: None, status_url: None, retry_after_s: None }
    }
}

/// A page the user is asked to visit (elicitation in URL mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlElicitation<'a> {
    /// Identifies the elicitation; the approval id.
    pub id: &'a str,
    /// The page.
    pub url: &'a str,
    /// What the user is told.
    pub message: &'a str,
}

fn empty(status: u16) -> Reply {
    Reply { status, content_type: None, headers: Vec::new(), body: Vec::new() }
}

/// A JSON-RPC error with HTTP 200; without `id` the member is left out.
#[must_use]
pub fn error(_id: Option<Id<'_>>, _rpc_code: i64, _text: &str, _facts: &Facts<'_>) -> Reply {
    empty(200)
}
/// A tool result with `isError`, which lets the model react.
#[must_use]
pub fn tool_error(_era: Era, _id: Id<'_>, _text: &str, _facts: &Facts<'_>) -> Reply {
    empty(200)
}
/// The empty answer to a list method; `None` if `method` is no list.
#[must_use]
pub fn empty_list(_era: Era, _method: Method, _id: Id<'_>) -> Option<Reply> {
    None
}
/// A result without content (`ping`, `logging/setLevel`).
#[must_use]
pub fn empty_result(_era: Era, _id: Id<'_>) -> Reply {
    empty(200)
}
/// 202 without a body: a notification or response is dropped.
#[must_use]
pub fn accepted() -> Reply {
    empty(202)
}
/// MRTR (2026-07-28): the client retries with `request_state`, after the elicitation if there is one.
#[must_use]
pub fn input_required(_id: Id<'_>, _request_state: &str, _elicitation: Option<&UrlElicitation<'_>>) -> Reply {
    empty(200)
}
/// Error -32042 (2025-11-25): the client shows a page and retries.
#[must_use]
pub fn url_elicitation_required(
    _id: Id<'_>,
    _text: &str,
    _elicitation: &UrlElicitation<'_>,
    _facts: &Facts<'_>,
) -> Reply {
    empty(200)
}
/// One answer for a batch: an array of the answers that have a body, or 202 if none has.
#[must_use]
pub fn batch(_replies: Vec<Reply>) -> Reply {
    empty(202)
}
/// 405; only POST is allowed.
#[must_use]
pub fn method_not_allowed() -> Reply {
    empty(405)
}
