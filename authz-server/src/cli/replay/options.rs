//! The decisions of a range.

use interdict_audit::record::{Decision, Entry, Kind};

use super::ReplayArgs;
use crate::audit::{LogReader, StoredEntry};
use crate::cli::Failure;
use crate::cli::audit::{Walk, readers};

/// How many decisions there were, and how long they took.
pub(super) struct Walked {
    pub(super) decisions: u64,
    pub(super) seconds: f64,
}

/// Hands over every decision of the range, newest first. An entry that cannot be read is a failure: verify the log first.
pub(super) fn each_decision(
    args: &ReplayArgs,
    mut each: impl FnMut(&LogReader, &StoredEntry, &Decision<'_>) -> Result<(), Failure>,
) -> Result<Walked, Failure> {
    let started = std::time::Instant::now();
    let layout = args.place.layout()?;
    let mut walk = Walk::over(readers(&layout, args.tenant.as_deref())?);
    let limit = args.limit.unwrap_or(u64::MAX);
    let mut decisions = 0;
    while decisions < limit {
        let Some(found) = walk.next()? else { break };
        let unreadable = |what: String| {
            Failure::failed(format!(
                "record {} of `{}`: {what}; run `interdict audit verify {}`",
                found.stored.seq,
                found.reader.tenant(),
                args.place.words()
            ))
        };
        let entry = Entry::read(&found.stored.record).map_err(|error| unreadable(error.to_string()))?;
        if args.since.is_some_and(|since| entry.ts < since) {
            break;
        }
        let wanted = entry.kind == Kind::Decision && args.until.is_none_or(|until| entry.ts < until);
        if !wanted {
            continue;
        }
        let body: Decision<'_> =
            serde_json::from_str(entry.body).map_err(|error| unreadable(error.to_string()))?;
        let agent = body.agent.as_ref().map(|agent| &*agent.id);
        if args.agent.as_deref().is_none_or(|wanted| agent == Some(wanted)) {
            decisions += 1;
            each(found.reader, &found.stored, &body)?;
        }
    }
    Ok(Walked { decisions, seconds: started.elapsed().as_secs_f64() })
}

/// How often each thing that could not be tested occurred, and what was said to the first of it.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Reasons(std::collections::BTreeMap<String, Reason>);

#[derive(Debug, serde::Serialize)]
struct Reason {
    count: u64,
    first: String,
}

impl Reasons {
    /// Another one. A refusal before the policy is counted by its stage.
    pub(super) fn add(&mut self, key: &str, message: &str) {
        let reason =
            self.0.entry(key.to_owned()).or_insert_with(|| Reason { count: 0, first: message.to_owned() });
        reason.count += 1;
    }

    pub(super) fn total(&self) -> u64 {
        self.0.values().map(|reason| reason.count).sum()
    }

    /// What, how often, the first message.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u64, &str)> {
        self.0.iter().map(|(key, reason)| (key.as_str(), reason.count, reason.first.as_str()))
    }
}
