//! Headers that mirror the body (MCP 2026-07-28, Streamable HTTP, request metadata).
//!
//! `Mcp-Method` and `Mcp-Name` are compared as the revision says. `Mcp-Param-*` needs more thought: which argument
//! `Mcp-Param-Region` mirrors is said by `x-mcp-header` in the tool's input schema, which is not known here. A
//! comparison with the argument of the same name would be wrong, because the annotation may carry any name, even that
//! of another argument. What holds for every conforming client, whatever the schema, is checked:
//!
//! * no name comes twice, since annotations are unique without regard to case;
//! * the value decodes: plain visible ASCII, or the wrapper around canonical base64 of UTF-8;
//! * in a `tools/call` the value is that of *some* string, number or Boolean in `arguments` that is reachable through
//!   objects alone, because a client has to copy an argument and may not send a header for an absent one.
//!
//! The server, which knows the schema, still compares exactly; an absent header can only be missed there. Headers of
//! other methods are left to it too.

use crate::head::{Headers, PARAM_PREFIX, decode_mirror, trim};
use crate::json::{Kind, Value};
use crate::refusal::Fault;
use crate::{Head, Message, MessageKind, Method};

/// Compares `Mcp-Method` with the method. It is required on requests; 2026-07-28 has no rule for notifications.
pub(crate) fn check_method(headers: &Headers<'_>, method: &str, kind: MessageKind) -> Result<(), Fault> {
    if headers.mirror_repeated {
        return Err(Fault::mismatch("http.duplicate_header", "a header that mirrors the body came twice"));
    }
    match headers.mcp_method {
        Some(value) if value == method.as_bytes() => Ok(()),
        Some(_) => Err(Fault::mismatch("http.method_mismatch", "Mcp-Method differs from the body")),
        None if kind == MessageKind::Notification => Ok(()),
        None => Err(Fault::mismatch("http.missing_header", "Mcp-Method is missing")),
    }
}

/// Compares `Mcp-Name` with what it mirrors. It is required for `tools/call`, `prompts/get` and `resources/read`; the
/// tasks extension sends the task id.
pub(crate) fn check_name(headers: &Headers<'_>, message: &Message<'_>) -> Result<(), Fault> {
    let (source, required) = match message.method() {
        Some(Method::ToolsCall) => (message.tool(), true),
        Some(Method::PromptsGet) => (message.prompt_name(), true),
        Some(Method::ResourcesRead) => (message.uri(), true),
        Some(_) => (message.task_id(), false),
        None => return Ok(()),
    };
    let Some(source) = source else { return Ok(()) };
    match headers.mcp_name {
        Some(value) if value == source.as_bytes() && is_literal(value) => Ok(()),
        Some(value) if decode_mirror(value)? == source => Ok(()),
        Some(_) => Err(Fault::mismatch("http.name_mismatch", "Mcp-Name differs from the body")),
        None if required => Err(Fault::mismatch("http.missing_header", "Mcp-Name is missing")),
        None => Ok(()),
    }
}

/// Whether `value` surely stands for itself; saves the common case a copy.
fn is_literal(value: &[u8]) -> bool {
    !value.starts_with(b"=?") && value.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Checks `Mcp-Param-*` as far as it can be done without the tool's schema.
pub(crate) fn check_params(
    head: &Head<'_>,
    headers: &Headers<'_>,
    message: &Message<'_>,
) -> Result<(), Fault> {
    if !headers.has_params || message.method() != Some(Method::ToolsCall) {
        return Ok(());
    }
    let mut wanted = Vec::new();
    for (name, value) in head.headers {
        if name.starts_with(PARAM_PREFIX) {
            wanted.push(Mirrored::of(decode_mirror(trim(value))?));
        }
    }
    if let Some(arguments) = message.arguments() {
        strike_out(arguments, &mut wanted);
    }
    if wanted.is_empty() {
        return Ok(());
    }
    Err(Fault::mismatch("http.param_mismatch", "an Mcp-Param header mirrors no argument"))
}

/// The decoded value of a header.
struct Mirrored {
    text: String,
    /// Numbers are compared as numbers: "`42.0` and `42` are considered equal" (server validation).
    number: Option<f64>,
}

impl Mirrored {
    fn of(text: String) -> Self {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        Mirrored { text, number }
    }
}

/// Takes out of `wanted` what is the value of a leaf reachable through objects. One walk for all headers, so that many
/// headers over a large body cost little.
fn strike_out(arguments: Value<'_>, wanted: &mut Vec<Mirrored>) {
    let mut open = vec![arguments];
    while let Some(object) = open.pop() {
        for (_, _, value) in object.members() {
            if wanted.is_empty() {
                return;
            }
            match value.kind() {
                Kind::String(string) => wanted.retain(|header| header.text != string),
                Kind::Number(token) => {
                    let number = token.parse::<f64>().ok();
                    wanted.retain(|header| {
                        header.text != token && (header.number.is_none() || header.number != number)
                    });
                }
                Kind::Bool(flag) => {
                    let text = if flag { "true" } else { "false" };
                    wanted.retain(|header| header.text != text);
                }
                Kind::Object => open.push(value),
                Kind::Null | Kind::Array => {}
            }
        }
    }
}
