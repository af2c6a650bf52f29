//! Taking out of a list what is not as it was approved.

use interdict_mcp::edit::{Edit, remove_member};
use interdict_mcp::json::{Kind, Value};

use super::judge::Judge;
use super::{EntryKind, Listed, SeenState};
use crate::injection::Injection;
use crate::remove::remove;
use crate::rules::ListRules;

/// Longest time for which a client may keep a filtered list.
const MAX_TTL_MS: f64 = 60_000.0;

const LISTS: [(&str, EntryKind); 4] = [
    ("tools", EntryKind::Tool),
    ("prompts", EntryKind::Prompt),
    ("resources", EntryKind::Resource),
    ("resourceTemplates", EntryKind::Template),
];

/// Holds the `result` of a list, of `initialize` or of `server/discover` against what was approved.
///
/// Works on whichever of the lists the result has, keeps their order and touches nothing else but `instructions`,
/// `cacheScope` and `ttlMs`. `withheld` says of a name that it holds a value that must not pass: such an entry of a kind
/// that is pinned is hidden, for nobody could call it.
///
/// A list is judged by itself, without the pages before it: a name that comes again on a later page, or looks like one of
/// them, is shown only if it is pinned, and who pins compares it with all other names.
///
/// What was approved is shown as it is, whatever it says: a person read it. What the digest of an entry does not cover is
/// taken out of it. Entries of a kind that is not pinned are shown whole unless they read like instructions.
#[must_use]
pub fn filter(
    result: Value<'_>,
    rules: &ListRules,
    injection: Option<&Injection>,
    withheld: &dyn Fn(&str) -> bool,
) -> Listed {
    let mut listed = Listed::default();
    for (member, kind) in LISTS {
        if let Some(list) = result.get(member) {
            let judge = Judge::new(kind, rules, injection, withheld);
            entries(list, judge, &mut listed);
        }
    }
    if let Some(text) = result.get("instructions") {
        let mut judge = Judge::new(EntryKind::Instructions, rules, injection, withheld);
        let seen = judge.instructions(text);
        listed.marks.append(&mut judge.marks);
        if !seen.state.is_shown() {
            listed.edits.extend(remove_member(result, "instructions"));
        }
        listed.seen.push(seen);
    }
    listed.edits.extend(caching(result));
    listed.limit_definitions();
    listed
}

fn entries(list: Value<'_>, mut judge: Judge<'_>, listed: &mut Listed) {
    if !list.is_array() {
        // Nobody can say what a client makes of it.
        let span = list.span();
        listed.edits.push(Edit { start: span.start, end: span.end, text: "[]".to_owned() });
        listed.seen.push(judge.seen(list, String::new(), SeenState::Misshapen));
        return;
    }
    let first = listed.seen.len();
    listed.seen.extend(list.elements().map(|entry| judge.entry(entry)));
    let seen = listed.seen.get(first..).unwrap_or_default();
    let judged = || seen.iter().map(|seen| seen.state.is_shown()).zip(list.elements());
    listed.edits.extend(remove(judged().map(|(shown, entry)| (!shown, entry.span()))));
    listed.edits.extend(judged().filter(|(shown, _)| *shown).flat_map(|(_, entry)| judge.trim(entry)));
    listed.marks.append(&mut judge.marks);
}

/// A filtered list is for one agent and for a short time.
fn caching(result: Value<'_>) -> Vec<Edit> {
    let (scope, ttl) = (result.get("cacheScope"), result.get("ttlMs"));
    let mut edits = Vec::new();
    let mut replace = |value: Value<'_>, text: &str| {
        edits.push(Edit { start: value.span().start, end: value.span().end, text: text.to_owned() });
    };
    if let Some(scope) = scope.filter(|scope| scope.as_str().as_deref() != Some("private")) {
        replace(scope, "\"private\"");
    }
    if let Some(ttl) = ttl {
        let bounded = match ttl.kind() {
            Kind::Number(text) => text.parse().is_ok_and(|ms: f64| (0.0..=MAX_TTL_MS).contains(&ms)),
            _ => false,
        };
        let kept = if bounded { ttl.raw() } else { "60000" };
        match scope {
            None => replace(ttl, &format!("{kept},\"cacheScope\":\"private\"")),
            Some(_) if !bounded => replace(ttl, kept),
            Some(_) => {}
        }
    }
    edits
}
