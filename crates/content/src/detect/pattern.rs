//! Patterns of the operator, all of them in one automaton.

use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::hit::{Certainty, Found, Hit, MOST, nothing};
use super::text::Text;
use crate::profile::Pattern;

/// Longest pattern, most patterns, and bytes that the automaton may take.
const LONGEST: usize = 512;
const PATTERNS: usize = 256;
const MEMORY: usize = 4 << 20;

/// Compiled patterns.
#[derive(Debug)]
pub(crate) struct Patterns {
    regex: Regex,
    /// Class and words that must be near, by pattern.
    rules: Vec<(usize, Vec<String>)>,
}

/// Why patterns do not compile, and the place of the one that is to blame.
pub(crate) enum Bad {
    Pattern(usize, &'static str),
    TooLarge,
}

impl Patterns {
    /// Compiles; `class` says which class a pattern's matches are of.
    pub(crate) fn new(patterns: &[Pattern], class: impl Fn(&str) -> usize) -> Result<Option<Self>, Bad> {
        if patterns.is_empty() {
            return Ok(None);
        }
        if patterns.len() > PATTERNS {
            return Err(Bad::TooLarge);
        }
        for (at, pattern) in patterns.iter().enumerate() {
            check(&pattern.pattern).map_err(|why| Bad::Pattern(at, why))?;
        }
        let config = Regex::config().nfa_size_limit(Some(MEMORY)).hybrid_cache_capacity(MEMORY / 2);
        let texts: Vec<&str> = patterns.iter().map(|pattern| pattern.pattern.as_str()).collect();
        let regex = Regex::builder()
            .configure(config)
            .syntax(syntax())
            .build_many(&texts)
            .map_err(|_too_large| Bad::TooLarge)?;
        let rules = patterns
            .iter()
            .map(|pattern| {
                (class(&pattern.class), pattern.near.iter().map(|word| word.to_lowercase()).collect())
            })
            .collect();
        Ok(Some(Self { regex, rules }))
    }

    /// Looks for all of them.
    pub(crate) fn find(&self, text: &Text<'_>, found: &mut Found) {
        for (count, hit) in self.regex.find_iter(text.text).enumerate() {
            if count >= MOST {
                found.incomplete = true;
                return;
            }
            let Some((class, near)) = self.rules.get(hit.pattern().as_usize()) else { continue };
            let words: Vec<&str> = near.iter().map(String::as_str).collect();
            if words.is_empty() || text.near(hit.start(), &words) {
                let value = text.slice(hit.range()).to_owned();
                found.push(Hit {
                    class: *class,
                    range: hit.range(),
                    value,
                    facet: nothing(),
                    certainty: Certainty::Named,
                });
            }
        }
    }
}

fn syntax() -> syntax::Config {
    syntax::Config::new().nest_limit(64)
}

/// Whether one pattern is acceptable by itself.
fn check(pattern: &str) -> Result<(), &'static str> {
    if pattern.len() > LONGEST {
        return Err("is longer than 512 bytes");
    }
    let parsed = syntax::parse_with(pattern, &syntax()).map_err(|_why| "is not in RE2 syntax")?;
    match parsed.properties().minimum_len() {
        Some(1..) => Ok(()),
        _ => Err("matches the empty text, or nothing"),
    }
}
