//! The part of an HTTP request in front of its body.

use crate::Era;
use crate::refusal::Fault;

/// What [`crate::read`] needs to know of the HTTP request besides the body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// `:method`, as sent.
    pub method: &'a str,
    /// `:path` with its query, as sent.
    pub path: &'a str,
    /// Every header in order of arrival, duplicates kept. Names are lower case.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// The prefix of headers that mirror a tool's arguments (MCP 2026-07-28).
pub(crate) const PARAM_PREFIX: &str = "mcp-param-";

/// What `MCP-Protocol-Version` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version<'a> {
    Absent,
    Known(Era),
    /// No published revision has this name.
    Unknown(&'a [u8]),
}

/// The headers that matter here, each at most once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Headers<'a> {
    content_type: Option<&'a [u8]>,
    content_encoding: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    session: Option<&'a [u8]>,
    authorization: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    pub(crate) mcp_method: Option<&'a [u8]>,
    pub(crate) mcp_name: Option<&'a [u8]>,
    /// Whether a header that mirrors the body came twice; matters from 2026-07-28 on.
    pub(crate) mirror_repeated: bool,
    pub(crate) has_params: bool,
}

impl<'a> Headers<'a> {
    /// Picks the headers out of `head`.
    ///
    /// A second `content-type`, `content-encoding`, `mcp-protocol-version`, `mcp-session-id`, `authorization` or `host`
    /// is refused: which of the two counts differs between servers. So is a look-alike with underscores, which
    /// servers behind CGI-like interfaces cannot tell from the real one.
    pub(crate) fn of(head: &Head<'a>) -> Result<Self, Fault> {
        let mut found = Headers::default();
        for (name, value) in head.headers {
            let mirror = match *name {
                "content-type"
                | "content-encoding"
                | "mcp-protocol-version"
                | "mcp-session-id"
                | "authorization"
                | "host" => false,
                "mcp-method" | "mcp-name" => true,
                // What follows a switch to another protocol is read by nobody. (Envoy drops `Upgrade: h2c` itself.)
                "upgrade" => {
                    return Err(Fault::http(
                        "http.upgrade_not_allowed",
                        400,
                        "MCP does not switch protocols",
                    ));
                }
                name if name.starts_with(PARAM_PREFIX) => {
                    found.has_params = true;
                    continue;
                }
                name if name.contains('_') && is_guarded(&name.replace('_', "-")) => {
                    return Err(Fault::http(
                        "http.lookalike_header",
                        400,
                        "a header name imitates another with underscores",
                    ));
                }
                _ => continue,
            };
            let slot = match *name {
                "content-type" => &mut found.content_type,
                "content-encoding" => &mut found.content_encoding,
                "mcp-protocol-version" => &mut found.version,
                "mcp-session-id" => &mut found.session,
                "authorization" => &mut found.authorization,
                "host" => &mut found.host,
                "mcp-method" => &mut found.mcp_method,
                _ => &mut found.mcp_name,
            };
            if slot.replace(trim(value)).is_some() {
                if !mirror {
                    return Err(Fault::http(
                        "http.duplicate_header",
                        400,
                        "a header that must be unique came twice",
                    ));
                }
                found.mirror_repeated = true;
            }
        }
        if found.has_params {
            found.mirror_repeated |= repeated_param(head);
        }
        if let Some(session) = found.session
            && (session.is_empty() || !session.iter().all(u8::is_ascii_graphic))
        {
            // "MUST only contain visible ASCII characters": MCP 2025-03-26 and later, session management.
            return Err(Fault::http("http.invalid_session_id", 400, "Mcp-Session-Id is not visible ASCII"));
        }
        Ok(found)
    }

    pub(crate) fn version(&self) -> Version<'a> {
        match self.version {
            None => Version::Absent,
            Some(value) => match std::str::from_utf8(value).ok().and_then(Era::from_label) {
                Some(era) => Version::Known(era),
                None => Version::Unknown(value),
            },
        }
    }

    /// Only `application/json`, at most with `charset=utf-8`, and no content coding. Servers differ in what else they
    /// take for JSON (`text/plain; x=application/json`, UTF-16, gzip were all seen).
    pub(crate) fn check_media_type(&self) -> Result<(), Fault> {
        let refuse = |code, message| Err(Fault::http(code, 415, message));
        match self.content_type {
            None => return refuse("http.missing_content_type", "Content-Type has to be application/json"),
            Some(value) if !is_json(value) => {
                return refuse("http.unsupported_media_type", "Content-Type has to be application/json");
            }
            Some(_) => {}
        }
        match self.content_encoding {
            Some(value) if !value.eq_ignore_ascii_case(b"identity") => {
                refuse("http.content_encoding", "encoded request bodies are not accepted")
            }
            _ => Ok(()),
        }
    }
}

fn is_guarded(name: &str) -> bool {
    matches!(
        name,
        "content-type"
            | "content-encoding"
            | "content-length"
            | "transfer-encoding"
            | "mcp-protocol-version"
            | "mcp-session-id"
            | "mcp-method"
            | "mcp-name"
    ) || name.starts_with(PARAM_PREFIX)
}

/// Whether a `Mcp-Param-*` name came twice. Sorted, so that many headers cost little.
fn repeated_param(head: &Head<'_>) -> bool {
    let mut names: Vec<&str> =
        head.headers.iter().map(|(name, _)| *name).filter(|name| name.starts_with(PARAM_PREFIX)).collect();
    names.sort_unstable();
    names.iter().zip(names.iter().skip(1)).any(|(a, b)| a == b)
}

/// A field value without the optional white space around it (RFC 9110 section 5.5).
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn is_json(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| *byte == b';').map(trim);
    if !parts.next().is_some_and(|media| media.eq_ignore_ascii_case(b"application/json")) {
        return false;
    }
    match (parts.next(), parts.next()) {
        (None, _) => true,
        (Some(parameter), None) => {
            parameter.eq_ignore_ascii_case(b"charset=utf-8")
                || parameter.eq_ignore_ascii_case(b"charset=\"utf-8\"")
        }
        _ => false,
    }
}

/// Reads a header that may use the wrapper `=?base64?...?=` (MCP 2026-07-28, value encoding). Both markers have to
/// be there, otherwise the value is literal. Inside, only canonical base64 (RFC 4648 section 4, padded, no stray bits)
/// of UTF-8 is accepted, so that a value has one encoding.
pub(crate) fn decode_mirror(value: &[u8]) -> Result<String, Fault> {
    let malformed = || Fault::mismatch("http.header_encoding", "a header is not validly encoded");
    const PREFIX: &[u8] = b"=?base64?";
    const SUFFIX: &[u8] = b"?=";
    let payload = value.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    let bytes = match payload {
        Some(payload) => decode_base64(payload).ok_or_else(malformed)?,
        None if value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) => value.to_vec(),
        None => return Err(malformed()),
    };
    String::from_utf8(bytes).map_err(|_| malformed())
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let mut groups = text.chunks_exact(4).peekable();
    while let Some(group) = groups.next() {
        let symbols = match group {
            [_, _, b'=', b'='] => 2,
            [_, _, _, b'='] => 3,
            _ => 4,
        };
        if symbols < 4 && groups.peek().is_some() {
            return None;
        }
        let mut bits = 0u32;
        for symbol in group.iter().take(symbols) {
            bits = bits << 6 | u32::from(base64_digit(*symbol)?);
        }
        bits <<= 6 * (4 - symbols);
        let [_, bytes @ ..] = bits.to_be_bytes();
        // Bits behind the last whole byte have to be zero.
        if bytes.iter().skip(symbols - 1).any(|byte| *byte != 0) {
            return None;
        }
        decoded.extend(bytes.iter().take(symbols - 1));
    }
    Some(decoded)
}

fn base64_digit(symbol: u8) -> Option<u8> {
    Some(match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// The unknown version as text, cut to what an answer may echo.
pub(crate) fn requested_version(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_json_is_a_json_media_type() {
        for value in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/json ; charset=\"utf-8\"",
        ] {
            assert!(is_json(value.as_bytes()), "{value}");
        }
        for value in [
            "",
            "text/plain",
            "text/plain; x=application/json",
            "application/json-rpc",
            "application/json;",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json, text/plain",
            "application/json; boundary=x",
            "application/x-json",
            "application/json; charset=latin1",
            "application/vnd.api+json",
        ] {
            assert!(!is_json(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn base64_is_decoded_only_in_its_canonical_form() {
        let decode = |value: &str| decode_mirror(value.as_bytes()).ok();
        assert_eq!(decode("=?base64?SGVsbG8=?=").as_deref(), Some("Hello"));
        assert_eq!(decode("=?base64?SGVsbG8sIOS4lueVjA==?=").as_deref(), Some("Hello, 世界"));
        assert_eq!(decode("=?base64?IHBhZGRlZCA=?=").as_deref(), Some(" padded "));
        assert_eq!(decode("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=").as_deref(), Some("=?base64?literal?="));
        assert_eq!(decode("=?base64??=").as_deref(), Some(""));
        for literal in
            ["us-west1", "SGVsbG8=", "=?base64?SGVsbG8=", "SGVsbG8=?=", "=?BASE64?SGVsbG8=?=", "=?base64?="]
        {
            assert_eq!(decode(literal).as_deref(), Some(literal));
        }
        for broken in [
            "=?base64?SGVsbG8?=",
            "=?base64?SGVs!!!bG8=?=",
            "=?base64?SGVsbG9=?=",
            "=?base64?SGVsbG8==?=",
            "=?base64?====?=",
            "=?base64?SG==bG8=?=",
            "=?base64?SGVs bG8=?=",
            "=?base64?_-__?=",
            "=?base64?/w==?=",
            "=?base64?A===?=",
        ] {
            assert_eq!(decode(broken), None, "{broken}");
        }
        assert!(decode_mirror("ä".as_bytes()).is_err());
        assert!(decode_mirror(b"a\x01b").is_err());
    }
}
