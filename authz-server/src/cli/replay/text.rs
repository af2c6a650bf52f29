//! The result of a comparison for a person, and for a program.

use interdict_policy::replay::{Cause, Change, Explanation, FlipKind, Located};
use serde_json::{Value, json};

use super::flips::{Counted, Ending, Group, Key};
use super::options::Walked;
use super::range::rate;
use crate::cli::plain;

pub(super) fn print(counted: &Counted, walked: &Walked) {
    println!("new bundle    {}", counted.new_digest);
    for (digest, count) in &counted.old_digests {
        println!("judged by     {}  ({count})", plain::line(digest));
    }
    println!("decisions     {:>8}{}", walked.decisions, rate(walked));
    println!("judgements    {:>8}", counted.judgements);
    println!("unchanged     {:>8}", counted.unchanged);
    for (name, kind) in [
        ("flips", FlipKind::Verdict),
        ("obligations", FlipKind::Obligations),
        ("reasons only", FlipKind::Reasons),
    ] {
        println!("{name:<12}  {:>8}", counted.flips(kind));
        for (key, group) in counted.groups.iter().filter(|(key, _)| key.kind == kind) {
            print_group(key, group);
        }
    }
    println!("not testable  {:>8}", counted.not_testable.total());
    for (what, count, _) in counted.not_testable.iter() {
        println!("  {count:>8}  {}", plain::line(what));
    }
    for what in &counted.tampered {
        println!("TAMPERED  {}", plain::line(what));
    }
}

fn print_group(key: &Key, group: &Group) {
    println!("  {:>8}  {} -> {}", group.count, ending(&key.from), ending(&key.to));
    for example in &group.examples {
        let line = format!(
            "{}  {}  {} -> {} {}",
            example.decision_id, example.time, example.agent, example.server, example.what
        );
        println!("            {}", plain::line(&line));
    }
    match &group.explanation {
        Some(Ok(explanation)) => {
            for line in why(explanation) {
                println!("            {}", plain::line(&line));
            }
        }
        Some(Err(why)) => println!("            not explained: {}", plain::line(why)),
        None => {}
    }
}

/// `deny policy.no_allow`.
pub(super) fn ending(ending: &Ending) -> String {
    plain::line(&format!("{} {}", ending.verdict, ending.reason))
}

/// The changed files and the rules, one line each.
pub(super) fn why(explanation: &Explanation) -> Vec<String> {
    let mut lines = Vec::new();
    match &explanation.cause {
        Cause::EachAlone(changes) => {
            lines.extend(changes.iter().map(|change| format!("because {}", changed(change))))
        }
        Cause::Together(changes) => {
            let names: Vec<String> = changes.iter().map(changed).collect();
            lines.push(format!("because of all of these together: {}", names.join(", ")));
        }
    }
    lines.extend(explanation.added.iter().map(|located| rule("comes", located)));
    lines.extend(explanation.removed.iter().map(|located| rule("goes", located)));
    lines
}

fn changed(change: &Change) -> String {
    let word = match change.kind {
        interdict_policy::replay::ChangeKind::Added => "added",
        interdict_policy::replay::ChangeKind::Removed => "removed",
        interdict_policy::replay::ChangeKind::Modified => "modified",
    };
    format!("{} ({word})", change.file)
}

fn rule(word: &str, located: &Located) -> String {
    let places: Vec<String> =
        located.places.iter().map(|place| format!("{}:{}", place.file, place.line)).collect();
    let places = if places.is_empty() { "no rule".to_owned() } else { places.join(", ") };
    format!("{word} {} ({places})", located.reason.code)
}

pub(super) fn as_json(counted: &Counted, walked: &Walked) -> Value {
    let group = |(key, group): (&Key, &Group)| {
        let explanation = match &group.explanation {
            None => Value::Null,
            Some(Ok(explanation)) => json!(explanation),
            Some(Err(why)) => json!({ "missing": why }),
        };
        json!({
            "kind": key.kind, "from": key.from, "to": key.to, "count": group.count,
            "examples": group.examples, "explanation": explanation,
        })
    };
    json!({
        "new_bundle": counted.new_digest,
        "old_bundles": counted.old_digests,
        "decisions": walked.decisions,
        "judgements": counted.judgements,
        "unchanged": counted.unchanged,
        "flipped": counted.flips(FlipKind::Verdict),
        "obligations_changed": counted.flips(FlipKind::Obligations),
        "reasons_changed": counted.flips(FlipKind::Reasons),
        "changes": counted.groups.iter().map(group).collect::<Vec<_>>(),
        "not_testable": counted.not_testable,
        "tampered": counted.tampered,
    })
}
