//! Every way in which a stream is refused.

use super::{State, Stream, counted};
use crate::answer;
use crate::event::{Action, Failure, Flow, LocalReply, Publication, Step};
use crate::message;
use crate::metrics::Counter;
use crate::response::ResponsePlan;
use interdict_proto::enforcement::Verdict;

impl Stream {
    pub(super) fn on_host_failed(&mut self, failure: Failure) -> Step {
        match failure {
            Failure::Call => self.fail(answer::UNAVAILABLE),
            Failure::Head | Failure::Body | Failure::Change | Failure::Resume => {
                self.fail(message::HOST_FAILED)
            }
            Failure::Reply | Failure::Response => self.abort(),
        }
    }

    /// The stream ends here: whatever else came would be more than may pass.
    pub(super) fn abort(&mut self) -> Step {
        self.state = State::Closed;
        self.response = Some(ResponsePlan::Aborted);
        Step::pause(vec![Action::Reset])
    }

    pub(super) fn illegal(&mut self) -> Step {
        counted(Counter::IllegalEvents, self.fail(message::ILLEGAL_ORDER))
    }

    /// No decision could be had or carried out: an error in the form of the request.
    pub(super) fn fail(&mut self, code: &'static str) -> Step {
        let reply =
            message::failure(&self.head, &self.body, self.config.max_body_bytes, code, &self.local_id());
        self.close(reply, code, Counter::Failed)
    }

    /// Refuses without having read the body.
    pub(super) fn unread(&mut self, status: u16, code: &'static str) -> Step {
        let reply = message::unread(status, code, &self.local_id());
        self.close(reply, code, Counter::Refused)
    }

    pub(super) fn close(&mut self, reply: LocalReply, code: &'static str, counter: Counter) -> Step {
        let publication = self.own_publication(code);
        self.reply(publication, reply, counter)
    }

    pub(super) fn reply(&mut self, publication: Action, reply: LocalReply, counter: Counter) -> Step {
        self.state = State::Closed;
        if std::mem::replace(&mut self.replied, true) {
            // Sending twice is unsafe in Envoy. The first reply is on its way, or the stream is lost anyway.
            return Step::flow(Flow::Pause);
        }
        Step::pause(vec![publication, Action::Reply(reply), Action::Count(counter)])
    }

    /// The id of a refusal made here; the decision point knows nothing of it.
    pub(super) fn local_id(&self) -> String {
        format!("local-{:x}-{:x}", self.opened, self.head.stream)
    }

    pub(super) fn own_publication(&self, code: &str) -> Action {
        Action::Publish(Publication {
            decision_id: self.local_id(),
            verdict: Verdict::Deny,
            reason: code.to_owned(),
        })
    }
}
