//! What another reader may take a body for: readers that ignore case, or that go by the look of a text and not by its type.

use interdict_mcp::json::Value;

use crate::alike::{differs_in_case, is_alike};

/// Members of a message.
const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// Of those, the ones by which a reader takes an object for a message with something in it.
const TELLING: [&str; 3] = ["jsonrpc", "method", "result"];
/// Members of a result that rules hold for.
const RESULT: [&str; 9] = [
    "tools",
    "prompts",
    "resources",
    "resourceTemplates",
    "instructions",
    "content",
    "contents",
    "structuredContent",
    "isError",
];

/// Whether a reader that ignores case finds another message in this one, or another list in its result; or it is of
/// another version.
pub(super) fn has_lookalikes(root: Value<'_>) -> bool {
    if root.is_array() {
        return root.elements().any(has_lookalikes);
    }
    let is_message = root.members().any(|(name, ..)| TELLING.iter().any(|known| is_alike(&name, known)));
    let in_result = || root.get("result").is_some_and(|result| differs_in_case(result, &RESULT));
    is_message && (differs_in_case(root, &ENVELOPE) || in_result() || is_of_another_version(root))
}

/// Whether a message says that it is of something else than JSON-RPC 2.0: nobody knows how such a one is read.
fn is_of_another_version(root: Value<'_>) -> bool {
    root.get("jsonrpc").is_some_and(|version| version.as_str().as_deref() != Some("2.0"))
}

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// JSON that is more than one value.
    Structure,
    /// An event stream.
    Events,
    /// Neither.
    Text,
}

/// What a text looks like to a reader that passes over what stands in front.
pub(super) fn look_of(text: &str) -> Look {
    let ends_line = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    if trimmed(text).starts_with(['{', '[']) {
        Look::Structure
    } else if text.split(ends_line).any(|line| trimmed(line).starts_with("data:")) {
        Look::Events
    } else {
        Look::Text
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}')
}

#[cfg(test)]
mod tests {
    use interdict_mcp::json::{Document, Limits};

    use super::*;

    fn lookalikes(text: &str) -> bool {
        has_lookalikes(Document::parse(text.as_bytes(), &Limits::default()).unwrap().root())
    }

    #[test]
    fn members_that_differ_in_case_only_are_found_where_the_protocol_has_them() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"Result":{}}"#,
            r#"{"JsonRpc":"2.0","id":1,"RESULT":{}}"#,
            r#"{"jsonrpc":"2.0","id":2,"ID":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"re\u017fult":{}}"#,
            r#"{"jsonrpc":"2.0","Method":"x","id":1,"result":{}}"#,
            r#"{"id":1,"result":{"Tools":[]}}"#,
            r#"{"id":1,"result":{"tools":[],"TOOLS":[]}}"#,
            r#"{"id":1,"result":{"resourcetemplates":[]}}"#,
            r#"{"id":1,"result":{"StructuredContent":{}}}"#,
            r#"[{"id":1,"result":{}},{"id":1,"result":{"\u0130nstructions":""}}]"#,
            r#"{"jsonrpc":"2.1","id":1,"result":{}}"#,
            r#"{"jsonrpc":["2.0","x"],"id":1,"result":{}}"#,
        ] {
            assert!(lookalikes(text), "{text}");
        }
    }

    #[test]
    fn members_of_others_are_called_as_they_like() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"Result":1,"Tools":[],"ID":2}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"Content":1},"content":[{"Text":"x"}],"Other":1}}"#,
            r#"{"jsonrpc":"2.0","method":"x","params":{"Result":{"Tools":[]}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","data":{"Error":1}}}"#,
            // What a web server says of a failure is no message.
            r#"{"Error":"not found","Id":"trace-1"}"#,
            r#"{"statusCode":404}"#,
            "[1,[],null]",
            "3",
        ] {
            assert!(!lookalikes(text), "{text}");
        }
    }

    #[test]
    fn a_text_looks_like_what_somebody_could_read() {
        for (text, look) in [
            ("{\"a\":1}", Look::Structure),
            ("\u{feff} \n\t[", Look::Structure),
            ("\0{\0\"\0", Look::Structure),
            ("data: {}\n\n", Look::Events),
            (": c\u{2028}data:{}", Look::Events),
            ("event: message\r \u{a0}data:", Look::Events),
            ("the data: none", Look::Text),
            ("data", Look::Text),
            ("<h1>{}</h1>", Look::Text),
            ("", Look::Text),
        ] {
            assert_eq!(look_of(text), look, "{text:?}");
        }
    }
}
