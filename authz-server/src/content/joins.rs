//! Values that are split over two calls: the end of an argument's last text and the beginning of this one are scanned
//! together.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

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
        for found in scan.findings {
            let Some(span) = found.span.clone() else { continue };
            if span.start >= border || span.end <= border {
                continue;
            }
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
