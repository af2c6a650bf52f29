//! What an approval is given for.

use interdict_policy::{Decision, Reason, ReasonKind};
use serde_json::json;

use crate::action::{NoCanonicalForm, digest_of};

/// The reasons for which a policy asks a person, sorted and without doubles: topics run in no promised order.
pub(crate) fn intercept_reasons(decision: &Decision) -> Vec<&Reason> {
    let mut reasons: Vec<_> =
        decision.reasons.iter().filter(|reason| reason.kind == ReasonKind::Intercept).collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

/// `H(JCS({v, action_digest, policy_digest, reasons}))`: the same action under the same bundle for the same reasons.
/// Whatever differs needs an approval of its own.
pub(crate) fn binding(
    action_digest: &str,
    policy_digest: &str,
    reasons: &[&Reason],
) -> Result<String, NoCanonicalForm> {
    let reasons: Vec<_> = reasons.iter().map(|reason| json!([reason.code, reason.message])).collect();
    digest_of(&json!({
        "v": 1,
        "action_digest": action_digest,
        "policy_digest": policy_digest,
        "reasons": reasons,
    }))
}

#[cfg(test)]
mod tests {
    use interdict_proto::enforcement::Verdict;

    use super::*;

    fn reason(code: &str) -> Reason {
        Reason {
            kind: ReasonKind::Intercept,
            code: code.into(),
            message: "A person decides.".into(),
            topic: "t".into(),
        }
    }

    #[test]
    fn a_binding_changes_with_action_policy_and_reasons_but_not_with_their_order() {
        let (a, b) = (reason("policy.a"), reason("policy.b"));
        let decision = |reasons: &[&Reason]| Decision {
            verdict: Verdict::Intercept,
            reasons: reasons.iter().map(|reason| (*reason).clone()).collect(),
            obligations: Vec::new(),
        };
        let bind = |action: &str, policy: &str, reasons: &[&Reason]| {
            binding(action, policy, &intercept_reasons(&decision(reasons))).unwrap()
        };
        let first = bind("x", "p", &[&a, &b]);
        assert_eq!(first, bind("x", "p", &[&b, &a, &a]));
        assert_ne!(first, bind("y", "p", &[&a, &b]));
        assert_ne!(first, bind("x", "q", &[&a, &b]));
        assert_ne!(first, bind("x", "p", &[&a]));
    }
}
