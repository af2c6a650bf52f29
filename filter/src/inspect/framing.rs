//! Bytes of an event stream that every client reads alike.
//!
//! The standard ends lines with LF, CR or CRLF and knows four fields. Readers differ: Go's scanners know LF only, Python's
//! `splitlines` ends lines also at U+000B, U+000C, U+001C to U+001E, U+0085, U+2028 and U+2029, some trim names. What
//! could be another event for somebody is written anew.

use interdict_mcp::sse::{self, Event};

/// Whether some reader takes this character for the end of a line.
pub(super) fn ends_lines_for_some(character: char) -> bool {
    matches!(character, '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether every client reads these lines alike: ended by LF or CRLF, with known fields and comments only. `open`: a CR at
/// the end gets its LF later.
pub(super) fn is_alike(raw: &[u8], open: bool) -> bool {
    let Ok(text) = std::str::from_utf8(raw) else { return false };
    let text = if open { text.strip_suffix('\r').unwrap_or(text) } else { text };
    text.split('\n').all(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let field = line.split_once(':').map_or(line, |(field, _)| field);
        // A comment has an empty name.
        matches!(field, "" | "data" | "id" | "event" | "retry")
            && !line.contains('\r')
            && !line.contains(ends_lines_for_some)
    }) && !text.ends_with('\r')
}

/// Writes an event as everybody reads it. What was judged as an event of a name that cannot be written goes without its
/// data: without the name it would be another event.
pub(super) fn anew(event: &Event, data: Option<&str>, passing: &mut Vec<u8>) {
    let nameless = event.event.as_deref().is_some_and(|name| name.contains(ends_lines_for_some));
    let data = data.filter(|_| !nameless);
    let sound = |text: &Option<String>| text.clone().filter(|text| !text.contains(ends_lines_for_some));
    let event = Event {
        id: sound(&event.id),
        event: sound(&event.event),
        retry: event.retry,
        data: data.map(escaped),
        span: 0..0,
    };
    if event.id.is_some() || event.retry.is_some() || event.data.is_some() {
        passing.extend_from_slice(&sse::encode(&event));
    }
}

/// The same JSON: these characters stand in strings only, or it was none.
fn escaped(data: &str) -> String {
    let mut out = String::with_capacity(data.len());
    for character in data.chars() {
        match ends_lines_for_some(character) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_client_reads_as_another_event_is_not_alike() {
        for plain in ["data: {}\n\n", ": ping\r\n", "id: 1\r\ndata: {}\r\n\r\n", "", "data\n\n"] {
            assert!(is_alike(plain.as_bytes(), false), "{plain:?}");
        }
        for other in [
            "data: \r{}\n\n",
            "data: {}\n\r",
            ": c\u{2028}data: {}\u{2028}\u{2028}\n",
            ": c\u{85}data: {}\n",
            "x: 1\ndata: {}\n\n",
            "Data: {}\n\n",
            " data: {}\n\n",
            "data: {\"a\":\"\u{b}\"}\n\n",
            "\u{feff}data: {}\n\n",
        ] {
            assert!(!is_alike(other.as_bytes(), false), "{other:?}");
        }
        assert!(is_alike(b"data: {}\r\n\r", true) && !is_alike(b"data: {}\r\r", true));
        assert!(!is_alike(b"data: \xff\n\n", true));
    }

    #[test]
    fn an_event_written_anew_says_the_same_to_everybody() {
        let event =
            Event { id: Some("7".into()), data: Some("{\"a\":\"x\u{2028}y\"}".into()), ..Event::default() };
        let mut passing = Vec::new();
        anew(&event, event.data.as_deref(), &mut passing);
        let text = String::from_utf8(passing).unwrap();
        assert!(text.contains(r#"data: {"a":"x\u2028y"}"#) && text.contains("id: 7"), "{text}");
        assert!(is_alike(text.as_bytes(), false));
        let named = Event { event: Some("x\u{2028}".into()), ..event };
        let mut passing = Vec::new();
        anew(&named, named.data.as_deref(), &mut passing);
        assert_eq!(passing, b"id: 7\n\n");
    }
}
