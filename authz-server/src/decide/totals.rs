//! The stages about what adds up over calls: what the counters say before a call, and the counting of one that goes on.

use interdict_mcp::{Message, Reading};
use interdict_policy::{ApprovalFact, TotalFact};

use super::judging::Subject;
use super::stages::{Call, Judged};
use super::turns::Overloaded;
use super::{Decider, Pass, Stop};
use crate::record::Trace;
use crate::totals::{Added, Owner, TotalsError};

/// How often a call is judged anew because other decision points counted calls of the same agent in between.
const MAX_TRIES: usize = 16;

/// What an element of a batch is refused with.
pub(super) const NOT_IN_BATCH: (&str, &str) =
    ("totals.not_in_batch", "This call is counted with others; send it alone, not in a batch.");

fn owner<'a>(call: &Call<'a>, judged: &'a Judged, tool: &'a str) -> Owner<'a> {
    let identity = call.identity;
    let agent = judged.bundle.registry().agent(&identity.agent_id);
    Owner {
        // What the registry does not know is not let through.
        tenant: agent.map_or("", |agent| agent.tenant.as_str()),
        agent: &identity.agent_id,
        principal: identity.principal.as_ref(),
        server: call.server_id,
        tool,
    }
}

fn failed(error: &TotalsError, call: &Call<'_>, judged: &Judged) -> Judged {
    if let TotalsError::Unavailable(why) = error {
        tracing::error!(why, "totals unavailable");
    }
    Judged::unjudged(error.code(), error.text(), call, &judged.bundle)
}

impl Decider {
    /// A judgement of one message, again with what the counters say if the call adds to any.
    pub(super) async fn with_totals(&self, call: &Call<'_>, judged: Judged) -> Result<Judged, Overloaded> {
        let Reading::Message(message) = call.reading else { return Ok(judged) };
        if judged.consumes.is_empty() {
            return Ok(judged);
        }
        let now = self.parts.clock.now();
        let tool = message.tool().unwrap_or_default();
        let standing = self.parts.totals.standing(&owner(call, &judged, &tool), &judged.consumes, now).await;
        match standing {
            Ok(totals) => self.judge_again(call, message, judged, totals).await,
            Err(error) => Ok(failed(&error, call, &judged)),
        }
    }

    /// The same judgement by other totals; a large message waits for its turn.
    async fn judge_again(
        &self,
        call: &Call<'_>,
        message: &Message<'_>,
        judged: Judged,
        totals: Vec<TotalFact>,
    ) -> Result<Judged, Overloaded> {
        let Judged { bundle, approval, .. } = judged;
        let (bytes, deadline) = (call.request.http.body_bytes(), call.request.deadline);
        let judge = || self.judge(call, Subject::Message(message), &bundle, approval, totals);
        self.turns.run(bytes, deadline, judge).await
    }

    /// Judges a call with an approval, or without one that it waits for, by the bundle in force.
    pub(super) async fn judge_now(
        &self,
        call: &Call<'_>,
        message: &Message<'_>,
        approval: Option<ApprovalFact>,
    ) -> Result<Judged, Overloaded> {
        let bundle = self.parts.bundle.load_full();
        if !call.content.holds_under(&bundle, call.server_id) {
            let crate::content::Refused(code, text) = crate::content::RULES_CHANGED;
            return Ok(Judged::unjudged(code, text, call, &bundle));
        }
        let (bytes, deadline) = (call.request.http.body_bytes(), call.request.deadline);
        let judge = || self.judge(call, Subject::Message(message), &bundle, approval, Vec::new());
        let judged = self.turns.run(bytes, deadline, judge).await?;
        let judged = self.with_totals(call, judged).await?;
        Ok(self.stale(call, message, judged))
    }

    /// From a judgement to what goes on: asks a person where one must be asked, and counts what goes on. Counting is the
    /// last thing that can fail, so what is refused is not counted.
    pub(super) async fn settle(
        &self,
        call: &Call<'_>,
        mut judged: Judged,
        trace: &mut Trace,
    ) -> Result<Pass, Stop> {
        for _ in 0..MAX_TRIES {
            trace.at(interdict_audit::record::Stage::Approval);
            judged = self.approve(call, judged, trace).await?;
            // Again: a person may have taken a while.
            judged = self.pinned(call, judged, trace).await?;
            trace.at(interdict_audit::record::Stage::Obligations);
            let pass = self.pass(call, &judged, trace)?;
            match self.count(call, judged, trace).await {
                Ok(()) => {
                    self.goes_on(call);
                    return Ok(pass);
                }
                Err(now) => judged = *now,
            }
        }
        let error = TotalsError::Unavailable("others never left the counters alone".to_owned());
        let judged = failed(&error, call, &judged);
        trace.note_judged([&judged]);
        Err(super::pass::deny(error.code(), error.text(), &judged, call, trace))
    }

    /// Adds an allowed call to its counters. `Err`: they moved, and this is the judgement by what they say now.
    async fn count(&self, call: &Call<'_>, judged: Judged, trace: &mut Trace) -> Result<(), Box<Judged>> {
        let Reading::Message(message) = call.reading else { return Ok(()) };
        if judged.consumes.is_empty() {
            return Ok(());
        }
        let tool = message.tool().unwrap_or_default();
        let (decision, mut judged) = (judged.decision.clone(), judged);
        let whose = judged.clone();
        let owner = owner(call, &whose, &tool);
        let _turn = self.parts.totals.turn(&owner).await;
        while judged.decision == decision {
            let now = self.parts.clock.now();
            judged = match self.parts.totals.add(&owner, &judged.consumes, &judged.totals, now).await {
                Ok(Added::Yes) => return Ok(()),
                Ok(Added::Moved(totals)) => {
                    let bundle = std::sync::Arc::clone(&judged.bundle);
                    let again = self.judge_again(call, message, judged, totals).await;
                    again.unwrap_or_else(|_| {
                        Judged::unjudged(Overloaded::CODE, Overloaded::TEXT, call, &bundle)
                    })
                }
                Err(error) => failed(&error, call, &judged),
            };
            trace.note_judged([&judged]);
            trace.note_reasons(&judged.decision.reasons);
        }
        Err(Box::new(judged))
    }
}
