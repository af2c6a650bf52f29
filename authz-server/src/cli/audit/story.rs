//! An entry told in words.

use interdict_audit::record::{
    AnyBody, Approval, ApprovalEvent, Decision, Entry, Judgement, Outcome, Treated, Verdict,
};

use super::chain::Chain;
use super::show::Standing;
use super::{line, treated};
use crate::audit::StoredEntry;
use crate::cli::plain;

/// One row; the value is made harmless.
pub(super) fn row(name: &str, value: &str) {
    println!("  {name:<12} {}", plain::line(value));
}

/// Everything that the record says, and where it stands.
pub(super) fn print(chain: &Chain, entry: &Entry<'_>, stored: &StoredEntry, standing: &Standing) {
    match entry.body() {
        Ok(AnyBody::Decision(body)) => decision(chain, entry, &body),
        Ok(AnyBody::Outcome(body)) => outcome(entry, &body),
        Ok(AnyBody::Approval(body)) => approval(chain, entry, &body),
        Ok(AnyBody::OutcomeMissing(body)) => {
            println!("{}  OUTCOME MISSING", entry.ts);
            row("decision", &body.decision_id);
            row("what", &format!("nobody said within {} s how it ended", body.deadline_seconds.get()));
        }
        _ => println!("{}", line::of(entry)),
    }
    stands(stored, standing);
}

fn decision(chain: &Chain, entry: &Entry<'_>, body: &Decision<'_>) {
    println!("{}  {}  {}", entry.ts, body.verdict.label().to_uppercase(), plain::line(&body.reason));
    row("decision", &body.decision_id);
    asked_by(entry, body);
    asked_what(body);
    if let Some(commit) = &body.input_commit {
        row("facts", &format!("sealed, commitment {commit}"));
    } else {
        row("facts", &format!("none: refused before the policy at stage {}", body.stage));
    }
    if let Some(content) = &body.content {
        row("content", &treated::request(content));
    }
    for judgement in &body.judgements {
        judged(judgement);
    }
    if let Some(policy) = &body.policy {
        row("judged by", &format!("{}, interdict {}", policy.engine, policy.build));
    }
    if let Some(used) = &body.approval {
        let by = used.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let at = used.at.map(|at| format!(" at {at}")).unwrap_or_default();
        row("approval", &format!("{}{by}{at}", used.id));
    }
    let all: Vec<&str> = body.reasons.iter().map(|reason| &**reason).collect();
    row("verdict", &format!("{} (stage {})", because(body), body.stage));
    if all.len() > 1 {
        row("all reasons", &all.join(", "));
    }
    row("took", &line::millis(body.latency_us.total.get()));
    if let Some(of) = &body.repeat_of {
        row("repeats", of);
    }
    row("happened", &happened(chain, body));
}

/// Why it was decided so; the reason of an approved call is what a person was asked about.
fn because(body: &Decision<'_>) -> String {
    let by = body.approval.as_ref().and_then(|used| used.by.as_ref());
    match (body.verdict, by) {
        (Verdict::Allow, Some(by)) => format!("allow: {by} approved what {} asks about", body.reason),
        _ => format!("{} because of {}", body.verdict, body.reason),
    }
}

fn asked_by(entry: &Entry<'_>, body: &Decision<'_>) {
    match &body.agent {
        Some(agent) => {
            let instance = agent.instance.as_ref().map(|one| format!(", instance {one}")).unwrap_or_default();
            let owner = agent.owner.as_ref().map(|owner| format!(", owner {owner}")).unwrap_or_default();
            row("who", &format!("agent {}{instance}{owner}, assurance {}", agent.id, agent.assurance));
        }
        None => row("who", "unknown"),
    }
    if let Some(principal) = &body.principal {
        row("acting for", &format!("{} (vouched for by {})", principal.id, principal.issuer));
    }
    row("tenant", entry.tenant);
    let route = body.enforcer.route.as_ref().map(|route| format!(", route {route}")).unwrap_or_default();
    let version = body.enforcer.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let from = format!("{} (request {})", body.request.source_address, body.request.id);
    row("from", &format!("{from}, enforced by {}{version}{route}", body.enforcer.kind));
}

fn asked_what(body: &Decision<'_>) {
    let action = &body.action;
    let method = action.method.as_deref().or(action.kind.map(|kind| kind.label())).unwrap_or("not read");
    row("asked", &format!("{method}: {}", line::action(body)));
    if let Some(path) = &action.path {
        row(
            "path",
            &format!("{path}, {} bytes, MCP {}", body.body_bytes.get(), action.era.as_deref().unwrap_or("?")),
        );
    }
    if let Some(args) = &action.args {
        row("arguments", &format!("commitment {}", args.commit));
        if let Some(shown) = &args.shown {
            row("", shown);
        }
    }
    if let Some(digest) = &action.digest {
        row("action", digest);
    }
}

fn judged(judgement: &Judgement<'_>) {
    row("bundle", &judgement.bundle);
    for reason in &judgement.reasons {
        let topic = if reason.topic.is_empty() { "no topic" } else { &*reason.topic };
        row("rule", &format!("{} {} ({topic})", reason.kind, reason.code));
    }
    if !judgement.obligations.is_empty() {
        row("obligations", &judgement.obligations.join(", "));
    }
}

/// One word on the end; the entries of it come below.
fn happened(chain: &Chain, decision: &Decision<'_>) -> String {
    let mut said = match decision.verdict {
        Verdict::Allow if decision.expects_outcome => "allowed; no word yet on how it ended",
        Verdict::Allow => "allowed; how it ended is not reported by this enforcement point",
        Verdict::Deny => "nothing: the call did not go to the server",
        Verdict::Intercept => "the call did not go to the server; a person was asked",
    };
    for (_, _, body) in chain.bodies() {
        match body {
            AnyBody::Outcome(body) if body.decision_id == decision.decision_id => {
                return match treated::ended(&body) {
                    ended if body.treated.is_some_and(|treated| treated != Treated::Untouched) => {
                        format!("allowed; {ended}, as below")
                    }
                    _ => "allowed, and it ended as below".to_owned(),
                };
            }
            AnyBody::OutcomeMissing(body) if body.decision_id == decision.decision_id => {
                said = "allowed; nobody said in time how it ended";
            }
            _ => {}
        }
    }
    said.to_owned()
}

fn outcome(entry: &Entry<'_>, body: &Outcome<'_>) {
    println!("{}  OUTCOME  {}", entry.ts, body.ended);
    row("decision", &body.decision_id);
    row("answered", &format!("{}, {} bytes", treated::ended(body), body.bytes.get()));
    if let Some(answer) = treated::answer(body) {
        row("treated", &answer);
    }
    if !body.found.is_empty() {
        row("found", &treated::found(&body.found));
    }
    if let Some(cut) = body.rows_cut {
        row("rows cut", &cut.get().to_string());
    }
    row("took", &line::millis(body.duration_us.get()));
    if body.late {
        row("late", "it came after its absence had been recorded");
    }
}

fn approval(chain: &Chain, entry: &Entry<'_>, body: &Approval<'_>) {
    println!("{}  APPROVAL  {}", entry.ts, body.event);
    row("approval", &body.approval_id);
    if let Some(by) = &body.by {
        row("by", by);
    }
    if treated::was_not_applied(chain, entry.seq, body) {
        row("taken", "no: an answer is recorded before it is given, and this one was not applied, see below");
    }
    if body.event == ApprovalEvent::NotApplied {
        row("why", treated::not_applied(chain, body));
    }
    let what = body.tool.as_ref().unwrap_or(&body.method);
    row("about", &format!("{}: {} {what}", body.agent, body.server));
    row("binds", &body.binding);
}

fn stands(stored: &StoredEntry, standing: &Standing) {
    row("record", &format!("#{}, leaf {}", stored.seq, standing.leaf));
    match (&standing.broken, &standing.covered) {
        (Some(what), _) => row("proof", &format!("BROKEN: {what}")),
        (None, None) => row("proof", "not yet covered by a signed checkpoint"),
        (None, Some((size, at, witnesses))) => {
            let by = if witnesses.is_empty() { "no witness".to_owned() } else { witnesses.join(", ") };
            row(
                "proof",
                &format!(
                    "included; first signed at {at}, with {size} entries; last checkpoint cosigned by {by}"
                ),
            );
        }
    }
}
