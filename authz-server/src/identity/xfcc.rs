//! The `x-forwarded-client-cert` header in the text form that Envoy writes.
//!
//! Elements are separated by commas, pairs by semicolons, key and value by the first equals sign. A value that holds
//! one of these may stand in double quotes, with `\"` for a quote inside (Envoy documentation, "HTTP header
//! manipulation", x-forwarded-client-cert). Keys are compared without regard to case.

/// What one element says of one certificate.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Element {
    /// URI names; Envoy writes one pair for each.
    pub(crate) uris: Vec<String>,
    /// URL-encoded PEM.
    pub(crate) certificates: Vec<String>,
}

/// The elements; none when the text has not exactly one reading.
pub(crate) fn parse(text: &str) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    let mut element = Element::default();
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once('=')?;
        if key.is_empty() || key.contains([',', ';', '"']) {
            return None;
        }
        let (value, after) = value(after)?;
        if key.eq_ignore_ascii_case("uri") {
            element.uris.push(value);
        } else if key.eq_ignore_ascii_case("cert") {
            element.certificates.push(value);
        }
        let mut chars = after.chars();
        match chars.next() {
            None => {
                elements.push(element);
                return Some(elements);
            }
            Some(';') => {}
            Some(',') => elements.push(std::mem::take(&mut element)),
            Some(_) => return None,
        }
        rest = chars.as_str();
    }
}

/// One value, and what follows it: nothing, or text that begins with a separator.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';']).unwrap_or(text.len());
        let (value, after) = text.split_at_checked(end)?;
        return (!value.contains('"')).then(|| (value.to_owned(), after));
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => match chars.next()? {
                '"' => value.push('"'),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    let after = chars.as_str();
    (after.is_empty() || after.starts_with([',', ';'])).then_some((value, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(text: &str) -> Option<Vec<Vec<String>>> {
        Some(parse(text)?.into_iter().map(|element| element.uris).collect())
    }

    #[test]
    fn an_element_as_envoy_writes_it_is_read() {
        let text = "By=spiffe://d/envoy;Hash=0f1e;Cert=\"-----BEGIN%20CERTIFICATE-----%0A\";\
                    Subject=\"/C=US/CN=a, \\\"b\\\"\";URI=spiffe://d/ns/x;DNS=a.example";
        let elements = parse(text).unwrap();
        assert_eq!(elements.len(), 1);
        assert_eq!(elements[0].uris, ["spiffe://d/ns/x"]);
        assert_eq!(elements[0].certificates, ["-----BEGIN%20CERTIFICATE-----%0A"]);
    }

    #[test]
    fn every_uri_and_every_element_is_counted() {
        assert_eq!(uris("URI=a;uri=b").unwrap(), [vec!["a", "b"]]);
        assert_eq!(uris("URI=a,URI=b").unwrap(), [vec!["a"], vec!["b"]]);
        assert_eq!(uris("Hash=1;URI=").unwrap(), [vec![""]]);
    }

    #[test]
    fn separators_inside_quotes_do_not_separate() {
        assert_eq!(uris("Subject=\"x;URI=forged\";URI=real").unwrap(), [vec!["real"]]);
        assert_eq!(uris("Subject=\"x\\\";URI=forged,URI=forged\";URI=real").unwrap(), [vec!["real"]]);
    }

    #[test]
    fn text_with_two_readings_is_not_read() {
        for bad in [
            "",
            "URI",
            "=a",
            "URI=\"a",
            "URI=\"a\"b",
            "URI=a\"b",
            "URI=a;",
            "URI=a,",
            "URI=a,,URI=b",
            ";URI=a",
            "x;URI=a",
            "\"URI\"=a",
            "{\"uri\":\"a\"}",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
