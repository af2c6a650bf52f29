//! What a body can be read as.

use crate::event::ResponseHead;

/// What a body can be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON.
    Json,
    /// Server-sent events.
    Events,
    /// Text of another kind.
    Text,
    /// Nothing that is looked into: another type, or encoded.
    Other,
}

impl Format {
    pub(super) fn of(head: &ResponseHead) -> Self {
        let encoding = head.content_encoding.as_deref().unwrap_or_default().trim_ascii();
        if !(encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity")) {
            return Self::Other;
        }
        let Some(text) = head.content_type.as_deref().and_then(|value| std::str::from_utf8(value).ok())
        else {
            return Self::Other;
        };
        let mut parts = text.split(';');
        let media = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        if !parts.all(is_utf8) {
            return Self::Other;
        }
        match media.split_once('/') {
            // Two header lines come joined by a comma: whichever the client takes, it is not this one alone.
            _ if media.contains(',') => Self::Other,
            Some(("application", "json")) => Self::Json,
            Some(("text", "event-stream")) => Self::Events,
            Some((_, subtype)) if subtype.ends_with("+json") => Self::Json,
            // Some clients look only at how the type begins.
            Some(("text", subtype)) if subtype.starts_with("event-stream") => Self::Other,
            Some(("text", _)) => Self::Text,
            _ => Self::Other,
        }
    }
}

/// Whether a parameter leaves the text UTF-8: other characters would be other text for the client than for us.
fn is_utf8(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return true };
    let value = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || ["utf-8", "utf8", "us-ascii"].iter().any(|known| value.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content_type: &str, encoding: Option<&str>) -> Format {
        Format::of(&ResponseHead {
            content_type: Some(content_type.into()),
            content_encoding: encoding.map(Into::into),
            ..ResponseHead::default()
        })
    }

    #[test]
    fn a_body_is_read_only_as_what_every_client_reads_it_as() {
        for (content_type, format) in [
            ("application/json", Format::Json),
            ("Application/JSON; charset=\"UTF-8\"", Format::Json),
            ("application/problem+json", Format::Json),
            ("text/event-stream;charset=utf-8", Format::Events),
            ("text/html; charset=us-ascii; x", Format::Text),
            ("application/json; charset=utf-16", Format::Other),
            ("text/plain; charset=utf-7", Format::Other),
            ("application/json-seq", Format::Other),
            ("text/event-streamx", Format::Other),
            ("application/json, text/event-stream", Format::Other),
            ("image/png", Format::Other),
            ("json", Format::Other),
            ("", Format::Other),
        ] {
            assert_eq!(of(content_type, None), format, "{content_type}");
        }
        assert_eq!(of("application/json", Some(" Identity")), Format::Json);
        assert_eq!(of("application/json", Some("gzip")), Format::Other);
        assert_eq!(of("application/json", Some("identity, gzip")), Format::Other);
        assert_eq!(Format::of(&ResponseHead::default()), Format::Other);
    }
}
