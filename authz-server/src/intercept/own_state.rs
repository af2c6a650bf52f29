//! Taking our own `requestState` out of a request before the server sees it.
//!
//! The server never asked for it. The answers that came along (`inputResponses`) belong to our question too: a round
//! of ours carries nothing of the server's. A `requestState` of the server goes on byte for byte.

use interdict_mcp::Message;
use interdict_mcp::edit::remove_members;
use interdict_mcp::json::Value;
use interdict_proto::enforcement::Edit;

use super::request_state::looks_like_ours;

/// Members of `params` that a round of ours adds.
const OURS: [&str; 2] = ["requestState", "inputResponses"];

/// Whether the message carries a state of ours, or one that claims to be: neither is the server's.
pub(crate) fn is_ours(message: &Message<'_>) -> bool {
    message.request_state().is_some_and(|text| looks_like_ours(&text))
}

/// Whether the message continues a round of the server's own.
pub(crate) fn is_foreign(message: &Message<'_>) -> bool {
    !is_ours(message) && (message.request_state().is_some() || message.input_responses().is_some())
}

/// The edits of the body that take our members out; empty when there are none.
pub(crate) fn edits(message: &Message<'_>) -> Vec<Edit> {
    match message.params() {
        Some(params) if is_ours(message) => ours_in(params),
        _ => Vec::new(),
    }
}

fn ours_in(params: Value<'_>) -> Vec<Edit> {
    let edits = remove_members(params, &OURS);
    edits.into_iter().map(|edit| Edit { start: edit.start, end: edit.end, text: edit.text }).collect()
}

#[cfg(test)]
mod tests {
    use interdict_mcp::json::{Document, Limits};
    use interdict_proto::enforcement::apply;

    use super::*;

    fn without_ours(body: &str) -> String {
        let document = Document::parse(body.as_bytes(), &Limits::default()).unwrap();
        let edits = ours_in(document.root());
        String::from_utf8(apply(body.as_bytes(), body.len(), &edits).unwrap()).unwrap()
    }

    #[test]
    fn our_members_go_with_one_comma_each_and_every_other_byte_stays() {
        for (before, after) in [
            (r#"{"requestState":"x"}"#, "{}"),
            (r#"{"requestState":"x","inputResponses":{}}"#, "{}"),
            (r#"{ "inputResponses" : {} , "requestState" : "x" }"#, "{  }"),
            (r#"{"name":"a","requestState":"x","inputResponses":{}}"#, r#"{"name":"a"}"#),
            (r#"{"requestState":"x","name":"a","inputResponses":{}}"#, r#"{"name":"a"}"#),
            (r#"{"requestState":"x","inputResponses":{},"name":"a"}"#, r#"{"name":"a"}"#),
            (r#"{"requestState":"x", "name":"a", "n":1.0}"#, r#"{"name":"a", "n":1.0}"#),
            (r#"{"name":"a" , "requestState":"x" , "n":1}"#, r#"{"name":"a" , "n":1}"#),
            (r#"{"name":"a"}"#, r#"{"name":"a"}"#),
            ("{}", "{}"),
        ] {
            assert_eq!(without_ours(before), after, "{before}");
        }
    }
}
