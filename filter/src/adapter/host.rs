//! Envoy as the state machine sees it.

use super::sys::{self, buffer, map};
use crate::drive::{Host, Refused};
use crate::event::{HeaderChange, LocalReply};
use crate::metrics::{CHECK_DURATION, Counter};
use interdict_proto::envoy::{AUTHORIZATION_SERVICE, CHECK_METHOD};
use proxy_wasm::hostcalls;
use std::rc::Rc;
use std::time::Duration;

/// What all streams of one plugin share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The upstream of the Check call: a serialized `GrpcService`. Empty in mode split.
    pub(super) upstream: String,
    pub(super) timeout: Duration,
    counters: Vec<u32>,
    check_duration: Option<u32>,
}

impl Shared {
    /// Defines the metrics, once per plugin.
    pub(super) fn new(upstream: String, timeout: Duration) -> Result<Self, Refused> {
        let counters: Result<Vec<u32>, Refused> = Counter::ALL
            .iter()
            .map(|counter| sys::define_metric(sys::metric::COUNTER, counter.name()))
            .collect();
        let check_duration = Some(sys::define_metric(sys::metric::HISTOGRAM, CHECK_DURATION)?);
        Ok(Self { upstream, timeout, counters: counters?, check_duration })
    }
}

/// The stream that a callback runs for.
pub(super) struct EnvoyHost(pub(super) Rc<Shared>);

impl Host for EnvoyHost {
    fn now(&mut self) -> u64 {
        sys::now()
    }

    fn request_body(&mut self, length: usize) -> Result<Vec<u8>, Refused> {
        sys::buffer(buffer::REQUEST_BODY, length)
    }

    fn call(&mut self, message: &[u8], metadata: &[(String, Vec<u8>)]) -> Result<u32, Refused> {
        if self.0.upstream.is_empty() {
            return Err(Refused);
        }
        let metadata = metadata.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        // Through the SDK, because its dispatcher must know the token. It panics on statuses that Envoy gives only for an
        // empty upstream or an unreadable one; both were excluded when the configuration was read.
        hostcalls::dispatch_grpc_call(
            &self.0.upstream,
            AUTHORIZATION_SERVICE,
            CHECK_METHOD,
            metadata,
            Some(message),
            self.0.timeout,
        )
        .map_err(|_| Refused)
    }

    fn change(&mut self, change: &HeaderChange) -> Result<(), Refused> {
        match change {
            HeaderChange::Set(name, value) => sys::set_header(map::REQUEST, name, value),
            HeaderChange::Add(name, value) => sys::add_header(map::REQUEST, name, value),
            HeaderChange::Remove(name) => sys::remove_header(map::REQUEST, name),
        }
    }

    fn replace_request_body(&mut self, length_before: usize, body: &[u8]) -> Result<(), Refused> {
        if sys::buffer_size(buffer::REQUEST_BODY)? != length_before {
            return Err(Refused);
        }
        sys::replace_buffer(buffer::REQUEST_BODY, length_before, body)?;
        // A length below the buffered one leaves the old tail in place: never trust, look.
        if sys::buffer_size(buffer::REQUEST_BODY)? == body.len() { Ok(()) } else { Err(Refused) }
    }

    fn resume_request(&mut self) -> Result<(), Refused> {
        sys::resume_request()
    }

    fn reply(&mut self, reply: &LocalReply) -> Result<(), Refused> {
        sys::local_reply(reply.status, &reply.details, &reply.headers, &reply.body)
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
        let place = Counter::ALL.iter().position(|other| *other == counter);
        if let Some(id) = place.and_then(|place| self.0.counters.get(place)) {
            let _ = sys::increment_metric(*id);
        }
    }

    fn time(&mut self, microseconds: u64) {
        if let Some(id) = self.0.check_duration {
            let _ = sys::record_metric(id, microseconds);
        }
    }
}
