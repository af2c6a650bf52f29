//! The way back: responses, and what is told of them at the end.

use super::{State, Stream};
use crate::event::{Action, Flow, ResponseHead, Step};
use crate::inspect::{self, Inspector, Next};
use crate::message;
use crate::metrics::Counter;
use crate::outcome::{Copied, Watch};
use crate::response::{self, ResponsePlan, Shape};
use crate::rpc::Asked;
use interdict_content::response::Treated;
use interdict_proto::enforcement::Enforcement;

impl Stream {
    pub(super) fn on_response_headers(&mut self, head: &ResponseHead) -> Step {
        let unnamed_own = self.replied && head.code_details.is_none();
        let local = unnamed_own || !response::is_from_upstream(head);
        if let Some(watch) = &mut self.watch {
            watch.on_response(head, local);
        }
        if local {
            // A local reply, ours or of another part of Envoy. It is the answer: nothing may go on behind it.
            if self.state != State::Passed {
                self.state = State::Closed;
            }
            self.response = Some(ResponsePlan::Untouched);
            return Step::flow(Flow::Continue);
        }
        match (&self.state, &self.enforcement) {
            _ if self.replied => {
                // Our reply must not be followed by the server's, and a second reply is unsafe.
                self.response = None;
                Step::pause(vec![Action::Reset])
            }
            (State::Passed, None) => {
                self.response = Some(ResponsePlan::Untouched);
                Step::flow(Flow::Continue)
            }
            // Bytes of another protocol are nothing that a client of this one waits for.
            (State::Passed | State::Rewriting { .. }, Some(_))
                if head.status.is_some_and(|code| code < 200) =>
            {
                self.response = None;
                self.fail(message::UNASKED_UPGRADE)
            }
            (State::Passed | State::Rewriting { .. }, Some(_)) if self.is_led_elsewhere(head) => {
                self.response = None;
                self.fail(message::LED_ELSEWHERE)
            }
            // A server may answer before it has the whole body; in mode split the request was allowed by then.
            (State::Passed | State::Rewriting { .. }, Some(_)) => {
                // Nobody will be refused with this request's id any more.
                self.body = Vec::new();
                self.plan(head)
            }
            _ => {
                self.response = None;
                self.fail(message::RESPONSE_WITHOUT_DECISION)
            }
        }
    }

    /// Whether the client is sent to a place from where answers come that have to be looked into, and are not.
    fn is_led_elsewhere(&self, head: &ResponseHead) -> bool {
        self.treater.is_some() && response::leads_elsewhere(head, self.head.text(":authority"))
    }

    fn plan(&mut self, head: &ResponseHead) -> Step {
        let mut actions = vec![Action::Count(Shape::of(head.content_type.as_deref()).counter())];
        let plan = match (self.treater.take(), &self.response) {
            (Some(treater), _) => {
                let (inspector, changes) = Inspector::new(treater, head);
                actions.extend(changes.into_iter().map(Action::ChangeResponse));
                ResponsePlan::Inspect(Box::new(inspector))
            }
            // A second response on a stream whose first one was looked into: nobody knows what it is.
            (None, Some(ResponsePlan::Inspect(_))) => return self.illegal_response(),
            (None, _) => ResponsePlan::Pass,
        };
        self.response = Some(plan);
        Step::pass(actions)
    }

    fn illegal_response(&mut self) -> Step {
        let mut step = self.abort();
        step.actions.insert(0, Action::Count(Counter::IllegalEvents));
        step
    }

    pub(super) fn on_response_body(&mut self, size: usize, end: bool) -> Step {
        if let Some(ResponsePlan::Inspect(inspector)) = &mut self.response {
            let arrived = size.saturating_sub(inspector.kept());
            if let Some(watch) = &mut self.watch {
                watch.on_arrival(arrived, end);
            }
            let next = inspector.on_piece(size, end);
            return carry_out(next, size);
        }
        let part = self.watch.as_mut().and_then(|watch| watch.on_piece(size, end));
        let mut step = self.on_response_piece();
        // Only of what passes: a piece that is kept is shown again.
        if step.flow == Flow::Continue {
            step.actions.extend(part.map(Action::Copy));
        }
        step
    }

    /// Everything that is there of a response that is looked into.
    pub(super) fn on_response_read(&mut self, bytes: &[u8]) -> Step {
        let Some(ResponsePlan::Inspect(inspector)) = &mut self.response else {
            return self.illegal_response();
        };
        // What is told of the answer is what the server said.
        if let Some(watch) = &mut self.watch {
            watch.on_bytes(bytes);
        }
        let mut step = carry_out(inspector.on_read(bytes), bytes.len());
        let is_hostile = inspector.report().is_hostile() && self.watch.is_some();
        if let Some(enforcement) = self.enforcement.as_ref().filter(|_| is_hostile && !self.warned) {
            self.warned = true;
            // Before it passes: whoever reads it may call at once.
            step.actions.insert(0, Action::Warn { decision_id: enforcement.decision_id.clone() });
        }
        step
    }

    pub(super) fn on_response_copied(&mut self, part: Copied, bytes: Option<&[u8]>) -> Step {
        let next = self.watch.as_mut().and_then(|watch| watch.on_copy(part, bytes));
        Step::pass(next.map(Action::Copy).into_iter().collect())
    }

    pub(super) fn on_response_trailers(&mut self, grpc_status: Option<u32>) -> Step {
        if let Some(watch) = &mut self.watch {
            watch.on_trailers(grpc_status);
        }
        match &mut self.response {
            Some(ResponsePlan::Inspect(inspector)) => {
                let (next, size) = inspector.on_trailers();
                carry_out(next, size)
            }
            _ => self.on_response_piece(),
        }
    }

    fn on_response_piece(&mut self) -> Step {
        match self.response {
            Some(ResponsePlan::Aborted) => Step::flow(Flow::Pause),
            Some(_) => Step::flow(Flow::Continue),
            // Ours, sent in place of a response that must not pass.
            None if self.replied => Step::flow(Flow::Continue),
            None => self.illegal(),
        }
    }

    // === outcome ===

    /// From now on this call counts as allowed, however it ends.
    pub(super) fn watch(&mut self, enforcement: &Enforcement, asked: Asked) {
        let limit = self.config.reporting().map(|outcomes| outcomes.read_body_bytes);
        self.watch = limit.map(|limit| Watch::new(enforcement.decision_id.clone(), limit, asked));
    }

    pub(super) fn on_done(&mut self, now: u64, status: Option<u16>) -> Step {
        self.state = State::Ended;
        let duration_us = now.saturating_sub(self.opened) / 1_000;
        let mut outcome = self.watch.take().map(|watch| watch.finish(duration_us, status));
        let mut actions = Vec::new();
        if let Some(ResponsePlan::Inspect(inspector)) = &self.response {
            let report = inspector.report();
            actions.extend(report.treated().and_then(counter).map(Action::Count));
            if let Some(outcome) = &mut outcome {
                inspect::tell(report, outcome);
            }
        }
        actions.extend(outcome.map(Action::Report));
        Step::pass(actions)
    }
}

fn counter(treated: Treated) -> Option<Counter> {
    match treated {
        Treated::Untouched => None,
        Treated::Edited => Some(Counter::ResponsesEdited),
        Treated::Quarantined | Treated::Refused => Some(Counter::ResponsesRefused),
    }
}

/// `size` is everything that is there.
fn carry_out(next: Next, size: usize) -> Step {
    match next {
        Next::Keep => Step::flow(Flow::Pause),
        Next::Pass => Step::flow(Flow::Continue),
        // Keeps what was shown should the host not hand it out.
        Next::Read => Step::pause(vec![Action::ReadResponse { length: size }]),
        Next::Replace(body) => Step::pass(vec![Action::ReplaceResponse { length_before: size, body }]),
    }
}
