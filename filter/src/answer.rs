//! What an answer of the decision point means. Only one shape allows; everything else refuses.

use crate::event::{HeaderChange, LocalReply, RequestHead};
use interdict_proto::enforcement::{Enforcement, EnforcementError, Verdict};
use interdict_proto::envoy::auth::{CheckResponse, DeniedHttpResponse, OkHttpResponse, check_response};
use interdict_proto::envoy::core::{HeaderValueOption, header_value_option::HeaderAppendAction};
use prost::Message;

/// The call failed: no connection, deadline, error status.
pub const UNAVAILABLE: &str = "enforcer.decision_point_unavailable";
/// The answer is empty or cannot be decoded, or its enforcement cannot be read.
pub const UNREADABLE: &str = "enforcer.answer_unreadable";
/// The answer says two things, or something that this filter does not carry out.
pub const CONTRADICTORY: &str = "enforcer.answer_contradictory";

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// The request goes on with these changes.
    Allow {
        /// Decision and obligations.
        enforcement: Enforcement,
        /// Header changes, in order.
        changes: Vec<HeaderChange>,
    },
    /// The server's reply goes back.
    Refuse {
        /// Decision, where the answer had a readable one.
        enforcement: Option<Enforcement>,
        /// The reply.
        reply: LocalReply,
    },
    /// There is no usable answer; the reason code says why.
    Unusable(&'static str),
}

/// Reads an answer. `message` is `None` when there is none.
pub fn read(status: u32, message: Option<&[u8]>, head: &RequestHead) -> Ruling {
    if status != 0 {
        return Ruling::Unusable(UNAVAILABLE);
    }
    // Envoy's native filter takes an empty answer for an Allow, because a missing status reads as code 0.
    let Some(message) = message.filter(|bytes| !bytes.is_empty()) else {
        return Ruling::Unusable(UNREADABLE);
    };
    let Ok(answer) = CheckResponse::decode(message) else {
        return Ruling::Unusable(UNREADABLE);
    };
    let Some(code) = answer.status.as_ref().map(|status| status.code) else {
        return Ruling::Unusable(UNREADABLE);
    };
    let enforcement = Enforcement::from_response(&answer);
    use check_response::HttpResponse as Arm;
    match (code, answer.http_response) {
        (0, Some(Arm::OkResponse(ok))) => allow(enforcement, &ok, head),
        (0, None) => allow(enforcement, &OkHttpResponse::default(), head),
        (0, Some(Arm::DeniedResponse(_) | Arm::ErrorResponse(_))) => Ruling::Unusable(CONTRADICTORY),
        (_, Some(Arm::DeniedResponse(denied) | Arm::ErrorResponse(denied))) => refuse(enforcement, denied),
        (_, Some(Arm::OkResponse(_))) => Ruling::Unusable(CONTRADICTORY),
        (_, None) => Ruling::Unusable(UNREADABLE),
    }
}

fn allow(
    enforcement: Result<Enforcement, EnforcementError>,
    ok: &OkHttpResponse,
    head: &RequestHead,
) -> Ruling {
    let Ok(enforcement) = enforcement else {
        return Ruling::Unusable(UNREADABLE);
    };
    // Changes of the response and of the query are things that we do not carry out, and a query is part of what was
    // judged.
    let beyond = !ok.response_headers_to_add.is_empty()
        || !ok.query_parameters_to_set.is_empty()
        || !ok.query_parameters_to_remove.is_empty();
    if enforcement.verdict != Verdict::Allow || beyond {
        return Ruling::Unusable(CONTRADICTORY);
    }
    match changes(ok, head) {
        Some(changes) => Ruling::Allow { enforcement, changes },
        None => Ruling::Unusable(CONTRADICTORY),
    }
}

fn refuse(enforcement: Result<Enforcement, EnforcementError>, denied: DeniedHttpResponse) -> Ruling {
    let enforcement = match enforcement {
        Ok(enforcement) if enforcement.verdict == Verdict::Allow => {
            return Ruling::Unusable(CONTRADICTORY);
        }
        Ok(enforcement) => Some(enforcement),
        // A refusal needs no proof.
        Err(_) => None,
    };
    let status = denied.status.map_or(403, |status| status.code);
    let Some(status) = u16::try_from(status).ok().filter(|status| (200..=599).contains(status)) else {
        return Ruling::Unusable(UNREADABLE);
    };
    let mut headers = Vec::new();
    for option in denied.headers {
        let Some(header) = option.header else { return Ruling::Unusable(UNREADABLE) };
        let Some(value) = header.bytes() else { return Ruling::Unusable(UNREADABLE) };
        if !is_value(value) {
            return Ruling::Unusable(UNREADABLE);
        }
        let name = header.key.to_ascii_lowercase();
        // Envoy writes the framing itself.
        if is_name(&name) && !is_framing(&name) {
            headers.push((name, value.to_vec()));
        }
    }
    let reason = enforcement.as_ref().map_or("denied", |enforcement| enforcement.reason.as_str());
    let details = format!("interdict:{reason}");
    let reply = LocalReply { status, headers, body: denied.body.into_bytes(), details };
    Ruling::Refuse { enforcement, reply }
}

/// The header changes in the order in which Envoy's filter makes them: set and add, then remove. `None` when one of
/// them must not be made.
fn changes(ok: &OkHttpResponse, head: &RequestHead) -> Option<Vec<HeaderChange>> {
    let mut changes = Vec::new();
    for option in &ok.headers {
        changes.extend(change(option, head)?);
    }
    for name in &ok.headers_to_remove {
        changes.push(HeaderChange::Remove(changeable(name)?));
    }
    Some(changes)
}

/// One change; an empty list when there is nothing to change.
///
/// `append` and `append_action` are two ways to say the same. Envoy's ext_authz filter looks at `append` for request
/// headers and takes a missing one for "replace", although the default of `append_action` is "append". So: `append`
/// decides where it is present, the default action without it replaces, and two that contradict each other are refused.
fn change(option: &HeaderValueOption, head: &RequestHead) -> Option<Option<HeaderChange>> {
    let header = option.header.as_ref()?;
    let name = changeable(&header.key)?;
    let value = header.bytes().filter(|value| is_value(value))?.to_vec();
    let action = HeaderAppendAction::try_from(option.append_action).ok()?;
    let present = head.values(&name).next().is_some();
    use HeaderAppendAction as A;
    match (option.append.map(|append| append.value), action) {
        (Some(true), A::AppendIfExistsOrAdd) => Some(Some(HeaderChange::Add(name, value))),
        (None | Some(false), A::AppendIfExistsOrAdd | A::OverwriteIfExistsOrAdd) => {
            Some(Some(HeaderChange::Set(name, value)))
        }
        (None, A::AddIfAbsent) => Some((!present).then_some(HeaderChange::Set(name, value))),
        (None, A::OverwriteIfExists) => Some(present.then_some(HeaderChange::Set(name, value))),
        (Some(_), _) => None,
    }
}

/// The name in lower case, if the decision point may change this header. It may not touch what the request was judged
/// by (pseudo-headers, host) nor the framing.
fn changeable(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    (is_name(&name) && name != "host" && !is_framing(&name)).then_some(name)
}

fn is_framing(name: &str) -> bool {
    matches!(name, "content-length" | "transfer-encoding" | "connection" | "upgrade" | "te" | "trailer")
}

/// A token of RFC 9110 section 5.6.2; this leaves out pseudo-headers.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// No line break and no NUL (RFC 9110 section 5.5).
fn is_value(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}
