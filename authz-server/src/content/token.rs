//! Tokens: values that were taken out of a call, sealed so that only a decision point can put them back.
//!
//! ```text
//! [[tok:<class>:<base64url of nonce || AES-256-GCM(value)>]]
//! ```
//!
//! The nonce is an HMAC of tenant, class and value, so equal values have equal tokens and a nonce never serves two
//! values. Tenant and class are bound to the seal: a token of another tenant, or with another class written on it, is
//! plain text.

use std::ops::Range;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::keys::mac;
use crate::intercept::request_state::SealError;

/// How every token begins.
pub(super) const OPEN: &str = "[[tok:";
const CLOSE: &str = "]]";

/// Longest value that gets a token; a longer one is redacted.
const MAX_VALUE: usize = 4 * 1024;
/// Longest text between the brackets.
const MAX_TOKEN: usize = 8 * 1024;

/// Most tokens of one text that are looked at; the rest stays as it is.
const MAX_TRIED: usize = 1024;

/// Makes and opens tokens.
pub(super) struct Tokens {
    key: LessSafeKey,
    nonces: hmac::Key,
}

/// A token that this decision point sealed, found in a text.
pub(super) struct Found {
    /// Where it stands in the text.
    pub(super) span: Range<usize>,
    pub(super) class: String,
    /// The value, as it stood inside of a JSON string.
    pub(super) value: String,
}

impl Tokens {
    pub(super) fn new(key: &[u8; 32], nonces: hmac::Key) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealError)?;
        Ok(Self { key: LessSafeKey::new(key), nonces })
    }

    /// The token of a value; `None` for one that is too long.
    pub(super) fn seal(&self, tenant: &str, class: &str, value: &str) -> Option<String> {
        if value.len() > MAX_VALUE {
            return None;
        }
        let tag = mac(&self.nonces, &[tenant.as_bytes(), class.as_bytes(), value.as_bytes()]);
        let nonce: [u8; NONCE_LEN] = tag.get(..NONCE_LEN)?.try_into().ok()?;
        let mut sealed = value.as_bytes().to_vec();
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce_used, Aad::from(bound(tenant, class)), &mut sealed).ok()?;
        let mut bytes = nonce.to_vec();
        bytes.append(&mut sealed);
        Some(format!("{OPEN}{class}:{}{CLOSE}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Every token of this tenant in a text.
    pub(super) fn find(&self, tenant: &str, text: &str) -> Vec<Found> {
        let mut found = Vec::new();
        for (start, _) in text.match_indices(OPEN).take(MAX_TRIED) {
            let Some(rest) = text.get(start + OPEN.len()..) else { continue };
            let near = rest.get(..rest.floor_char_boundary(MAX_TOKEN)).unwrap_or_default();
            let Some(inner) = near.find(CLOSE) else { continue };
            let end = start + OPEN.len() + inner + CLOSE.len();
            let Some((class, sealed)) = rest.get(..inner).and_then(|inner| inner.split_once(':')) else {
                continue;
            };
            if let Some(value) = self.open(tenant, class, sealed) {
                found.push(Found { span: start..end, class: class.to_owned(), value });
            }
        }
        found
    }

    fn open(&self, tenant: &str, class: &str, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.key.open_in_place(nonce, Aad::from(bound(tenant, class)), &mut sealed).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }
}

fn bound(tenant: &str, class: &str) -> Vec<u8> {
    [b"interdict/content-token/1\0", tenant.as_bytes(), b"\0", class.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(byte: u8) -> Tokens {
        Tokens::new(&[byte; 32], hmac::Key::new(hmac::HMAC_SHA256, &[byte])).unwrap()
    }

    #[test]
    fn equal_values_have_equal_tokens_and_come_back_for_their_tenant_alone() {
        let tokens = tokens(1);
        let token = tokens.seal("acme", "email", "mia@acme.example").unwrap();
        assert_eq!(tokens.seal("acme", "email", "mia@acme.example").unwrap(), token);
        assert_ne!(tokens.seal("acme", "email", "noor@acme.example").unwrap(), token);
        assert_ne!(tokens.seal("other", "email", "mia@acme.example").unwrap(), token);
        let text = format!("to {token} and [[tok:email:AAAA]] [[tok:");
        let found = tokens.find("acme", &text);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].class.as_str(), found[0].value.as_str()), ("email", "mia@acme.example"));
        assert_eq!(text.get(found[0].span.clone()), Some(token.as_str()));
        assert!(tokens.find("other", &text).is_empty());
    }

    /// Attack: an agent writes another class on a token, or changes or invents one.
    #[test]
    fn a_token_with_another_class_another_key_or_another_byte_is_plain_text() {
        let (ours, theirs) = (tokens(1), tokens(2));
        let token = ours.seal("acme", "pan", "4111111111111111").unwrap();
        assert!(!token.contains("4111"));
        assert!(ours.find("acme", &token.replace("pan", "email")).is_empty());
        assert!(theirs.find("acme", &token).is_empty());
        let at = token.len() - 10;
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut changed = token.clone();
        changed.replace_range(at..=at, other);
        assert!(ours.find("acme", &changed).is_empty());
        assert!(ours.seal("acme", "pan", &"4".repeat(MAX_VALUE + 1)).is_none());
    }
}
