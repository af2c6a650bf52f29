//! What was done to the content of a call and of its answer, in words: classes, counts and codes, as the records have them.

use interdict_audit::record::{AnyBody, Approval, Content, Found, Outcome, Treated};

use super::chain::Chain;
use super::line;

/// `pan redact 2, email count 1; 2 places replaced`.
pub(super) fn request(content: &Content<'_>) -> String {
    let mut parts = vec![match content.classes.is_empty() {
        true => "nothing found".to_owned(),
        false => found(&content.classes),
    }];
    if content.redacted.get() > 0 {
        parts.push(format!("{} places replaced before it went on", content.redacted.get()));
    }
    if !content.labels.is_empty() {
        parts.push(format!("session labelled {}", content.labels.join(", ")));
    }
    parts.join("; ")
}

/// `pan redact 2, email count 1`.
pub(super) fn found(found: &[Found<'_>]) -> String {
    let one = |found: &Found<'_>| format!("{} {} {}", found.class, found.action, found.count.get());
    found.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What the agent got; `None` where the answer was not looked into.
pub(super) fn answer(body: &Outcome<'_>) -> Option<String> {
    let what = match body.treated? {
        Treated::Untouched => "passed byte for byte",
        Treated::Edited => "edited: parts of it were changed or left out",
        Treated::Refused => {
            "refused: the agent got an error in the place of the answer, or of a message in it"
        }
        Treated::Quarantined => "quarantined: the agent got a handle in the place of a result",
    };
    Some(format!("{what}{}", because(body)))
}

/// The end of an exchange, short: what the server said never reached the agent as it was when it was treated.
pub(super) fn ended(body: &Outcome<'_>) -> String {
    let said = line::answered(body);
    match body.treated {
        None | Some(Treated::Untouched) => said,
        Some(treated) => format!("answer {treated}{} (server said {said})", because(body)),
    }
}

fn because(body: &Outcome<'_>) -> String {
    body.treated_reason.as_ref().map(|reason| format!(" because of {reason}")).unwrap_or_default()
}

/// Why an answer of a person that was recorded was not taken. The log keeps no code of it: it is told from who the call
/// was for.
pub(super) fn not_applied(chain: &Chain, body: &Approval<'_>) -> &'static str {
    let by = body.by.as_deref().unwrap_or_default();
    let gains = chain.bodies().any(|(_, _, other)| match other {
        AnyBody::Decision(decision) => {
            let agent = decision.agent.as_ref();
            let names = [
                agent.map(|agent| &agent.id),
                agent.and_then(|agent| agent.owner.as_ref()),
                decision.principal.as_ref().map(|principal| &principal.id),
            ];
            names.into_iter().flatten().any(|name| name.eq_ignore_ascii_case(by))
        }
        _ => false,
    });
    match gains {
        true => {
            "the agent, its owner and the person it acts for cannot approve its own call (approval.self_approval)"
        }
        false => "somebody had answered before, or its time had run out; whoever answered was told which",
    }
}

/// Whether the answer in this entry was taken back by a later one: an answer is recorded before it is given.
pub(super) fn was_not_applied(chain: &Chain, seq: u64, body: &Approval<'_>) -> bool {
    use interdict_audit::record::ApprovalEvent as Event;
    if !matches!(body.event, Event::Approved | Event::Denied) {
        return false;
    }
    let next = chain.bodies().find_map(|(stored, _, other)| match other {
        AnyBody::Approval(other)
            if stored.seq > seq && other.approval_id == body.approval_id && other.by == body.by =>
        {
            Some(other.event)
        }
        _ => None,
    });
    next == Some(Event::NotApplied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(more: &str) -> String {
        format!(
            r#"{{"bytes":761,"decision_id":"d","duration_us":5,"ended":"complete",{more}"http_status":200,"late":false,"rpc":"result"}}"#
        )
    }

    #[test]
    fn an_answer_that_did_not_pass_is_not_told_as_a_result_of_the_call() {
        let text = outcome(r#""treated":"refused","treated_reason":"response.rows","rows_cut":7,"#);
        let body: Outcome<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(ended(&body), "answer refused because of response.rows (server said 200 result)");
        assert!(answer(&body).unwrap().ends_with("because of response.rows"));
        let text = outcome("");
        let body: Outcome<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!((ended(&body).as_str(), answer(&body)), ("200 result", None));
    }

    #[test]
    fn what_was_found_in_a_request_is_told_by_class_action_and_count() {
        let text =
            r#"{"classes":[{"action":"redact","class":"pan","count":2}],"labels":["hostile"],"redacted":2}"#;
        let content: Content<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(
            request(&content),
            "pan redact 2; 2 places replaced before it went on; session labelled hostile"
        );
    }
}
