//! Definitions: what a server says about its tools, prompts and resources, held against what an operator approved.
//!
//! A definition is text that a model reads and a schema that arguments are checked against, so it is approved as a
//! whole: a [`digest`] over its canonical form. [`filter`] takes out of a list whatever is not as it was approved.

mod canonical;
mod filter;
mod judge;
mod skeleton;

use std::fmt;

use interdict_mcp::edit::Edit;
use interdict_mcp::json::Value;
use sha2::{Digest, Sha256};

use crate::injection::Mark;

pub use canonical::canonical;
pub(crate) use canonical::normal;
pub use filter::filter;
pub use skeleton::skeleton;

/// Longest definition that is told, in bytes of its canonical form.
pub const MAX_DEFINITION_BYTES: usize = 64 << 10;

/// Longest definitions of one list that are told, together.
const MAX_TOLD_BYTES: usize = 1 << 20;

/// What kind of entry a definition is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// An entry of `tools`.
    Tool,
    /// An entry of `prompts`.
    Prompt,
    /// An entry of `resources`.
    Resource,
    /// An entry of `resourceTemplates`.
    Template,
    /// The `instructions` of a server.
    Instructions,
}

impl EntryKind {
    /// Its name in reports and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Template => "template",
            Self::Instructions => "instructions",
        }
    }
}

/// What became of an entry. Only the first two were shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeenState {
    /// As it was approved, or entries of this kind are not pinned.
    Shown,
    /// Not known, and shown on first use: to be pinned.
    ShownNew,
    /// Not for this agent.
    NotPermitted,
    /// Not known: to be reviewed.
    New,
    /// Another definition than the approved one: to be reviewed.
    Changed,
    /// Its name looks like the name of another entry.
    Confusable,
    /// It reads like instructions to a model.
    Poisoned,
    /// It has no name that follows the guidance of MCP; told without a name where it has none that can be said and
    /// compared, that may be told, or that the list does not have already.
    Misshapen,
}

impl SeenState {
    /// Its name in reports and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::ShownNew => "shown_new",
            Self::NotPermitted => "not_permitted",
            Self::New => "new",
            Self::Changed => "changed",
            Self::Confusable => "confusable",
            Self::Poisoned => "poisoned",
            Self::Misshapen => "misshapen",
        }
    }

    /// Whether the client sees the entry.
    #[must_use]
    pub const fn is_shown(self) -> bool {
        matches!(self, Self::Shown | Self::ShownNew)
    }

    /// Whether somebody has to hear of it: everything but what was approved and what is not for this agent.
    #[must_use]
    pub const fn is_news(self) -> bool {
        !matches!(self, Self::Shown | Self::NotPermitted)
    }
}

/// One entry of a list, in the list's order.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its kind.
    pub kind: EntryKind,
    /// Its name or URI; empty if it has none that is its own and may be told (and for instructions).
    pub name: String,
    /// Its [`digest`], 64 hex digits.
    pub digest: String,
    /// What became of it.
    pub state: SeenState,
    /// Its canonical form, for news of at most [`MAX_DEFINITION_BYTES`].
    pub definition: Option<String>,
}

impl fmt::Debug for Seen {
    /// Without the definition: it is the server's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seen({} {:?} {} {})", self.kind.as_str(), self.name, self.state.as_str(), self.digest)
    }
}

/// What became of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Changes of the result; they do not overlap.
    pub edits: Vec<Edit>,
    /// Every entry, also those that were shown.
    pub seen: Vec<Seen>,
    /// What reads like instructions in entries that are shown and that nobody approved, and in members that were taken out of
    /// approved ones.
    pub marks: Vec<Mark>,
}

impl Listed {
    /// Keeps as many definitions as fit; of the others the digest has to do.
    fn limit_definitions(&mut self) {
        let mut left = MAX_TOLD_BYTES;
        for seen in &mut self.seen {
            let length = seen.definition.as_ref().map_or(0, String::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => seen.definition = None,
            }
        }
    }
}

/// SHA-256 in hex of a tool's definition: the canonical form (RFC 8785) of those of its members that a model or a client
/// goes by. `_meta` and members that no revision knows are not part of it.
#[must_use]
pub fn digest(tool: Value<'_>) -> String {
    digest_of(EntryKind::Tool, tool)
}

/// As [`digest`], for any kind: prompts, resources and templates count whole but for `_meta`, instructions as their text.
#[must_use]
pub fn digest_of(kind: EntryKind, entry: Value<'_>) -> String {
    digest_text(&canonical(kind, entry))
}

/// SHA-256 in hex of a canonical form.
#[must_use]
pub fn digest_text(canonical: &str) -> String {
    use fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(canonical.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests;
