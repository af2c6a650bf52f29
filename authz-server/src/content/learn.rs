//! What the enforcement point tells of responses: counted, kept for a reviewer, and remembered by the session.

use std::sync::Arc;

use interdict_proto::outcome::{
    Found, MAX_FOUND, MAX_QUARANTINED, MAX_SEEN, MAX_TEXT_BYTES, Outcome, Quarantined, Seen, Treated,
};

use super::{Cause, ContentStage, Sent};

/// Longest class.
const MAX_CLASS: usize = 64;
/// Longest name or URI of an entry.
const MAX_NAME: usize = 512;
/// What can be done about a finding in a response.
const ACTIONS: [&str; 5] = ["count", "redact", "deny", "note", "quarantine"];
/// Classes that say that somebody tries to give orders.
const HOSTILE: [&str; 2] = ["injection.structural", "injection.contextual"];

/// What an outcome tells of its response, in good form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'o>(&'o Outcome);

/// Whether this can be the name of a class.
fn is_class(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.');
    (1..=MAX_CLASS).contains(&text.len()) && text.bytes().all(fits)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_found(found: &Found) -> bool {
    is_class(&found.class) && ACTIONS.contains(&found.action.as_str()) && found.count > 0
}

fn is_seen(seen: &Seen) -> bool {
    matches!(seen.kind.as_str(), "tool" | "prompt" | "resource" | "template" | "instructions")
        && seen.name.len() <= MAX_NAME
        && (seen.digest.is_empty() || is_hex(&seen.digest, 64))
        && is_class(&seen.state)
        && seen.definition.len() <= MAX_TEXT_BYTES
}

fn is_quarantined(text: &Quarantined) -> bool {
    is_hex(&text.handle, 32) && is_class(&text.reason) && text.original.len() <= MAX_TEXT_BYTES
}

impl<'o> Told<'o> {
    /// Strictly: `None` for what no enforcement point of ours says.
    pub(crate) fn read(outcome: &'o Outcome) -> Option<Self> {
        let bounded = outcome.found.len() <= MAX_FOUND
            && outcome.seen.len() <= MAX_SEEN
            && outcome.quarantined.len() <= MAX_QUARANTINED;
        let sound = outcome.found.iter().all(is_found)
            && outcome.seen.iter().all(is_seen)
            && outcome.quarantined.iter().all(is_quarantined);
        let reason = outcome.treated_reason.as_str();
        let reasoned = reason.is_empty() || is_class(reason);
        let treated = Treated::try_from(outcome.treated).is_ok();
        (bounded && sound && reasoned && treated).then_some(Self(outcome))
    }

    fn is_hostile(&self) -> bool {
        self.0.treated() == Treated::Quarantined
            || self.0.found.iter().any(|found| HOSTILE.contains(&found.class.as_str()))
    }
}

impl ContentStage {
    /// The response to this decision reads like instructions, and passes just now; its outcome comes later.
    pub(crate) fn warn(&self, decision_id: &str) {
        if let Some(sent) = self.sent.get(decision_id) {
            self.harden(&sent);
        }
    }

    fn harden(&self, sent: &Sent) {
        let origin = &sent.origin;
        let cause = Cause {
            tenant: origin.tenant.clone(),
            agent: origin.agent.clone(),
            principal: sent.principal.clone(),
            server: origin.server.clone(),
            decision_id: origin.decision_id.clone(),
        };
        self.sessions.make_hostile(&sent.session, Arc::new(cause));
        tracing::warn!(
            decision_id = origin.decision_id,
            agent = origin.agent,
            server = origin.server,
            "a response reads like instructions; the session counts as hostile now"
        );
    }

    /// A response was reported. Once per decision; of a decision that asked for nothing, nothing is taken.
    pub(crate) fn learn(&self, told: &Told<'_>) {
        let Told(outcome) = told;
        let Some(sent) = self.sent.remove(outcome.decision_id.as_str()) else { return };
        for found in &outcome.found {
            self.count("response", &found.class, &found.action, found.count);
        }
        if told.is_hostile() {
            self.harden(&sent);
        }
        if !outcome.seen.is_empty() || !outcome.quarantined.is_empty() {
            self.pins.learn(&sent.origin, &outcome.seen, &outcome.quarantined);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        let found = Found { class: "pan".into(), count: 1, action: "redact".into() };
        let seen = Seen {
            kind: "tool".into(),
            name: "x".into(),
            digest: "a".repeat(64),
            state: "new".into(),
            definition: "{}".into(),
        };
        let quarantined = Quarantined {
            handle: "0".repeat(32),
            reason: "injection.structural".into(),
            original: vec![0; MAX_TEXT_BYTES],
        };
        Outcome {
            found: vec![found],
            seen: vec![seen],
            quarantined: vec![quarantined],
            treated_reason: "response.quarantined".into(),
            ..Outcome::default()
        }
    }

    #[test]
    fn what_an_enforcement_point_tells_is_read() {
        assert!(Told::read(&outcome()).is_some());
        assert!(Told::read(&Outcome::default()).is_some());
    }

    /// Attack: whoever reaches the port fills logs and stores with texts of his own.
    #[test]
    fn what_is_too_much_too_long_or_no_name_is_refused() {
        let spoil = |spoil: fn(&mut Outcome)| {
            let mut outcome = outcome();
            spoil(&mut outcome);
            assert!(Told::read(&outcome).is_none(), "{outcome:?}");
        };
        spoil(|told| told.found = vec![told.found[0].clone(); MAX_FOUND + 1]);
        spoil(|told| told.seen = vec![told.seen[0].clone(); MAX_SEEN + 1]);
        spoil(|told| told.quarantined = vec![told.quarantined[0].clone(); MAX_QUARANTINED + 1]);
        spoil(|told| told.found[0].class = "4111 1111 1111 1111".into());
        spoil(|told| told.found[0].class = String::new());
        spoil(|told| told.found[0].action = "other".into());
        spoil(|told| told.found[0].count = 0);
        spoil(|told| told.seen[0].kind = "other".into());
        spoil(|told| told.seen[0].name = "x".repeat(MAX_NAME + 1));
        spoil(|told| told.seen[0].digest = "A".repeat(64));
        spoil(|told| told.seen[0].definition = "x".repeat(MAX_TEXT_BYTES + 1));
        spoil(|told| told.quarantined[0].handle = "..".into());
        spoil(|told| told.quarantined[0].original.push(0));
        spoil(|told| told.treated_reason = "x y".into());
        spoil(|told| told.treated = 99);
    }
}
