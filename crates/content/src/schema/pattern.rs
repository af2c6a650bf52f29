//! Patterns: ECMA-262 as schemas have it, on the linear engine.

use std::fmt;

use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{NFA, WhichCaptures};
use regex_automata::util::syntax;

/// Most memory of one compiled pattern.
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// Memory for what the fast automaton learns of one pattern in one validation.
const MAX_LEARNT_BYTES: usize = 1 << 19;

/// A compiled pattern. The fast automaton takes about the same time for each byte, and memory for what it learns; where
/// that does not suffice, the slow one takes time for each byte and each of its states.
pub(super) struct Program {
    fast: DFA,
    slow: PikeVM,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states", self.slow.get_nfa().states().len())
    }
}

/// What the fast automaton learnt of a pattern so far.
pub(super) struct Memory(Cache);

impl Program {
    /// What is known at the beginning, and the steps that it took.
    pub(super) fn memory(&self) -> (Memory, usize) {
        let cache = self.fast.create_cache();
        let steps = cache.memory_usage() / 64;
        (Memory(cache), steps)
    }

    /// Whether the pattern is in a text, if memory suffices; and the steps that learning took.
    pub(super) fn fast(&self, text: &str, memory: &mut Memory) -> (Option<bool>, usize) {
        let before = memory.0.memory_usage();
        let found = self.fast.try_search_fwd(&mut memory.0, &Input::new(text).earliest(true));
        let steps = memory.0.memory_usage().saturating_sub(before) / 8;
        if found.is_err() {
            memory.0.reset(&self.fast);
        }
        (found.ok().map(|found| found.is_some()), steps)
    }

    /// The steps that [`slow`](Self::slow) takes at most.
    pub(super) fn slow_steps(&self, text: &str) -> usize {
        text.len().saturating_mul(self.slow.get_nfa().states().len()) / 32
    }

    /// Whether the pattern is in a text.
    pub(super) fn slow(&self, text: &str) -> bool {
        self.slow.is_match(&mut self.slow.create_cache(), text)
    }
}

/// Compiles a pattern so that it means here what it means in ECMA-262. `None` for what the linear engine has no means
/// for (look-around, back-references), for what the two read differently, and for what is too large.
pub(super) fn compile(pattern: &str) -> Option<Program> {
    if pattern.len() > super::MAX_PATTERN_BYTES {
        return None;
    }
    let translated =
        Translator { rest: pattern.chars().collect::<Vec<_>>().into_iter(), out: String::new() }.run()?;
    let limits = NFA::config().nfa_size_limit(Some(MAX_COMPILED_BYTES)).which_captures(WhichCaptures::None);
    let nfa = NFA::compiler()
        .configure(limits)
        .syntax(syntax::Config::new().nest_limit(64))
        .build(&translated)
        .ok()?;
    // It gives up instead of forgetting what it learnt: nobody could say how much it would learn anew.
    let memory = DFA::config()
        .cache_capacity(MAX_LEARNT_BYTES)
        .skip_cache_capacity_check(true)
        .minimum_cache_clear_count(Some(0));
    let fast = DFA::builder().configure(memory).build_from_nfa(nfa.clone()).ok()?;
    Some(Program { fast, slow: PikeVM::new_from_nfa(nfa).ok()? })
}

const SPACE: &str = r"\t\n\x0B\x0C\r \x{A0}\x{FEFF}\x{2028}\x{2029}\p{Zs}";

struct Translator {
    rest: std::vec::IntoIter<char>,
    out: String,
}

impl Translator {
    fn next_is(&self, text: &str) -> bool {
        self.rest.as_slice().iter().copied().zip(text.chars()).filter(|(a, b)| a == b).count()
            == text.chars().count()
    }

    fn next_is_set(&self) -> bool {
        self.rest.as_slice().first().is_some_and(|next| is_set(*next))
    }

    fn run(mut self) -> Option<String> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                // Line ends of ECMA-262.
                '.' => self.out.push_str(r"[^\n\r\x{2028}\x{2029}]"),
                '(' if self.next_is("?") => self.group()?,
                plain => self.out.push(plain),
            }
        }
        Some(self.out)
    }

    /// Groups that both know: `(?:` and `(?<name>`; what else begins with `(?` is look-around or a flag.
    fn group(&mut self) -> Option<()> {
        let named = self.next_is("?<") && !self.next_is("?<=") && !self.next_is("?<!");
        (named || self.next_is("?:")).then(|| self.out.push('('))
    }

    /// What is behind a backslash.
    fn escape(&mut self, in_class: bool) -> Option<()> {
        let character = self.rest.next()?;
        match character {
            'd' => self.out.push_str(if in_class { "0-9" } else { "[0-9]" }),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str(if in_class { "A-Za-z0-9_" } else { "[A-Za-z0-9_]" }),
            'W' => self.out.push_str("[^A-Za-z0-9_]"),
            's' if in_class => self.out.push_str(SPACE),
            's' => self.out.push_str(&format!("[{SPACE}]")),
            'S' => self.out.push_str(&format!("[^{SPACE}]")),
            'b' if in_class => self.out.push_str(r"\x08"),
            'b' => self.out.push_str(r"(?-u:\b)"),
            'B' if !in_class => self.out.push_str(r"(?-u:\B)"),
            '0' if !self.rest.as_slice().first().is_some_and(char::is_ascii_digit) => {
                self.out.push_str(r"\x00")
            }
            'c' => {
                let letter = self.rest.next().filter(char::is_ascii_alphabetic)?;
                self.out.push_str(&format!(r"\x{:02X}", u32::from(letter) % 32));
            }
            // Not ECMA-262, but servers write them and nothing else is meant by them.
            'A' | 'z' if !in_class => self.push_escape(character),
            't' | 'n' | 'v' | 'f' | 'r' | 'p' | 'P' | 'u' | 'x' => self.push_escape(character),
            'k' | '1'..='9' => return None,
            other if other.is_ascii_alphanumeric() => return None,
            // `<` and `>` would be word boundaries here.
            '/' | '<' | '>' | ' ' | '"' | '\'' | '_' => self.out.push(character),
            other if other.is_ascii_punctuation() => self.push_escape(other),
            other => self.out.push(other),
        }
        Some(())
    }

    fn push_escape(&mut self, character: char) {
        self.out.push('\\');
        self.out.push(character);
    }

    /// A class: what would be a set operation or a nested class here is plain there.
    fn class(&mut self) -> Option<()> {
        self.out.push('[');
        if self.next_is("^") {
            self.rest.next();
            self.out.push('^');
        }
        // The empty class and its opposite.
        if self.next_is("]") {
            return None;
        }
        loop {
            match self.rest.next()? {
                ']' => break,
                '\\' => {
                    let set = self.next_is_set();
                    self.escape(true)?;
                    // A set is no end of a range.
                    if set && self.next_is("-") {
                        self.rest.next();
                        self.push_escape('-');
                    }
                }
                '-' if self.next_is("-") => return None,
                '-' if self.next_is("\\")
                    && self.rest.as_slice().get(1).is_some_and(|next| is_set(*next)) =>
                {
                    self.push_escape('-');
                }
                special @ ('[' | '&' | '~') => self.push_escape(special),
                plain => self.out.push(plain),
            }
        }
        self.out.push(']');
        Some(())
    }
}

/// Whether this letter behind a backslash stands for many characters.
fn is_set(letter: char) -> bool {
    matches!(letter, 'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'p' | 'P')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let program = compile(pattern).unwrap();
        let slow = program.slow(text);
        assert_eq!(program.fast(text, &mut program.memory().0).0, Some(slow), "{pattern}");
        slow
    }

    #[test]
    fn classes_mean_what_they_mean_in_ecmascript() {
        assert!(!matches(r"^\d$", "٣"));
        assert!(!matches(r"^\w$", "é"));
        assert!(matches(r"^\W$", "é"));
        assert!(matches(r"^\s$", "\u{feff}"));
        assert!(matches(r"^[\w.-]+$", "a.b-c"));
        assert!(matches(r"^[\s]$", "\u{2003}"));
        assert!(matches(r"^[[a&&b]+$", "[a&b"));
        assert!(matches(r"^[^\d]$", "x"));
        assert!(matches(r"^[\w-.]+$", "a-."));
        assert!(!matches(r"^[a-\d]+$", "b"));
        assert!(!matches(r"^.$", "\r"));
        assert!(matches(r"\bcat\b", "a cat."));
        assert!(matches(r"^\/a\-b\_$", "/a-b_"));
        assert!(matches(r"^\u0041\x42\cJ$", "AB\n"));
        assert!(matches(r"^(?:a|(?<year>\d{4}))$", "2026"));
        assert!(matches(r"^\p{Lu}$", "É"));
        assert!(matches("^🐲*$", "🐲🐲"));
        assert!(matches(r"\A[a-z]+\z", "abc"));
        assert!(matches(r"^.{1,255}$", "some text"));
        assert!(!matches("^a$", "a\n"));
    }

    #[test]
    fn what_is_not_linear_or_not_the_same_is_refused() {
        for pattern in [
            "(?=a)",
            "(?!a)",
            "(?<=a)b",
            "(?<!a)b",
            r"(a)\1",
            r"\k<a>",
            "(?i)a",
            "(?x) a",
            "(?P<a>b)",
            "[]",
            "[^]",
            "[a--b]",
            "(",
            r"\Z",
            r"\Q",
            "a{1000}{1000}",
            r"\p{L}{1,100000}",
            "[b-a]",
            r"\",
        ] {
            assert!(compile(pattern).is_none(), "{pattern}");
        }
        assert!(compile(&"a".repeat(5000)).is_none());
    }
}
