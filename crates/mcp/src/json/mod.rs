//! A strict JSON reader (RFC 8259) that keeps the byte span of every value.
//!
//! It accepts less than most readers, on purpose: whatever two readers might understand differently is an error.
//! Refused are a byte order mark, bytes that are not UTF-8, trailing bytes, duplicate members at any depth (compared
//! after decoding), members named `__proto__`, lone surrogates and, with [`Numbers::IJson`], numbers that a double cannot
//! hold. Nesting uses an explicit stack, so a hostile body cannot exhaust the native one.

mod number;
mod parser;
mod string;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

pub(crate) use parser::{Node, Tag};

/// Which numbers a document may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Numbers {
    /// Only what every reader reads alike (I-JSON, RFC 7493 section 2.2): integers within ±(2^53-1), and decimals
    /// that neither overflow a double to infinity nor vanish to zero.
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

impl JsonError {
    pub(crate) const fn new(code: &'static str, offset: usize) -> Self {
        JsonError { code, offset }
    }
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
    /// All values and member names in the order of their first byte. An object's children are name, value, name,
    /// value ...; `Node::next` leads past a node's children.
    nodes: Vec<Node>,
}

impl<'b> Document<'b> {
    /// Reads `bytes`, all of them, as one JSON value.
    ///
    /// # Errors
    /// A [`JsonError`] for anything that is not one unambiguous value within `limits`: `parse.too_large`,
    /// `parse.byte_order_mark`, `parse.invalid_utf8`, `parse.syntax`, `parse.trailing_bytes`, `parse.too_deep`,
    /// `parse.too_many_tokens`, `parse.duplicate_member`, `parse.prototype_member`, `parse.lone_surrogate`,
    /// `parse.number_out_of_range`.
    pub fn parse(bytes: &'b [u8], limits: &Limits) -> Result<Self, JsonError> {
        match Self::parse_noting(bytes, limits)? {
            (document, None) => Ok(document),
            (_, Some(flaw)) => Err(flaw),
        }
    }

    /// Like [`Document::parse`], but a body that is well-formed and only ambiguous (duplicate member, lone
    /// surrogate, number out of range) comes back together with its first flaw, so that the refusal can name the request's id.
    pub(crate) fn parse_noting(
        bytes: &'b [u8],
        limits: &Limits,
    ) -> Result<(Self, Option<JsonError>), JsonError> {
        // Node offsets are 32 bits wide.
        if bytes.len() > limits.max_bytes || u32::try_from(bytes.len()).is_err() {
            return Err(JsonError::new("parse.too_large", limits.max_bytes));
        }
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(JsonError::new("parse.byte_order_mark", 0));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| JsonError::new("parse.invalid_utf8", error.valid_up_to()))?;
        let (nodes, flaw) = parser::parse(text, limits)?;
        Ok((Document { text, nodes }, flaw))
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        self.value(0)
    }

    pub(crate) fn value(&self, node: u32) -> Value<'_> {
        Value { document: self, node }
    }

    fn node(&self, index: u32) -> Node {
        // A `Value` only ever holds an index of its own document.
        self.nodes.get(index as usize).copied().unwrap_or(Node::NULL)
    }

    fn slice(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }

    fn decoded(&self, node: Node) -> Cow<'_, str> {
        let inner = self.slice(node.start as usize + 1..(node.end as usize).saturating_sub(1));
        match node.tag {
            Tag::Escaped => Cow::Owned(string::decode(inner)),
            _ => Cow::Borrowed(inner),
        }
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
#[derive(Clone, Copy)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    node: u32,
}

impl fmt::Debug for Value<'_> {
    /// Only the span: values may be secret and must not reach a log by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?})", self.span())
    }
}

impl<'d> Value<'d> {
    fn data(&self) -> Node {
        self.document.node(self.node)
    }

    pub(crate) fn index(&self) -> u32 {
        self.node
    }

    /// What the value is.
    #[must_use]
    pub fn kind(&self) -> Kind<'d> {
        let node = self.data();
        match node.tag {
            Tag::Null => Kind::Null,
            Tag::True => Kind::Bool(true),
            Tag::False => Kind::Bool(false),
            Tag::Number => Kind::Number(self.raw()),
            Tag::Plain | Tag::Escaped => Kind::String(self.document.decoded(node)),
            Tag::Array => Kind::Array,
            Tag::Object => Kind::Object,
        }
    }

    /// Where the value stands in the body; strings with their quotes.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.data().span()
    }

    /// The value as written.
    #[must_use]
    pub fn raw(&self) -> &'d str {
        self.document.slice(self.span())
    }

    /// The decoded text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'d, str>> {
        let node = self.data();
        matches!(node.tag, Tag::Plain | Tag::Escaped).then(|| self.document.decoded(node))
    }

    /// The Boolean, if this is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.data().tag {
            Tag::True => Some(true),
            Tag::False => Some(false),
            _ => None,
        }
    }

    /// The member with exactly this (decoded) name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'d>> {
        let (document, name) = (self.document, name.as_bytes());
        MemberNodes::new(*self).find_map(|(key, value)| {
            let same = match key.tag {
                // The common case compares bytes in place.
                Tag::Plain => document.text.as_bytes().get(key.inner()).is_some_and(|inner| inner == name),
                _ => document.decoded(key).as_bytes() == name,
            };
            same.then_some(value)
        })
    }

    /// Members of an object in order: decoded name, span of the name with its quotes, value. Empty for other kinds.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'d, str>, Range<usize>, Value<'d>)> + use<'d> {
        let document = self.document;
        MemberNodes::new(*self).map(move |(key, value)| (document.decoded(key), key.span(), value))
    }

    /// Elements of an array in order. Empty for other kinds.
    pub fn elements(&self) -> impl Iterator<Item = Value<'d>> + use<'d> {
        let mut children = Children::new(*self, Tag::Array);
        std::iter::from_fn(move || children.step())
    }

    /// Whether this is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.data().tag == Tag::Object
    }

    /// Whether this is an array.
    #[must_use]
    pub fn is_array(&self) -> bool {
        self.data().tag == Tag::Array
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.data().tag == Tag::Null
    }
}

/// Walks the direct children of a container.
struct Children<'d> {
    document: &'d Document<'d>,
    next: u32,
    end: u32,
}

impl<'d> Children<'d> {
    fn new(parent: Value<'d>, tag: Tag) -> Self {
        let node = parent.data();
        let end = if node.tag == tag { node.next } else { 0 };
        Children { document: parent.document, next: parent.node.saturating_add(1), end }
    }

    fn step(&mut self) -> Option<Value<'d>> {
        if self.next >= self.end {
            return None;
        }
        let value = Value { document: self.document, node: self.next };
        // Strictly forward, whatever the node says: the walk always ends.
        self.next = value.data().next.max(self.next.saturating_add(1));
        Some(value)
    }
}

/// Walks the members of an object.
struct MemberNodes<'d>(Children<'d>);

impl<'d> MemberNodes<'d> {
    fn new(parent: Value<'d>) -> Self {
        MemberNodes(Children::new(parent, Tag::Object))
    }
}

impl<'d> Iterator for MemberNodes<'d> {
    type Item = (Node, Value<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.step()?;
        let value = self.0.step()?;
        Some((key.data(), value))
    }
}

#[cfg(test)]
mod tests;
