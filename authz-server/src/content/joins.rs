//! Values that are split over two calls: the end of an argument's last text and the beginning of this one are scanned
//! together.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use interdict_content::engine::Engine;
use interdict_content::finding::{Finding, SessionKey};
use interdict_content::profile::Action;
use interdict_mcp::json::Value;

use super::session::{MAX_TAILS, Place, Sessions, Tail};
use super::strings;

/// What the texts of a call continue, and what they leave behind.
#[derive(Default)]
pub(super) struct Joined {
    /// Values that began in an earlier call; spans are those of the parts in this one.
    pub(super) findings: Vec<Finding>,
    pub(super) incomplete: bool,
    pub(super) tails: Vec<(Place, Tail)>,
}

static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Looks at the texts in the arguments of a call of `tool`, the first ones of them.
pub(super) fn look(
    arguments: Value<'_>,
    (server, tool): (&str, &str),
    (engine, key): (&Engine, &SessionKey),
    sessions: &Sessions,
) -> Joined {
    let mut joined = Joined::default();
    let mut left = MAX_TAILS;
    let mut path = "/params/arguments".to_owned();
    strings::walk(arguments, &mut path, &mut |path, value| {
        let text = value.as_str().unwrap_or_default();
        let place = KEYS.hash_one((server, tool, path));
        let whole = KEYS.hash_one(&*text);
        let before = sessions.tail(key, place).unwrap_or_default();
        if !text.is_empty() && before.whole != whole {
            if !before.text.is_empty() {
                joined.join(&before.text, &text, value, path, (engine, key));
            }
            let both = format!("{}{text}", before.text);
            let keep = both.ceil_char_boundary(both.len().saturating_sub(engine.tail()));
            let end = both.get(keep..).unwrap_or_default().to_owned();
            joined.tails.push((place, Tail { text: end, whole }));
        }
        left = left.saturating_sub(1);
        left > 0
    });
    joined
}

/// Values that are whole on one side of the border: what seems to cross it there is the end of one text and the beginning
/// of another, and no value.
struct Whole(Vec<(Arc<str>, Range<usize>)>);

impl Whole {
    fn of(before: &str, head: &str, (engine, key): (&Engine, &SessionKey)) -> Self {
        let spans = |text: &str, offset: usize| {
            let found = engine.scan_text(text, key).findings.into_iter();
            let moved = move |span: Range<usize>| span.start + offset..span.end + offset;
            found.filter_map(move |found| Some((found.class, moved(found.span?)))).collect::<Vec<_>>()
        };
        Self([spans(before, 0), spans(head, before.len())].concat())
    }

    fn has_part_of(&self, found: &Finding) -> bool {
        let Some(span) = &found.span else { return false };
        let shares = |own: &Range<usize>| own.start < span.end && span.start < own.end;
        self.0.iter().any(|(class, own)| *class == found.class && shares(own))
    }
}

impl Joined {
    fn join(
        &mut self,
        before: &str,
        text: &str,
        value: Value<'_>,
        path: &str,
        (engine, key): (&Engine, &SessionKey),
    ) {
        let head = text.get(..text.floor_char_boundary(engine.tail())).unwrap_or_default();
        let scan = engine.scan_text(&format!("{before}{head}"), key);
        self.incomplete |= scan.incomplete;
        let border = before.len();
        let crosses = |span: &Range<usize>| span.start < border && border < span.end;
        let crossing: Vec<_> =
            scan.findings.into_iter().filter(|found| found.span.as_ref().is_some_and(crosses)).collect();
        if crossing.is_empty() {
            return;
        }
        let whole = Whole::of(before, head, (engine, key));
        for found in crossing.into_iter().filter(|found| !whole.has_part_of(found)) {
            let Some(span) = found.span.clone() else { continue };
            // Where the text stands in the body as it is, byte for byte, its part of the value does too.
            let plain = value.raw().len() == text.len() + 2;
            let inside = value.span().start + 1;
            let span = plain.then(|| inside..inside + (span.end - border));
            // Half a value cannot be turned back.
            let action = if found.action == Action::Tokenise { Action::Redact } else { found.action };
            self.findings.push(Finding { span, action, path: path.to_owned(), ..found });
        }
    }
}
