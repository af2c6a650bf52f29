//! Checking an evidence package without trusting whoever made it.
//!
//! Everything is computed again from the records that are displayed: their leaf hashes, the chain of `prev`, the root of
//! the tree, and from there to what the log's key and its witnesses signed. What does not fit is a [`Finding`]; what
//! cannot be read at all is [`Unusable`]. The package is read once, in order, line by line: its size does not matter.

mod checkpoints;
mod records;
mod report;

use std::path::Path;

use self::checkpoints::Checkpoints;
use self::records::Records;
pub use self::report::{Finding, Report, TrustSource, Verdict};
use crate::bundle::KeptBundle;
use crate::merkle;
use crate::package::{Package, Segment, Trust, Unusable, VERSION, file, read_json, read_limited};
use crate::{hex, merkle::Hash};

/// Largest kept bundle, in bytes.
const MAX_BUNDLE: u64 = 256 << 20;

/// Checks the package in `folder`. `trust` is the auditor's own file; without it that of the package counts, and the
/// report says so. `whole` demands the log from its first record to the signed checkpoint.
///
/// # Errors
/// [`Unusable`] when the package or the trust file cannot be read; a package that lies gives a report with findings.
pub fn verify(folder: &Path, trust: Option<&Path>, whole: bool) -> Result<Report, Unusable> {
    let package = Package::read(folder)?;
    let inside = folder.join(file::TRUST);
    let path = trust.unwrap_or(&inside);
    let rules: Trust = read_json(path)?;
    if rules.v != VERSION {
        return Err(Unusable::new(
            "verify.bad_file",
            path,
            "is of a version that this verifier does not know",
        ));
    }
    let source = if trust.is_some() { TrustSource::Auditor } else { TrustSource::Package };
    let mut report = Report::new(&package, source);
    if whole && !report.complete {
        report.find("verify.incomplete", None, "the package holds only a part of the log");
    }
    let mut checkpoints = Checkpoints::read(folder, &package, &rules, path, &mut report)?;
    let mut records = Records::open(folder, &package)?;
    for segment in &package.segments {
        check_segment(segment, &package, &mut records, &mut checkpoints, &mut report)?;
    }
    records.end(&mut report)?;
    checkpoints.finish(folder, &package, &mut report)?;
    check_bundles(folder, &package, records.bundles(), &mut report)?;
    Ok(report)
}

/// The records of a segment, from what lies in front of them to the root of the whole tree.
fn check_segment(
    segment: &Segment,
    package: &Package,
    records: &mut Records,
    checkpoints: &mut Checkpoints,
    report: &mut Report,
) -> Result<(), Unusable> {
    let (Some(left), Some(right)) = (hashes(&segment.left), hashes(&segment.right)) else {
        report.find(
            "verify.bad_proof",
            Some(segment.from),
            "a hash of the segment's proof is not 64 hex digits",
        );
        return records.skip(segment, report);
    };
    let tree = match merkle::Frontier::from_parts(segment.from, left) {
        Ok(tree) => tree,
        Err(error) => {
            report.find("verify.bad_proof", Some(segment.from), error);
            return records.skip(segment, report);
        }
    };
    checkpoints.reached(&tree, report);
    let Some(mut tree) = records.run(segment, tree, checkpoints, report)? else {
        return Ok(());
    };
    let behind = match merkle::subtrees(segment.to, package.size) {
        Ok(behind) if behind.len() == right.len() => behind,
        _ => {
            report.find("verify.bad_proof", Some(segment.to), "the proof has the wrong number of hashes");
            return Ok(());
        }
    };
    for (subtree, hash) in behind.iter().zip(right) {
        if let Err(error) = tree.append_subtree(subtree.level, hash) {
            report.find("verify.bad_proof", Some(segment.to), error);
            return Ok(());
        }
    }
    checkpoints.anchor(tree.root(), report);
    Ok(())
}

/// Every bundle that the records name is there and is what its digest says.
fn check_bundles(
    folder: &Path,
    package: &Package,
    named: &std::collections::BTreeSet<Hash>,
    report: &mut Report,
) -> Result<(), Unusable> {
    let named: std::collections::BTreeSet<String> = named.iter().map(hex::encode).collect();
    for digest in &package.bundles {
        if hex::decode32(digest).is_none() {
            report.find("verify.bundle", None, "a bundle of the package is not named by a digest");
            continue;
        }
        let path = folder.join(file::BUNDLES).join(format!("{digest}.json"));
        if !path.is_file() {
            report.find("verify.bundle_missing", None, format!("bundle {digest} is not in the package"));
            continue;
        }
        let bytes = read_limited(&path, MAX_BUNDLE)?;
        match KeptBundle::read(&bytes, digest) {
            Ok(_) => report.bundles = report.bundles.saturating_add(1),
            Err(what) => report.find("verify.bundle", None, format!("bundle {digest}: {what}")),
        }
    }
    for digest in named.iter().filter(|digest| !package.bundles.contains(digest)) {
        report.find(
            "verify.bundle_missing",
            None,
            format!("bundle {digest} decided, and is not in the package"),
        );
    }
    Ok(())
}

/// Hashes from their hex digits; `None` if one of them is something else.
fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts.iter().map(|text| hex::decode32(text)).collect()
}
