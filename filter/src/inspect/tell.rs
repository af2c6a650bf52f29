//! What the decision point is told of a response that was looked into.

use interdict_content::definition::Seen;
use interdict_content::response::{Quarantined, Report, Treated};
use interdict_proto::outcome::{self, MAX_FOUND, MAX_QUARANTINED, MAX_SEEN, MAX_TEXT_BYTES, Outcome};

/// Longest name of an entry that is told, in bytes.
const MAX_NAME_BYTES: usize = 512;

/// Puts a report into an outcome, within its bounds.
pub fn tell(report: &Report, outcome: &mut Outcome) {
    let treated = report.treated().map_or(outcome::Treated::Unspecified, |treated| match treated {
        Treated::Untouched => outcome::Treated::Untouched,
        Treated::Edited => outcome::Treated::Edited,
        Treated::Quarantined => outcome::Treated::Quarantined,
        Treated::Refused => outcome::Treated::Refused,
    });
    outcome.treated = treated.into();
    outcome.treated_reason = report.reason().unwrap_or_default().to_owned();
    outcome.rows_cut = report.rows_cut();
    let found = report.found().take(MAX_FOUND).map(|(class, action, count)| outcome::Found {
        class: class.to_owned(),
        action: action.to_owned(),
        count,
    });
    outcome.found = found.collect();
    outcome.seen = report.seen().iter().take(MAX_SEEN).map(seen).collect();
    outcome.quarantined = report.quarantined_texts().iter().take(MAX_QUARANTINED).map(quarantined).collect();
}

fn seen(entry: &Seen) -> outcome::Seen {
    let definition = entry.definition.as_ref().filter(|text| text.len() <= MAX_TEXT_BYTES);
    let mut name = entry.name.clone();
    let fits = (0..=MAX_NAME_BYTES.min(name.len())).rev().find(|length| name.is_char_boundary(*length));
    name.truncate(fits.unwrap_or_default());
    outcome::Seen {
        kind: entry.kind.as_str().to_owned(),
        name,
        digest: entry.digest.clone(),
        state: entry.state.as_str().to_owned(),
        definition: definition.cloned().unwrap_or_default(),
    }
}

fn quarantined(text: &Quarantined) -> outcome::Quarantined {
    outcome::Quarantined {
        handle: text.handle.clone(),
        reason: text.reason.clone(),
        original: text.original.get(..MAX_TEXT_BYTES).unwrap_or(&text.original).to_vec(),
    }
}
