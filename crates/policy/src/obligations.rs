//! From an element of an `obligation` set to what the enforcement point does.

use interdict_content::rules::{Over, Undeclared};
use regorus::Value;

use crate::outcome::{Malformed, malformed};
use crate::{Consume, PolicyObligation};

/// Most parts of a path into an answer.
const MAX_PARTS: usize = 16;
/// Largest number that every reader of JSON keeps.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Reads one element and adds it to those that are there. What a call consumes is none of the enforcement point's
/// business, and holds values of arguments: it is kept apart from what is decided.
pub(crate) fn add(
    obligations: &mut Vec<PolicyObligation>,
    consumes: &mut Vec<Consume>,
    topic: &str,
    element: &Value,
) -> Result<(), Malformed> {
    let element = Element { topic, value: element };
    if element.text("type") == Some("consume") {
        return element.consume(consumes);
    }
    let new = element.read()?;
    if obligations.contains(&new) {
        return Ok(());
    }
    // Ceilings and rules for answers hold side by side; a header has one value.
    if let PolicyObligation::SetRequestHeader { name, .. } = &new {
        let clash = |old: &PolicyObligation| matches!(old, PolicyObligation::SetRequestHeader { name: other, .. } if other == name);
        if obligations.iter().any(clash) {
            let message = format!("Two topics set header `{name}` to different values.");
            return Err(malformed("policy.conflicting_obligation", message));
        }
    }
    obligations.push(new);
    Ok(())
}

struct Element<'a> {
    topic: &'a str,
    value: &'a Value,
}

impl Element<'_> {
    fn read(&self) -> Result<PolicyObligation, Malformed> {
        let members = match self.value.as_object() {
            Ok(members) => members.len(),
            Err(_) => return Err(self.unknown("has an obligation that is no object")),
        };
        match (self.text("type"), members) {
            (Some("set_request_header"), 3) => self.header(),
            (Some("cap_rows"), 4) => self.cap_rows(),
            (Some("undeclared_output"), 2) => self.undeclared_output(),
            (Some("set_request_header" | "cap_rows" | "undeclared_output"), _) => {
                Err(self.unknown("has an obligation with members too few or too many"))
            }
            _ => Err(self.unknown("has an obligation of an unknown type")),
        }
    }

    /// One counter is named once: two quantities for it would each be held against what stands without the other.
    fn consume(&self, consumes: &mut Vec<Consume>) -> Result<(), Malformed> {
        let wrong = "consumes something without a `counter`, a `window`, and an `amount` or `things`";
        let new = Consume::read(self.value).ok_or_else(|| self.unknown(wrong))?;
        match consumes.iter().find(|old| old.is_of_counter(&new)) {
            None => consumes.push(new),
            Some(old) if *old == new => {}
            Some(_) => {
                let message = format!("Counter `{}` is named with two quantities.", new.counter);
                return Err(malformed("policy.conflicting_obligation", message));
            }
        }
        Ok(())
    }

    fn header(&self) -> Result<PolicyObligation, Malformed> {
        match (self.text("name"), self.text("value")) {
            (Some(name), Some(value)) if may_set(name) && is_header_value(value) => {
                Ok(PolicyObligation::SetRequestHeader { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err(self.unknown("sets a header that may not be set, or not to this")),
        }
    }

    fn cap_rows(&self) -> Result<PolicyObligation, Malformed> {
        let wrong = || self.unknown("caps rows without a `path`, a `max` or an `over` of `cut` or `deny`");
        let over = match self.text("over") {
            Some("cut") => Over::Cut,
            Some("deny") => Over::Deny,
            _ => return Err(wrong()),
        };
        let max = self.number("max").filter(|max| *max <= MAX_INTEGER);
        match (self.path("path"), max) {
            (Some(path), Some(max)) => Ok(PolicyObligation::CapRows { path, max, over }),
            _ => Err(wrong()),
        }
    }

    fn undeclared_output(&self) -> Result<PolicyObligation, Malformed> {
        let action = match self.text("action") {
            Some("schema") => Undeclared::Schema,
            Some("drop") => Undeclared::Drop,
            Some("deny") => Undeclared::Deny,
            _ => return Err(self.unknown("has an `action` that is none of `schema`, `drop` and `deny`")),
        };
        Ok(PolicyObligation::UndeclaredOutput { action })
    }

    fn text(&self, name: &str) -> Option<&str> {
        let members = self.value.as_object().ok()?;
        members.get(&Value::from(name))?.as_string().ok().map(|text| &**text)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.value.as_object().ok()?.get(&Value::from(name))?.as_u64().ok()
    }

    fn path(&self, name: &str) -> Option<Vec<String>> {
        let parts = self.value.as_object().ok()?.get(&Value::from(name))?.as_array().ok()?;
        if parts.is_empty() || parts.len() > MAX_PARTS {
            return None;
        }
        parts.iter().map(|part| part.as_string().ok().map(|part| part.to_string())).collect()
    }

    fn unknown(&self, text: &str) -> Malformed {
        malformed("policy.unknown_obligation", format!("Topic `{}` {text}.", self.topic))
    }
}

/// A lower-case token that neither frames the message, nor routes it, nor carries identity or the protocol.
fn may_set(name: &str) -> bool {
    const RESERVED: [&str; 17] = [
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "last-event-id",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    ];
    const RESERVED_PREFIXES: [&str; 4] = ["mcp-", "x-envoy-", "x-forwarded-", "proxy-"];
    let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(token)
        && !RESERVED.contains(&name)
        && !RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_header_value(value: &str) -> bool {
    value.len() <= 4096 && value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}
