//! The way of one question: find or open it, wait for its answer, use the answer up.

use std::time::{Duration, Instant};

use interdict_mcp::Reading;
use interdict_policy::{ApprovalFact, Consume, Quantity, TotalFact};
use interdict_proto::enforcement::Verdict;
use jiff::{SignedDuration, Timestamp};

use super::binding::{binding, intercept_reasons};
use super::own_state;
use super::request_state::RequestState;
use super::{Approvals, Judging, Question, Settled, Waiting};
use crate::action::Action;
use crate::decide::{Judged, Overloaded};
use crate::record::Noted;
use crate::store::{Approval, ApprovalReason, ApprovalState, ApprovalTotal, NewApproval, StoreError};

/// What is left of the enforcement point's patience when the hold ends: the answer still has to travel.
const MARGIN: Duration = Duration::from_millis(500);

/// Turns of the loop. Each turn but the last follows a change of the question; a store that claims changes without
/// end must not keep a call for ever.
const MAX_TURNS: usize = 64;

const UNAVAILABLE: Settled =
    Settled::Refused("approval.store_unavailable", "Approvals cannot be checked now.");

const OVERLOADED: Settled = Settled::Refused(Overloaded::CODE, Overloaded::TEXT);

/// What the action is, kept over all turns.
struct Asked {
    digest: String,
    shown: String,
    target: Option<String>,
}

impl Approvals {
    /// Settles an Intercept. `judge` judges the call again, now, a large one in its turn: one answer can wake any number of calls; `noted` learns of the question as soon as there is
    /// one, so that a call that is dropped while it waits is recorded with it.
    pub(crate) async fn settle<'q>(
        &self,
        question: &Question<'_>,
        first: Judged,
        judge: impl Fn(Option<ApprovalFact>) -> Judging<'q> + Sync,
        noted: &mut Noted,
    ) -> Settled {
        let Some(asked) = asked(question, &first) else {
            return Settled::Refused("internal.digest", "The call has no canonical form.");
        };
        noted.action_digest = Some(asked.digest.clone());
        let carried = self.carried(question, &asked.digest);
        let round = carried.as_ref().map_or(1, |state| state.round.saturating_add(1));
        let mut awaited = carried.map(|state| state.approval_id);
        let until = self.wait_until(question.call.request.deadline);
        let mut judged = first;

        for _ in 0..MAX_TURNS {
            match judged.decision.verdict {
                Verdict::Intercept => {}
                Verdict::Allow => return Settled::Approved(judged),
                Verdict::Deny => return Settled::Denied(judged),
            }
            let reasons = intercept_reasons(&judged.decision);
            let Ok(binding) = binding(&asked.digest, judged.bundle.digest(), &reasons) else {
                return Settled::Refused("internal.digest", "The call has no canonical form.");
            };
            let now = self.clock.now();
            let found = match self.find(awaited.as_deref(), &binding, now).await {
                Ok(Some(found)) => Ok(found),
                Ok(None) => match self.new_approval(question, &judged, &asked, &binding, now) {
                    Some(new) => self.store.open_or_get(new).await,
                    None => {
                        return Settled::Refused(
                            "registry.unknown_agent",
                            "The agent is not registered here.",
                        );
                    }
                },
                Err(error) => Err(error),
            };
            let approval = match found {
                Ok(approval) => approval,
                Err(error) => return refused(&error),
            };
            noted.id = Some(approval.id.clone());
            (noted.by, noted.at) = match approval.state {
                ApprovalState::Approved => (approval.decided_by.clone(), approval.decided_at),
                _ => (None, None),
            };
            awaited = Some(approval.id.clone());

            match approval.state {
                ApprovalState::Approved => match self.use_up(&approval, &binding, &judge).await {
                    Used::Yes(now) => return Settled::Approved(now),
                    Used::Denied(now) => return Settled::Denied(now),
                    Used::Refused(settled) => return settled,
                    // Another identical call used it, or the policy changed: this one asks anew.
                    Used::Again => awaited = None,
                },
                ApprovalState::Pending => match self.wait(&approval, until).await {
                    Ok(true) => {}
                    Ok(false) => {
                        let (approval, action_digest) = (Box::new(approval), asked.digest);
                        return Settled::Waiting(Waiting { approval, action_digest, round });
                    }
                    Err(_) => return UNAVAILABLE,
                },
                state => return closed(state),
            }
            judged = match judge(None).await {
                Ok(judged) => judged,
                Err(Overloaded) => return OVERLOADED,
            };
        }
        UNAVAILABLE
    }

    /// When the hold ends.
    fn wait_until(&self, deadline: Option<Instant>) -> Instant {
        let now = Instant::now();
        let hold = now + self.hold;
        match deadline {
            Some(deadline) => hold.min(deadline.checked_sub(MARGIN).unwrap_or(now)),
            None => hold,
        }
    }

    /// The state that this client carries, if it is ours, of this agent and of this action.
    fn carried(&self, question: &Question<'_>, action_digest: &str) -> Option<RequestState> {
        let text = question.message.request_state()?;
        let state = self.sealer.open(&text, self.clock.now())?;
        (state.agent == question.call.identity.agent_id && state.action_digest == action_digest)
            .then_some(state)
    }

    /// The question that this call waits for, as long as it is about the same binding. One that was used up or
    /// replaced is over: the call asks anew.
    async fn find(
        &self,
        awaited: Option<&str>,
        binding: &str,
        now: Timestamp,
    ) -> Result<Option<Approval>, StoreError> {
        let Some(id) = awaited else { return Ok(None) };
        let found = self.store.get(id, now).await?;
        Ok(found.filter(|approval| {
            approval.binding == binding
                && !matches!(approval.state, ApprovalState::Consumed | ApprovalState::Superseded)
        }))
    }

    fn new_approval(
        &self,
        question: &Question<'_>,
        judged: &Judged,
        asked: &Asked,
        binding: &str,
        now: Timestamp,
    ) -> Option<NewApproval> {
        let identity = question.call.identity;
        let agent = judged.bundle.registry().agent(&identity.agent_id)?;
        let ttl = SignedDuration::try_from(self.ttl).unwrap_or(SignedDuration::MAX);
        Some(NewApproval {
            binding: binding.to_owned(),
            tenant: agent.tenant.clone(),
            agent: agent.id.clone(),
            agent_owner: agent.owner.clone(),
            principal: identity.principal.as_ref().map(|principal| principal.id.clone()),
            server: question.call.server_id.to_owned(),
            method: question.message.method_name().unwrap_or_default().to_owned(),
            tool: asked.target.clone(),
            action_digest: asked.digest.clone(),
            policy_digest: judged.bundle.digest().to_owned(),
            reasons: intercept_reasons(&judged.decision)
                .into_iter()
                .map(|reason| ApprovalReason { code: reason.code.clone(), message: reason.message.clone() })
                .collect(),
            totals: totals(question, judged),
            arguments_json: asked.shown.clone(),
            era: question.message.era().label().to_owned(),
            created_at: now,
            expires_at: now.saturating_add(ttl).unwrap_or(Timestamp::MAX),
        })
    }

    /// Waits for a change of the question. `false`: the time is over and it is still open.
    async fn wait(&self, approval: &Approval, until: Instant) -> Result<bool, StoreError> {
        // Subscribe first, then look again: a change between the two is not missed.
        let mut changes = self.store.watch(&approval.id);
        let now = self.clock.now();
        match self.store.get(&approval.id, now).await? {
            Some(row) if row.state == ApprovalState::Pending => {}
            _ => return Ok(true),
        }
        if until <= Instant::now() {
            return Ok(false);
        }
        match tokio::time::timeout_at(until.into(), changes.changed()).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(_)) => Err(StoreError::Unavailable("the watch ended".to_owned())),
            Err(_) => Ok(false),
        }
    }

    /// Judges with the approval as a fact and, if that allows, uses the approval up. Nothing is awaited after that.
    async fn use_up<'q>(
        &self,
        approval: &Approval,
        binding: &str,
        judge: &(impl Fn(Option<ApprovalFact>) -> Judging<'q> + Sync),
    ) -> Used {
        let (Some(by), Some(at)) = (approval.decided_by.clone(), approval.decided_at) else {
            return Used::Refused(UNAVAILABLE);
        };
        let covers = approval.reasons.iter().map(|reason| reason.code.clone()).collect();
        let fact = ApprovalFact { id: approval.id.clone(), approved_by: by, approved_at: at, covers };
        let Ok(judged) = judge(Some(fact)).await else {
            return Used::Refused(OVERLOADED);
        };
        match judged.decision.verdict {
            Verdict::Deny => return Used::Denied(judged),
            // Another bundle came into force: its question is another one.
            _ if judged.bundle.digest() != approval.policy_digest => return Used::Again,
            Verdict::Intercept => {
                let text = "The approval does not cover everything that the policy asks for.";
                return Used::Refused(Settled::Refused("approval.insufficient", text));
            }
            Verdict::Allow => {}
        }
        match self.store.consume(&approval.id, binding, self.clock.now()).await {
            Ok(_) => Used::Yes(judged),
            Err(StoreError::NotApproved(_) | StoreError::NotFound | StoreError::BindingMismatch) => {
                Used::Again
            }
            Err(error) => Used::Refused(refused(&error)),
        }
    }
}

/// What became of an approval.
enum Used {
    Yes(Judged),
    Denied(Judged),
    Refused(Settled),
    Again,
}

fn asked(question: &Question<'_>, judged: &Judged) -> Option<Asked> {
    let message = question.message;
    // What arrived, with everything that content rules keep from whoever is asked.
    let Reading::Message(original) = question.call.original else { return None };
    let identity = question.call.identity;
    let agent = judged.bundle.registry().agent(&identity.agent_id)?;
    let principal = identity
        .principal
        .as_ref()
        .map(|who| interdict_policy::Principal { id: who.id.clone(), issuer: who.issuer.clone() });
    let target = message.tool().or_else(|| message.prompt_name()).or_else(|| message.uri());
    let path = &question.call.request.http.path;
    let action = Action {
        tenant: &agent.tenant,
        agent: &agent.id,
        principal: principal.as_ref(),
        server: question.call.server_id,
        path,
        method: message.method_name()?,
        target: target.as_deref(),
        params: message.params(),
        // The test by which the edits of the body are made: what is left out here never gets to the server.
        our_round: own_state::is_ours(message),
    };
    let server = judged.bundle.registry().server(question.call.server_id)?;
    let digest = Action { params: original.params(), ..action }.digest().ok()?;
    let masked = question.call.content.masked.is_some();
    Some(Asked {
        // Two calls that look alike behind their marks are two actions.
        digest: if masked { question.call.stage.action(&digest) } else { digest },
        shown: action.shown(server.paths == [path.as_str()]),
        target: target.as_deref().map(str::to_owned),
    })
}

/// What the call would add to, and how far that may go.
fn totals(question: &Question<'_>, judged: &Judged) -> Vec<ApprovalTotal> {
    let tool = question.message.tool().unwrap_or_default();
    let contract = judged.bundle.contract(question.call.server_id, &tool);
    let one = |(consume, stood): (&Consume, &TotalFact)| {
        let (unit, adds) = match &consume.quantity {
            Quantity::Amount(amount) => ("amount", *amount),
            Quantity::Things(_) => ("things", stood.new.unwrap_or_default()),
        };
        let term = contract.and_then(|contract| contract.total(&consume.counter, &consume.window));
        let value = contract.and_then(|contract| contract.value.as_ref()).filter(|_| unit == "amount");
        ApprovalTotal {
            counter: consume.counter.clone(),
            window: consume.window.clone(),
            unit: unit.to_owned(),
            stood: stood.before,
            adds,
            ask_above: term.and_then(|term| term.ask_above),
            max: term.and_then(|term| term.max),
            currency: term.and(value).and_then(|value| value.currency.clone()),
        }
    };
    judged.consumes.iter().zip(&judged.totals).map(one).collect()
}

/// A question that is over.
fn closed(state: ApprovalState) -> Settled {
    match state {
        ApprovalState::Denied => Settled::Refused("approval.denied", "A person refused this call."),
        ApprovalState::Expired => Settled::Refused("approval.expired", "Nobody approved this call in time."),
        ApprovalState::Cancelled => {
            Settled::Refused("approval.cancelled", "The question about this call was withdrawn.")
        }
        // Neither is handed on by `find`, and an open state is not closed.
        ApprovalState::Consumed
        | ApprovalState::Superseded
        | ApprovalState::Pending
        | ApprovalState::Approved => UNAVAILABLE,
    }
}

fn refused(error: &StoreError) -> Settled {
    let text = match error {
        StoreError::TooManyPending(_) => "This agent has too many calls waiting for approval.",
        StoreError::Expired => "Nobody approved this call in time.",
        _ => "Approvals cannot be checked now.",
    };
    if let StoreError::Unavailable(why) = error {
        tracing::error!(why, "approval store unavailable");
    }
    Settled::Refused(error.code(), text)
}
