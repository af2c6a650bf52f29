//! What stands in the place of what may not pass.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use interdict_mcp::json::Value;
use interdict_mcp::reply::{self, Facts, code};
use interdict_mcp::{Era, Id};
use sha2::Sha256;

use super::{DENIED_CONTENT, QUARANTINED, ROWS, SCHEMA};
use crate::finding::SessionKey;

/// A JSON-RPC error; without an id where there is none that a client could know.
pub(super) fn error(id: Option<&str>, reason: &str, decision_id: &str) -> Vec<u8> {
    let id = id.and_then(Id::from_raw);
    reply::error(id, code::DENIED, text(reason), &Facts::new(reason, decision_id)).body
}

/// The handle of a text: equal texts have equal handles within a session, so that nothing has to be drawn by lot.
pub(super) fn handle(key: &SessionKey, original: &[u8]) -> String {
    // A key of any length is fine for HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.bytes()) else { return String::new() };
    mac.update(b"quarantine\0");
    mac.update(original);
    let mut hex = String::with_capacity(32);
    for byte in mac.finalize().into_bytes().iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// The answer with this handle in its place: the result of a tool stays one, so that the model can be told; any other
/// form would not be understood and becomes an error.
pub(super) fn withheld(message: Value<'_>, id: &str, handle: &str, decision_id: &str) -> Vec<u8> {
    let text = format!("{} [[quarantined:{handle}]]", text(QUARANTINED));
    let facts = Facts::new(QUARANTINED, decision_id);
    let Some(id) = Id::from_raw(id) else { return error(None, QUARANTINED, decision_id) };
    let result = message.get("result").filter(|_| message.get("error").is_none());
    match result.filter(|result| result.get("content").is_some_and(|content| content.is_array())) {
        Some(result) => {
            let modern = result.get("resultType").is_some();
            let era = if modern { Era::V2026_07_28 } else { Era::V2025_11_25 };
            reply::tool_error(era, id, &text, &facts).body
        }
        None => reply::error(Some(id), code::DENIED, &text, &facts).body,
    }
}

fn text(reason: &str) -> &'static str {
    match reason {
        DENIED_CONTENT => "The answer held content that may not pass and was withheld.",
        ROWS => "The answer had more rows than may pass and was withheld.",
        SCHEMA => "The answer did not have the form that was approved and was withheld.",
        QUARANTINED => "The answer reads like instructions and was withheld for review:",
        _ => "The answer could not be inspected and was withheld.",
    }
}
