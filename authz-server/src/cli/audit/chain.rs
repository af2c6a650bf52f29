//! Finding what belongs together: a decision, its outcome, and the question to a person with every decision about it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use interdict_audit::record::{AnyBody, Entry, Kind, Moment};
use uuid::Uuid;

use super::place::{readers, refused};
use super::walk::first_since;
use crate::audit::{Layout, LogReader, StoredEntry};
use crate::cli::Failure;

/// The entries that belong to one decision or one approval, in the order of the log.
pub(super) struct Chain {
    pub(super) reader: LogReader,
    pub(super) entries: BTreeMap<u64, StoredEntry>,
}

/// An id as a person gives it.
pub(in crate::cli) fn parse_id(text: &str) -> Result<Uuid, Failure> {
    Uuid::parse_str(text)
        .map_err(|_| {
        Failure::usage(format!(
            "`{text}` is no id of a decision or an approval: they look like 0198c5d2-7c1e-7000-8000-00000000002a, and \
             `interdict audit query` has them"
        ))
    })
}

impl Chain {
    /// Looks in one tenant's log, or in all of them.
    pub(super) fn find(layout: &Layout, tenant: Option<&str>, id: Uuid) -> Result<Self, Failure> {
        for reader in readers(layout, tenant)? {
            let about = reader.by_decision(id).map_err(refused)?;
            let mut entries: BTreeMap<u64, StoredEntry> = BTreeMap::new();
            match approval_of(&about) {
                // An approval brings the decision that asked and the one that used it.
                Some(approval) => add_approval(&reader, &approval, &mut entries)?,
                None if about.is_empty() => add_approval(&reader, &id.to_string(), &mut entries)?,
                None => {}
            }
            entries.extend(about.into_iter().map(|entry| (entry.seq, entry)));
            if !entries.is_empty() {
                return Ok(Self { reader, entries });
            }
        }
        Err(Failure::failed(format!("no log holds {id}")))
    }

    /// Every entry with its body, in order.
    pub(super) fn bodies(&self) -> impl Iterator<Item = (&StoredEntry, Entry<'_>, AnyBody)> {
        self.entries.values().filter_map(|stored| {
            let entry = Entry::read(&stored.record).ok()?;
            let body = entry.body().ok()?;
            Some((stored, entry, body))
        })
    }

    /// Stretches of entries that touch, `from..to`.
    pub(super) fn runs(&self) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for seq in self.entries.keys() {
            match runs.last_mut() {
                Some((_, to)) if to == seq => *to = seq.saturating_add(1),
                _ => runs.push((*seq, seq.saturating_add(1))),
            }
        }
        runs
    }
}

/// The approval that a decision asked for or used.
fn approval_of(about: &[StoredEntry]) -> Option<String> {
    about.iter().find_map(|stored| {
        let entry = Entry::read(&stored.record).ok().filter(|entry| entry.kind == Kind::Decision)?;
        match entry.body().ok()? {
            AnyBody::Decision(body) => body.approval.map(|approval| approval.id.into_owned()),
            _ => None,
        }
    })
}

/// Entries of an approval are in no index. They begin when the approval was made, which its id says, and what they are
/// read for is a text of 36 characters that nothing else has.
fn add_approval(
    reader: &LogReader,
    approval: &str,
    entries: &mut BTreeMap<u64, StoredEntry>,
) -> Result<(), Failure> {
    let from = match made_at(approval) {
        Some(moment) => first_since(reader, moment)?,
        None => 0,
    };
    let quoted = format!("\"{approval}\"");
    let mut deciding = Vec::new();
    let read = reader.range(from, u64::MAX, |stored| {
        let named = str::from_utf8(&stored.record).is_ok_and(|text| text.contains(&quoted));
        if named && is_about(&stored, approval) {
            deciding.extend(stored.decision_id);
            entries.insert(stored.seq, stored);
        }
        ControlFlow::Continue(())
    });
    read.map_err(refused)?;
    for decision in deciding {
        let about = reader.by_decision(decision).map_err(refused)?;
        entries.extend(about.into_iter().map(|entry| (entry.seq, entry)));
    }
    Ok(())
}

/// Whether the id stands where an approval's id stands, not in a text that somebody else chose.
fn is_about(stored: &StoredEntry, approval: &str) -> bool {
    match Entry::read(&stored.record).and_then(|entry| entry.body()) {
        Ok(AnyBody::Approval(body)) => body.approval_id == approval,
        Ok(AnyBody::Decision(body)) => body.approval.is_some_and(|used| used.id == approval),
        _ => false,
    }
}

/// An id of version 7 says when it was made; clocks of several machines differ a little.
fn made_at(id: &str) -> Option<Moment> {
    let (seconds, nanos) = Uuid::parse_str(id).ok()?.get_timestamp()?.to_unix();
    let ms = i64::try_from(seconds).ok()?.checked_mul(1_000)?.checked_add(i64::from(nanos / 1_000_000))?;
    Some(Moment::from_unix_ms(ms.saturating_sub(60_000)))
}
