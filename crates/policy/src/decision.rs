//! The verdict, its reasons and its obligations.

use interdict_content::rules::{Over, Undeclared};
use serde::{Deserialize, Serialize};

pub use interdict_proto::enforcement::Verdict;

/// What a policy decided about one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Deny > Intercept > Allow over everything that the topics said.
    pub verdict: Verdict,
    /// Why: what every topic said, the deciding reasons first. Never empty.
    pub reasons: Vec<Reason>,
    /// What the enforcement point must do; empty unless the verdict is Allow or Intercept.
    pub obligations: Vec<PolicyObligation>,
}

/// One element of a topic's `deny`, `intercept` or `allow` set, or a failure of evaluation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum PolicyObligation {
    /// Set (replace) one header of the request that goes upstream.
    SetRequestHeader {
        /// Lower-case name; never a pseudo, framing, credential or MCP header.
        name: String,
        /// Visible ASCII and single spaces or tabs.
        value: String,
    },
    /// Cap the rows of the answer.
    CapRows {
        /// Member names from `structuredContent` to the array; `*` is every element of an array.
        path: Vec<String>,
        /// Most rows that may pass.
        max: u64,
        /// What happens to more.
        over: Over,
    },
    /// Treat members of the answer that the tool's pinned `outputSchema` does not declare.
    UndeclaredOutput {
        /// What happens to them.
        action: Undeclared,
    },
}

impl PolicyObligation {
    /// The word in `type`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SetRequestHeader { .. } => "set_request_header",
            Self::CapRows { .. } => "cap_rows",
            Self::UndeclaredOutput { .. } => "undeclared_output",
        }
    }
}

impl Decision {
    /// The canonical JSON text (RFC 8785): two decisions are the same when these bytes are. It is what a record commits
    /// to and what replay compares.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let obligations = self.obligations.iter().map(CanonicalObligation::from);
        let reasons = self.reasons.iter().map(|Reason { kind, code, message, topic }| CanonicalReason {
            code,
            kind: *kind,
            message,
            topic,
        });
        let canonical = CanonicalDecision {
            obligations: obligations.collect(),
            reasons: reasons.collect(),
            verdict: self.verdict,
        };
        // Nothing in it can fail to be written; and no text is no decision's.
        serde_json::to_vec(&canonical).unwrap_or_default()
    }
}

/// The members in canonical order.
#[derive(Serialize)]
struct CanonicalDecision<'a> {
    obligations: Vec<CanonicalObligation<'a>>,
    reasons: Vec<CanonicalReason<'a>>,
    verdict: Verdict,
}

#[derive(Serialize)]
struct CanonicalReason<'a> {
    code: &'a str,
    kind: ReasonKind,
    message: &'a str,
    topic: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum CanonicalObligation<'a> {
    SetRequestHeader { name: &'a str, r#type: &'static str, value: &'a str },
    CapRows { max: u64, over: Over, path: &'a [String], r#type: &'static str },
    UndeclaredOutput { action: Undeclared, r#type: &'static str },
}

impl<'a> From<&'a PolicyObligation> for CanonicalObligation<'a> {
    fn from(obligation: &'a PolicyObligation) -> Self {
        let r#type = obligation.kind();
        match obligation {
            PolicyObligation::SetRequestHeader { name, value } => {
                Self::SetRequestHeader { name, r#type, value }
            }
            PolicyObligation::CapRows { path, max, over } => {
                Self::CapRows { max: *max, over: *over, path, r#type }
            }
            PolicyObligation::UndeclaredOutput { action } => {
                Self::UndeclaredOutput { action: *action, r#type }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision() -> Decision {
        let reason = |kind, code: &str, message: &str| Reason {
            kind,
            code: code.into(),
            message: message.into(),
            topic: "tools".into(),
        };
        let header = |name: &str, value: &str| PolicyObligation::SetRequestHeader {
            name: name.into(),
            value: value.into(),
        };
        let odd = "\"\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}\u{80}\u{2028}é€😀\u{fb33}";
        Decision {
            verdict: Verdict::Intercept,
            reasons: vec![
                reason(ReasonKind::Intercept, "policy.ask", odd),
                reason(ReasonKind::Allow, "policy.ok", "Fine."),
            ],
            obligations: vec![
                header("x-a", "1"),
                header("x-b", odd),
                PolicyObligation::CapRows { path: vec![odd.into(), "*".into()], max: 7, over: Over::Cut },
                PolicyObligation::UndeclaredOutput { action: Undeclared::Drop },
            ],
        }
    }

    #[test]
    fn the_canonical_text_is_that_of_rfc_8785() {
        for decision in
            [decision(), Decision { verdict: Verdict::Deny, reasons: Vec::new(), obligations: Vec::new() }]
        {
            let oracle = serde_json_canonicalizer::to_vec(&decision).unwrap();
            assert_eq!(String::from_utf8(decision.canonical()).unwrap(), String::from_utf8(oracle).unwrap());
        }
    }

    #[test]
    fn a_decision_is_read_back_from_its_canonical_text() {
        let text = decision().canonical();
        assert_eq!(serde_json::from_slice::<Decision>(&text).unwrap(), decision());
        let text = String::from_utf8(text).unwrap();
        for (from, to) in [
            ("\"verdict\"", "\"more\":1,\"verdict\""),
            ("\"topic\"", "\"t\""),
            ("\"x-a\"", "\"x\",\"y\":\"\""),
        ] {
            assert!(serde_json::from_str::<Decision>(&text.replacen(from, to, 1)).is_err(), "{from}");
        }
    }
}
