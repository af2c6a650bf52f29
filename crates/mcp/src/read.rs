//! From HTTP head and body to a reading.

use std::sync::Arc;

use crate::classify::{self, Context};
use crate::head::{Headers, Version, requested_version};
use crate::json::Document;
use crate::refusal::Fault;
use crate::{Batch, Era, Head, Limits, Message, MessageKind, Method, Refusal};

/// What a request means.
#[derive(Clone, Debug)]
pub enum Reading<'b> {
    /// GET: the client opens the stream of a session (up to 2025-11-25).
    OpenStream {
        /// The revision in force.
        era: Era,
    },
    /// DELETE: the client ends its session (up to 2025-11-25).
    EndSession {
        /// The revision in force.
        era: Era,
    },
    /// POST with one message.
    Message(Message<'b>),
    /// POST with an array of messages (2025-03-26 only).
    Batch(Batch<'b>),
}

/// Longest `:path`, query included. Every message of a batch is judged and recorded with it, so what Envoy takes (60 KiB
/// of headers) would be multiplied.
const MAX_PATH_BYTES: usize = 8 << 10;

/// Most messages in a batch: each is judged by itself, on the time and memory of one request.
const MAX_BATCH: usize = 100;

/// Reads one HTTP request.
///
/// # Errors
/// A [`Refusal`] for everything that has no single reading: its `code` names the rule, [`Refusal::reply`] answers the
/// client. Rules: RFC 8259 and RFC 7493 for the body, JSON-RPC 2.0 for the message, and the MCP revision that header
/// and body agree on for the rest.
pub fn read<'b>(head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Reading<'b>, Refusal> {
    if head.path.len() > MAX_PATH_BYTES {
        return Err(Fault::http("http.path_too_long", 414, "the path is too long").alone());
    }
    let headers = Headers::of(head).map_err(Fault::alone)?;
    match head.method {
        "POST" => post(head, &headers, body, limits),
        "GET" => Ok(Reading::OpenStream { era: session_era(&headers, body).map_err(Fault::alone)? }),
        "DELETE" => Ok(Reading::EndSession { era: session_era(&headers, body).map_err(Fault::alone)? }),
        _ => Err(method_not_allowed().alone()),
    }
}

fn method_not_allowed() -> Fault {
    Fault::http("http.method_not_allowed", 405, "this HTTP method is not allowed here")
}

/// The revision of a GET or DELETE. From 2026-07-28 on there is only POST.
fn session_era(headers: &Headers<'_>, body: &[u8]) -> Result<Era, Fault> {
    if !body.is_empty() {
        return Err(Fault::http("http.unexpected_body", 400, "only POST carries a body"));
    }
    match headers.version() {
        Version::Absent => Ok(Era::ASSUMED),
        Version::Known(era) if era.is_modern() => Err(method_not_allowed()),
        Version::Known(era) => Ok(era),
        Version::Unknown(requested) => Err(Fault::unsupported(requested_version(requested), &Era::ALL)),
    }
}

fn post<'b>(
    head: &Head<'_>,
    headers: &Headers<'_>,
    body: &'b [u8],
    limits: &Limits,
) -> Result<Reading<'b>, Refusal> {
    headers.check_media_type().map_err(Fault::alone)?;
    let (document, flaw) =
        Document::parse_noting(body, limits).map_err(|error| Fault::unreadable(&error).alone())?;
    let version = headers.version();
    let modern = matches!(version, Version::Known(era) if era.is_modern());
    let document = Arc::new(document);
    let root = document.root();
    if let Some(flaw) = flaw {
        return Err(Fault::ambiguous(&flaw).of(root, modern));
    }
    let context = Context { head, headers, version };
    if root.is_array() {
        return batch(&document, &context).map(Reading::Batch).map_err(|fault| fault.of(root, modern));
    }
    classify::message(&document, root, &context).map(Reading::Message).map_err(|fault| fault.of(root, modern))
}

/// Reads a batch (JSON-RPC 2.0 section 6; MCP 2025-03-26 only). One element that cannot be read refuses all of it.
fn batch<'b>(document: &Arc<Document<'b>>, context: &Context<'_>) -> Result<Batch<'b>, Fault> {
    match context.version {
        Version::Absent | Version::Known(Era::V2025_03_26) => {}
        Version::Unknown(requested) => {
            return Err(Fault::unsupported(requested_version(requested), &Era::ALL).anonymous());
        }
        // One plain error with a 4xx: no client of these revisions waits for an array.
        Version::Known(_) => {
            return Err(Fault::invalid("parse.batch_not_allowed", "this revision has no batches").fixed());
        }
    }
    if document.root().elements().nth(MAX_BATCH).is_some() {
        return Err(Fault::invalid("parse.batch_too_large", "a batch holds at most 100 messages").fixed());
    }
    let mut messages: Vec<Message<'b>> = Vec::new();
    for element in document.root().elements() {
        messages.push(classify::message(document, element, context)?);
    }
    if messages.is_empty() {
        return Err(Fault::invalid("parse.empty_batch", "a batch has to hold a message").fixed());
    }
    if messages.iter().any(|message| message.method() == Some(Method::Initialize)) {
        return Err(Fault::invalid("parse.initialize_in_batch", "initialize must not be part of a batch"));
    }
    let responses = messages.iter().filter(|message| message.kind() == MessageKind::Response).count();
    if responses != 0 && responses != messages.len() {
        return Err(Fault::invalid(
            "parse.mixed_batch",
            "a batch holds responses or other messages, not both",
        ));
    }
    if repeated_id(&messages) {
        return Err(Fault::invalid("parse.duplicate_id", "two messages of a batch have the same id").fixed());
    }
    Ok(Batch { messages })
}

/// Whether two ids are equal after decoding. Clients correlate loosely, so `1` and `"1"` count as equal too.
fn repeated_id(messages: &[Message<'_>]) -> bool {
    let decoded = |message: &Message<'_>| {
        let id = message.root().get("id")?;
        Some(id.as_str().map_or_else(|| id.raw().to_owned(), std::borrow::Cow::into_owned))
    };
    let mut ids: Vec<String> = messages.iter().filter_map(decoded).collect();
    ids.sort_unstable();
    ids.iter().zip(ids.iter().skip(1)).any(|(a, b)| a == b)
}
