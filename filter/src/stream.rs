//! The state machine of one HTTP stream.
//!
//! ```text
//! mode call    Start ─headers─> Body ─end─> Reading ─> Calling ─> Checking ─answer─> Passed │ Closed
//! mode split   Start ─headers─> Passed │ Rewriting ─end─> Applying ─> Passed │ Closed
//! exempt       Start ─headers─> Passed
//! ```
//!
//! `Passed` is the only state from which a request or a response of the server goes on. The end of the body is reached
//! from three places: headers with end of stream, a body piece with end of stream, trailers. In mode call a request is
//! resumed once, from the answer's callback, after its end. An event that does not fit the state denies.

use crate::answer::{self, Ruling};
use crate::check;
use crate::config::{Config, Mode};
use crate::event::{
    Action, Event, Failure, Flow, GrpcAnswer, HeaderChange, LocalReply, Publication, RequestHead,
    ResponseHead, Step,
};
use crate::message::{self, Judgement};
use crate::metrics::Counter;
use crate::outcome::{Copied, Watch};
use crate::response::{self, ResponsePlan};
use crate::rpc::Asked;
use interdict_proto::enforcement::{self, Enforcement, Verdict};
use std::rc::Rc;

const MILLI: u64 = 1_000_000;

/// How long after the call's own timeout an answer is waited for, in nanoseconds. Envoy always reports the end of a
/// call; this is for the day on which it does not.
const ANSWER_GRACE: u64 = 2_000 * MILLI;

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Nothing seen.
    Start,
    /// Mode call: held until the body is complete.
    Body { shown: Option<usize> },
    /// The complete body was asked for.
    Reading,
    /// The Check call was asked for.
    Calling,
    /// The Check call is under way.
    Checking { token: u32, since: u64 },
    /// Mode split: allowed with a body edit; the body is kept until it is complete.
    Rewriting { buffered: usize },
    /// Mode split: the complete body was asked for, to be edited.
    Applying,
    /// The request goes on. `enforcement` is `None` when it is exempt.
    Passed,
    /// Somebody answered instead of the server.
    Closed,
    /// The stream ended; nothing is asked of the host any more.
    Ended,
}

/// One HTTP stream.
#[derive(Debug)]
pub struct Stream {
    config: Rc<Config>,
    state: State,
    head: RequestHead,
    body: Vec<u8>,
    enforcement: Option<Enforcement>,
    response: Option<ResponsePlan>,
    /// Ids of the requests that were sent to be judged (mode call).
    ids: Vec<String>,
    /// What is to be reported of an allowed call.
    watch: Option<Watch>,
    /// A local reply was asked for; there is never a second one.
    replied: bool,
    opened: u64,
}

impl Stream {
    /// A stream that nothing happened on.
    pub fn new(config: Rc<Config>) -> Self {
        Self {
            config,
            state: State::Start,
            head: RequestHead::default(),
            body: Vec::new(),
            enforcement: None,
            response: None,
            ids: Vec::new(),
            watch: None,
            replied: false,
            opened: 0,
        }
    }

    /// Whether time can change anything here, so that ticks are of use.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Body { .. } | State::Checking { .. } | State::Rewriting { .. })
    }

    /// What follows from an event.
    pub fn on(&mut self, event: Event) -> Step {
        if self.state == State::Ended {
            return Step::flow(Flow::Pause);
        }
        match event {
            Event::RequestHeaders { head, end } => self.on_request_headers(*head, end),
            Event::RequestBody { size, end } => self.on_request_body(size, end),
            Event::RequestTrailers => self.on_request_trailers(),
            Event::BodyRead(body) => self.on_body_read(body),
            Event::Called { token, now } => self.on_called(token, now),
            Event::Answered(answer) => self.on_answer(answer),
            Event::HostFailed(failure) => self.on_host_failed(failure),
            Event::Tick { now, received } => self.on_tick(now, received),
            Event::ResponseHeaders(head) => self.on_response_headers(&head),
            Event::ResponseBody { size, end } => self.on_response_body(size, end),
            Event::ResponseCopied { part, bytes } => self.on_response_copied(part, bytes.as_deref()),
            Event::ResponseTrailers { grpc_status } => {
                if let Some(watch) = &mut self.watch {
                    watch.on_trailers(grpc_status);
                }
                self.on_response_piece()
            }
            Event::Done { now, status } => self.on_done(now, status),
        }
    }

    // === request ===

    fn on_request_headers(&mut self, head: RequestHead, end: bool) -> Step {
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
        let enforcement = match text.as_deref().map(Enforcement::parse) {
            Some(Ok(enforcement)) if enforcement.verdict == Verdict::Allow => enforcement,
            // ext_authz did not ask us, or let a request pass that we did not allow.
            _ => return self.unread(503, message::NO_DECISION),
        };
        let edit = enforcement.body_edit().map(|(length_before, _)| length_before);
        let publication = publication(&enforcement);
        // The request streams by unread, but only a POST has an answer.
        let asked = if self.head.text(":method") == "POST" { Asked::Unknown } else { Asked::Ids(Vec::new()) };
        self.watch(&enforcement, asked);
        self.enforcement = Some(enforcement);
        let Some(length_before) = edit else {
            self.state = State::Passed;
            return Step::pass(vec![publication, Action::Count(Counter::Allowed)]);
        };
        // Headers are on their way once this callback ends; what can be known now must stop the request now. Envoy's
        // ext_authz filter waited for the whole body, so its size is known.
        let size = self.head.body_size.or_else(|| declared_length(&self.head));
        let contradicted = size.is_some_and(|size| size != length_before as u64);
        if end || contradicted || length_before > self.config.max_body_bytes {
            return self.unread(503, message::EDIT_FAILED);
        }
        self.state = State::Rewriting { buffered: 0 };
        Step::pass(vec![publication, remove("content-length")])
    }

    fn on_request_body(&mut self, size: usize, end: bool) -> Step {
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

    fn on_request_trailers(&mut self) -> Step {
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

    fn on_body_read(&mut self, body: Vec<u8>) -> Step {
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
                let message = check::request(&self.head, &mut body, &self.config);
                self.body = body;
                self.state = State::Calling;
                let metadata = check::metadata(&self.head);
                Step::pause(vec![Action::Count(Counter::Checks), Action::Call { message, metadata }])
            }
        }
    }

    fn on_called(&mut self, token: u32, now: u64) -> Step {
        match self.state {
            State::Calling => {
                self.state = State::Checking { token, since: now };
                Step::flow(Flow::Pause)
            }
            _ => self.illegal(),
        }
    }

    // === answer ===

    fn on_answer(&mut self, answer: GrpcAnswer) -> Step {
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

    fn allow(&mut self, enforcement: Enforcement, changes: Vec<HeaderChange>) -> Step {
        let asked = Asked::Ids(std::mem::take(&mut self.ids));
        self.watch(&enforcement, asked);
        let mut actions: Vec<Action> = changes.into_iter().map(Action::Change).collect();
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

    // === split: edits ===

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

    // === time ===

    fn on_tick(&mut self, now: u64, received: Option<u64>) -> Step {
        let waited = now.saturating_sub(self.opened);
        let body_time = u64::from(self.config.body_timeout_ms) * MILLI;
        match self.state {
            // Bytes arrived, and no body callback: without the flag a pause in the header callback stops the body too.
            State::Body { shown: None } if grew(self.head.received, received) => {
                let step = self.unread(500, message::HEADER_HOLD_MISSING);
                counted(Counter::HeaderHoldMissing, step)
            }
            State::Body { .. } if waited > body_time => self.unread(408, message::BODY_TIMEOUT),
            State::Rewriting { .. } if waited > body_time => self.unread(408, message::BODY_TIMEOUT),
            State::Checking { since, .. } => {
                let limit = self.config.authz.as_ref().map_or(0, |authz| u64::from(authz.timeout_ms)) * MILLI;
                if now.saturating_sub(since) > limit + ANSWER_GRACE {
                    self.fail(answer::UNAVAILABLE)
                } else {
                    Step::flow(Flow::Pause)
                }
            }
            _ => Step::flow(Flow::Pause),
        }
    }

    // === response ===

    fn on_response_headers(&mut self, head: &ResponseHead) -> Step {
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
            // A server may answer before it has the whole body; in mode split the request was allowed by then.
            (State::Passed | State::Rewriting { .. }, Some(_)) => {
                // Nobody will be refused with this request's id any more.
                self.body = Vec::new();
                let plan = ResponsePlan::of_allowed(head);
                self.response = Some(plan);
                let counter = match plan {
                    ResponsePlan::Pass(shape) => vec![Action::Count(shape.counter())],
                    ResponsePlan::Untouched => Vec::new(),
                };
                Step::pass(counter)
            }
            _ => {
                self.response = None;
                self.fail(message::RESPONSE_WITHOUT_DECISION)
            }
        }
    }

    fn on_response_body(&mut self, size: usize, end: bool) -> Step {
        let part = self.watch.as_mut().and_then(|watch| watch.on_piece(size, end));
        let mut step = self.on_response_piece();
        // Only of what passes: a piece that is kept is shown again.
        if step.flow == Flow::Continue {
            step.actions.extend(part.map(Action::Copy));
        }
        step
    }

    fn on_response_copied(&mut self, part: Copied, bytes: Option<&[u8]>) -> Step {
        let next = self.watch.as_mut().and_then(|watch| watch.on_copy(part, bytes));
        Step::pass(next.map(Action::Copy).into_iter().collect())
    }

    fn on_response_piece(&mut self) -> Step {
        match self.response {
            Some(plan) => Step::flow(plan.on_piece()),
            // Ours, sent in place of a response that must not pass.
            None if self.replied => Step::flow(Flow::Continue),
            None => self.illegal(),
        }
    }

    // === outcome ===

    /// From now on this call counts as allowed, however it ends.
    fn watch(&mut self, enforcement: &Enforcement, asked: Asked) {
        let limit = self.config.reporting().map(|outcomes| outcomes.read_body_bytes);
        self.watch = limit.map(|limit| Watch::new(enforcement.decision_id.clone(), limit, asked));
    }

    fn on_done(&mut self, now: u64, status: Option<u16>) -> Step {
        self.state = State::Ended;
        let duration_us = now.saturating_sub(self.opened) / 1_000;
        let outcome = self.watch.take().map(|watch| watch.finish(duration_us, status));
        Step::pass(outcome.map(Action::Report).into_iter().collect())
    }

    // === refusing ===

    fn on_host_failed(&mut self, failure: Failure) -> Step {
        match failure {
            Failure::Call => self.fail(answer::UNAVAILABLE),
            Failure::Head | Failure::Body | Failure::Change | Failure::Resume => {
                self.fail(message::HOST_FAILED)
            }
            Failure::Reply => {
                self.state = State::Closed;
                Step::pause(vec![Action::Reset])
            }
        }
    }

    fn illegal(&mut self) -> Step {
        counted(Counter::IllegalEvents, self.fail(message::ILLEGAL_ORDER))
    }

    /// No decision could be had or carried out: an error in the form of the request.
    fn fail(&mut self, code: &'static str) -> Step {
        let reply =
            message::failure(&self.head, &self.body, self.config.max_body_bytes, code, &self.local_id());
        self.close(reply, code, Counter::Failed)
    }

    /// Refuses without having read the body.
    fn unread(&mut self, status: u16, code: &'static str) -> Step {
        let reply = message::unread(status, code, &self.local_id());
        self.close(reply, code, Counter::Refused)
    }

    fn close(&mut self, reply: LocalReply, code: &'static str, counter: Counter) -> Step {
        let publication = self.own_publication(code);
        self.reply(publication, reply, counter)
    }

    fn reply(&mut self, publication: Action, reply: LocalReply, counter: Counter) -> Step {
        self.state = State::Closed;
        if std::mem::replace(&mut self.replied, true) {
            // Sending twice is unsafe in Envoy. The first reply is on its way, or the stream is lost anyway.
            return Step::flow(Flow::Pause);
        }
        Step::pause(vec![publication, Action::Reply(reply), Action::Count(counter)])
    }

    /// Whether the request was held until it was judged as a whole.
    fn is_held(&self) -> bool {
        self.config.mode == Mode::Call && self.enforcement.is_some()
    }

    /// The id of a refusal made here; the decision point knows nothing of it.
    fn local_id(&self) -> String {
        format!("local-{:x}-{:x}", self.opened, self.head.stream)
    }

    fn own_publication(&self, code: &str) -> Action {
        Action::Publish(Publication {
            decision_id: self.local_id(),
            verdict: Verdict::Deny,
            reason: code.to_owned(),
        })
    }
}

fn publication(enforcement: &Enforcement) -> Action {
    Action::Publish(Publication {
        decision_id: enforcement.decision_id.clone(),
        verdict: enforcement.verdict,
        reason: enforcement.reason.clone(),
    })
}

fn remove(name: &str) -> Action {
    Action::Change(HeaderChange::Remove(name.to_owned()))
}

fn counted(counter: Counter, mut step: Step) -> Step {
    step.actions.insert(0, Action::Count(counter));
    step
}

fn grew(before: Option<u64>, now: Option<u64>) -> bool {
    matches!((before, now), (Some(before), Some(now)) if now > before)
}

fn declared_length(head: &RequestHead) -> Option<u64> {
    head.text("content-length").parse().ok()
}
