//! SPIFFE IDs, by the letter of the SPIFFE-ID standard (section 2): the form has one spelling per identity.

/// Longest SPIFFE ID (SPIFFE-ID section 2.3: implementations must support up to 2048 bytes).
const MAX_BYTES: usize = 2048;

/// A syntactically valid SPIFFE ID of a workload (its path is not empty).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SpiffeId<'a> {
    pub(crate) uri: &'a str,
    pub(crate) trust_domain: &'a str,
    /// With its leading slash.
    pub(crate) path: &'a str,
}

impl<'a> SpiffeId<'a> {
    /// No percent-encoding, port, user, query, fragment, empty or dot segment, and no trailing slash.
    pub(crate) fn parse(uri: &'a str) -> Option<Self> {
        if uri.len() > MAX_BYTES {
            return None;
        }
        let rest = uri.strip_prefix("spiffe://")?;
        let (trust_domain, path) = rest.split_at_checked(rest.find('/')?)?;
        let segments = path.strip_prefix('/')?;
        let good = is_trust_domain(trust_domain) && segments.split('/').all(is_segment);
        good.then_some(Self { uri, trust_domain, path })
    }

    /// For `/t/<tenant>/a/<agent>/<instance>`: the URI of the agent and the name of the instance.
    ///
    /// Only this shape has instances. In any other, a longer path is another identity.
    pub(crate) fn split_instance(&self) -> Option<(&'a str, &'a str)> {
        let mut segments = self.path.split('/').skip(1);
        let shape =
            [segments.next()?, segments.next()?, segments.next()?, segments.next()?, segments.next()?];
        if segments.next().is_some() || shape[0] != "t" || shape[2] != "a" {
            return None;
        }
        self.uri.rsplit_once('/')
    }
}

/// Lower-case letters, digits, dots, dashes and underscores, 1 to 255 of them.
pub(crate) fn is_trust_domain(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'))
}

fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = SpiffeId::parse("spiffe://example.org/ns/default/sa/bot").unwrap();
        assert_eq!((id.trust_domain, id.path), ("example.org", "/ns/default/sa/bot"));
        for bad in [
            "",
            "spiffe://",
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe:///a",
            "SPIFFE://example.org/a",
            "spiffe://Example.org/a",
            "spiffe://example.org:8443/a",
            "spiffe://user@example.org/a",
            "spiffe://example.org/a/",
            "spiffe://example.org//a",
            "spiffe://example.org/a/../b",
            "spiffe://example.org/./b",
            "spiffe://example.org/%61",
            "spiffe://example.org/a?b",
            "spiffe://example.org/a#b",
            "spiffe://example.org/a b",
            "spiffe://example.org/ä",
            "spiffe://example.org/a\0b",
            "https://example.org/a",
        ] {
            assert_eq!(SpiffeId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_agent_form_has_instances() {
        let split = |uri| SpiffeId::parse(uri).unwrap().split_instance();
        assert_eq!(split("spiffe://d/t/acme/a/bot/7"), Some(("spiffe://d/t/acme/a/bot", "7")));
        assert_eq!(split("spiffe://d/t/acme/a/bot"), None);
        assert_eq!(split("spiffe://d/t/acme/a/bot/7/8"), None);
        assert_eq!(split("spiffe://d/ns/default/sa/bot/7"), None);
    }
}
