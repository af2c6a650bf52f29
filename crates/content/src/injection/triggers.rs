//! One pass over a text that says which detectors are worth running. Almost all honest text ends here.

use std::sync::OnceLock;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind};

use super::fold::fold;
use super::lexical::FOREIGN;

/// A set of detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Groups(u32);

impl Groups {
    pub(super) const OVERRIDE: Self = Self(1);
    pub(super) const AUTHORITY: Self = Self(1 << 1);
    pub(super) const PERMISSION: Self = Self(1 << 2);
    pub(super) const ROLE: Self = Self(1 << 3);
    pub(super) const URGENCY: Self = Self(1 << 4);
    pub(super) const EXFILTRATION: Self = Self(1 << 5);
    pub(super) const SECRECY: Self = Self(1 << 6);
    pub(super) const PROBE: Self = Self(1 << 7);
    pub(super) const FOREIGN: Self = Self(1 << 8);
    pub(super) const TEMPLATE: Self = Self(1 << 9);
    pub(super) const MARKUP: Self = Self(1 << 10);
    pub(super) const LINK: Self = Self(1 << 11);
    pub(super) const ESCAPE: Self = Self(1 << 12);
    pub(super) const PATH: Self = Self(1 << 13);
    pub(super) const BLOCK: Self = Self(1 << 14);
    /// An escape of JSON that may hide letters: only meaningful in JSON text.
    pub(super) const ESCAPED: Self = Self(1 << 15);
    const ALL: u32 = (1 << 16) - 1;

    pub(super) const fn has(self, group: Self) -> bool {
        self.0 & group.0 != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

const WORDS: &[(Groups, &[&str])] = &[
    (
        Groups::OVERRIDE,
        &[
            "ignor",
            "disregard",
            "forget",
            "overrid",
            "bypass",
            "neglect",
            "overlook",
            "discard",
            "abandon",
            "dismiss",
            "nullify",
            "supersede",
            "skip ",
            "pay no ",
            "delete ",
            "erase ",
            "not follow",
            "n't follow",
            "stop follow",
            "not obey",
            "n't obey",
            "stop obey",
            "not listen",
            "n't listen",
            "stop listen",
            "instructions:",
            "instruction:",
            "directive",
            "system prompt",
            "objective",
            "your new",
            "your real",
            "your actual",
            "your true",
            "your only",
            "your primary",
            "your main",
            "your next",
            "adhere",
            "following instruction",
            "following command",
            "following order",
            "following step",
            "new instruction",
            "new command",
            "before you",
            "before sol",
            "before comp",
            "before answ",
            "before cont",
            "before proc",
            "before resp",
            "before perf",
            "before doing",
            "before finish",
            "before help",
            "after you",
            "after do",
            "after comp",
            "after finish",
            "now on",
            "point on",
            "moment on",
            "message on",
            "instead of",
        ],
    ),
    (
        Groups::AUTHORITY,
        &[
            "important ",
            "official",
            "urgent ",
            "critical ",
            "special ",
            "priority ",
            "developer",
            "admin",
            "creator",
            "operator",
            "openai",
            "anthropic",
            "security",
            "department",
            " ceo",
            "root user",
            "system",
            "[sys",
            "(sys",
            "<sys",
            "debug mode",
            "god mode",
            "maintenance mode",
            "sudo mode",
            "root mode",
            "dan mode",
            "jailbreak mode",
            "unrestricted mode",
        ],
    ),
    (
        Groups::PERMISSION,
        &[
            "authori",
            "permitted",
            "permission",
            "granted",
            "cleared",
            "approved",
            "you have full",
            "now have full",
            "full access",
            "free to",
            "freed to",
            "free from",
            "freed from",
            "given access",
            "given full",
            "consent",
            "approval",
            "clearance",
            "no need to",
            "not necessary to",
            "unnecessary to",
            "without ",
            "confirmation",
            "verification",
            "clarification",
            "user has",
        ],
    ),
    (
        Groups::ROLE,
        &[
            "you are now",
            "you are no longer",
            "you are going to",
            "you are about",
            "you are to ",
            "you are act",
            "you are an un",
            "you are un",
            "you are an evil",
            "you are evil",
            "jailbr",
            "jail br",
            "you are a",
            "you will",
            "you shall",
            "you must",
            "you're going",
            "want you to",
            "need you to",
            "job is to",
            "pretend",
            "imagine",
            "act as",
            "act like",
            "exactly as",
            "exactly like",
            "behave",
            "respond as",
            "respond like",
            "answer as",
            "answer like",
            "operate as",
            "speak as",
            "speak like",
            "talk like",
            "talk as",
            "reply as",
            "reply like",
            "roleplay",
            "role-play",
            "anything now",
            "in character",
            "in role",
            "in-character",
            "break free",
            "breaking free",
            "break character",
            "breaking character",
            "unfiltered",
            "uncensored",
            "unrestricted",
            "amoral",
            "unethical",
            "no moral",
            "no ethical",
            "no restriction",
            "no limitation",
            "no filter",
            "no content",
            "ethical ",
            "moral ",
            "legal ",
            "safety ",
            "openai",
            "hypothetical",
            "fictional",
            "as an ai",
            "not refuse",
            "not say",
            "never say",
            "never refuse",
            "cannot refuse",
            "can't refuse",
            "not decline",
            "not reject",
            "never decline",
            "never reject",
            "never mention",
            "not mention",
            "cannot say",
            "can't say",
            "let's ",
            "please ",
            "can you ",
            "going to",
        ],
    ),
    (
        Groups::URGENCY,
        &[
            "immediately",
            "urgent",
            "at once",
            "without delay",
            "right now",
            "right away",
            "asap",
            "time sens",
            "time-sens",
            "emergency",
            "important!",
            "important !",
            "attention!",
            "attention !",
            "critical!",
            "warning!",
            "mandatory!",
        ],
    ),
    (
        Groups::EXFILTRATION,
        &[
            "send ",
            "forward ",
            "email ",
            "e-mail ",
            "post ",
            "upload ",
            "transmit",
            "exfiltrat",
            "leak ",
            "submit ",
            "deliver ",
            "share ",
            "transfer ",
            "wire ",
            "copy ",
            "bcc",
            "cc ",
            "report ",
            "curl ",
            "wget ",
            "append ",
            "encode ",
            "include ",
        ],
    ),
    (
        Groups::SECRECY,
        &[
            "not tell",
            "n't tell",
            "dont tell",
            "never tell",
            "not mention",
            "n't mention",
            "dont mention",
            "never mention",
            "not inform",
            "n't inform",
            "never inform",
            "not reveal",
            "n't reveal",
            "never reveal",
            "not show",
            "n't show",
            "never show",
            "not disclose",
            "n't disclose",
            "never disclose",
            "not notify",
            "n't notify",
            "never notify",
            "not alert",
            "n't alert",
            "never alert",
            "not report",
            "n't report",
            "never report",
            "not let ",
            "n't let ",
            "never let ",
            "not display",
            "n't display",
            "never display",
            "not explain",
            "n't explain",
            "not acknowledge",
            "not discuss",
            "n't discuss",
            "not say",
            "n't say",
            "never say",
            "ever tell",
            "ever mention",
            "even mention",
            "avoid ",
            "without tell",
            "without mention",
            "without inform",
            "without reveal",
            "without show",
            "without notify",
            "without alert",
            "need to tell",
            "need to mention",
            "need to inform",
            "not to ",
            "keep this",
            "keep it",
            "keep that",
            "keep these",
            "silently",
            "secretly",
            "quietly",
            "covertly",
            "discreetly",
            "stealthily",
            "user must not",
            "user should not",
            "user shouldn't",
            "user does not",
            "user doesn't",
            "user need not",
            "user needn't",
            "user will not",
            "user won't",
            "user can not",
            "user may not",
        ],
    ),
    (
        Groups::PROBE,
        &[
            "system prompt",
            "system message",
            "your instructions",
            "your prompt",
            "your guidelines",
            "initial ",
            "original ",
            "hidden ",
            "previous ",
            "full ",
            "exact ",
            "secret ",
            "custom ",
            " above",
            " before",
            "system ",
        ],
    ),
    (
        Groups::TEMPLATE,
        &[
            "<|",
            "[inst]",
            "[/inst]",
            "<<sys",
            "</s>",
            " human:",
            " assistant:",
            "_of_turn>",
            "[system_prompt]",
            "[available_tools]",
            "[tool_results]",
            "### instruction",
            "### response",
            "<bos>",
            "<eos>",
        ],
    ),
    (Groups::MARKUP, &["<!--", "style=", "<style", " hidden", "aria-hidden", "\\color", "color:"]),
    (
        Groups::LINK,
        &[
            "](",
            "]:",
            "<img",
            "data:text/",
            "data:application/",
            "data:image/svg",
            "javascript:",
            "vbscript:",
        ],
    ),
    (Groups::ESCAPE, &["\u{1b}"]),
    (Groups::PATH, super::contextual::PATH_WORDS),
    (
        Groups::BLOCK,
        &[
            "important>",
            "important:>",
            "information>",
            "instruction>",
            "instructions>",
            "admin>",
            "critical>",
            "secret>",
            "urgent>",
            "override>",
            "mandatory>",
            "priority>",
            "attention>",
            "system>",
            "hidden>",
            "assistant>",
            "notice>",
        ],
    ),
];

struct Table {
    automaton: DFA,
    groups: Vec<Groups>,
}

fn table() -> Option<&'static Table> {
    static TABLE: OnceLock<Option<Table>> = OnceLock::new();
    TABLE.get_or_init(build).as_ref()
}

fn build() -> Option<Table> {
    let mut words: Vec<(String, Groups)> = WORDS
        .iter()
        .flat_map(|(group, words)| words.iter().map(|word| ((*word).to_owned(), *group)))
        .chain(FOREIGN.iter().map(|phrase| (fold(phrase).into_owned(), Groups::FOREIGN)))
        .collect();
    words.sort_by(|one, other| one.0.cmp(&other.0));
    words.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = kept.1.with(next.1);
        }
        same
    });
    let automaton = DFA::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(words.iter().map(|(word, _)| word))
        .ok()?;
    Some(Table { automaton, groups: words.into_iter().map(|(_, group)| group).collect() })
}

impl Table {
    /// The state after `byte`; what ends there is added to `seen`.
    fn step(&self, state: StateID, byte: u8, seen: &mut Groups) -> StateID {
        let next = self.automaton.next_state(Anchored::No, state, byte);
        if self.automaton.is_special(next) && self.automaton.is_match(next) {
            for index in 0..self.automaton.match_len(next) {
                let word = self.automaton.match_pattern(next, index).as_usize();
                *seen = seen.with(self.groups.get(word).copied().unwrap_or_default());
            }
        }
        next
    }
}

/// The detectors whose words are in `text`, any blanks counting as one.
pub(super) fn groups(text: &str) -> Groups {
    scan(text.bytes())
}

/// The same for JSON as written: escapes of one letter are read, others end the scan with [`Groups::ESCAPED`].
pub(super) fn groups_of_json(raw: &str) -> Groups {
    let mut bytes = raw.bytes();
    let mut escaped = false;
    let mut seen = scan(std::iter::from_fn(|| match bytes.next()? {
        b'\\' => match bytes.next()? {
            b'u' => {
                escaped = true;
                None
            }
            b'n' | b'r' | b't' | b'b' | b'f' => Some(b' '),
            other => Some(other),
        },
        other => Some(other),
    }));
    if escaped {
        seen = seen.with(Groups::ESCAPED);
    }
    seen
}

/// Everything, should the table of words not have been built.
fn scan(bytes: impl Iterator<Item = u8>) -> Groups {
    let everything = Groups(Groups::ALL);
    let Some(table) = table() else { return everything };
    let Ok(mut state) = table.automaton.start_state(Anchored::No) else { return everything };
    let mut seen = Groups::default();
    let mut blank = false;
    for byte in bytes {
        if matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c) {
            if !blank {
                state = table.step(state, b' ', &mut seen);
            }
            blank = true;
        } else {
            state = table.step(state, byte, &mut seen);
            blank = false;
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::{Groups, groups, groups_of_json, table};

    #[test]
    fn the_table_of_words_is_built() {
        assert!(table().is_some());
    }

    #[test]
    fn blanks_of_any_kind_count_as_one() {
        assert!(groups("you \n\t are   now").has(Groups::ROLE));
        assert!(groups_of_json(r#"{"a":"you\nare\t now"}"#).has(Groups::ROLE));
    }

    #[test]
    fn escapes_that_may_hide_letters_are_told() {
        assert!(groups_of_json(r#"{"a":"\u0069gnore"}"#).has(Groups::ESCAPED));
        assert!(!groups_of_json(r#"{"a":"\\unit"}"#).has(Groups::ESCAPED));
    }

    #[test]
    fn rows_of_data_have_none_of_the_words() {
        assert!(
            groups_of_json(r#"{"rows":[{"id":17,"name":"Ada","city":"Den Haag","paid":true}]}"#).is_empty()
        );
    }
}
