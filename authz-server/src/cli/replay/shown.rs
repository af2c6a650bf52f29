//! What a record shows, held against the sealed facts and decisions that it commits to: a server that lies can commit to
//! the truth and display something else.

use interdict_audit::commit::{ARGS, SALT_BYTES, commit};
use interdict_audit::record::{ActionKind, Decision, Judgement, ReasonKind, Stage, Verdict};
use interdict_mcp::json::{Document, Limits, Numbers};
use interdict_policy::{Decision as Said, Facts};

/// Most reasons of a judgement that a record shows, and most codes of a whole decision.
const MAX_REASONS: usize = 64;
const MAX_CODES: usize = 16;
/// A longer text was shortened in the record.
const MAX_TEXT: usize = 128;

/// The first thing that the record shows otherwise than the decisions; `None` when everything fits.
pub(super) fn judged_otherwise(body: &Decision<'_>, said: &[Said]) -> Option<&'static str> {
    let judged = body.judgements.iter().zip(said).all(|(shown, said)| shows(shown, said));
    let single = only(body, said);
    first_wrong([
        (judged, "the record shows another verdict or other reasons than the decision that it commits to"),
        (verdict(body, said, single), "the record shows another verdict than its judgements"),
        (codes(body, said, single), "the record shows other reasons than its judgements"),
        (single.is_none_or(|said| reason(body, said)), "the record shows another deciding reason"),
        (bundle(body), "the record names a bundle that judged nothing of it"),
    ])
}

/// The same of the facts that were judged.
pub(super) fn about_otherwise(
    body: &Decision<'_>,
    facts: &[Facts],
    salt: &[u8; SALT_BYTES],
) -> Option<&'static str> {
    let single = only(body, facts);
    first_wrong([
        (
            facts.iter().all(|facts| subject(body, facts)),
            "the record shows another agent, principal or server than was judged",
        ),
        (
            single.is_none_or(|facts| action(body, facts, salt)),
            "the record shows another action than was judged",
        ),
        (
            single.is_none_or(|facts| approval(body, facts)),
            "the record shows another approval than was judged",
        ),
    ])
}

/// The only one, where the record is of one message. Of a batch it may be the one element that was judged: there was no
/// time for the others, and what ended the batch need not be what was judged.
fn only<'s, T>(body: &Decision<'_>, all: &'s [T]) -> Option<&'s T> {
    match all {
        [one] if body.action.kind != Some(ActionKind::Batch) => Some(one),
        _ => None,
    }
}

fn first_wrong<const N: usize>(checks: [(bool, &'static str); N]) -> Option<&'static str> {
    checks.into_iter().find(|(fits, _)| !fits).map(|(_, what)| what)
}

fn strength(verdict: interdict_policy::Verdict) -> Verdict {
    match verdict {
        interdict_policy::Verdict::Allow => Verdict::Allow,
        interdict_policy::Verdict::Deny => Verdict::Deny,
        interdict_policy::Verdict::Intercept => Verdict::Intercept,
    }
}

/// The record may have cut a long list of reasons, and nothing else.
fn shows(shown: &Judgement<'_>, said: &Said) -> bool {
    let kind = |kind| match kind {
        interdict_policy::ReasonKind::Error => ReasonKind::Error,
        interdict_policy::ReasonKind::Deny => ReasonKind::Deny,
        interdict_policy::ReasonKind::Intercept => ReasonKind::Intercept,
        interdict_policy::ReasonKind::Allow => ReasonKind::Allow,
    };
    shown.verdict == strength(said.verdict)
        && shown.reasons.len() == said.reasons.len().min(MAX_REASONS)
        && shown.obligations.len() == said.obligations.len()
        && shown.reasons.iter().zip(&said.reasons).all(|(shown, said)| {
            shown.code == said.code.as_str()
                && shown.kind == kind(said.kind)
                && shown.topic == said.topic.as_str()
        })
}

/// Nothing is allowed that one judgement did not allow; what the policy itself ended is what it said.
fn verdict(body: &Decision<'_>, said: &[Said], single: Option<&Said>) -> bool {
    let worst = said.iter().map(|said| said.verdict).max().map(strength);
    match body.verdict {
        Verdict::Allow => worst == Some(Verdict::Allow),
        _ if body.stage == Stage::Policy && single.is_some() => Some(body.verdict) == worst,
        _ => true,
    }
}

/// Codes in the order of the judgements, each once. In a batch there may be more: elements that had no time, or may not
/// be in one.
fn codes(body: &Decision<'_>, said: &[Said], single: Option<&Said>) -> bool {
    let mut codes: Vec<&str> = Vec::new();
    for code in said.iter().flat_map(|said| &said.reasons).map(|reason| reason.code.as_str()) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes.truncate(MAX_CODES);
    let shown: Vec<&str> = body.reasons.iter().map(AsRef::as_ref).collect();
    if single.is_some() {
        return shown.get(..codes.len()) == Some(codes.as_slice())
            && shown.get(codes.len()..).is_some_and(|more| more.iter().all(|code| *code == "..."));
    }
    shown.len() > MAX_CODES || codes.iter().all(|code| shown.contains(code))
}

/// What decided: what the policy said first, wherever it had the last word.
fn reason(body: &Decision<'_>, said: &Said) -> bool {
    let policy_decided = body.stage == Stage::Policy || body.verdict == Verdict::Allow;
    !policy_decided || said.reasons.first().is_none_or(|first| body.reason == first.code.as_str())
}

fn subject(body: &Decision<'_>, facts: &Facts) -> bool {
    let principal = match (&body.principal, &facts.principal) {
        (None, None) => true,
        (Some(shown), Some(fact)) => {
            (shown.id == fact.id.as_str() || fact.id.len() > MAX_TEXT) && shown.issuer == fact.issuer.as_str()
        }
        _ => false,
    };
    principal
        && body.agent.as_ref().is_some_and(|agent| agent.id == facts.agent_id.as_str())
        && body.action.server.as_deref() == Some(facts.server_id.as_str())
}

fn bundle(body: &Decision<'_>) -> bool {
    body.policy
        .as_ref()
        .is_some_and(|policy| body.judgements.iter().any(|judgement| judgement.bundle == policy.bundle))
}

fn action(body: &Decision<'_>, facts: &Facts, salt: &[u8; SALT_BYTES]) -> bool {
    let (action, mcp) = (&body.action, &facts.mcp);
    let target = mcp.tool.as_deref().or(mcp.name.as_deref()).or(mcp.uri.as_deref());
    let same = |shown: Option<&str>, fact: Option<&str>| {
        shown == fact || fact.is_some_and(|fact| fact.len() > MAX_TEXT && shown.is_some())
    };
    let named = action.method.is_none() || same(action.method.as_deref(), mcp.method.as_deref());
    let arguments = match (&action.args, &mcp.arguments) {
        (None, None) => true,
        (Some(shown), Some(raw)) => {
            shown.commit == commit(ARGS, salt, raw.get().as_bytes())
                && shown.shown.as_deref().is_none_or(|text| canonical(raw.get()).as_deref() == Some(text))
        }
        _ => false,
    };
    named && same(action.target.as_deref(), target) && arguments
}

fn canonical(raw: &str) -> Option<String> {
    let limits = Limits { max_bytes: raw.len(), numbers: Numbers::Exact, ..Limits::default() };
    Document::parse(raw.as_bytes(), &limits)
        .ok()
        .map(|document| crate::action::canonical_text(document.root()))
}

/// Who approved is what the policy was told.
fn approval(body: &Decision<'_>, facts: &Facts) -> bool {
    match (&body.approval, &facts.approval) {
        (Some(shown), Some(fact)) => {
            shown.id == fact.id.as_str() && shown.by.as_deref() == Some(fact.approved_by.as_str())
        }
        (None, Some(_)) => false,
        // Asked for, or refused: the policy was not told.
        (Some(shown), None) => body.verdict != Verdict::Allow || shown.by.is_none(),
        (None, None) => true,
    }
}
