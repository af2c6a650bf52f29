//! Answers to the client, in the form of each revision.
//!
//! The forms follow what the official SDKs were seen to handle: a policy decision is HTTP 200 with the request's own
//! id, because a 4xx ends the whole session in some clients; a notification is dropped with 202; lists are answered
//! empty and never denied, because Python clients list tools on their own after a call and would report an executed
//! call as failed. No text of the request is repeated besides the id, which is echoed as its raw token.

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

    /// Writes the facts as members, each name behind `prefix`.
    fn members(&self, prefix: &str, out: &mut String) {
        let texts = [
            ("reason", Some(self.reason)),
            ("decision_id", Some(self.decision_id)),
            ("approval_id", self.approval_id),
            ("status_url", self.status_url),
        ];
        let mut comma = "";
        for (name, text) in texts {
            if let Some(text) = text {
                out.push_str(comma);
                out.push('"');
                out.push_str(prefix);
                out.push_str(name);
                out.push_str("\":");
                quote(text, out);
                comma = ",";
            }
        }
        if let Some(seconds) = self.retry_after_s {
            out.push_str(&format!(",\"{prefix}retry_after\":{seconds}"));
        }
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

/// The name under which [`input_required`] asks, and under which the client's answer comes back in
/// `params.inputResponses`.
pub const APPROVAL_INPUT: &str = "io.interdict/approval";

/// A JSON-RPC error with HTTP 200; without `id` the member is left out, as MCP has it for errors that belong to no
/// request.
#[must_use]
pub fn error(id: Option<Id<'_>>, rpc_code: i64, text: &str, facts: &Facts<'_>) -> Reply {
    refusal(200, id, rpc_code, text, facts, None)
}

/// A JSON-RPC error with any HTTP status, for [`crate::Refusal`].
pub(crate) fn refusal(
    status: u16,
    id: Option<Id<'_>>,
    rpc_code: i64,
    text: &str,
    facts: &Facts<'_>,
    version: Option<(&str, &[Era])>,
) -> Reply {
    let mut data = String::new();
    if let Some((requested, supported)) = version {
        data.push_str("\"supported\":[");
        for (position, era) in supported.iter().enumerate() {
            data.push_str(if position == 0 { "\"" } else { ",\"" });
            data.push_str(era.label());
            data.push('"');
        }
        data.push_str("],\"requested\":");
        quote(requested, &mut data);
        data.push(',');
    }
    facts.members("", &mut data);
    json(status, id, &error_member(rpc_code, text, &data))
}

fn error_member(rpc_code: i64, text: &str, data: &str) -> String {
    let mut member = format!("\"error\":{{\"code\":{rpc_code},\"message\":");
    quote(text, &mut member);
    member.push_str(",\"data\":{");
    member.push_str(data);
    member.push_str("}}");
    member
}

/// A tool result with `isError`: a normal answer to the client, and the model can react to its text. From 2026-07-28 on
/// with the `resultType` that its clients insist on.
#[must_use]
pub fn tool_error(era: Era, id: Id<'_>, text: &str, facts: &Facts<'_>) -> Reply {
    let mut result = String::from(result_type(era));
    result.push_str("\"content\":[{\"type\":\"text\",\"text\":");
    quote(text, &mut result);
    result.push_str("}],\"isError\":true,\"_meta\":{");
    facts.members("io.interdict/", &mut result);
    result.push('}');
    ok(id, &result)
}

/// The empty answer to a list method; `None` if `method` is no list. From 2026-07-28 on it may not be cached for others.
#[must_use]
pub fn empty_list(era: Era, method: Method, id: Id<'_>) -> Option<Reply> {
    let member = method.list_member()?;
    let caching = if era.is_modern() { ",\"ttlMs\":0,\"cacheScope\":\"private\"" } else { "" };
    Some(ok(id, &format!("{}\"{member}\":[]{caching}", result_type(era))))
}

/// A result without content (`ping`, `logging/setLevel`).
#[must_use]
pub fn empty_result(era: Era, id: Id<'_>) -> Reply {
    ok(id, result_type(era).trim_end_matches(','))
}

/// 202 without a body: a notification or response is dropped. The only form that every client takes.
#[must_use]
pub fn accepted() -> Reply {
    Reply { status: 202, content_type: None, headers: Vec::new(), body: Vec::new() }
}

/// MRTR (2026-07-28): the client retries with `request_state`, after the elicitation if there is one. Legal for
/// `tools/call`, `prompts/get` and `resources/read`; an elicitation only if the message declared it
/// ([`crate::Message::declares_url_elicitation`]).
#[must_use]
pub fn input_required(id: Id<'_>, request_state: &str, elicitation: Option<&UrlElicitation<'_>>) -> Reply {
    let mut result = String::from("\"resultType\":\"input_required\",");
    if let Some(elicitation) = elicitation {
        result.push_str(&format!(
            "\"inputRequests\":{{\"{APPROVAL_INPUT}\":{{\"method\":\"elicitation/create\",\"params\":{{"
        ));
        url_mode(elicitation, &mut result);
        result.push_str("}}},");
    }
    result.push_str("\"requestState\":");
    quote(request_state, &mut result);
    ok(id, &result)
}

/// Error -32042 (2025-11-25): the client shows a page and retries. Only if the client declared URL elicitation.
#[must_use]
pub fn url_elicitation_required(
    id: Id<'_>,
    text: &str,
    elicitation: &UrlElicitation<'_>,
    facts: &Facts<'_>,
) -> Reply {
    let mut data = String::from("\"elicitations\":[{");
    url_mode(elicitation, &mut data);
    data.push_str(",\"elicitationId\":");
    quote(elicitation.id, &mut data);
    data.push_str("}],");
    facts.members("", &mut data);
    json(200, Some(id), &error_member(code::URL_ELICITATION_REQUIRED, text, &data))
}

fn url_mode(elicitation: &UrlElicitation<'_>, out: &mut String) {
    out.push_str("\"mode\":\"url\",\"url\":");
    quote(elicitation.url, out);
    out.push_str(",\"message\":");
    quote(elicitation.message, out);
}

/// One answer for a batch: an array of the answers that have a body, or 202 if none has. Headers of the parts are
/// kept, the first of each name.
#[must_use]
pub fn batch(replies: Vec<Reply>) -> Reply {
    let mut body = Vec::new();
    let mut headers: Vec<(String, String)> = Vec::new();
    for reply in replies {
        for (name, value) in reply.headers {
            if !headers.iter().any(|(kept, _)| *kept == name) {
                headers.push((name, value));
            }
        }
        if !reply.body.is_empty() {
            body.push(if body.is_empty() { b'[' } else { b',' });
            body.extend_from_slice(&reply.body);
        }
    }
    if body.is_empty() {
        return Reply { headers, ..accepted() };
    }
    body.push(b']');
    Reply { status: 200, content_type: Some("application/json"), headers, body }
}

/// 405; only POST is allowed. The answer to a GET stream that is refused, which clients take without complaint.
#[must_use]
pub fn method_not_allowed() -> Reply {
    let headers = vec![("allow".to_owned(), "POST".to_owned())];
    Reply { status: 405, content_type: None, headers, body: Vec::new() }
}

fn result_type(era: Era) -> &'static str {
    if era.is_modern() { "\"resultType\":\"complete\"," } else { "" }
}

fn ok(id: Id<'_>, members: &str) -> Reply {
    json(200, Some(id), &format!("\"result\":{{{members}}}"))
}

fn json(status: u16, id: Option<Id<'_>>, member: &str) -> Reply {
    let body = match id {
        Some(id) => format!("{{\"jsonrpc\":\"2.0\",\"id\":{},{member}}}", id.raw()),
        None => format!("{{\"jsonrpc\":\"2.0\",{member}}}"),
    };
    Reply { status, content_type: Some("application/json"), headers: Vec::new(), body: body.into_bytes() }
}

/// Appends `text` as a JSON string.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
