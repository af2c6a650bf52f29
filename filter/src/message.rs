//! The request as an MCP message: is it one, and how does a refusal look to its sender.

use crate::event::{LocalReply, RequestHead};
use interdict_mcp::reply::{self, Facts, Reply, code};
use interdict_mcp::{Head, Limits, Message, MessageKind, Numbers, Reading};

/// What the filter found before asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Ask the decision point.
    Ask {
        /// Raw ids of the requests in the message; each has one answer.
        ids: Vec<String>,
    },
    /// Refuse here, as the decision point would.
    Refuse {
        /// Reason code.
        code: &'static str,
        /// The reply.
        reply: LocalReply,
    },
}

/// Reads the request, so that nothing but a complete and valid message is ever sent to the decision point.
pub fn judge(head: &RequestHead, body: &[u8], max_bytes: usize, decision_id: &str) -> Judgement {
    // Protected resource metadata (RFC 9728) is no MCP; the decision point serves it.
    if head.text(":method") == "GET" && head.text(":path").starts_with("/.well-known/") && body.is_empty() {
        return Judgement::Ask { ids: Vec::new() };
    }
    let read = with_reading(head, body, max_bytes, |reading| match reading {
        Ok(reading) => Ok(ids(&reading)),
        Err(refusal) => Err((refusal.code, refusal.reply(decision_id))),
    });
    match read {
        Ok(ids) => Judgement::Ask { ids },
        Err((code, reply)) => Judgement::Refuse { code, reply: local(reply, code) },
    }
}

fn ids(reading: &Reading<'_>) -> Vec<String> {
    let messages = match reading {
        Reading::Message(message) => std::slice::from_ref(message),
        Reading::Batch(batch) => batch.messages(),
        Reading::OpenStream { .. } | Reading::EndSession { .. } => &[],
    };
    let requests = messages.iter().filter(|message| message.kind() == MessageKind::Request);
    requests.filter_map(|message| message.id().map(|id| id.raw().to_owned())).collect()
}

/// How a request is refused that could not be decided: an error with its own id where it has one, 202 for what
/// expects no answer, and an HTTP status of 5xx where there is no message.
pub fn failure(
    head: &RequestHead,
    body: &[u8],
    max_bytes: usize,
    code: &str,
    decision_id: &str,
) -> LocalReply {
    let reply = with_reading(head, body, max_bytes, |reading| match reading {
        Ok(Reading::Message(message)) => one(&message, code, decision_id),
        Ok(Reading::Batch(batch)) => {
            reply::batch(batch.messages().iter().map(|message| one(message, code, decision_id)).collect())
        }
        Ok(Reading::OpenStream { .. } | Reading::EndSession { .. }) | Err(_) => {
            without_id(503, code, decision_id)
        }
    });
    local(reply, code)
}

/// A refusal of a request whose message is not known, because its body was not read.
pub fn unread(status: u16, code: &str, decision_id: &str) -> LocalReply {
    local(without_id(status, code, decision_id), code)
}

fn with_reading<R>(
    head: &RequestHead,
    body: &[u8],
    max_bytes: usize,
    then: impl FnOnce(Result<Reading<'_>, interdict_mcp::Refusal>) -> R,
) -> R {
    let headers: Vec<(&str, &[u8])> = head
        .headers
        .iter()
        .filter(|(name, _)| !name.starts_with(':'))
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    let request = Head { method: head.text(":method"), path: head.text(":path"), headers: &headers };
    // Which servers read numbers exactly is in the registry of the decision point; here only what no server may get is
    // refused.
    let limits = Limits { max_bytes, numbers: Numbers::Exact, ..Limits::default() };
    then(interdict_mcp::read(&request, body, &limits))
}

fn one(message: &Message<'_>, code: &str, decision_id: &str) -> Reply {
    match message.kind() {
        MessageKind::Request => {
            reply::error(message.id(), code::UNAVAILABLE, text(code), &Facts::new(code, decision_id))
        }
        MessageKind::Notification | MessageKind::Response => reply::accepted(),
    }
}

fn without_id(status: u16, code: &str, decision_id: &str) -> Reply {
    let error = reply::error(None, code::UNAVAILABLE, text(code), &Facts::new(code, decision_id));
    Reply { status, ..error }
}

fn local(reply: Reply, code: &str) -> LocalReply {
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    if let Some(content_type) = reply.content_type {
        headers.push(("content-type".to_owned(), content_type.as_bytes().to_vec()));
    }
    headers.extend(reply.headers.into_iter().map(|(name, value)| (name, value.into_bytes())));
    LocalReply { status: reply.status, headers, body: reply.body, details: format!("interdict:{code}") }
}

/// Envoy shows no body although its bytes arrive: it does not hold headers for us.
pub const HEADER_HOLD_MISSING: &str = "enforcer.header_hold_missing";
/// The body is larger than the configured limit.
pub const BODY_TOO_LARGE: &str = "enforcer.body_too_large";
/// The body did not arrive in time.
pub const BODY_TIMEOUT: &str = "enforcer.body_timeout";
/// Mode split: no enforcement in the dynamic metadata.
pub const NO_DECISION: &str = "enforcer.no_decision";
/// The body edit does not fit the body, or Envoy did not make it.
pub const EDIT_FAILED: &str = "enforcer.edit_failed";
/// The rules for the response cannot be carried out.
pub const RULES_UNFIT: &str = "enforcer.rules_unfit";
/// A host call failed.
pub const HOST_FAILED: &str = "enforcer.host_failed";
/// Callbacks came in an order that cannot be.
pub const ILLEGAL_ORDER: &str = "enforcer.illegal_order";
/// A response from the server without an Allow on its stream.
pub const RESPONSE_WITHOUT_DECISION: &str = "enforcer.response_without_decision";
/// The server switches to another protocol, which nobody asked for.
pub const UNASKED_UPGRADE: &str = "enforcer.unasked_upgrade";
/// The response, which has to be looked into, leads to another host: what comes from there would not be.
pub const LED_ELSEWHERE: &str = "enforcer.led_elsewhere";

fn text(code: &str) -> &'static str {
    match code {
        HEADER_HOLD_MISSING => {
            "Interdict is misconfigured: mode \"call\" needs allow_on_headers_stop_iteration: true in the Wasm plugin \
             configuration of the interdict filter in Envoy (1.36 or later). Set it, or use mode \"split\"."
        }
        BODY_TOO_LARGE => "The request body is larger than this gateway allows.",
        BODY_TIMEOUT => "The request body did not arrive in time.",
        NO_DECISION => {
            "Interdict found no decision for this request: in mode \"split\" Envoy's ext_authz filter must stand before \
             the interdict filter and ask the Interdict server."
        }
        UNASKED_UPGRADE => "The server switched to another protocol, and its answer was withheld.",
        LED_ELSEWHERE => "The server led to another host, and its answer was withheld.",
        _ => "The request could not be authorized and was not carried out. Try again later.",
    }
}
