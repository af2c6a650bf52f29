//! One validation: its budget, where it is, and what it noted on the way.

use std::collections::{BTreeMap, BTreeSet};

use interdict_mcp::json::Value;

use super::Violation;
use super::keywords::{Compiled, Id, Pattern, Schema};
use super::pattern::Memory;

/// Steps of one validation: about 50 ms at worst.
const BUDGET: u32 = 1_000_000;

/// Deepest nesting of subschemas at work; a recursive schema and a deep value need some.
const MAX_WORK_DEPTH: u32 = 320;

/// What does not hold; the pointer is empty where nobody asks for it.
pub(super) type Check = Result<(), Violation>;

/// Where a value stands.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) value: Value<'a>,
    step: Step<'a>,
    up: Option<&'a At<'a>>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    /// A name that stands in the schema.
    Known(&'a str),
    Unknown,
    Index(usize),
}

impl<'a> At<'a> {
    pub(super) fn root(value: Value<'a>) -> Self {
        Self { value, step: Step::Root, up: None }
    }

    /// A member; `name` only if it stands in the schema.
    pub(super) fn member(&'a self, name: Option<&'a str>, value: Value<'a>) -> Self {
        Self { value, step: name.map_or(Step::Unknown, Step::Known), up: Some(self) }
    }

    pub(super) fn element(&'a self, index: usize, value: Value<'a>) -> Self {
        Self { value, step: Step::Index(index), up: Some(self) }
    }

    /// What identifies the value in its document.
    pub(super) fn key(&self) -> usize {
        self.value.span().start
    }

    fn write(&self, out: &mut String) {
        if let Some(up) = self.up {
            up.write(out);
        }
        match self.step {
            Step::Root => {}
            Step::Known(name) => push_step(Some(name), out),
            Step::Unknown => push_step(None, out),
            Step::Index(index) => {
                out.push('/');
                out.push_str(&index.to_string());
            }
        }
    }
}

/// Appends a step of a pointer.
pub(super) fn push_step(name: Option<&str>, out: &mut String) {
    out.push('/');
    out.push_str(&name.map_or_else(|| "…".to_owned(), |name| name.replace('~', "~0").replace('/', "~1")));
}

/// Something noted about the value that begins at `at`.
#[derive(Clone, Copy)]
pub(super) struct Note {
    pub(super) at: usize,
    pub(super) what: What,
}

#[derive(Clone, Copy)]
pub(super) enum What {
    /// A schema with `properties` held for the object.
    Described,
    /// The member whose name begins here was evaluated,
    Member(usize),
    /// or is required without that.
    Required(usize),
    /// The element was evaluated,
    Element(usize),
    /// or all elements in front of this one.
    ElementsBefore(usize),
}

/// One validation.
pub(super) struct Run<'c> {
    pub(super) schema: &'c Compiled,
    budget: u32,
    depth: u32,
    /// Within branches whose violations nobody hears of.
    pub(super) quiet: u32,
    /// Whether a `false` for additional members makes them undeclared only.
    pub(super) lenient: bool,
    /// Whether notes are taken at all.
    pub(super) noting: bool,
    pub(super) notes: Vec<Note>,
    pub(super) memories: BTreeMap<Pattern, Memory>,
}

impl<'c> Run<'c> {
    pub(super) fn new(schema: &'c Compiled) -> Self {
        Self {
            schema,
            budget: BUDGET,
            depth: 0,
            quiet: 0,
            lenient: false,
            noting: schema.unevaluated,
            notes: Vec::new(),
            memories: BTreeMap::new(),
        }
    }

    /// The whole validation.
    pub(super) fn root(&mut self, value: Value<'_>) -> Check {
        let checked = self.check(0, &At::root(value));
        // What ran out of budget may look like anything, also like a success inside of a `not`.
        if self.budget == 0 {
            return Err(Violation { pointer: String::new(), keyword: "budget" });
        }
        checked
    }

    /// Takes steps from the budget. Once it is empty nothing holds any more.
    pub(super) fn spend(&mut self, steps: usize) -> Check {
        self.budget = self.budget.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
        if self.budget == 0 {
            return Err(Violation { pointer: String::new(), keyword: "budget" });
        }
        Ok(())
    }

    pub(super) fn check(&mut self, id: Id, at: &At<'_>) -> Check {
        self.spend(1)?;
        let schema = self.schema;
        let keywords = match schema.schemas.get(id as usize) {
            Some(Schema::Always) => return Ok(()),
            Some(Schema::All(keywords)) => keywords,
            Some(Schema::Never) | None => return self.fail(at, "false"),
        };
        if self.depth >= MAX_WORK_DEPTH {
            self.budget = 0;
            return self.fail(at, "budget");
        }
        self.depth += 1;
        let mark = self.notes.len();
        let checked = keywords.iter().try_for_each(|keyword| self.keyword(keyword, at, mark));
        self.depth -= 1;
        checked
    }

    pub(super) fn fail(&self, at: &At<'_>, keyword: &'static str) -> Check {
        let mut pointer = String::new();
        if self.quiet == 0 {
            at.write(&mut pointer);
        }
        Err(Violation { pointer, keyword })
    }

    pub(super) fn note(&mut self, at: &At<'_>, what: What) {
        if self.noting {
            self.notes.push(Note { at: at.key(), what });
        }
    }

    /// Whether a schema holds, when it is no violation if not. Its notes stay only if it does.
    pub(super) fn holds(&mut self, id: Id, at: &At<'_>, lenient: bool) -> bool {
        let (mark, before) = (self.notes.len(), self.lenient);
        self.quiet += 1;
        self.lenient = lenient;
        let holds = self.check(id, at).is_ok();
        self.lenient = before;
        self.quiet -= 1;
        if !holds {
            self.notes.truncate(mark);
        }
        holds
    }

    /// The members of `at` that were evaluated since `mark`, by the places of their names.
    pub(super) fn evaluated_members(&self, at: &At<'_>, mark: usize) -> BTreeSet<usize> {
        let notes = self.notes.get(mark..).unwrap_or_default().iter().filter(|note| note.at == at.key());
        notes.filter_map(|note| if let What::Member(name) = note.what { Some(name) } else { None }).collect()
    }

    /// The elements of `at` that were evaluated since `mark`: all before a place, and some behind it.
    pub(super) fn evaluated_elements(&self, at: &At<'_>, mark: usize) -> (usize, BTreeSet<usize>) {
        let (mut before, mut some) = (0, BTreeSet::new());
        for note in self.notes.get(mark..).unwrap_or_default().iter().filter(|note| note.at == at.key()) {
            match note.what {
                What::ElementsBefore(end) => before = before.max(end),
                What::Element(index) => {
                    some.insert(index);
                }
                _ => {}
            }
        }
        (before, some)
    }
}
