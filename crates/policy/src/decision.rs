//! The verdict, its reasons and its obligations.

use serde::Serialize;

pub use interdict_proto::enforcement::Verdict;

/// What a policy decided about one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Deny > Intercept > Allow over everything that the topics said.
    pub verdict: Verdict,
    /// Why: what every topic said, the deciding reasons first. Never empty.
    pub reasons: Vec<Reason>,
    /// What the enforcement point must do; empty unless the verdict is Allow or Intercept.
    pub obligations: Vec<PolicyObligation>,
}

/// One element of a topic's `deny`, `intercept` or `allow` set, or a failure of evaluation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reason {
    /// Which set it came from.
    pub kind: ReasonKind,
    /// Stable reason code: `policy.` and the rule's own code.
    pub code: String,
    /// The rule's text. Static by contract: it never holds argument values.
    pub message: String,
    /// The topic (last part of the package); empty for a failure outside of any topic.
    pub topic: String,
}

/// Where a reason comes from; ordered by how much it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// Evaluation failed; always a Deny.
    Error,
    /// A `deny` set.
    Deny,
    /// An `intercept` set.
    Intercept,
    /// An `allow` set.
    Allow,
}

/// What a policy asks the enforcement point to do. A kind that is not listed here is a Deny
/// (`policy.unknown_obligation`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PolicyObligation {
    /// Set (replace) one header of the request that goes upstream.
    SetRequestHeader {
        /// Lower-case name; never a pseudo, framing, credential or MCP header.
        name: String,
        /// Visible ASCII and single spaces or tabs.
        value: String,
    },
}
