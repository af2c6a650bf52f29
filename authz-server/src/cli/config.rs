//! `interdict config check`.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Failure, configuration, plain, small_runtime};
use crate::server::{exposed_secrets, rehearse};

pub(super) const HELP: &str = "\
Example:
  interdict config check --config interdict.yaml

It reads the configuration, the bundle with its agents, servers, contracts, content rules and pinning, the keys of issuers, the
admin token, certificates and credentials, looks at the databases of approvals, pins and totals with their keys, and at the folder
of the log. A part that is wrong does not hide the ones that do not need it; without a readable bundle there is nothing to say
of its agents, servers, contracts, content rules and pinning.

Exit codes: 0 `serve` would start, 2 it would not. Warnings and notes change nothing about that.";

/// Prints one line per part. What is wrong is on standard error.
pub(super) fn check(file: &Path) -> Result<u8, Failure> {
    let config = configuration(file)?;
    let rehearsal = small_runtime()?.block_on(rehearse(&config));
    let mut wrong = Vec::new();
    for part in &rehearsal.parts {
        match &part.found {
            Ok(found) => println!("OK  {:<10}  {}", part.name, plain::line(found)),
            Err(why) => {
                println!("NO  {}", part.name);
                wrong.push(format!("{}: {why}", file.display()));
            }
        }
    }
    for exposed in exposed_secrets(&config) {
        eprintln!("interdict: warning: {}", plain::text(&exposed.to_string()));
    }
    if let Some(bundle) = &rehearsal.bundle {
        for warning in bundle.warnings() {
            eprintln!("interdict: warning: {}", plain::text(warning));
        }
        if let Some(slow) = slow(bundle.notes()) {
            eprintln!("interdict: note: {slow}");
        }
    }
    match (wrong.is_empty(), &rehearsal.bundle) {
        (true, Some(bundle)) => {
            println!("{}: correct; bundle {}", file.display(), bundle.digest());
            Ok(0)
        }
        _ => Err(Failure::usage(wrong.join("\ninterdict: "))),
    }
}

/// What the notes of a bundle mean, for somebody who did not ask; `None` without notes.
pub(super) fn slow(notes: &[String]) -> Option<String> {
    if notes.is_empty() {
        return None;
    }
    let mut why: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (set, reason) in notes.iter().filter_map(|note| note.split_once(": ")) {
        why.entry(reason).or_default().push(set);
    }
    let sets: Vec<_> = why.iter().map(|(why, sets)| format!("{}: {why}", sets.join(", "))).collect();
    Some(format!(
        "nothing is wrong; some sets of rules get the same answers from the slower of two engines, at four to five times their \
         time (\"Rules that run fast\" in policies/README.md): {}",
        plain::line(&sets.join("; "))
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_about_speed_is_one_line_and_says_first_that_nothing_is_wrong() {
        assert_eq!(slow(&[]), None);
        let notes = ["a.deny: no walk", "b.deny: other", "c.deny: no walk"].map(str::to_owned);
        let said = slow(&notes).unwrap();
        assert!(said.starts_with("nothing is wrong;") && said.contains("four to five times"), "{said}");
        assert!(
            said.ends_with("): a.deny, c.deny: no walk; b.deny: other") && !said.contains('\n'),
            "{said}"
        );
    }
}
