//! What becomes of one entry of a list.

use std::collections::{BTreeMap, BTreeSet};

use interdict_mcp::edit::Edit;
use interdict_mcp::json::Value;

use super::canonical::TOOL;
use super::{EntryKind, MAX_DEFINITION_BYTES, Seen, SeenState, canonical, digest_text, skeleton};
use crate::alike::differs_in_case;
use crate::injection::{Injection, Mark};
use crate::profile::InjectionAction;
use crate::remove::remove;
use crate::rules::ListRules;

/// Longest name or URI of an entry, in bytes.
const MAX_NAME_BYTES: usize = 512;

/// Members of entries that the protocol knows.
const MEMBERS: [&str; 14] = [
    "name",
    "title",
    "description",
    "inputSchema",
    "outputSchema",
    "annotations",
    "execution",
    "icons",
    "arguments",
    "uri",
    "uriTemplate",
    "mimeType",
    "size",
    "_meta",
];

/// Judges the entries of one list, in their order.
pub(super) struct Judge<'r> {
    kind: EntryKind,
    pins: Option<&'r BTreeMap<String, String>>,
    permitted: Option<&'r [String]>,
    rules: &'r ListRules,
    injection: Option<&'r Injection>,
    /// Whether a name holds a value that must not pass.
    withheld: &'r dyn Fn(&str) -> bool,
    shown: BTreeSet<String>,
    /// What reads like instructions in what is shown and was approved by nobody, and what was taken out of it.
    pub(super) marks: Vec<Mark>,
    /// What the names of approved and shown entries look like; made when somebody asks.
    looks: Option<BTreeSet<String>>,
}

impl<'r> Judge<'r> {
    pub(super) fn new(
        kind: EntryKind,
        rules: &'r ListRules,
        injection: Option<&'r Injection>,
        withheld: &'r dyn Fn(&str) -> bool,
    ) -> Self {
        let (pins, permitted) = match kind {
            EntryKind::Tool => (&rules.tools, &rules.permitted_tools),
            EntryKind::Prompt => (&rules.prompts, &rules.permitted_prompts),
            EntryKind::Resource => (&rules.resources, &rules.permitted_resources),
            EntryKind::Template => (&rules.templates, &rules.permitted_resources),
            EntryKind::Instructions => (&None, &None),
        };
        let (pins, permitted) = (pins.as_ref(), permitted.as_deref());
        Self {
            kind,
            pins,
            permitted,
            rules,
            injection,
            withheld,
            shown: BTreeSet::new(),
            marks: Vec::new(),
            looks: None,
        }
    }

    /// What becomes of an entry; it counts for those that follow.
    pub(super) fn entry(&mut self, entry: Value<'_>) -> Seen {
        let name = entry.get(self.name_member()).and_then(|name| name.as_str()).unwrap_or_default();
        if !is_usable(&name) {
            return self.seen(entry, String::new(), SeenState::Misshapen);
        }
        let mut seen = self.seen(entry, name.into_owned(), SeenState::Shown);
        match self.state(entry, &seen) {
            Some(state) => seen.state = state,
            None => (seen.state, seen.name) = (SeenState::Misshapen, String::new()),
        }
        if seen.state.is_shown() {
            self.shown.insert(seen.name.clone());
            if let Some(looks) = &mut self.looks {
                looks.insert(skeleton(&seen.name));
            }
        }
        if !seen.state.is_news() {
            seen.definition = None;
        }
        seen
    }

    fn name_member(&self) -> &'static str {
        match self.kind {
            EntryKind::Resource => "uri",
            EntryKind::Template => "uriTemplate",
            _ => "name",
        }
    }

    /// `None`: the name cannot be told as that of this entry.
    fn state(&mut self, entry: Value<'_>, seen: &Seen) -> Option<SeenState> {
        if !self.is_permitted(&seen.name) {
            return Some(SeenState::NotPermitted);
        }
        // Of two entries with one name, a client takes the first or the last; so of two members.
        if self.shown.contains(&seen.name) || differs_in_case(entry, &MEMBERS) {
            return None;
        }
        let pin = self.pins.and_then(|pins| pins.get(&seen.name));
        if pin == Some(&seen.digest) {
            self.marks.extend(self.marks_beside(entry));
            return Some(SeenState::Shown);
        }
        if self.pins.is_some() && (self.withheld)(&seen.name) {
            return None;
        }
        let marks = self.marks_of(entry);
        if is_withheld(&marks) {
            return Some(SeenState::Poisoned);
        }
        let state = match (self.pins, pin) {
            (None, _) => SeenState::Shown,
            (Some(_), Some(_)) => SeenState::Changed,
            (Some(_), None) => self.unknown(&seen.name),
        };
        if state.is_shown() {
            self.marks.extend(marks);
        }
        Some(state)
    }

    /// Takes out of an entry that is shown under pins what nobody approved with it: members that its digest does not
    /// cover, but for a `_meta` that reads like nothing.
    pub(super) fn trim(&self, entry: Value<'_>) -> Vec<Edit> {
        if self.pins.is_none() {
            return Vec::new();
        }
        let goes = |name: &str| match name {
            "_meta" => is_withheld(&self.marks_beside(entry)),
            name => self.kind == EntryKind::Tool && !TOOL.contains(&name),
        };
        remove(entry.members().map(|(name, key, value)| (goes(&name), key.start..value.span().end)))
    }

    fn unknown(&mut self, name: &str) -> SeenState {
        if self.is_confusable(name) {
            return SeenState::Confusable;
        }
        if self.kind == EntryKind::Tool && !follows_guidance(name) {
            return SeenState::Misshapen;
        }
        if self.rules.trust_first { SeenState::ShownNew } else { SeenState::New }
    }

    /// The instructions of a server. They are pinned once they, or tools, are.
    pub(super) fn instructions(&mut self, text: Value<'_>) -> Seen {
        let mut seen = self.seen(text, String::new(), SeenState::Shown);
        let marks = self.marks_of(text);
        let is_approved = self.rules.instructions.as_ref() == Some(&seen.digest);
        seen.state = match &self.rules.instructions {
            _ if text.as_str().is_none() => SeenState::Misshapen,
            _ if is_approved => SeenState::Shown,
            _ if is_withheld(&marks) => SeenState::Poisoned,
            Some(_) => SeenState::Changed,
            None if self.rules.tools.is_none() => SeenState::Shown,
            None if self.rules.trust_first => SeenState::ShownNew,
            None => SeenState::New,
        };
        if seen.state.is_shown() && !is_approved {
            self.marks.extend(marks);
        }
        if !seen.state.is_news() {
            seen.definition = None;
        }
        seen
    }

    pub(super) fn seen(&self, entry: Value<'_>, name: String, state: SeenState) -> Seen {
        let text = canonical(self.kind, entry);
        let digest = digest_text(&text);
        let definition = Some(text).filter(|text| text.len() <= MAX_DEFINITION_BYTES);
        Seen { kind: self.kind, name, digest, state, definition }
    }

    fn is_permitted(&self, name: &str) -> bool {
        let Some(permitted) = self.permitted else { return true };
        permitted.iter().any(|rule| match (self.kind, rule.strip_suffix('*')) {
            (EntryKind::Resource, prefix) => name.starts_with(prefix.unwrap_or(rule)),
            (EntryKind::Template, prefix) => {
                // It may lead into what is permitted; what it is filled with is judged when it is read.
                let (prefix, fixed) = (prefix.unwrap_or(rule), name.split('{').next().unwrap_or_default());
                fixed.starts_with(prefix) || prefix.starts_with(fixed)
            }
            (_, Some(prefix)) => name.starts_with(prefix),
            (_, None) => name == rule,
        })
    }

    fn marks_of(&self, entry: Value<'_>) -> Vec<Mark> {
        self.injection.map(|injection| injection.inspect_definition(entry)).unwrap_or_default()
    }

    /// Marks in what no digest covers.
    fn marks_beside(&self, entry: Value<'_>) -> Vec<Mark> {
        let (Some(injection), Some(meta)) = (self.injection, entry.get("_meta")) else { return Vec::new() };
        let name = entry.get(self.name_member()).and_then(|name| name.as_str());
        injection.inspect_part_of_definition(meta, name.as_deref())
    }

    /// Whether an unknown name looks like one that is approved or was shown. URIs are not asked: many honest ones
    /// differ in a digit.
    fn is_confusable(&mut self, name: &str) -> bool {
        if !matches!(self.kind, EntryKind::Tool | EntryKind::Prompt) {
            return false;
        }
        let (pins, shown) = (self.pins, &self.shown);
        let looks = self.looks.get_or_insert_with(|| {
            let pinned = pins.into_iter().flat_map(BTreeMap::keys);
            pinned.chain(shown).map(String::as_str).map(skeleton).collect()
        });
        looks.contains(&skeleton(name))
    }
}

fn is_withheld(marks: &[Mark]) -> bool {
    marks.iter().any(|mark| mark.action == InjectionAction::Quarantine)
}

/// Whether a name can be said and compared at all.
fn is_usable(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(is_invisible)
}

/// Control characters, and those that show nothing or turn the direction of the text.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The guidance of MCP for the names of tools.
fn follows_guidance(name: &str) -> bool {
    name.len() <= 128
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}
