//! What the decision point says, carried out.

use super::request::declared_length;
use super::{State, Stream, Unfit, publication, remove};
use crate::answer::{self, Ruling};
use crate::event::{Action, GrpcAnswer, HeaderChange, LocalReply, Step};
use crate::inspect;
use crate::message;
use crate::metrics::Counter;
use crate::rpc::Asked;
use interdict_proto::enforcement::{self, Enforcement, Obligation, Verdict};

impl Stream {
    pub(super) fn on_answer(&mut self, answer: GrpcAnswer) -> Step {
        let State::Checking { token, since } = self.state else {
            // Late or twice: whatever it says, this stream is decided. A stream that never asked must not pass.
            return if matches!(self.state, State::Passed | State::Closed) {
                Step::pause(vec![Action::Count(Counter::IllegalEvents)])
            } else {
                self.illegal()
            };
        };
        if answer.token != token {
            return self.illegal();
        }
        let time = Action::Time(answer.now.saturating_sub(since) / 1_000);
        let mut step = match answer::read(answer.status, answer.message.as_deref(), &self.head) {
            Ruling::Allow { enforcement, changes } => self.allow(enforcement, changes),
            Ruling::Refuse { enforcement, reply } => self.refuse(enforcement, reply),
            Ruling::Unusable(code) => self.fail(code),
        };
        step.actions.insert(0, time);
        step
    }

    fn allow(&mut self, mut enforcement: Enforcement, changes: Vec<HeaderChange>) -> Step {
        let asked = Asked::Ids(std::mem::take(&mut self.ids));
        self.watch(&enforcement, asked);
        let Ok(plain) = self.oblige(&mut enforcement) else { return self.fail(message::RULES_UNFIT) };
        let mut actions: Vec<Action> = changes.into_iter().map(Action::Change).chain(plain).collect();
        if let Some((length_before, edits)) = enforcement.body_edit() {
            let Ok(body) = enforcement::apply(&self.body, length_before, edits) else {
                return self.fail(message::EDIT_FAILED);
            };
            // Still held, so a declared length can be put right; without one Envoy frames the body by itself.
            if declared_length(&self.head).is_some() {
                let length = body.len().to_string().into_bytes();
                actions.push(Action::Change(HeaderChange::Set("content-length".to_owned(), length)));
            }
            actions.push(Action::ReplaceBody { length_before, body });
            actions.push(Action::Count(Counter::BodiesReplaced));
        }
        actions.push(publication(&enforcement));
        actions.push(Action::Resume);
        actions.push(Action::Count(Counter::Allowed));
        self.enforcement = Some(enforcement);
        self.state = State::Passed;
        Step::pause(actions)
    }

    fn refuse(&mut self, enforcement: Option<Enforcement>, reply: LocalReply) -> Step {
        let (publication, counter) = match &enforcement {
            Some(enforcement) if enforcement.verdict == Verdict::Intercept => {
                (publication(enforcement), Counter::Intercepted)
            }
            Some(enforcement) => (publication(enforcement), Counter::Denied),
            None => (self.own_publication("enforcer.unlabelled_denial"), Counter::Denied),
        };
        self.reply(publication, reply, counter)
    }

    /// Makes ready what the response is obliged to, before the request goes on: what cannot be carried out must not be
    /// asked for. The rules are let go of, as a stream may live for long.
    pub(super) fn oblige(&mut self, enforcement: &mut Enforcement) -> Result<Option<Action>, Unfit> {
        let Some(rules) = enforcement.response_rules() else { return Ok(None) };
        let treater = inspect::treater(rules, &self.profiles, &enforcement.decision_id).ok_or(Unfit)?;
        self.treater = Some(treater);
        enforcement.obligations.retain(|one| !matches!(one, Obligation::InspectResponse { .. }));
        // An encoded response could not be read.
        Ok(Some(remove("accept-encoding")))
    }
}
