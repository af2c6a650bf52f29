//! What was found, without the value.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::profile::Action;

/// Secret of one session, from which the marks of values are made: equal values have equal marks within a session and
/// say nothing outside of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// From 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, for the code that keys a hash with them.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey")
    }
}

/// Where in a leaf something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In a string.
    Text,
    /// In a number or Boolean: cannot be redacted without changing the type.
    Number,
    /// In the name of a member: cannot be redacted without changing the shape.
    Name,
}

/// What may be told about a value without telling the value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facet {
    /// Last four digits of a card or account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_four: Option<String>,
    /// Domain of an e-mail address or host of a connection string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// ISO 3166 country of an account, document or phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// One value of a class, found at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its class, as `pan`, `github_token` or a class of the operator.
    pub class: Arc<str>,
    /// What the profile says to do.
    pub action: Action,
    /// Where in the document, as an RFC 6901 pointer. A step whose member name holds a finding itself, or is longer than
    /// 64 bytes, is written `…`.
    pub path: String,
    /// Kind of leaf.
    pub place: Place,
    /// Bytes of the document that a redaction replaces: a part of the inside of a string literal as written. `None` where
    /// nothing can be replaced.
    pub span: Option<Range<usize>>,
    /// What may be told.
    pub facet: Facet,
    /// First 16 bytes of HMAC-SHA-256 of the session key over class, a zero byte and the value in its normal form: tells
    /// distinct values apart, tells nothing else.
    pub mark: [u8; 16],
}
