//! From text to nodes, without recursion.

use std::borrow::Cow;
use std::ops::Range;

use super::{JsonError, Limits, Numbers, number, string};

/// What a node is. Member names are string nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    True,
    False,
    Number,
    /// A string without escapes.
    Plain,
    /// A string with escapes.
    Escaped,
    Array,
    Object,
}

/// A value or a member name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Index of the first node behind this one and its children.
    pub(crate) next: u32,
    pub(crate) tag: Tag,
}

impl Node {
    pub(super) const NULL: Node = Node { start: 0, end: 0, next: 0, tag: Tag::Null };

    pub(super) fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The span without the quotes of a string.
    pub(super) fn inner(&self) -> Range<usize> {
        self.start as usize + 1..(self.end as usize).saturating_sub(1)
    }
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    /// A value, or the end of an array just opened.
    FirstElement,
    /// A member name, or the end of an object just opened.
    FirstMember,
    Member,
    /// A comma or the end of the innermost container.
    Separator,
}

struct Parser<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    limits: &'t Limits,
    nodes: Vec<Node>,
    /// Indices of the open containers, outermost first.
    open: Vec<u32>,
    /// The first rule broken by a document that is well-formed all the same.
    flaw: Option<JsonError>,
}

/// Reads all of `text` as one value.
pub(super) fn parse(text: &str, limits: &Limits) -> Result<(Vec<Node>, Option<JsonError>), JsonError> {
    // One node per ten bytes is a good guess for tool calls; a hostile body pays for its own growth.
    let guess = (text.len() / 10).min(limits.max_tokens).min(4096) + 8;
    let mut parser = Parser {
        text,
        bytes: text.as_bytes(),
        at: 0,
        limits,
        nodes: Vec::with_capacity(guess),
        open: Vec::with_capacity(16),
        flaw: None,
    };
    parser.document()?;
    Ok((parser.nodes, parser.flaw))
}

impl Parser<'_> {
    fn document(&mut self) -> Result<(), JsonError> {
        let mut state = State::Value;
        loop {
            self.skip_whitespace();
            let Some(byte) = self.bytes.get(self.at).copied() else {
                return Err(self.syntax());
            };
            state = match (state, byte) {
                (State::FirstElement, b']') | (State::FirstMember, b'}') => self.close(byte)?,
                (State::Value | State::FirstElement, _) => self.value(byte)?,
                (State::FirstMember | State::Member, b'"') => self.member_name()?,
                (State::Separator, b',') => {
                    self.at += 1;
                    if self.innermost() == Some(Tag::Object) { State::Member } else { State::Value }
                }
                (State::Separator, b'}' | b']') => self.close(byte)?,
                _ => return Err(self.syntax()),
            };
            if state == State::Separator && self.open.is_empty() {
                break;
            }
        }
        self.skip_whitespace();
        if self.at < self.bytes.len() {
            return Err(JsonError::new("parse.trailing_bytes", self.at));
        }
        Ok(())
    }

    fn value(&mut self, byte: u8) -> Result<State, JsonError> {
        let start = self.at;
        match byte {
            b'"' => {
                self.string()?;
                return Ok(State::Separator);
            }
            b'{' | b'[' => {
                if self.open.len() >= self.limits.max_depth {
                    return Err(JsonError::new("parse.too_deep", start));
                }
                let object = byte == b'{';
                let index = self.push(start, start + 1, if object { Tag::Object } else { Tag::Array })?;
                self.open.push(index);
                self.at += 1;
                return Ok(if object { State::FirstMember } else { State::FirstElement });
            }
            b't' => self.literal("true", Tag::True)?,
            b'f' => self.literal("false", Tag::False)?,
            b'n' => self.literal("null", Tag::Null)?,
            _ => self.number()?,
        }
        Ok(State::Separator)
    }

    fn member_name(&mut self) -> Result<State, JsonError> {
        self.string()?;
        self.note_prototype();
        self.skip_whitespace();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err(self.syntax());
        }
        self.at += 1;
        Ok(State::Value)
    }

    /// Notes a member named `__proto__`. `JSON.parse` makes it an ordinary member, but copying such an object member by
    /// member, which JavaScript servers do, turns its value into the prototype: members would appear that no policy saw.
    fn note_prototype(&mut self) {
        const PROTOTYPE: &str = "__proto__";
        let Some(name) = self.nodes.last() else { return };
        let inner = self.text.get(name.inner()).unwrap_or_default();
        let found = match name.tag {
            Tag::Escaped => string::decode(inner) == PROTOTYPE,
            _ => inner == PROTOTYPE,
        };
        if found {
            self.flaw.get_or_insert(JsonError::new("parse.prototype_member", name.start as usize));
        }
    }

    fn close(&mut self, byte: u8) -> Result<State, JsonError> {
        let expected = if byte == b'}' { Tag::Object } else { Tag::Array };
        if self.innermost() != Some(expected) {
            return Err(self.syntax());
        }
        self.at += 1;
        let (end, next) = (self.at as u32, self.nodes.len() as u32);
        if let Some(index) = self.open.pop() {
            if let Some(node) = self.nodes.get_mut(index as usize) {
                node.end = end;
                node.next = next;
            }
            if expected == Tag::Object && self.flaw.is_none() {
                self.flaw = self.duplicate_member(index + 1, next);
            }
        }
        Ok(State::Separator)
    }

    fn string(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let scanned =
            string::scan(self.bytes, start + 1).map_err(|offset| JsonError::new("parse.syntax", offset))?;
        let tag = if scanned.escaped { Tag::Escaped } else { Tag::Plain };
        self.push(start, scanned.end, tag)?;
        if let Some(offset) = scanned.lone_surrogate {
            self.flaw.get_or_insert(JsonError::new("parse.lone_surrogate", offset));
        }
        self.at = scanned.end;
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let (end, integer) =
            number::scan(self.bytes, start).map_err(|offset| JsonError::new("parse.syntax", offset))?;
        self.push(start, end, Tag::Number)?;
        if self.limits.numbers == Numbers::IJson
            && !self.text.get(start..end).is_some_and(|token| number::is_interoperable(token, integer))
        {
            self.flaw.get_or_insert(JsonError::new("parse.number_out_of_range", start));
        }
        self.at = end;
        Ok(())
    }

    fn literal(&mut self, word: &str, tag: Tag) -> Result<(), JsonError> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word.as_bytes()) {
            return Err(self.syntax());
        }
        self.push(self.at, end, tag)?;
        self.at = end;
        Ok(())
    }

    fn push(&mut self, start: usize, end: usize, tag: Tag) -> Result<u32, JsonError> {
        if self.nodes.len() >= self.limits.max_tokens {
            return Err(JsonError::new("parse.too_many_tokens", start));
        }
        // Offsets fit: the body is shorter than 4 GiB, checked before, and has at most one node per byte.
        let index = self.nodes.len() as u32;
        self.nodes.push(Node { start: start as u32, end: end as u32, next: index + 1, tag });
        Ok(index)
    }

    fn innermost(&self) -> Option<Tag> {
        let index = *self.open.last()?;
        self.nodes.get(index as usize).map(|node| node.tag)
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn syntax(&self) -> JsonError {
        JsonError::new("parse.syntax", self.at)
    }

    /// Finds a repeated name among the members whose nodes are `first..end`.
    fn duplicate_member(&self, first: u32, end: u32) -> Option<JsonError> {
        const FEW: usize = 8;
        let names = || MemberNames { nodes: &self.nodes, next: first, end };
        let (mut count, mut escaped) = (0, false);
        for name in names() {
            count += 1;
            escaped |= name.tag == Tag::Escaped;
        }
        let repeated = |node: &Node| JsonError::new("parse.duplicate_member", node.start as usize);
        if count <= FEW && !escaped {
            let bytes = |node: &Node| self.bytes.get(node.inner()).unwrap_or_default();
            for (position, name) in names().enumerate() {
                if names().take(position).any(|earlier| bytes(earlier) == bytes(name)) {
                    return Some(repeated(name));
                }
            }
            return None;
        }
        // Sorting instead of hashing: n log n for every input, with nothing an attacker could steer.
        let mut decoded: Vec<(Cow<'_, str>, &Node)> = Vec::with_capacity(count);
        for name in names() {
            let inner = self.text.get(name.inner()).unwrap_or_default();
            let text = match name.tag {
                Tag::Escaped => Cow::Owned(string::decode(inner)),
                _ => Cow::Borrowed(inner),
            };
            decoded.push((text, name));
        }
        decoded.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.start.cmp(&b.1.start)));
        let pairs = decoded.iter().zip(decoded.iter().skip(1));
        pairs.filter(|(a, b)| a.0 == b.0).map(|(_, b)| b.1).min_by_key(|node| node.start).map(repeated)
    }
}

/// The names among an object's nodes: every second child.
struct MemberNames<'n> {
    nodes: &'n [Node],
    next: u32,
    end: u32,
}

impl<'n> Iterator for MemberNames<'n> {
    type Item = &'n Node;

    fn next(&mut self) -> Option<&'n Node> {
        if self.next >= self.end {
            return None;
        }
        let name = self.nodes.get(self.next as usize)?;
        let value = self.nodes.get(self.next as usize + 1)?;
        self.next = value.next;
        Some(name)
    }
}
