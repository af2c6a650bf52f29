//! The way of a request: what is held and read, what is asked, and in mode split the edit of a body that was judged.

use super::{State, Stream, counted, publication, remove};
use crate::check;
use crate::config::Mode;
use crate::event::{Action, Flow, RequestHead, Step};
use crate::message::{self, Judgement};
use crate::metrics::Counter;
use crate::rpc::Asked;
use interdict_proto::enforcement::{self, Enforcement, Verdict};

impl Stream {
    pub(super) fn on_request_headers(&mut self, head: RequestHead, end: bool) -> Step {
        if self.state != State::Start {
            return self.illegal();
        }
        self.opened = head.now;
        self.head = head;
        let route = self.head.surroundings.route.as_deref();
        let step = if self.config.is_exempt(self.head.text(":path"), route) {
            self.state = State::Passed;
            Step::pass(vec![Action::Count(Counter::Exempt)])
        } else {
            match self.config.mode {
                Mode::Call => self.open_call(end),
                Mode::Split => self.open_split(end),
            }
        };
        counted(Counter::Requests, step)
    }

    fn open_call(&mut self, end: bool) -> Step {
        // No use in collecting what will not be read.
        if declared_length(&self.head).is_some_and(|length| length > self.config.max_body_bytes as u64) {
            return self.unread(413, message::BODY_TOO_LARGE);
        }
        // A stream that switches protocols has no end to wait for; the reading refuses it.
        if end || self.head.values("upgrade").next().is_some() {
            return self.complete(0);
        }
        self.state = State::Body { shown: None };
        Step::flow(Flow::Pause)
    }

    fn open_split(&mut self, end: bool) -> Step {
        let text = self.head.enforcement.take().and_then(|bytes| String::from_utf8(bytes).ok());
        let mut enforcement = match text.as_deref().map(Enforcement::parse) {
            Some(Ok(enforcement)) if enforcement.verdict == Verdict::Allow => enforcement,
            // ext_authz did not ask us, or let a request pass that we did not allow.
            _ => return self.unread(503, message::NO_DECISION),
        };
        let edit = enforcement.body_edit().map(|(length_before, _)| length_before);
        let publication = publication(&enforcement);
        // The request streams by unread, but only a POST has an answer.
        let asked = if self.head.text(":method") == "POST" { Asked::Unknown } else { Asked::Ids(Vec::new()) };
        self.watch(&enforcement, asked);
        let Ok(plain) = self.oblige(&mut enforcement) else {
            return self.unread(503, message::RULES_UNFIT);
        };
        self.enforcement = Some(enforcement);
        let Some(length_before) = edit else {
            self.state = State::Passed;
            let actions = [publication].into_iter().chain(plain).chain([Action::Count(Counter::Allowed)]);
            return Step::pass(actions.collect());
        };
        // Headers are on their way once this callback ends; what can be known now must stop the request now. Envoy's
        // ext_authz filter waited for the whole body, so its size is known.
        let size = self.head.body_size.or_else(|| declared_length(&self.head));
        let contradicted = size.is_some_and(|size| size != length_before as u64);
        if end || contradicted || length_before > self.config.max_body_bytes {
            return self.unread(503, message::EDIT_FAILED);
        }
        self.state = State::Rewriting { buffered: 0 };
        Step::pass([publication].into_iter().chain(plain).chain([remove("content-length")]).collect())
    }

    pub(super) fn on_request_body(&mut self, size: usize, end: bool) -> Step {
        match self.state {
            State::Body { .. } if size > self.config.max_body_bytes => {
                self.unread(413, message::BODY_TOO_LARGE)
            }
            State::Body { .. } if end => self.complete(size),
            State::Body { .. } => {
                self.state = State::Body { shown: Some(size) };
                Step::flow(Flow::Pause)
            }
            State::Rewriting { .. } => {
                self.state = State::Rewriting { buffered: size };
                let judged = self.edit().map_or(0, |(length_before, _)| length_before);
                if size > judged {
                    return self.unread(503, message::EDIT_FAILED);
                }
                if end { self.apply(size) } else { Step::flow(Flow::Pause) }
            }
            // Mode split and exempt requests stream. In mode call the whole request was judged before it passed, so
            // further bytes were not.
            State::Passed if !self.is_held() => Step::flow(Flow::Continue),
            State::Closed | State::Ended => Step::flow(Flow::Pause),
            State::Start
            | State::Reading
            | State::Calling
            | State::Checking { .. }
            | State::Applying
            | State::Passed => self.illegal(),
        }
    }

    pub(super) fn on_request_trailers(&mut self) -> Step {
        match self.state {
            State::Body { shown } => self.complete(shown.unwrap_or_default()),
            State::Rewriting { buffered } => self.apply(buffered),
            State::Passed if !self.is_held() => Step::flow(Flow::Continue),
            State::Closed | State::Ended => Step::flow(Flow::Pause),
            State::Start
            | State::Reading
            | State::Calling
            | State::Checking { .. }
            | State::Applying
            | State::Passed => self.illegal(),
        }
    }

    /// The request ended with `length` bytes of body.
    fn complete(&mut self, length: usize) -> Step {
        if length == 0 {
            return self.ask(Vec::new());
        }
        self.state = State::Reading;
        Step::pause(vec![Action::ReadBody { length }])
    }

    pub(super) fn on_body_read(&mut self, body: Vec<u8>) -> Step {
        match self.state {
            State::Reading => self.ask(body),
            State::Applying => self.replace(body),
            _ => self.illegal(),
        }
    }

    fn ask(&mut self, mut body: Vec<u8>) -> Step {
        let id = self.local_id();
        match message::judge(&self.head, &body, self.config.max_body_bytes, &id) {
            Judgement::Refuse { code, reply } => self.close(reply, code, Counter::Refused),
            Judgement::Ask { ids } => {
                self.ids = ids;
                let profiles = self.profiles.try_borrow().map(|held| held.digests()).unwrap_or_default();
                let message = check::request(&self.head, &mut body, &self.config, &profiles);
                self.body = body;
                self.state = State::Calling;
                let metadata = check::metadata(&self.head);
                Step::pause(vec![Action::Count(Counter::Checks), Action::Call { message, metadata }])
            }
        }
    }

    pub(super) fn on_called(&mut self, token: u32, now: u64) -> Step {
        match self.state {
            State::Calling => {
                self.state = State::Checking { token, since: now };
                Step::flow(Flow::Pause)
            }
            _ => self.illegal(),
        }
    }

    // === edits in mode split ===

    fn edit(&self) -> Option<(usize, &[enforcement::Edit])> {
        self.enforcement.as_ref().and_then(Enforcement::body_edit)
    }

    fn apply(&mut self, length: usize) -> Step {
        if length == 0 {
            return self.unread(503, message::EDIT_FAILED);
        }
        self.state = State::Applying;
        Step::pause(vec![Action::ReadBody { length }])
    }

    fn replace(&mut self, body: Vec<u8>) -> Step {
        let edited = self
            .edit()
            .and_then(|(length, edits)| Some((length, enforcement::apply(&body, length, edits).ok()?)));
        let Some((length_before, edited)) = edited else {
            self.body = body;
            return self.fail(message::EDIT_FAILED);
        };
        self.state = State::Passed;
        Step::pass(vec![
            Action::ReplaceBody { length_before, body: edited },
            Action::Count(Counter::BodiesReplaced),
            Action::Count(Counter::Allowed),
        ])
    }
}

pub(super) fn declared_length(head: &RequestHead) -> Option<u64> {
    head.text("content-length").parse().ok()
}
