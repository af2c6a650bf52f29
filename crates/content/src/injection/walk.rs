//! Every text of a document with the way to it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use interdict_mcp::json::{Kind, Value};

use super::glance::Spots;
use super::{Injection, MOST, Mark, Reading, Tier};

/// Longer names do not stand in paths.
const LONGEST_STEP: usize = 64;
/// Stands for a name that is not written.
const ELIDED: &str = "…";

/// The marks of `value` and of everything under it, in order of path.
pub(super) fn inspect(injection: &Injection, value: Value<'_>, reading: Reading<'_>) -> Vec<Mark> {
    if injection.is_off() {
        return Vec::new();
    }
    let spots = injection.spots(value.raw());
    if spots.are_none() {
        return Vec::new();
    }
    inspect_spots(injection, value, reading, spots)
}

/// The marks of the strings that have one of `spots`.
pub(super) fn inspect_spots(
    injection: &Injection,
    value: Value<'_>,
    reading: Reading<'_>,
    spots: Spots,
) -> Vec<Mark> {
    let start = value.span().start;
    let (marks, more) = (Vec::new(), BTreeSet::new());
    let mut walk = Walk { injection, reading, spots, start, steps: Vec::new(), marks, more };
    walk.run(value);
    walk.finish()
}

/// One step of a path: the step before it, and its name or index.
struct Step<'d> {
    parent: Option<usize>,
    name: Name<'d>,
}

enum Name<'d> {
    Member(Cow<'d, str>),
    Element(usize),
    Elided,
}

struct Walk<'i, 'd> {
    injection: &'i Injection,
    reading: Reading<'i>,
    spots: Spots,
    /// Where the value starts that the spots are of.
    start: usize,
    steps: Vec<Step<'d>>,
    marks: Vec<Mark>,
    more: BTreeSet<(Tier, &'static str)>,
}

impl<'d> Walk<'_, 'd> {
    fn run(&mut self, root: Value<'d>) {
        let mut open = vec![(root, None)];
        while let Some((value, step)) = open.pop() {
            match value.kind() {
                Kind::String(text) => self.look(&text, step),
                Kind::Array => {
                    for (index, element) in value.elements().enumerate() {
                        if !self.has_spots(element.span()) {
                            continue;
                        }
                        open.push((element, self.step(step, Name::Element(index))));
                    }
                }
                Kind::Object => {
                    for (name, span, member) in value.members() {
                        let (named, below) = (self.has_spots(span), self.has_spots(member.span()));
                        if named || below {
                            let step = self.member(step, name, named);
                            open.extend(below.then_some((member, step)));
                        }
                    }
                }
                Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
            }
        }
    }

    fn has_spots(&self, span: Range<usize>) -> bool {
        self.spots.are_in(&(span.start.saturating_sub(self.start)..span.end.saturating_sub(self.start)))
    }

    fn step(&mut self, parent: Option<usize>, name: Name<'d>) -> Option<usize> {
        self.steps.push(Step { parent, name });
        self.steps.len().checked_sub(1)
    }

    /// The step to a member, whose name is a text as well, to be read if it `has_spots`.
    fn member(&mut self, parent: Option<usize>, name: Cow<'d, str>, has_spots: bool) -> Option<usize> {
        let kinds = if has_spots { self.injection.look(&name, self.reading) } else { BTreeSet::new() };
        let hidden = name.len() > LONGEST_STEP || !kinds.is_empty();
        let step = self.step(parent, if hidden { Name::Elided } else { Name::Member(name) });
        self.add(kinds, step);
        step
    }

    fn look(&mut self, text: &str, step: Option<usize>) {
        let kinds = self.injection.look(text, self.reading);
        self.add(kinds, step);
    }

    fn add(&mut self, kinds: BTreeSet<(Tier, &'static str)>, step: Option<usize>) {
        for (tier, kind) in kinds {
            if self.marks.len() < MOST {
                let path = self.path(step);
                self.marks.push(self.injection.mark(tier, kind, path));
            } else {
                self.more.insert((tier, kind));
            }
        }
    }

    fn path(&self, mut step: Option<usize>) -> String {
        let mut names = Vec::new();
        while let Some(found) = step.and_then(|index| self.steps.get(index)) {
            names.push(&found.name);
            step = found.parent;
        }
        let mut path = String::new();
        for name in names.into_iter().rev() {
            path.push('/');
            push_name(&mut path, name);
        }
        path
    }

    fn finish(mut self) -> Vec<Mark> {
        let more = std::mem::take(&mut self.more);
        self.marks
            .extend(more.into_iter().map(|(tier, kind)| self.injection.mark(tier, kind, String::new())));
        self.marks.sort_by(|one, other| {
            (&one.path, one.tier, one.kind).cmp(&(&other.path, other.tier, other.kind))
        });
        self.marks.dedup();
        self.marks
    }
}

fn push_name(path: &mut String, name: &Name<'_>) {
    match name {
        Name::Member(name) => path.push_str(&name.replace('~', "~0").replace('/', "~1")),
        // Writing to a string does not fail.
        Name::Element(index) => drop(write!(path, "{index}")),
        Name::Elided => path.push_str(ELIDED),
    }
}
