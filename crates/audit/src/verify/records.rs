//! The records of a package, line by line.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Report;
use super::checkpoints::Checkpoints;
use crate::hex;
use crate::merkle::{Frontier, Hash, leaf_hash};
use crate::package::{Package, Segment, Unusable, file, open_file};
use crate::record::{Entry, Kind, Moment};

/// Longest record, in bytes; the server's are far shorter.
const MAX_LINE: u64 = 16 << 20;

/// A reader of `records.jsonl`.
pub(super) struct Records {
    path: PathBuf,
    lines: BufReader<File>,
    line: Vec<u8>,
    tenant: String,
    /// Time of the record before.
    time: Option<Moment>,
    bundles: BTreeSet<Hash>,
}

/// What is needed of a judgement: which bundle decided.
#[derive(Deserialize)]
struct OneJudgement<'a> {
    bundle: &'a str,
}

impl Records {
    pub(super) fn open(folder: &Path, package: &Package) -> Result<Self, Unusable> {
        let path = folder.join(file::RECORDS);
        let opened = open_file(&path)?;
        Ok(Self {
            path,
            lines: BufReader::with_capacity(1 << 20, opened),
            line: Vec::new(),
            tenant: package.tenant.clone(),
            time: None,
            bundles: BTreeSet::new(),
        })
    }

    /// Bundles that the records name.
    pub(super) fn bundles(&self) -> &BTreeSet<Hash> {
        &self.bundles
    }

    /// Reads the records of a segment into its tree; `None` if they end too early.
    pub(super) fn run(
        &mut self,
        segment: &Segment,
        mut tree: Frontier,
        checkpoints: &mut Checkpoints,
        report: &mut Report,
    ) -> Result<Option<Frontier>, Unusable> {
        // Only the first record of the whole log says what is in front of it; elsewhere the proof does.
        let mut prev = (segment.from == 0).then_some([0; 32]);
        for seq in segment.from..segment.to {
            if !self.next()? {
                let message = format!("the records end here, the segment goes to {}", segment.to);
                report.find("verify.truncated", Some(seq), message);
                return Ok(None);
            }
            let line = self.line.as_slice();
            match Entry::read_noting(line, "judgements") {
                Ok((entry, judgements)) => {
                    check_frame(&entry, seq, prev, &self.tenant, self.time, report);
                    self.time = Some(self.time.map_or(entry.ts, |time| time.max(entry.ts)));
                    note(&entry, report);
                    match entry.kind {
                        Kind::Decision => note_bundles(&entry, judgements, &mut self.bundles, report),
                        Kind::Key => checkpoints.key_record(&entry, seq, report),
                        _ => {}
                    }
                }
                Err(error) => report.find("verify.bad_record", Some(seq), error),
            }
            // The hash of exactly the bytes that are displayed.
            let leaf = leaf_hash(line);
            prev = Some(leaf);
            if let Err(error) = tree.append(leaf) {
                report.find("verify.bad_proof", Some(seq), error);
                return Ok(None);
            }
            checkpoints.reached(&tree, report);
        }
        Ok(Some(tree))
    }

    /// Passes over the records of a segment that has no usable proof.
    pub(super) fn skip(&mut self, segment: &Segment, report: &mut Report) -> Result<(), Unusable> {
        for seq in segment.from..segment.to {
            if !self.next()? {
                report.find("verify.truncated", Some(seq), "the records end here");
                break;
            }
        }
        Ok(())
    }

    /// There is nothing behind the last segment.
    pub(super) fn end(&mut self, report: &mut Report) -> Result<(), Unusable> {
        report.last = self.time.map(|time| time.to_string());
        if self.next()? {
            report.find("verify.extra_records", None, "there are records behind the last segment");
        }
        Ok(())
    }

    /// The next line, without its line feed; `false` at the end.
    fn next(&mut self) -> Result<bool, Unusable> {
        use std::io::Read as _;

        self.line.clear();
        let unreadable = |error: std::io::Error| Unusable::new("verify.unreadable", &self.path, error);
        let read = (&mut self.lines).take(MAX_LINE).read_until(b'\n', &mut self.line).map_err(unreadable)?;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read as u64 == MAX_LINE {
            return Err(Unusable::new("verify.too_large", &self.path, "holds a line that is no record"));
        }
        Ok(read > 0)
    }
}

fn check_frame(
    entry: &Entry<'_>,
    seq: u64,
    prev: Option<Hash>,
    tenant: &str,
    time: Option<Moment>,
    report: &mut Report,
) {
    if entry.tenant != tenant {
        let message = format!("is of tenant `{}`, the package of `{tenant}`", entry.tenant);
        report.find("verify.tenant", Some(seq), message);
    }
    if entry.seq != seq {
        let message = format!("says that it is number {}, and stands where {seq} belongs", entry.seq);
        report.find("verify.sequence", Some(seq), message);
    }
    if prev.is_some_and(|prev| prev != entry.prev) {
        report.find("verify.chain", Some(seq), "does not follow the record in front of it");
    }
    if time.is_some_and(|time| entry.ts < time) {
        report.find("verify.time", Some(seq), "is older than the record in front of it");
    }
}

fn note(entry: &Entry<'_>, report: &mut Report) {
    report.records = report.records.saturating_add(1);
    let count = report.kinds.entry(entry.kind.label()).or_default();
    *count = count.saturating_add(1);
    // Formatting a time for every record would cost more than hashing it.
    if report.first.is_none() {
        report.first = Some(entry.ts.to_string());
    }
}

/// Bundles of a decision's judgements, which the check of the record found on its way: a decision is long, and reading
/// it once more would cost as much as hashing it.
fn note_bundles(
    entry: &Entry<'_>,
    judgements: Option<&str>,
    bundles: &mut BTreeSet<Hash>,
    report: &mut Report,
) {
    let read: Option<Vec<OneJudgement<'_>>> = judgements.and_then(|text| serde_json::from_str(text).ok());
    let Some(judgements) = read else {
        return report.find("verify.bad_record", Some(entry.seq), "is not a decision");
    };
    for judgement in judgements {
        match hex::decode32(judgement.bundle) {
            Some(digest) => {
                bundles.insert(digest);
            }
            None => report.find("verify.bad_record", Some(entry.seq), "names a bundle that is no digest"),
        }
    }
}
