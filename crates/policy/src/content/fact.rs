//! What was found in a call, as the policy sees it and as it is kept: classes and counts, never a value.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use interdict_content::finding::{Facet, Finding, Place};
use interdict_content::profile::Action;
use serde::{Deserialize, Serialize};

/// Most findings that a fact tells apart; more are an incomplete scan.
const MAX_FINDINGS: usize = 256;

/// The label of a session to which something was said that reads like instructions.
pub const HOSTILE: &str = "hostile";

/// What was found in the arguments of a call, and what the session had seen before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentFact {
    /// What was found, by class, action, place and facets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingFact>,
    /// Distinct values that the session has sent to any server so far, this call included; by class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accumulated: Vec<AccumulatedFact>,
    /// What the session is, as [`HOSTILE`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// The scan hit a bound, so there may be more than was found. A Deny.
    #[serde(default, skip_serializing_if = "is_false")]
    pub incomplete: bool,
}

/// Values of one class at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingFact {
    /// Their class.
    pub class: String,
    /// What the profile says to do. For [`Action::Redact`] and [`Action::Tokenise`] it is done already: the arguments
    /// that the policy sees have the mark.
    pub action: Action,
    /// RFC 6901 pointer into the arguments.
    pub path: String,
    /// Kind of leaf.
    pub place: Place,
    /// How many.
    pub count: u64,
    /// Last four digits of a card or account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_four: Option<String>,
    /// Domain of an e-mail address or host of a connection string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// ISO 3166 country of an account, document or phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// Distinct values of one class in one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccumulatedFact {
    /// Their class.
    pub class: String,
    /// The family of the class; see [`crate::ContentConfig::family`].
    pub family: String,
    /// How many.
    pub distinct: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl ContentFact {
    /// The fact about what a scan found. Equal findings of one place are counted together.
    #[must_use]
    pub fn of(findings: &[Finding], incomplete: bool) -> Self {
        let mut counts: BTreeMap<FindingFact, u64> = BTreeMap::new();
        for finding in findings {
            *counts.entry(FindingFact::of(finding)).or_default() += 1;
        }
        let incomplete = incomplete || counts.len() > MAX_FINDINGS;
        let counted = counts.into_iter().map(|(finding, count)| FindingFact { count, ..finding });
        let mut findings: Vec<FindingFact> = counted.collect();
        // The strictest stay, should there be too many.
        findings.sort_by_key(|finding| Reverse(finding.action));
        findings.truncate(MAX_FINDINGS);
        Self { findings, incomplete, ..Self::default() }
    }

    /// Whether it says nothing: then it is as good as absent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl FindingFact {
    /// Without a count.
    fn of(finding: &Finding) -> Self {
        let Facet { last_four, domain, country } = finding.facet.clone();
        Self {
            class: finding.class.to_string(),
            action: finding.action,
            path: finding.path.clone(),
            place: finding.place,
            count: 0,
            last_four,
            domain,
            country,
        }
    }
}
