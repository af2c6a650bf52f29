//! A strict JSON reader that keeps the byte span of every value.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// Which numbers a document may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Numbers {
    /// Only what every reader reads alike (I-JSON, RFC 7493 section 2.2).
    #[default]
    IJson,
    /// Any number of RFC 8259, for servers that are declared to read them exactly.
    Exact,
}

/// Bounds on a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole body.
    pub max_bytes: usize,
    /// Nested arrays and objects; the outermost counts as one.
    pub max_depth: usize,
    /// Values and member names together.
    pub max_tokens: usize,
    /// Which numbers are read.
    pub numbers: Numbers,
}

impl Default for Limits {
    /// 1 MiB, depth 64, 50 000 tokens, I-JSON numbers.
    fn default() -> Self {
        Limits { max_bytes: 1 << 20, max_depth: 64, max_tokens: 50_000, numbers: Numbers::IJson }
    }
}

/// Why a document was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Stable reason code, such as `parse.duplicate_member`.
    pub code: &'static str,
    /// Byte offset where the problem was seen.
    pub offset: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.code, self.offset)
    }
}

impl std::error::Error for JsonError {}

/// A document that was read; borrows the body.
#[derive(Clone, Debug)]
pub struct Document<'b> {
    text: &'b str,
}

impl<'b> Document<'b> {
    /// Reads `bytes`, all of them, as one JSON value.
    ///
    /// # Errors
    /// A [`JsonError`] for anything that is not one unambiguous value within `limits`.
    pub fn parse(_bytes: &'b [u8], _limits: &Limits) -> Result<Self, JsonError> {
        Err(JsonError { code: "parse.syntax", offset: 0 })
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value { document: self, node: 0 }
    }
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind<'d> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as written.
    Number(&'d str),
    /// A string, escapes decoded.
    String(Cow<'d, str>),
    /// An array; see [`Value::elements`].
    Array,
    /// An object; see [`Value::members`].
    Object,
}

/// One value of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    node: u32,
}

impl<'d> Value<'d> {
    /// What the value is.
    #[must_use]
    pub fn kind(&self) -> Kind<'d> {
        Kind::Null
    }
    /// Where the value stands in the body.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        0..self.node as usize
    }
    /// The value as written.
    #[must_use]
    pub fn raw(&self) -> &'d str {
        self.document.text
    }
    /// The decoded text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'d, str>> {
        None
    }
    /// The member with exactly this (decoded) name.
    #[must_use]
    pub fn get(&self, _name: &str) -> Option<Value<'d>> {
        None
    }
    /// Members of an object in order: decoded name, span of the name with its quotes, value. Empty for other kinds.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'d, str>, Range<usize>, Value<'d>)> + use<'d> {
        std::iter::empty()
    }
    /// Elements of an array in order. Empty for other kinds.
    pub fn elements(&self) -> impl Iterator<Item = Value<'d>> + use<'d> {
        std::iter::empty()
    }
    /// Whether this is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        false
    }
    /// Whether this is an array.
    #[must_use]
    pub fn is_array(&self) -> bool {
        false
    }
    /// The Boolean, if this is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        None
    }
}
