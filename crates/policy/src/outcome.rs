//! From the engine's result to a decision.

use regorus::Value;

use crate::{ApprovalFact, Consume, Decision, PolicyObligation, Reason, ReasonKind, Verdict, obligations};

/// Most elements of all sets together; a policy that says more than this says nothing.
const MAX_REASONS: usize = 256;

/// A Deny because evaluation did not give a usable result.
pub(crate) fn failure(code: &str, message: &str) -> Decision {
    let reason =
        Reason { kind: ReasonKind::Error, code: code.into(), message: message.into(), topic: String::new() };
    Decision { verdict: Verdict::Deny, reasons: vec![reason], obligations: Vec::new() }
}

/// Why a result is not usable.
pub(crate) struct Malformed {
    code: &'static str,
    message: String,
}

/// What all sets of all topics said.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    reasons: Vec<Reason>,
    obligations: Vec<PolicyObligation>,
    consumes: Vec<Consume>,
}

impl From<Malformed> for Decision {
    fn from(error: Malformed) -> Self {
        failure(error.code, &error.message)
    }
}

impl Gathered {
    /// Adds the value of one set; an error is the decision.
    pub(crate) fn add(&mut self, topic: &str, set: &str, value: &Value) -> Result<(), Decision> {
        Ok(self.read(topic, set, value)?)
    }

    fn read(&mut self, topic: &str, set: &str, value: &Value) -> Result<(), Malformed> {
        if *value == Value::Undefined {
            return Err(malformed(
                "policy.undefined_result",
                format!("`{set}` of topic `{topic}` is undefined."),
            ));
        }
        let elements =
            value.as_set().map_err(|_| shape(format!("`{set}` of topic `{topic}` is not a set.")))?;
        if self.reasons.len() + self.obligations.len() + self.consumes.len() + elements.len() > MAX_REASONS {
            return Err(shape(format!("The topics give more than {MAX_REASONS} reasons.")));
        }
        for element in elements.iter() {
            let kind = match set {
                "deny" => ReasonKind::Deny,
                "intercept" => ReasonKind::Intercept,
                "allow" => ReasonKind::Allow,
                "obligation" => {
                    obligations::add(&mut self.obligations, &mut self.consumes, topic, element)?;
                    continue;
                }
                _ => return Err(shape("The result has an unknown set.")),
            };
            self.reasons.push(reason(kind, topic, element)?);
        }
        Ok(())
    }

    /// Deny > Intercept > Allow. Nothing is allowed unless some topic allows it, and what is denied adds nothing.
    pub(crate) fn decide(self, approval: Option<&ApprovalFact>) -> (Decision, Vec<Consume>) {
        let decision = decide(self.reasons, self.obligations, approval);
        let consumes = if decision.verdict == Verdict::Deny { Vec::new() } else { self.consumes };
        (decision, consumes)
    }
}

fn decide(
    mut reasons: Vec<Reason>,
    mut obligations: Vec<PolicyObligation>,
    approval: Option<&ApprovalFact>,
) -> Decision {
    let denied = reasons.iter().any(|reason| reason.kind == ReasonKind::Deny);
    let allowed = reasons.iter().any(|reason| reason.kind == ReasonKind::Allow);
    let covered = |code: &String| approval.is_some_and(|approval| approval.covers.contains(code));
    let intercepted =
        reasons.iter().any(|reason| reason.kind == ReasonKind::Intercept && !covered(&reason.code));
    let verdict = match (denied, allowed, intercepted) {
        (true, ..) => Verdict::Deny,
        (false, false, _) => {
            reasons.push(Reason {
                kind: ReasonKind::Deny,
                code: "policy.no_allow".into(),
                message: "No rule allows this.".into(),
                topic: String::new(),
            });
            Verdict::Deny
        }
        (false, true, true) => Verdict::Intercept,
        (false, true, false) => Verdict::Allow,
    };
    if verdict == Verdict::Deny {
        obligations.clear();
    }
    reasons.sort();
    obligations.sort();
    Decision { verdict, reasons, obligations }
}

pub(crate) fn malformed(code: &'static str, message: impl Into<String>) -> Malformed {
    Malformed { code, message: message.into() }
}

fn shape(message: impl Into<String>) -> Malformed {
    malformed("policy.malformed_result", message)
}

fn reason(kind: ReasonKind, topic: &str, element: &Value) -> Result<Reason, Malformed> {
    let wrong = || {
        shape(format!(
            "An element of topic `{topic}` is not an object with `code` (lower case, digits, `_`) and `message`."
        ))
    };
    let members = element.as_object().map_err(|_| wrong())?;
    let text = |name: &str| members.get(&Value::from(name)).and_then(|value| value.as_string().ok());
    let (Some(code), Some(message)) = (text("code"), text("message")) else { return Err(wrong()) };
    if members.len() != 2 || !is_code(code) || !is_message(message) {
        return Err(wrong());
    }
    Ok(Reason { kind, code: format!("policy.{code}"), message: message.to_string(), topic: topic.into() })
}

fn is_code(code: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    code.len() <= 64 && code.starts_with(|c: char| c.is_ascii_lowercase()) && code.bytes().all(rest)
}

fn is_message(message: &str) -> bool {
    !message.is_empty() && message.len() <= 500 && !message.chars().any(char::is_control)
}
