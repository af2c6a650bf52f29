//! What to look for and what to do about it: data, compiled once by whoever looks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What happens to a value of a class. Ordered by strictness; of several the strictest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing, not even counted: a person said that this is fine here.
    Allow,
    /// Counted in the record.
    Count,
    /// Replaced by a token that only the decision point can turn back, for servers that may see the class. In responses
    /// the same as `Redact`.
    Tokenise,
    /// Replaced by a mark.
    Redact,
    /// A person is asked. In responses the same as `Deny`.
    Ask,
    /// The call, or the response, is refused.
    Deny,
}

/// A pattern of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// Class of its matches: lower case, digits and `_`; none of the built-in ones.
    pub class: String,
    /// A regular expression in RE2 syntax (the `regex` crate): no back-references, no look-around; at most 512 bytes.
    pub pattern: String,
    /// When given, one of these words (any case) must stand within 64 bytes before the match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
}

/// Values of the operator's own, known here only by their keyed hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExactSet {
    /// Class of its matches. `canary` for planted values: any match is an alarm.
    pub class: String,
    /// 64 hex digits: the key of the hashes.
    pub key: String,
    /// The first 8 bytes of HMAC-SHA-256(key, normal form) of every value, sorted, concatenated, in base64.
    pub hashes: String,
    /// Number of words in the longest value (1 to 4).
    pub words: u8,
    /// A Bloom filter over a cheap keyed hash of the same values, in base64, as `detect::exact::build` makes it. Without
    /// it every word of every text costs an HMAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bloom: Option<String>,
}

/// What happens to text that reads like instructions, by tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InjectionRules {
    /// Hidden or structural means: tag characters, chat-template delimiters, hidden markup.
    pub structural: InjectionAction,
    /// Text that names other tools or secret paths near an imperative.
    pub contextual: InjectionAction,
    /// Imperative overrides, role changes and the like: noisy.
    pub lexical: InjectionAction,
}

/// What happens to text of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InjectionAction {
    /// Nothing is looked for.
    Off,
    /// Told in the record.
    Note,
    /// The text is replaced by a handle; a reviewer can see the original.
    Quarantine,
}

/// What one direction of one server's traffic is looked through for. Its JSON text, as serde writes it, is what travels
/// and what its digest is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// [`Profile::VERSION`].
    pub v: u32,
    /// What happens to each class. A class that is not here is not looked for.
    pub classes: BTreeMap<String, Action>,
    /// ISO 3166 countries (lower case) whose national numbers are looked for, when `national_id` or `phone` is a class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// Patterns of the operator; their classes are in `classes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<Pattern>,
    /// Values of the operator; their classes are in `classes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exact: Vec<ExactSet>,
    /// What reads like instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injection: Option<InjectionRules>,
}

impl Profile {
    /// The version that this crate writes and reads.
    pub const VERSION: u32 = 1;
}
