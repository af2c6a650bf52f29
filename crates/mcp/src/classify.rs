//! From a JSON value to a message: shape, revision, method, parameters.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::head::{Headers, Version, requested_version};
use crate::json::{Document, Value};
use crate::message::{ENVELOPE_CAPABILITIES, ENVELOPE_VERSION, Slot, Slots, is_id_token};
use crate::refusal::Fault;
use crate::{Era, Head, Message, MessageKind, Method, mirror, uri};

/// What the HTTP head contributes to the reading of a message.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) head: &'a Head<'a>,
    pub(crate) headers: &'a Headers<'a>,
    pub(crate) version: Version<'a>,
}

/// Reads the message at `root`.
pub(crate) fn message<'b>(
    document: &Arc<Document<'b>>,
    root: Value<'_>,
    context: &Context<'_>,
) -> Result<Message<'b>, Fault> {
    if !root.is_object() {
        return Err(Fault::invalid("parse.not_an_object", "a message has to be an object"));
    }
    let outer = Outer::of(root)?;
    let mut slots = Slots { id: slot(outer.id), params: slot(outer.params), ..Slots::default() };

    if outer.id.is_some_and(|id| !is_id_token(id)) {
        return Err(Fault::invalid("parse.invalid_id", "an id has to be a string or an integer"));
    }
    let Some(method) = outer.method else {
        response(&outer, context)?;
        let era = legacy_era(context.version);
        let (document, root) = (Arc::clone(document), root.index());
        return Ok(Message { document, root, era, kind: MessageKind::Response, method: None, slots });
    };
    let Some(name) = method.as_str() else {
        return Err(Fault::invalid("parse.invalid_method", "method has to be a string"));
    };
    let kind = match (outer.id, name.starts_with("notifications/")) {
        (Some(_), false) => MessageKind::Request,
        (None, true) => MessageKind::Notification,
        (None, false) => return Err(Fault::invalid("parse.missing_id", "a request needs an id")),
        (Some(_), true) => {
            return Err(Fault::invalid("parse.notification_with_id", "a notification has no id"));
        }
    };
    let params = Params::of(outer.params, &mut slots)?;
    let era = era(context.version, &params, kind, &name)?;
    if era.is_modern() {
        mirror::check_method(context.headers, &name, kind)?;
    }
    let method =
        Method::from_name(&name).filter(|method| method.exists_in(era)).ok_or(Fault::unknown_method())?;
    params.check(method)?;
    let message = Message {
        document: Arc::clone(document),
        root: root.index(),
        era,
        kind,
        method: Some(method),
        slots,
    };
    if era.is_modern() {
        mirror::check_name(context.headers, &message)?;
        mirror::check_params(context.head, context.headers, &message)?;
    }
    Ok(message)
}

fn slot(value: Option<Value<'_>>) -> Slot {
    value.and_then(|value| NonZeroU32::new(value.index()))
}

/// The members of a JSON-RPC message.
struct Outer<'d> {
    id: Option<Value<'d>>,
    method: Option<Value<'d>>,
    params: Option<Value<'d>>,
    result: Option<Value<'d>>,
    error: Option<Value<'d>>,
}

impl<'d> Outer<'d> {
    fn of(root: Value<'d>) -> Result<Self, Fault> {
        let mut outer = Outer { id: None, method: None, params: None, result: None, error: None };
        let mut version = None;
        for (name, _, value) in root.members() {
            match name.as_ref() {
                "jsonrpc" => version = Some(value),
                "id" => outer.id = Some(value),
                "method" => outer.method = Some(value),
                "params" => outer.params = Some(value),
                "result" => outer.result = Some(value),
                "error" => outer.error = Some(value),
                other => refuse_lookalike(other, &["jsonrpc", "id", "method", "params", "result", "error"])?,
            }
        }
        if version.and_then(|version| version.as_str()).as_deref() != Some("2.0") {
            return Err(Fault::invalid("parse.not_json_rpc", "jsonrpc has to be \"2.0\""));
        }
        match (outer.method.is_some(), outer.result.is_some(), outer.error.is_some()) {
            (true, false, false) | (false, true, false) | (false, false, true) => Ok(outer),
            (false, false, false) => {
                Err(Fault::invalid("parse.not_a_message", "neither method nor result nor error"))
            }
            // Seen to be executed as a request by some servers and refused by others.
            _ => Err(Fault::invalid("parse.mixed_message", "more than one of method, result and error")),
        }
    }
}

fn response(outer: &Outer<'_>, context: &Context<'_>) -> Result<(), Fault> {
    if let Version::Unknown(requested) = context.version {
        return Err(Fault::unsupported(requested_version(requested), &Era::ALL));
    }
    if context.version == Version::Known(Era::V2026_07_28) {
        return Err(Fault::invalid(
            "parse.response_not_allowed",
            "this revision has no responses from clients",
        ));
    }
    if outer.id.is_none() {
        return Err(Fault::invalid("parse.missing_id", "a response needs an id"));
    }
    if outer.params.is_some() {
        return Err(Fault::invalid("parse.mixed_message", "a response has no params"));
    }
    if outer.result.or(outer.error).is_some_and(|outcome| !outcome.is_object()) {
        return Err(Fault::invalid("parse.invalid_response", "result and error have to be objects"));
    }
    Ok(())
}

/// The parameters that the protocol itself reads.
struct Params<'d> {
    all: Option<Value<'d>>,
    name: Option<Value<'d>>,
    uri: Option<Value<'d>>,
    arguments: Option<Value<'d>>,
    meta: Option<Value<'d>>,
    request_state: Option<Value<'d>>,
    input_responses: Option<Value<'d>>,
    task_id: Option<Value<'d>>,
    reference: Option<Value<'d>>,
    protocol_version: Option<Value<'d>>,
    envelope_version: Option<Value<'d>>,
}

const PARAMS: &[&str] = &[
    "name",
    "uri",
    "arguments",
    "_meta",
    "requestState",
    "inputResponses",
    "taskId",
    "ref",
    "task",
    "protocolVersion",
    "capabilities",
    "notifications",
];

impl<'d> Params<'d> {
    fn of(all: Option<Value<'d>>, slots: &mut Slots) -> Result<Self, Fault> {
        let mut params = Params {
            all,
            name: None,
            uri: None,
            arguments: None,
            meta: None,
            request_state: None,
            input_responses: None,
            task_id: None,
            reference: None,
            protocol_version: None,
            envelope_version: None,
        };
        let Some(all) = all else { return Ok(params) };
        if !all.is_object() {
            return Err(Fault::params("parse.invalid_params", "params has to be an object"));
        }
        let mut capabilities = None;
        for (name, _, value) in all.members() {
            let member = match name.as_ref() {
                "name" => &mut params.name,
                "uri" => &mut params.uri,
                "arguments" => &mut params.arguments,
                "_meta" => &mut params.meta,
                "requestState" => &mut params.request_state,
                "inputResponses" => &mut params.input_responses,
                "taskId" => &mut params.task_id,
                "ref" => &mut params.reference,
                "protocolVersion" => &mut params.protocol_version,
                "capabilities" => &mut capabilities,
                "task" | "notifications" => continue,
                other => {
                    refuse_lookalike(other, PARAMS)?;
                    continue;
                }
            };
            *member = Some(value);
        }
        if let Some(meta) = params.meta {
            if !meta.is_object() {
                return Err(Fault::params("parse.invalid_meta", "_meta has to be an object"));
            }
            for (name, _, value) in meta.members() {
                match name.as_ref() {
                    ENVELOPE_VERSION => params.envelope_version = Some(value),
                    ENVELOPE_CAPABILITIES => {}
                    other => refuse_lookalike(other, &[ENVELOPE_VERSION, ENVELOPE_CAPABILITIES])?,
                }
            }
        }
        slots.name = slot(params.name);
        slots.uri = slot(params.uri);
        slots.arguments = slot(params.arguments);
        slots.meta = slot(params.meta);
        slots.request_state = slot(params.request_state);
        slots.input_responses = slot(params.input_responses);
        slots.task_id = slot(params.task_id);
        slots.reference = slot(params.reference);
        slots.protocol_version = slot(params.protocol_version);
        slots.capabilities = slot(capabilities);
        Ok(params)
    }

    /// Checks what a decision relies on. Whatever else is wrong with the parameters is the server's to say.
    fn check(&self, method: Method) -> Result<(), Fault> {
        let text = |value: Option<Value<'_>>, fault: Fault| match value {
            Some(value) if value.as_str().is_some() => Ok(()),
            _ => Err(fault),
        };
        let object = |value: Option<Value<'_>>, fault: Fault| match value {
            Some(value) if !value.is_object() => Err(fault),
            _ => Ok(()),
        };
        match method {
            Method::ToolsCall | Method::PromptsGet => {
                text(self.name, Fault::params("parse.missing_name", "params.name has to be a string"))?;
                let fault = Fault::params("parse.invalid_arguments", "params.arguments has to be an object");
                object(self.arguments, fault)?;
            }
            Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                canonical_uri(self.uri)?;
            }
            Method::CompletionComplete => self.check_reference()?,
            Method::TasksGet | Method::TasksResult | Method::TasksUpdate | Method::TasksCancel => {
                text(
                    self.task_id,
                    Fault::params("parse.missing_task_id", "params.taskId has to be a string"),
                )?;
            }
            Method::SubscriptionsListen => self.check_subscriptions()?,
            Method::Initialize => {
                let fault =
                    Fault::params("parse.invalid_version", "params.protocolVersion has to be a string");
                text(self.protocol_version, fault)?;
            }
            _ => {}
        }
        if self.request_state.is_some_and(|state| state.as_str().is_none()) {
            return Err(Fault::params(
                "parse.invalid_request_state",
                "params.requestState has to be a string",
            ));
        }
        let fault =
            Fault::params("parse.invalid_input_responses", "params.inputResponses has to be an object");
        object(self.input_responses, fault)
    }

    fn check_reference(&self) -> Result<(), Fault> {
        let fault =
            || Fault::params("parse.invalid_reference", "params.ref has to name a prompt or a resource");
        let reference = self.reference.filter(|value| value.is_object()).ok_or_else(fault)?;
        for (name, _, _) in reference.members() {
            if !matches!(name.as_ref(), "type" | "name" | "uri") {
                refuse_lookalike(&name, &["type", "name", "uri"])?;
            }
        }
        let member = |name: &str| reference.get(name).and_then(|value| value.as_str());
        match member("type").as_deref() {
            Some("ref/prompt") if member("name").is_some() => Ok(()),
            Some("ref/resource") => canonical_uri(reference.get("uri")),
            _ => Err(fault()),
        }
    }

    fn check_subscriptions(&self) -> Result<(), Fault> {
        let fault = || Fault::params("parse.invalid_subscriptions", "a subscription filter is malformed");
        let Some(filter) = self.all.and_then(|params| params.get("notifications")) else { return Ok(()) };
        if !filter.is_object() {
            return Err(fault());
        }
        for (name, _, list) in filter.members() {
            match name.as_ref() {
                "resourceSubscriptions" if list.is_array() => {
                    list.elements().try_for_each(|uri| canonical_uri(Some(uri)))?;
                }
                "taskIds" if list.is_array() => {
                    if list.elements().any(|id| id.as_str().is_none()) {
                        return Err(fault());
                    }
                }
                "resourceSubscriptions" | "taskIds" => return Err(fault()),
                other => refuse_lookalike(other, &["resourceSubscriptions", "taskIds"])?,
            }
        }
        Ok(())
    }
}

fn canonical_uri(value: Option<Value<'_>>) -> Result<(), Fault> {
    let Some(text) = value.and_then(|value| value.as_str()) else {
        return Err(Fault::params("parse.missing_uri", "a resource URI has to be a string"));
    };
    if !uri::is_canonical(&text) {
        return Err(Fault::params("parse.uri_not_canonical", "servers would rewrite this resource URI"));
    }
    Ok(())
}

/// Fixes the revision by header and body together.
///
/// Servers differ: Python decides by the header alone, TypeScript by the body with the header as a cross-check. So
/// both have to say the same, else HTTP 400 and -32020.
fn era(version: Version<'_>, params: &Params<'_>, kind: MessageKind, method: &str) -> Result<Era, Fault> {
    const MISMATCH: Fault = Fault::mismatch(
        "http.version_mismatch",
        "MCP-Protocol-Version and the body name different revisions",
    );
    let envelope = match params.envelope_version {
        None => None,
        Some(value) => match value.as_str() {
            Some(text) => Some(text),
            None => return Err(missing_envelope()),
        },
    };
    match (version, envelope) {
        (Version::Unknown(header), Some(envelope)) if header != envelope.as_bytes() => Err(MISMATCH),
        // A client that brings an envelope chooses among the revisions that have one.
        (Version::Unknown(header), Some(_)) => {
            Err(Fault::unsupported(requested_version(header), &[Era::V2026_07_28]))
        }
        (Version::Unknown(header), None) => Err(Fault::unsupported(requested_version(header), &Era::ALL)),
        (Version::Known(era), Some(envelope)) if era.is_modern() && envelope == era.label() => Ok(era),
        (_, Some(_)) => Err(MISMATCH),
        (Version::Known(era), None) if era.is_modern() => {
            // 2026-07-28 demands the envelope of requests; it has no rule for notifications over HTTP.
            if kind == MessageKind::Notification { Ok(era) } else { Err(missing_envelope()) }
        }
        (Version::Absent, None) if method == Method::Initialize.name() => {
            // Before the handshake there is no header; the offer says which rules the client knows.
            let offered = params.protocol_version.and_then(|value| value.as_str());
            let era = offered.and_then(|label| Era::from_label(&label)).filter(|era| !era.is_modern());
            Ok(era.unwrap_or(Era::ASSUMED))
        }
        (version, None) => Ok(legacy_era(version)),
    }
}

fn missing_envelope() -> Fault {
    Fault::params("parse.missing_envelope", "params._meta has to name the protocol version")
}

fn legacy_era(version: Version<'_>) -> Era {
    match version {
        Version::Known(era) => era,
        _ => Era::ASSUMED,
    }
}

/// Refuses a member that a case-insensitive reader would take for one of `names`.
fn refuse_lookalike(name: &str, names: &[&str]) -> Result<(), Fault> {
    if names.iter().any(|protocol| folded(name).eq(folded(protocol))) {
        return Err(Fault::invalid(
            "parse.lookalike_member",
            "a member differs from a protocol member only in case",
        ));
    }
    Ok(())
}

/// The characters of `text` as any case-insensitive comparison may see them, with the letters outside ASCII that fold
/// into it: long s, Kelvin sign, dotless and dotted i.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|character| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        '\u{131}' | '\u{130}' => 'i',
        other => other.to_ascii_lowercase(),
    })
}
