//! What a verification found out.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::package::Package;

/// Findings that are listed; more are only counted.
const MAX_FINDINGS: usize = 100;

/// The result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that is shown is what was recorded.
    Whole,
    /// Something that is shown is not what was recorded, or something is missing.
    Tampered,
}

/// Whose word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustSource {
    /// A file of the auditor's own.
    Auditor,
    /// The package's: it shows that the package agrees with itself, not who made it.
    Package,
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code, `verify.*`.
    pub code: &'static str,
    /// The entry, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What does not fit, for people.
    pub message: String,
}

/// What was checked and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The result.
    pub verdict: Verdict,
    /// Whose word counts.
    pub trust: TrustSource,
    /// The tenant.
    pub tenant: String,
    /// Origin of the checkpoints.
    pub origin: String,
    /// Leaves of the tree.
    pub size: u64,
    /// Its root as the records give it (hex); absent without records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Whether the records are the whole log up to `size`.
    pub complete: bool,
    /// Records read.
    pub records: u64,
    /// By kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Time of the first record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Time of the last record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Checkpoints whose root was computed from the records.
    pub checkpoints: u64,
    /// Checkpoints kept elsewhere that the log was shown to contain.
    pub trusted_checkpoints: u64,
    /// Trusted witnesses that cosigned the tree.
    pub witnesses: u64,
    /// Bundles checked.
    pub bundles: u64,
    /// What does not fit, the first hundred.
    pub findings: Vec<Finding>,
    /// How many there are in all.
    pub finding_count: u64,
}

impl Report {
    pub(super) fn new(package: &Package, trust: TrustSource) -> Self {
        Self {
            verdict: Verdict::Whole,
            trust,
            tenant: package.tenant.clone(),
            origin: package.origin.clone(),
            size: package.size,
            root: None,
            complete: package.is_complete(),
            records: 0,
            kinds: BTreeMap::new(),
            first: None,
            last: None,
            checkpoints: 0,
            trusted_checkpoints: 0,
            witnesses: 0,
            bundles: 0,
            findings: Vec::new(),
            finding_count: 0,
        }
    }

    /// Notes what does not fit: the verdict is tampered from here on.
    pub fn find(&mut self, code: &'static str, seq: Option<u64>, message: impl ToString) {
        self.verdict = Verdict::Tampered;
        self.finding_count = self.finding_count.saturating_add(1);
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { code, seq, message: message.to_string() });
        }
    }
}
