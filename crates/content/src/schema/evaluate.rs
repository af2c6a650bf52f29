//! What each keyword means.

use std::collections::BTreeSet;

use interdict_mcp::json::{Kind, Value};

use super::decimal::Decimal;
use super::keywords::{Id, Keyword, Out, Pattern, Types, Unit};
use super::run::{At, Check, Run};
use crate::definition::normal;

impl Run<'_> {
    /// Holds one keyword against a value; `mark` is where the notes of its schema begin.
    pub(super) fn keyword(&mut self, keyword: &Keyword, at: &At<'_>, mark: usize) -> Check {
        match keyword {
            Keyword::Ref(id) => self.check(*id, at),
            Keyword::Type(types) => {
                if let Kind::Number(text) = at.value.kind() {
                    self.spend(text.len() / 16)?;
                }
                self.test(types.has(type_of(at.value)), at, "type")
            }
            Keyword::Values(keyword, values) => {
                self.spend(at.value.raw().len() / 16)?;
                self.test(values.contains(&normal(at.value)), at, keyword)
            }
            Keyword::Bound { keyword, limit, out } => self.bound(at, keyword, limit, *out),
            Keyword::MultipleOf(divisor) => match at.value.kind() {
                Kind::Number(text) => {
                    self.spend(text.len() / 16)?;
                    self.test(divisor.divides(&Decimal::read(text)), at, "multipleOf")
                }
                _ => Ok(()),
            },
            Keyword::Size { keyword, unit, limit, out } => {
                // Counting goes through the value.
                self.spend(at.value.raw().len() / 64)?;
                match size(at.value, *unit) {
                    Some(size) => self.test(size.cmp(limit) != *out, at, keyword),
                    None => Ok(()),
                }
            }
            Keyword::Pattern(pattern) => match at.value.as_str() {
                Some(text) => {
                    let matches = self.matches(*pattern, &text)?;
                    self.test(matches, at, "pattern")
                }
                None => Ok(()),
            },
            Keyword::UniqueItems => self.unique(at),
            Keyword::AllOf(all) => all.iter().try_for_each(|id| self.check(*id, at)),
            Keyword::AnyOf(all) => self.any_of(all, at),
            Keyword::OneOf(all) => self.one_of(all, at),
            Keyword::Not(id) => self.not(*id, at),
            Keyword::If { condition, then, otherwise } => {
                let next = if self.holds(*condition, at, false) { then } else { otherwise };
                next.map_or(Ok(()), |id| self.check(id, at))
            }
            _ if at.value.is_object() => self.of_object(keyword, at, mark),
            _ if at.value.is_array() => self.of_array(keyword, at, mark),
            _ => Ok(()),
        }
    }

    pub(super) fn test(&self, holds: bool, at: &At<'_>, keyword: &'static str) -> Check {
        if holds { Ok(()) } else { self.fail(at, keyword) }
    }

    pub(super) fn matches(&mut self, pattern: Pattern, text: &str) -> Result<bool, super::Violation> {
        self.spend(text.len() / 16 + 1)?;
        let Some(program) = self.schema.patterns.get(pattern) else { return Ok(false) };
        let (mut memory, begun) = match self.memories.remove(&pattern) {
            Some(memory) => (memory, 0),
            None => program.memory(),
        };
        let (found, learnt) = program.fast(text, &mut memory);
        self.memories.insert(pattern, memory);
        self.spend(begun + learnt)?;
        match found {
            Some(found) => Ok(found),
            None => {
                self.spend(program.slow_steps(text))?;
                Ok(program.slow(text))
            }
        }
    }

    fn bound(&mut self, at: &At<'_>, keyword: &'static str, limit: &Decimal, out: Out) -> Check {
        let Kind::Number(text) = at.value.kind() else { return Ok(()) };
        self.spend(text.len() / 16)?;
        let order = Decimal::read(text).cmp(limit);
        self.test(order != out.side && !(out.itself && order.is_eq()), at, keyword)
    }

    fn unique(&mut self, at: &At<'_>) -> Check {
        if !at.value.is_array() {
            return Ok(());
        }
        self.spend(at.value.raw().len() / 16)?;
        let mut seen = BTreeSet::new();
        let unique = at.value.elements().all(|element| seen.insert(normal(element)));
        self.test(unique, at, "uniqueItems")
    }

    fn any_of(&mut self, all: &[Id], at: &At<'_>) -> Check {
        let mut any = false;
        for id in all {
            any |= self.holds(*id, at, false);
            // What the others evaluate matters only to somebody who takes notes.
            if any && !self.noting {
                return Ok(());
            }
        }
        let any = any || (self.lenient && all.iter().any(|id| self.holds(*id, at, true)));
        self.test(any, at, "anyOf")
    }

    fn one_of(&mut self, all: &[Id], at: &At<'_>) -> Check {
        let count =
            |run: &mut Self, lenient| all.iter().filter(|id| run.holds(**id, at, lenient)).take(2).count();
        let held = match count(self, false) {
            0 if self.lenient => count(self, true),
            held => held,
        };
        self.test(held == 1, at, "oneOf")
    }

    fn not(&mut self, id: Id, at: &At<'_>) -> Check {
        let mark = self.notes.len();
        let holds = self.holds(id, at, false);
        self.notes.truncate(mark);
        self.test(!holds, at, "not")
    }
}

fn type_of(value: Value<'_>) -> Types {
    match value.kind() {
        Kind::Null => Types::NULL,
        Kind::Bool(_) => Types::BOOLEAN,
        Kind::Number(text) if Decimal::read(text).is_integer() => Types::INTEGER,
        Kind::Number(_) => Types::FRACTION,
        Kind::String(_) => Types::STRING,
        Kind::Array => Types::ARRAY,
        Kind::Object => Types::OBJECT,
    }
}

fn size(value: Value<'_>, unit: Unit) -> Option<u64> {
    let count = match unit {
        Unit::Characters => value.as_str()?.chars().count(),
        Unit::Elements => value.is_array().then(|| value.elements().count())?,
        Unit::Members => value.is_object().then(|| value.members().count())?,
    };
    Some(count as u64)
}
