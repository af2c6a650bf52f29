//! What the enforcement point does to a response: the obligation that travels with an Allow.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Everything about the responses to one HTTP request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseRules {
    /// SHA-256 in hex of the profile's JSON text; `None`: no class is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The profile's JSON text. Absent when the enforcement point said that it has the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_text: Option<String>,
    /// 64 hex digits: the session's key.
    pub session_key: String,
    /// What happens to a response that cannot be read: another content type, an encoding, not JSON.
    pub unreadable: Unreadable,
    /// Which entries of lists are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<ListRules>,
    /// Other tools of the agent, by name: text that names them near an imperative is suspicious.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tools: BTreeSet<String>,
    /// What holds for the answer to one request of a batch or to the only one: by the request's id as written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, AnswerRules>,
    /// Longest JSON body or event that is looked into, in bytes; longer ones are unreadable.
    pub max_bytes: u64,
}

/// What happens to what cannot be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// It passes.
    Pass,
    /// An error in its place.
    Deny,
}

/// What holds for one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerRules {
    /// Ceilings on rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowRule>,
    /// What the answer may look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputRule>,
}

/// A ceiling on the rows of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowRule {
    /// Member names from `result.structuredContent` to the array; `*` is every element of an array. Where the answer has
    /// JSON text in `content[].text`, the same path holds in there.
    pub path: Vec<String>,
    /// Most rows that may pass.
    pub max: u64,
    /// What happens to more.
    pub over: Over,
}

/// What happens to what is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// It is cut off.
    Cut,
    /// The answer is refused.
    Deny,
}

/// What a structured answer may look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputRule {
    /// JSON Schema (draft 2020-12) as text: the pinned `outputSchema`.
    pub schema: String,
    /// What happens to members that it does not declare.
    pub undeclared: Undeclared,
}

/// What happens to members that a schema does not declare. Ordered by strictness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undeclared {
    /// What the schema says: most allow them.
    #[default]
    Schema,
    /// They are taken out.
    Drop,
    /// The answer is refused.
    Deny,
}

/// Which entries of lists are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRules {
    /// Digest (64 hex digits) that a tool's definition must have, by name. `None`: tools are not pinned here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<BTreeMap<String, String>>,
    /// The same for prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompts: Option<BTreeMap<String, String>>,
    /// The same for resources, by URI. They are data that changes with every touch: rarely of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<BTreeMap<String, String>>,
    /// The same for resource templates, by template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<BTreeMap<String, String>>,
    /// Digest of the server's `instructions`; `None`: not pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Unknown entries are shown as well, and told, to be pinned by the decision point (trust on first use).
    #[serde(default)]
    pub trust_first: bool,
    /// Tools that this agent may call: exact names, or prefixes ending in `*`. `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permitted_tools: Option<Vec<String>>,
    /// Prompts that it may get; as `permitted_tools`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permitted_prompts: Option<Vec<String>>,
    /// Prefixes of URIs that it may read. `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permitted_resources: Option<Vec<String>>,
}
