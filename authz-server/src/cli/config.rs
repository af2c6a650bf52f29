//! `interdict config check`.

use std::path::Path;

use super::{Failure, configuration, plain, small_runtime};
use crate::server::{exposed_secrets, rehearse};

pub(super) const HELP: &str = "\
Example:
  interdict config check --config interdict.yaml

It reads the configuration, the bundle with its agents, servers, contracts, content rules and pinning, the keys of issuers, the
admin token, certificates and credentials, looks at the databases of approvals, pins and totals with their keys, and at the folder
of the log. A part that is wrong does not hide the ones behind it.

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
    let sets: String = notes.iter().map(|note| format!("\n  {}", plain::text(note))).collect();
    Some(format!(
        "nothing is wrong. These sets of rules are evaluated by the slower of two engines: the same answers, at four to five \
         times the time of that set. Whoever needs it faster writes them otherwise (\"Rules that run fast\" in \
         policies/README.md):{sets}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_about_speed_says_first_that_nothing_is_wrong_and_what_it_costs() {
        assert_eq!(slow(&[]), None);
        let said = slow(&["amounts.deny: limit is a partial object".to_owned()]).unwrap();
        assert!(said.starts_with("nothing is wrong.") && said.contains("four to five times"), "{said}");
        assert!(said.ends_with("\n  amounts.deny: limit is a partial object"), "{said}");
    }
}
