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
    Action, Event, Failure, Flow, GrpcAnswer, HeaderChange, LocalReply, Publication, RequestHead, Step,
};
use crate::inspect::{self, SharedProfiles};
use crate::message::{self, Judgement};
use crate::metrics::Counter;
use crate::outcome::Watch;
use crate::response::ResponsePlan;
use crate::rpc::Asked;
use interdict_content::response::Treater;
use interdict_proto::enforcement::{self, Enforcement, Obligation, Verdict};
use std::rc::Rc;

mod back;

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

/// Rules for the response that cannot be carried out.
struct Unfit;

/// One HTTP stream.
#[derive(Debug)]
pub struct Stream {
    config: Rc<Config>,
    profiles: SharedProfiles,
    state: State,
    head: RequestHead,
    body: Vec<u8>,
    enforcement: Option<Enforcement>,
    /// What carries out the obligation on the response, until that begins.
    treater: Option<Treater>,
    response: Option<ResponsePlan>,
    /// Ids of the requests that were sent to be judged (mode call).
    ids: Vec<String>,
    /// What is to be reported of an allowed call.
    watch: Option<Watch>,
    /// That the response reads like instructions was told.
    warned: bool,
    /// A local reply was asked for; there is never a second one.
    replied: bool,
    opened: u64,
}

impl Stream {
    /// A stream that nothing happened on.
    pub fn new(config: Rc<Config>, profiles: SharedProfiles) -> Self {
        Self {
            config,
            profiles,
            state: State::Start,
            head: RequestHead::default(),
            body: Vec::new(),
            enforcement: None,
            treater: None,
            response: None,
            ids: Vec::new(),
            watch: None,
            warned: false,
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
            Event::ResponseRead(bytes) => self.on_response_read(&bytes),
            Event::ResponseTrailers { grpc_status } => self.on_response_trailers(grpc_status),
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
                let profiles = self.profiles.try_borrow().map(|held| held.digests()).unwrap_or_default();
                let message = check::request(&self.head, &mut body, &self.config, &profiles);
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
    fn oblige(&mut self, enforcement: &mut Enforcement) -> Result<Option<Action>, Unfit> {
        let Some(rules) = enforcement.response_rules() else { return Ok(None) };
        let treater = inspect::treater(rules, &self.profiles, &enforcement.decision_id).ok_or(Unfit)?;
        self.treater = Some(treater);
        enforcement.obligations.retain(|one| !matches!(one, Obligation::InspectResponse { .. }));
        // An encoded response could not be read.
        Ok(Some(remove("accept-encoding")))
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

    // === refusing ===

    fn on_host_failed(&mut self, failure: Failure) -> Step {
        match failure {
            Failure::Call => self.fail(answer::UNAVAILABLE),
            Failure::Head | Failure::Body | Failure::Change | Failure::Resume => {
                self.fail(message::HOST_FAILED)
            }
            Failure::Reply | Failure::Response => self.abort(),
        }
    }

    /// The stream ends here: whatever else came would be more than may pass.
    fn abort(&mut self) -> Step {
        self.state = State::Closed;
        self.response = Some(ResponsePlan::Aborted);
        Step::pause(vec![Action::Reset])
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
