//! The result of a comparison as a comment on a pull request.

use std::fmt::Write;

use interdict_audit::record::Moment;
use interdict_policy::replay::FlipKind;

use super::ReplayArgs;
use super::flips::{Counted, Group, Key};
use super::options::Walked;
use super::text;
use crate::cli::audit::short;
use crate::cli::plain;

/// Rows of the table; a comment is read by people.
const ROWS: usize = 30;

pub(super) fn of(args: &ReplayArgs, counted: &Counted, walked: &Walked) -> String {
    let mut out = String::new();
    let flips = counted.flips(FlipKind::Verdict);
    // Writing to a String does not fail.
    let _ = writeln!(out, "### Policy replay: {flips} of {} judgements would flip\n", counted.judgements);
    let old: Vec<String> = counted.old_digests.keys().map(|digest| code(&short(digest))).collect();
    let old = if old.is_empty() { "none".to_owned() } else { old.join(", ") };
    let _ = writeln!(out, "Recorded by {old}, judged again by {}.\n", code(&short(&counted.new_digest)));
    table(&mut out, counted);
    let rest = [
        ("unchanged", counted.unchanged),
        ("other reasons for the same verdict", counted.flips(FlipKind::Reasons)),
        ("not testable", counted.not_testable.total()),
    ];
    let rest: Vec<String> = rest.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let _ = writeln!(out, "{} decisions: {}.\n", walked.decisions, rest.join(", "));
    for (what, count, _) in counted.not_testable.iter() {
        let _ = writeln!(out, "- not testable: {count} × {}", code(what));
    }
    for what in &counted.tampered {
        let _ = writeln!(out, "- **TAMPERED**: {}", code(what));
    }
    if !out.ends_with("\n\n") {
        out.push('\n');
    }
    let _ = writeln!(out, "Bundles: recorded {}; new {}.", digests(counted), code(&counted.new_digest));
    let _ = writeln!(out, "\n```\n{}\n```", command(args));
    out
}

fn table(out: &mut String, counted: &Counted) {
    let shown = |key: &Key| key.kind != FlipKind::Reasons;
    let mut groups: Vec<(&Key, &Group)> = counted.groups.iter().filter(|(key, _)| shown(key)).collect();
    if groups.is_empty() {
        return;
    }
    groups.sort_by_key(|(key, group)| (key.kind, std::cmp::Reverse(group.count)));
    let _ = writeln!(out, "| Count | Recorded | Would be | Example |\n| ---: | --- | --- | --- |");
    for (key, group) in groups.iter().take(ROWS) {
        let example = group.examples.first().map(|example| {
            format!(
                "{} {} ({})",
                code(&example.agent),
                code(&format!("{} {}", example.server, example.what)),
                code(&example.decision_id)
            )
        });
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            group.count,
            code(&text::ending(&key.from)),
            code(&text::ending(&key.to)),
            example.unwrap_or_default()
        );
    }
    if let Some(more) = groups.len().checked_sub(ROWS).filter(|more| *more > 0) {
        let _ = writeln!(out, "| | | | and {more} more kinds |");
    }
    let _ = writeln!(out);
    for (key, group) in groups.iter().take(ROWS) {
        if let Some(Ok(explanation)) = &group.explanation {
            let _ = writeln!(out, "- {} → {}:", code(&text::ending(&key.from)), code(&text::ending(&key.to)));
            for line in text::why(explanation) {
                let _ = writeln!(out, "  - {}", code(&line));
            }
        }
    }
    let _ = writeln!(out);
}

fn digests(counted: &Counted) -> String {
    let all: Vec<String> = counted.old_digests.keys().map(|digest| code(digest)).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// Text of others in a comment: as code, on one line, without what would end the code or the cell.
fn code(text: &str) -> String {
    let text = plain::line(text).replace('`', "'").replace('|', "\\|");
    format!("`{text}`")
}

/// The command that says the same again.
fn command(args: &ReplayArgs) -> String {
    let mut command = format!("interdict replay {}", args.place.words());
    for (name, value) in [
        ("tenant", args.tenant.clone()),
        ("since", args.since.map(|when| when.to_string())),
        // Without an end, what is recorded later would count too.
        ("until", Some(args.until.unwrap_or_else(now).to_string())),
        ("agent", args.agent.clone()),
        ("limit", args.limit.map(|limit| limit.to_string())),
    ] {
        if let Some(value) = value {
            let _ = write!(command, " --{name} {value}");
        }
    }
    for path in &args.bundle {
        let _ = write!(command, " --bundle {}", path.display());
    }
    if args.explain {
        command.push_str(" --explain");
    }
    plain::line(&command).replace("```", "'''")
}

fn now() -> Moment {
    Moment::from_unix_ms(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attack: a tool whose name is a link, a table or the end of the code.
    #[test]
    fn names_of_others_stay_code_in_a_comment() {
        assert_eq!(code("a`b|c\n| d"), "`a'b\\|c\\u{a}\\| d`");
    }
}
