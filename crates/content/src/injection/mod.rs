//! Text that reads like instructions: three tiers, told apart.
//!
//! A mark raises a label; it is never what makes an action safe. **Structural** marks are of means that hide text or
//! imitate the frame of a conversation, and are rare in honest results. **Contextual** marks are of text that names a
//! tool or a secret file next to an order. **Lexical** marks are of phrases, and are noisy.
//!
//! | tier | kind | what |
//! |---|---|---|
//! | structural | `tag_characters` | Unicode tags outside of flags |
//! | | `bidi_control` | direction overrides; embeddings and isolates left open in a line without right-to-left text |
//! | | `zero_width_run` | eight or more invisible characters that carry data, or one between each two letters |
//! | | `variation_selectors` | three or more in a row |
//! | | `terminal_escape` | other than plain colours; in definitions any |
//! | | `chat_template` | special tokens and turns, except a token alone in quotes |
//! | | `hidden_markup` | comments and invisible elements that talk to a model |
//! | | `data_in_link` | links with placeholders, images whose query carries something away |
//! | | `program_in_address` | `data:text/html`, `javascript:` |
//! | | `encoded_instructions` | base64 whose text has a mark |
//! | contextual | `names_tool`, `secret_path`, `instruction_block` | |
//! | lexical | `override`, `authority`, `permission`, `role_change`, `urgency`, `exfiltration`, `secrecy`, `prompt_probe`, `addressed` | |
//!
//! Everything is linear in the length of the text: automata and bounded windows, no backtracking.

mod collapse;
mod contextual;
mod encoded;
mod fold;
mod glance;
mod grams;
mod hidden;
mod lexical;
mod markup;
mod pattern;
mod sieve;
mod template;
mod triggers;
mod walk;
mod words;
mod written;

use std::collections::BTreeSet;

use interdict_mcp::json::Value;

use crate::profile::{InjectionAction, InjectionRules};
use contextual::Tools;
use glance::{Glance, Spots};
use triggers::Groups;

/// How telling a mark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Hidden text, conversation frames, smuggled data: precise.
    Structural,
    /// Names another tool or a secret path near an order: most telling.
    Contextual,
    /// Phrases: noisy.
    Lexical,
}

impl Tier {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Structural => "structural",
            Self::Contextual => "contextual",
            Self::Lexical => "lexical",
        }
    }
}

/// One kind of suspicious text at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// How telling it is.
    pub tier: Tier,
    /// What it is, as `tag_characters`.
    pub kind: &'static str,
    /// Where, as an RFC 6901 pointer; a step that is suspicious itself or longer than 64 bytes is written `…`. The
    /// pointer of the whole value (empty) stands for all marks after the first [`MOST`].
    pub path: String,
    /// What the rules say to do.
    pub action: InjectionAction,
}

/// Marks with a path of their own; further ones are told once per kind, for the whole value.
pub const MOST: usize = 256;

/// The detector, compiled for one set of rules.
#[derive(Debug)]
pub struct Injection {
    rules: InjectionRules,
    tools: Tools,
    glance: Glance,
}

impl Injection {
    /// For `rules`; `tools` are the other tools of the agent, by name. Names shorter than four bytes are not looked for.
    #[must_use]
    pub fn new(rules: &InjectionRules, tools: &BTreeSet<String>) -> Self {
        let glance = Glance::new(tools, rules.lexical != InjectionAction::Off);
        Self { rules: *rules, tools: Tools::new(tools), glance }
    }

    /// Every string and every member name under `value`.
    #[must_use]
    pub fn inspect(&self, value: Value<'_>) -> Vec<Mark> {
        walk::inspect(self, value, Reading::default())
    }

    /// Plain text; paths are empty.
    #[must_use]
    pub fn inspect_text(&self, text: &str) -> Vec<Mark> {
        let mut marks: Vec<Mark> = self
            .look(text, Reading::default())
            .into_iter()
            .map(|(tier, kind)| self.mark(tier, kind, String::new()))
            .collect();
        marks.sort();
        marks
    }

    /// Like [`Injection::inspect`] for a definition (tool, prompt, resource, instructions of a server), where a terminal
    /// escape of any kind and a block like `<IMPORTANT>` have no honest use. Its own name is not that of another tool.
    #[must_use]
    pub fn inspect_definition(&self, value: Value<'_>) -> Vec<Mark> {
        let name = value.get("name").and_then(|name| name.as_str());
        self.inspect_part_of_definition(value, name.as_deref())
    }

    /// The same for one member of a definition.
    pub(crate) fn inspect_part_of_definition(&self, value: Value<'_>, own_name: Option<&str>) -> Vec<Mark> {
        walk::inspect(self, value, Reading { definition: true, own_name })
    }

    fn action(&self, tier: Tier) -> InjectionAction {
        match tier {
            Tier::Structural => self.rules.structural,
            Tier::Contextual => self.rules.contextual,
            Tier::Lexical => self.rules.lexical,
        }
    }

    fn is_off(&self) -> bool {
        [Tier::Structural, Tier::Contextual, Tier::Lexical]
            .into_iter()
            .all(|tier| self.action(tier) == InjectionAction::Off)
    }

    fn mark(&self, tier: Tier, kind: &'static str, path: String) -> Mark {
        Mark { tier, kind, path, action: self.action(tier) }
    }

    /// The kinds in one text, without those of tiers that are off.
    fn look(&self, text: &str, reading: Reading<'_>) -> BTreeSet<(Tier, &'static str)> {
        let mut found = Found::default();
        self.look_through(text, reading, &mut found);
        self.look_into_encoded(text, reading, &mut found);
        found.kinds.retain(|(tier, _)| self.action(*tier) != InjectionAction::Off);
        found.kinds
    }

    /// One level: what is encoded twice is not read.
    fn look_into_encoded(&self, text: &str, reading: Reading<'_>, found: &mut Found) {
        for inner in encoded::decoded(text) {
            let mut inside = Found::default();
            self.look_through(&inner, reading, &mut inside);
            if inside.kinds.iter().any(|(tier, kind)| *tier != Tier::Lexical || *kind == "override") {
                found.structural("encoded_instructions");
            }
            found.kinds.extend(inside.kinds);
        }
    }

    fn look_through(&self, text: &str, reading: Reading<'_>, found: &mut Found) {
        hidden::find(text, found);
        let folded = fold::fold(text);
        let bytes = folded.as_bytes();
        if self.tools.are_in(&folded) {
            contextual::find_tools(bytes, &self.tools, reading.own_name, found);
        }
        let candidates = triggers::scan(&folded);
        if candidates.is_empty() {
            return;
        }
        if candidates.parts(Groups::ESCAPE, bytes).next().is_some() {
            hidden::find_escapes(&folded, reading.definition, found);
        }
        template::find(bytes, &candidates, found);
        markup::find(bytes, &candidates, found);
        written::find(bytes, &candidates, found);
        contextual::find(bytes, &candidates, reading.definition, found);
        if self.rules.lexical != InjectionAction::Off {
            lexical::find(bytes, &candidates, found);
        }
    }

    /// Which strings of JSON as written have to be read.
    fn spots(&self, raw: &str) -> Spots {
        self.glance.spots(raw)
    }
}

/// What kind of text is looked into.
#[derive(Debug, Clone, Copy, Default)]
struct Reading<'n> {
    /// A definition, not a result.
    definition: bool,
    /// What the defined thing is called.
    own_name: Option<&'n str>,
}

/// What was found in one text.
#[derive(Default)]
struct Found {
    kinds: BTreeSet<(Tier, &'static str)>,
}

impl Found {
    fn structural(&mut self, kind: &'static str) {
        self.kinds.insert((Tier::Structural, kind));
    }

    fn contextual(&mut self, kind: &'static str) {
        self.kinds.insert((Tier::Contextual, kind));
    }

    fn lexical(&mut self, kind: &'static str) {
        self.kinds.insert((Tier::Lexical, kind));
    }
}

#[cfg(test)]
mod glance_tests;
#[cfg(test)]
mod tests;
