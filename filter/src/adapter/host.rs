//! Envoy as the state machine sees it.

use super::sys::{self, buffer, map};
use crate::drive::{Host, Refused};
use crate::event::{HeaderChange, LocalReply};
use crate::metrics::{CHECK_DURATION, Counter};
use crate::outcome::Copied;
use crate::report::{Line, Reporter};
use interdict_proto::envoy::{AUTHORIZATION_SERVICE, CHECK_METHOD};
use interdict_proto::outcome::{OUTCOMES_SERVICE, Outcome, REPORT_METHOD, ReportRequest};
use prost::Message;
use proxy_wasm::hostcalls;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// A call out of the VM.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    /// A serialized `GrpcService`; empty when there is no such call.
    pub(super) service: String,
    pub(super) timeout: Duration,
}

impl Upstream {
    fn call(
        &self,
        service: &str,
        method: &str,
        metadata: Vec<(&str, &[u8])>,
        message: &[u8],
    ) -> Result<u32, Refused> {
        if self.service.is_empty() {
            return Err(Refused);
        }
        // Through the SDK, because its dispatcher must know the token. It panics on statuses that Envoy gives only for an
        // empty upstream or an unreadable one; both were excluded when the configuration was read.
        hostcalls::dispatch_grpc_call(&self.service, service, method, metadata, Some(message), self.timeout)
            .map_err(|_| Refused)
    }
}

/// What all streams of one plugin share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Id of the root's context.
    root: u32,
    /// Mode call: the Check call.
    check: Upstream,
    report: Upstream,
    /// Outcomes on their way; `None` when they are not reported.
    reporter: Option<RefCell<Reporter>>,
    /// Ticks come faster until the next call has ended.
    hurried: Cell<bool>,
    counters: Vec<u32>,
    check_duration: Option<u32>,
}

impl Shared {
    /// Defines the metrics, once per plugin.
    pub(super) fn new(
        root: u32,
        check: Upstream,
        report: Upstream,
        reporter: Option<Reporter>,
    ) -> Result<Self, Refused> {
        let counters: Result<Vec<u32>, Refused> = Counter::ALL
            .iter()
            .map(|counter| sys::define_metric(sys::metric::COUNTER, counter.name()))
            .collect();
        let check_duration = Some(sys::define_metric(sys::metric::HISTOGRAM, CHECK_DURATION)?);
        let (reporter, hurried) = (reporter.map(RefCell::new), Cell::new(false));
        Ok(Self { root, check, report, reporter, hurried, counters: counters?, check_duration })
    }

    /// Lets the next tick come soon.
    fn hurry(&self) {
        if !self.hurried.replace(true) && sys::set_tick_period(HURRIED_TICK_MILLISECONDS).is_err() {
            sys::log(sys::level::WARN, "interdict: Envoy refused a timer; outcomes wait for the next tick");
        }
    }

    /// Lets ticks come as usual again.
    pub(super) fn calm_down(&self, usual_milliseconds: u32) {
        if self.hurried.replace(false) && sys::set_tick_period(usual_milliseconds).is_err() {
            self.hurried.set(true);
        }
    }

    fn count(&self, counter: Counter, by: usize) {
        let place = Counter::ALL.iter().position(|other| *other == counter);
        if let Some(id) = place.and_then(|place| self.counters.get(place)) {
            let _ = sys::increment_metric(*id, by);
        }
    }

    /// Runs `then` on the reporter, if outcomes are reported.
    pub(super) fn reporter<R>(
        &self,
        then: impl FnOnce(&mut Reporter, &mut ReportLine<'_>) -> R,
    ) -> Option<R> {
        let mut reporter = self.reporter.as_ref()?.try_borrow_mut().ok()?;
        Some(then(&mut reporter, &mut ReportLine(self)))
    }
}

/// The decision point as the reporter sees it.
pub(super) struct ReportLine<'a>(&'a Shared);

impl Line for ReportLine<'_> {
    fn send(&mut self, message: &[u8]) -> Result<u32, Refused> {
        self.0.report.call(OUTCOMES_SERVICE, REPORT_METHOD, Vec::new(), message)
    }

    fn count(&mut self, counter: Counter, by: usize) {
        self.0.count(counter, by);
    }
}

/// How soon outcomes are reported when many wait.
const HURRIED_TICK_MILLISECONDS: u32 = 10;

/// The stream that a callback runs for.
pub(super) struct EnvoyHost {
    pub(super) shared: Rc<Shared>,
    /// Id of its context.
    pub(super) stream: u32,
}

impl Host for EnvoyHost {
    fn now(&mut self) -> u64 {
        sys::now()
    }

    fn request_body(&mut self, length: usize) -> Result<Vec<u8>, Refused> {
        sys::buffer(buffer::REQUEST_BODY, length)
    }

    fn call(&mut self, message: &[u8], metadata: &[(String, Vec<u8>)]) -> Result<u32, Refused> {
        let metadata = metadata.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        self.shared.check.call(AUTHORIZATION_SERVICE, CHECK_METHOD, metadata, message)
    }

    fn change(&mut self, change: &HeaderChange) -> Result<(), Refused> {
        match change {
            HeaderChange::Set(name, value) => sys::set_header(map::REQUEST, name, value),
            HeaderChange::Add(name, value) => sys::add_header(map::REQUEST, name, value),
            HeaderChange::Remove(name) => sys::remove_header(map::REQUEST, name),
        }
    }

    fn replace_request_body(&mut self, length_before: usize, body: &[u8]) -> Result<(), Refused> {
        replace(buffer::REQUEST_BODY, length_before, body)
    }

    fn resume_request(&mut self) -> Result<(), Refused> {
        sys::resume_request()
    }

    fn reply(&mut self, reply: &LocalReply) -> Result<(), Refused> {
        sys::local_reply(reply.status, &reply.details, &reply.headers, &reply.body)
    }

    fn response_body(&mut self, part: Copied) -> Result<Vec<u8>, Refused> {
        sys::buffer_part(buffer::RESPONSE_BODY, part.start, part.length)
    }

    fn change_response(&mut self, change: &HeaderChange) -> Result<(), Refused> {
        match change {
            HeaderChange::Set(name, value) => sys::set_header(map::RESPONSE, name, value),
            HeaderChange::Add(name, value) => sys::add_header(map::RESPONSE, name, value),
            HeaderChange::Remove(name) => sys::remove_header(map::RESPONSE, name),
        }
    }

    fn replace_response_body(&mut self, length_before: usize, body: &[u8]) -> Result<(), Refused> {
        replace(buffer::RESPONSE_BODY, length_before, body)
    }

    fn report(&mut self, outcome: Outcome) {
        let hurry = self.shared.reporter(|reporter, line| reporter.push(outcome, line));
        // The SDK gives an answer to the context that called, and this one ends: the call is the root's, on its tick.
        if hurry == Some(true) {
            self.shared.hurry();
        }
    }

    fn warn(&mut self, decision_id: String) {
        let Shared { root, report, .. } = &*self.shared;
        if report.service.is_empty() {
            return;
        }
        let warning = ReportRequest { hostile: vec![decision_id], ..ReportRequest::default() };
        // A call of the stream would end with it: this one is the root's. Nobody waits for the answer, as the outcome will
        // say the same.
        let call = sys::Call { service: &report.service, name: OUTCOMES_SERVICE, method: REPORT_METHOD };
        if sys::tell(*root, self.stream, &call, &warning.encode_to_vec(), report.timeout).is_err() {
            sys::log(
                sys::level::WARN,
                "interdict: Envoy refused a call; a hostile answer is told with its outcome",
            );
        }
    }

    fn reset(&mut self) {
        if sys::reset().is_err() {
            sys::log(
                sys::level::ERROR,
                "interdict: Envoy refused a reply and a reset; the stream stays paused",
            );
        }
    }

    fn publish(&mut self, key: &str, value: &str) {
        if sys::set_property(key, value.as_bytes()).is_err() {
            sys::log(
                sys::level::WARN,
                "interdict: Envoy refused filter state; access logs will miss the decision",
            );
        }
    }

    fn count(&mut self, counter: Counter) {
        self.shared.count(counter, 1);
    }

    fn time(&mut self, microseconds: u64) {
        if let Some(id) = self.shared.check_duration {
            let _ = sys::record_metric(id, microseconds);
        }
    }
}

/// Replaces all of a buffer.
fn replace(kind: u32, length_before: usize, body: &[u8]) -> Result<(), Refused> {
    if sys::buffer_size(kind)? != length_before {
        return Err(Refused);
    }
    sys::replace_buffer(kind, length_before, body)?;
    // A length below the buffered one leaves the old tail in place: never trust, look.
    if sys::buffer_size(kind)? == body.len() { Ok(()) } else { Err(Refused) }
}
