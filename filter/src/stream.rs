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

use crate::config::{Config, Mode};
use crate::event::{Action, Event, Flow, HeaderChange, Publication, RequestHead, Step};
use crate::inspect::SharedProfiles;
use crate::message;
use crate::metrics::Counter;
use crate::outcome::Watch;
use crate::response::ResponsePlan;
use interdict_content::response::Treater;
use interdict_proto::enforcement::Enforcement;
use std::rc::Rc;

mod answer;
mod back;
mod refusal;
mod request;

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
                    self.fail(crate::answer::UNAVAILABLE)
                } else {
                    Step::flow(Flow::Pause)
                }
            }
            _ => Step::flow(Flow::Pause),
        }
    }

    /// Whether the request was held until it was judged as a whole.
    fn is_held(&self) -> bool {
        self.config.mode == Mode::Call && self.enforcement.is_some()
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
