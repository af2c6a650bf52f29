//! Whether a resource URI means the same to everybody.
//!
//! TypeScript servers and older Python servers run a URI through a WHATWG URL parser before they look it up, newer
//! Python servers compare it as it is. So `TEST://x`, ` test://x`, `test://a/../x` and a URI with a TAB inside are the
//! same resource for one server and different for another, and a policy that looks at the text would be walked around.
//! A URI is therefore refused when the parser would *move* it: this is a list of what the WHATWG parser rewrites
//! in scheme, authority and path segments. Percent-encoding of blanks and non-ASCII letters is left alone: it maps
//! one text to one text and servers do list such URIs.

/// Whether a WHATWG URL parser (url.spec.whatwg.org) leaves scheme, authority and path segments of `uri` as they are.
pub(crate) fn is_canonical(uri: &str) -> bool {
    // Blanks at the edges are cut off, TAB, LF and CR are taken out anywhere; no other control belongs there either.
    if uri.starts_with(' ') || uri.ends_with(' ') || uri.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return false;
    }
    let (scheme, rest) = match uri.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme, rest),
        // Not absolute: a parser refuses it, so nobody normalises it. Dot segments are still refused.
        _ => ("", uri),
    };
    if scheme.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return false;
    }
    let before_query = rest.split(['?', '#']).next().unwrap_or_default();
    if before_query.split('/').any(is_dot_segment) {
        return false;
    }
    match scheme {
        "http" | "https" | "ws" | "wss" | "ftp" | "file" => is_canonical_special(scheme, before_query),
        _ => true,
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// `.` and `..`, each dot also as `%2e`.
fn is_dot_segment(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let mut at = 0;
    let mut dots = 0;
    while at < bytes.len() {
        at += match bytes.get(at..) {
            Some([b'.', ..]) => 1,
            Some([b'%', b'2', b'e' | b'E', ..]) => 3,
            _ => return false,
        };
        dots += 1;
    }
    matches!(dots, 1 | 2)
}

/// The "special" schemes: a backslash is a slash, slashes are added or dropped, the host is rewritten.
fn is_canonical_special(scheme: &str, rest: &str) -> bool {
    if rest.contains('\\') {
        return false;
    }
    let Some(behind) = rest.strip_prefix("//") else { return false };
    let authority = behind.split('/').next().unwrap_or_default();
    if scheme == "file" {
        return authority.is_empty() || (authority != "localhost" && is_canonical_host(authority));
    }
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    is_canonical_host(host)
}

fn is_canonical_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && byte != b'%';
    if host.is_empty() || !host.bytes().all(plain) {
        return false;
    }
    // A host whose last label is a number is read as an IPv4 address, however it is written.
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let number =
        last.starts_with("0x") || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    !number || host.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_canonical;

    #[test]
    fn uris_that_a_parser_would_move_are_refused() {
        for uri in [
            "TEST://static-text",
            "Test://x",
            " test://x",
            "test://x ",
            "test://static\t-text",
            "test://a\nb",
            "test://a\r",
            "\u{1}test://a",
            "test://x/..",
            "test://x/../y",
            "test://x/./y",
            "test://x/%2e%2E/y",
            "test://x/.%2e",
            "file:///a/../etc/passwd",
            "x/../y",
            "..",
            "urn:a/../b",
            "file:/etc/passwd",
            "file:etc",
            "file://localhost/etc/passwd",
            "file:///a\\b",
            "https:/example.com/",
            "https:example.com",
            "https:///example.com",
            "https:\\\\example.com",
            "https://EXAMPLE.com/",
            "https://ex%61mple.com/",
            "https://ex\u{e4}mple.com/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0177.0.0.1:80/",
        ] {
            assert!(!is_canonical(uri), "{uri:?}");
        }
    }

    #[test]
    fn uris_that_servers_list_are_accepted() {
        for uri in [
            "test://static-text",
            "file:///projects/myapp/config.json",
            "file:///a/..b/.c/...",
            "file:///caf\u{e9} menu.txt",
            "https://example.com",
            "https://user@example.com:8443/a?b=../c#../d",
            "http://127.0.0.1:8080/x",
            "http://[::1]:8080/x",
            "https://3com.example/x",
            "ui://widget/View.html",
            "mem://Notes/A%2FB",
            "urn:isbn:0451450523",
            "test://template/{id}/data",
            "data:text/plain,hello",
            "static-text",
            "",
        ] {
            assert!(is_canonical(uri), "{uri:?}");
        }
    }
}
