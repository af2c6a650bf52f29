//! The hash of one file as OPA's bundle signatures have it: of the bytes, or of data and manifest as JSON with sorted
//! keys and no white space, so that formatting does not matter.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256, Sha512};

/// Deepest document; the bundle's own limit is the same.
const MAX_DEPTH: usize = 64;

/// How a file was hashed. MD5 and the SHA-1 family are not here: signatures with them are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HashAlgorithm {
    Sha256,
    Sha512,
}

impl HashAlgorithm {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "SHA-256" => Some(Self::Sha256),
            "SHA-512" => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// The hash of a file in hex; `None` for a structured file that cannot be read.
pub(crate) fn hash(name: &str, bytes: &[u8], algorithm: HashAlgorithm) -> Option<String> {
    let canonical;
    let hashed = match name.rsplit('/').next().unwrap_or_default() {
        "data.json" | ".manifest" => {
            canonical = json(bytes)?;
            canonical.as_bytes()
        }
        "data.yaml" => {
            canonical = json(bytes).or_else(|| yaml(bytes))?;
            canonical.as_bytes()
        }
        _ => bytes,
    };
    Some(match algorithm {
        HashAlgorithm::Sha256 => hex(&Sha256::digest(hashed)),
        HashAlgorithm::Sha512 => hex(&Sha512::digest(hashed)),
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn json(bytes: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(bytes.len());
    write_raw(serde_json::from_slice(bytes).ok()?, MAX_DEPTH, &mut out)?;
    Some(out)
}

/// Numbers stay as they are written, as in Go's `json.Number`.
fn write_raw(raw: &RawValue, depth: usize, out: &mut String) -> Option<()> {
    let text = raw.get();
    let depth = depth.checked_sub(1)?;
    match text.as_bytes().first()? {
        b'{' => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            write_list(out, ['{', '}'], members, |(key, value), out| {
                write_text(&key, out)?;
                out.push(':');
                write_raw(value, depth, out)
            })
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            write_list(out, ['[', ']'], items, |item, out| write_raw(item, depth, out))
        }
        b'"' => write_text(&serde_json::from_str::<String>(text).ok()?, out),
        _ => {
            out.push_str(text);
            Some(())
        }
    }
}

fn yaml(bytes: &[u8]) -> Option<String> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
    };
    let value: Value = serde_saphyr::from_str_with_options(std::str::from_utf8(bytes).ok()?, options).ok()?;
    let mut out = String::with_capacity(bytes.len());
    write_value(&value, MAX_DEPTH, &mut out)?;
    Some(out)
}

fn write_value(value: &Value, depth: usize, out: &mut String) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            write_list(out, ['{', '}'], sorted, |(key, value), out| {
                write_text(key, out)?;
                out.push(':');
                write_value(value, depth, out)
            })
        }
        Value::Array(items) => write_list(out, ['[', ']'], items, |item, out| write_value(item, depth, out)),
        Value::String(text) => write_text(text, out),
        // Go writes a double as RFC 8785 does.
        Value::Number(number) if number.is_f64() => {
            out.push_str(&serde_json_canonicalizer::to_string(number).ok()?);
            Some(())
        }
        plain => write!(out, "{plain}").ok(),
    }
}

fn write_list<I: IntoIterator>(
    out: &mut String,
    [open, close]: [char; 2],
    items: I,
    write: impl Fn(I::Item, &mut String) -> Option<()>,
) -> Option<()> {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out)?;
    }
    out.push(close);
    Some(())
}

/// As Go writes text: serde_json's escapes, and the two line separators.
fn write_text(text: &str, out: &mut String) -> Option<()> {
    let quoted = serde_json::to_string(text).ok()?;
    for character in quoted.chars() {
        match character {
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(name: &str, text: &str) -> String {
        hash(name, text.as_bytes(), HashAlgorithm::Sha256).unwrap()
    }

    /// Hashes that `opa sign` 1.22.2 wrote for these files.
    #[test]
    fn hashes_are_those_of_opa() {
        let data = "{\"b\": 1.0, \"a\": \"<é\u{2028}>\"}";
        assert_eq!(
            sha256("sub/data.json", data),
            "894a7ff864668adcd8c074cddb67d27b43b68f4d306b12e9250c0212bc3dd9a4"
        );
        let manifest = "{\"revision\":\"r1\",\"metadata\":{\"interdict\":{\"sequence\":1}}}\n";
        assert_eq!(
            sha256(".manifest", manifest),
            "c974d02a639d141575862bc2b73cef02cb0688df405341471cf43ba3b1218b8f"
        );
        assert_eq!(
            sha256("README.md", "hi\n"),
            "98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4"
        );
    }

    #[test]
    fn formatting_of_data_does_not_matter_and_the_writing_of_numbers_does() {
        assert_eq!(
            sha256("data.json", "{\"a\":1,\"b\":[ ]}"),
            sha256("data.json", "{ \"b\": [], \"a\": 1 }\n")
        );
        assert_ne!(sha256("data.json", "{\"a\":1}"), sha256("data.json", "{\"a\":1.0}"));
        assert_ne!(sha256("a.rego", "x"), sha256("a.rego", "x "));
        assert_eq!(
            sha256("a/data.yaml", "b: 1.0\na: x # note\n"),
            sha256("data.json", "{\"a\":\"x\",\"b\":1}")
        );
        assert_eq!(hash("data.json", b"{", HashAlgorithm::Sha256), None);
    }

    #[test]
    fn data_without_end_is_not_hashed() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(hash("data.json", deep.as_bytes(), HashAlgorithm::Sha256), None);
    }
}
