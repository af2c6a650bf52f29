//! The frame around a body: written without looking at the body again, read strictly.

use super::labels::Kind;
use super::{AnyBody, Count, Moment};
use crate::canonical::{self, NotCanonical};
use crate::hex;

/// Version of the entries that this crate writes and reads.
pub const VERSION: u64 = 1;

/// `prev` of a tenant's first entry.
pub const NO_PREV: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes are not the one spelling of a JSON value.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// The frame is not one of this version.
    #[error("the frame of the entry is wrong: {0}")]
    Frame(&'static str),
    /// The body is not one of its kind.
    #[error("the body is not a `{kind}`: {message}")]
    Body {
        /// The kind that the frame names.
        kind: Kind,
        /// What is wrong with it.
        message: String,
    },
    /// A body could not be serialised.
    #[error("the body cannot be written")]
    Unwritable,
}

impl RecordError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotCanonical(_) => "audit.not_canonical",
            Self::Frame(_) => "audit.bad_frame",
            Self::Body { .. } => "audit.bad_body",
            Self::Unwritable => "audit.unwritable",
        }
    }
}

/// Whether a tenant can be named in an entry: free of escapes, and fit to be the name of a folder. The registry is
/// stricter still: `_system` is ours.
#[must_use]
pub fn is_tenant(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.')
}

/// The bytes of an entry. `body` is what [`Body::to_bytes`](super::Body::to_bytes) gave and is not looked at, `prev`
/// 64 hex digits ([`NO_PREV`] for the first entry), `tenant` one that [`is_tenant`] accepts.
#[must_use]
pub fn wrap(kind: Kind, prev: &str, seq: u64, tenant: &str, ts: Moment, body: &[u8]) -> Vec<u8> {
    use std::io::Write as _;

    let mut entry = Vec::with_capacity(body.len() + tenant.len() + 192);
    entry.extend_from_slice(b"{\"body\":");
    entry.extend_from_slice(body);
    let seq = Count::new(seq).get();
    // Writing into a Vec cannot fail; were it to, the entry would not be canonical and no reader would take it.
    let _ = write!(
        entry,
        r#","kind":"{kind}","prev":"{prev}","seq":{seq},"tenant":"{tenant}","ts":"{ts}","v":{VERSION}}}"#
    );
    entry
}

/// An entry as it was read; the body is still text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The body's canonical text.
    pub body: &'a str,
    /// What it is about.
    pub kind: Kind,
    /// Leaf hash of the entry before it; zeros for the first one.
    pub prev: [u8; 32],
    /// Its place in the tenant's log, from 0 without gaps.
    pub seq: u64,
    /// The tenant.
    pub tenant: &'a str,
    /// When it got its place.
    pub ts: Moment,
}

/// Members of the frame, in their order.
const MEMBERS: [&str; 7] = ["body", "kind", "prev", "seq", "tenant", "ts", "v"];

/// What stands between the quotes of a text. Nothing of a frame needs an escape, and one would not pass what comes next.
fn unquoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

impl<'a> Entry<'a> {
    /// Reads the frame of an entry, which must be canonical as a whole. The body is [`Entry::body`]'s to judge.
    ///
    /// # Errors
    /// [`RecordError::NotCanonical`] and [`RecordError::Frame`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, RecordError> {
        Self::read_noting(bytes, "").map(|(entry, _)| entry)
    }

    /// As [`Entry::read`], and the text of one member of the body, for whoever needs no more of it.
    pub(crate) fn read_noting(
        bytes: &'a [u8],
        member: &'static str,
    ) -> Result<(Self, Option<&'a str>), RecordError> {
        let Some((texts, noted)) = canonical::members(bytes, MEMBERS, member)? else {
            return Err(RecordError::Frame("its members are not body, kind, prev, seq, tenant, ts and v"));
        };
        let [body, kind, prev, seq, tenant, ts, version] = texts;
        let wrong = RecordError::Frame;
        // First of all: nothing is known of the frame of another version.
        if version.parse() != Ok(VERSION) {
            return Err(wrong("`v` is not 1"));
        }
        let entry = Self {
            body,
            kind: unquoted(kind).and_then(Kind::from_label).ok_or(wrong("`kind` is none of this version"))?,
            prev: unquoted(prev)
                .and_then(hex::decode32)
                .ok_or(wrong("`prev` is not 64 lower-case hex digits"))?,
            seq: seq.parse().map_err(|_| wrong("`seq` is not a number of an entry"))?,
            tenant: unquoted(tenant).filter(|name| is_tenant(name)).ok_or(wrong("`tenant` is not a name"))?,
            ts: unquoted(ts).and_then(Moment::parse).ok_or(wrong("`ts` is not a moment"))?,
        };
        Ok((entry, noted))
    }

    /// Reads the body.
    ///
    /// # Errors
    /// [`RecordError::Body`].
    pub fn body(&self) -> Result<AnyBody, RecordError> {
        AnyBody::read(self.kind, self.body)
    }
}
