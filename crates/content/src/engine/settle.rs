//! Which of several overlapping values of one text are told.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use super::{Active, Engine};
use crate::detect::Hit;
use crate::profile::Action;

/// How a mark of a redaction starts.
const MARK: &str = "[[dlp:";

/// The bytes that values were found in. Those of a value that is refused cannot overlap those of another; those of values
/// that are replaced may, as long as none is inside of another: all of them have to go.
#[derive(Default)]
struct Taken {
    /// Ends by start, not overlapping. What overlaps is one range here.
    ranges: BTreeMap<usize, (usize, bool)>,
}

impl Taken {
    /// Takes the bytes of a value. `false` if another value has them.
    fn take(&mut self, hit: &Hit, replaced: bool) -> bool {
        let (mut start, mut end) = (hit.range.start, hit.range.end);
        let overlapping: Vec<usize> = self
            .ranges
            .range(..end)
            .rev()
            .take_while(|(_, (taken_end, _))| *taken_end > start)
            .map(|(taken_start, _)| *taken_start)
            .collect();
        for at in &overlapping {
            let Some((taken_end, may_grow)) = self.ranges.get(at) else { continue };
            let inside = *at <= hit.range.start && hit.range.end <= *taken_end;
            if inside || !may_grow || !replaced {
                return false;
            }
            (start, end) = (start.min(*at), end.max(*taken_end));
        }
        for at in overlapping {
            self.ranges.remove(&at);
        }
        self.ranges.insert(start, (end, replaced));
        true
    }
}

impl Engine {
    fn class(&self, hit: &Hit) -> Option<&Active> {
        self.classes.get(hit.class)?.as_ref()
    }

    /// Of overlapping values the one that is treated most strictly stays, then the surest, then the longest; one that is
    /// replaced and reaches beyond it stays as well, so that nothing of it is left. What is
    /// inside of something surer that a person allowed is allowed, and the marks of redactions are no values. Returns what
    /// a person allowed.
    pub(super) fn settle(&self, text: &str, hits: &mut Vec<Hit>) -> Vec<Range<usize>> {
        let marks = self.marks(text);
        let in_mark =
            |hit: &Hit| marks.iter().any(|(start, end)| *start <= hit.range.start && hit.range.end <= *end);
        hits.retain(|hit| self.class(hit).is_some() && !in_mark(hit));
        let allowed: Vec<_> = hits
            .iter()
            .filter(|hit| self.class(hit).is_some_and(|class| class.action == Action::Allow))
            .map(|hit| (hit.range.clone(), hit.certainty))
            .collect();
        let is_allowed = |hit: &Hit| {
            allowed.iter().any(|(range, certainty)| {
                range.start <= hit.range.start && hit.range.end <= range.end && *certainty > hit.certainty
            })
        };
        hits.retain(|hit| {
            self.class(hit).is_some_and(|class| class.action != Action::Allow) && !is_allowed(hit)
        });
        hits.sort_by_key(|hit| {
            let action = self.class(hit).map(|class| class.action);
            (Reverse(action), Reverse(hit.certainty), Reverse(hit.range.len()), hit.range.start, hit.class)
        });
        let mut taken = Taken::default();
        hits.retain(|hit| {
            let action = self.class(hit).map(|class| class.action);
            let replaced = matches!(action, Some(Action::Redact | Action::Tokenise));
            taken.take(hit, replaced)
        });
        hits.sort_by_key(|hit| hit.range.start);
        allowed.into_iter().map(|(range, _)| range).collect()
    }

    /// Where marks of redactions stand: only of classes that exist, so that no value can be dressed up as one.
    fn marks(&self, text: &str) -> Vec<(usize, usize)> {
        let starts = text.match_indices(MARK);
        let mark = |(start, _): (usize, &str)| {
            let rest = text.get(start + MARK.len()..)?;
            let (class, rest) = rest.split_once(':').filter(|(class, _)| class.len() <= 64)?;
            let known = self.classes.iter().flatten().any(|active| *active.name == *class);
            let (digits, rest) = rest.split_at_checked(6)?;
            let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            (known && is_hex && rest.starts_with("]]"))
                .then(|| (start, start + MARK.len() + class.len() + 1 + 6 + 2))
        };
        starts.filter_map(mark).collect()
    }
}
