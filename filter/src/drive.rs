//! Carries out what the state machine asks, on any host.

use crate::event::{Action, Event, Failure, Flow, HeaderChange, LocalReply};
use crate::metrics::Counter;
use crate::outcome::Copied;
use crate::stream::Stream;
use interdict_proto::outcome::Outcome;

/// The host refused a call; which of its statuses it was does not matter, all of them deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// What the filter needs of Envoy. Every call may fail, none may panic.
pub trait Host {
    /// Now, in nanoseconds since 1970.
    fn now(&mut self) -> u64;
    /// The first `length` bytes of the buffered request body.
    ///
    /// # Errors
    /// When Envoy does not hand out exactly as many.
    fn request_body(&mut self, length: usize) -> Result<Vec<u8>, Refused>;
    /// Starts the Check call and returns its token.
    ///
    /// # Errors
    /// When Envoy does not start it (unknown cluster).
    fn call(&mut self, message: &[u8], metadata: &[(String, Vec<u8>)]) -> Result<u32, Refused>;
    /// Changes a request header.
    ///
    /// # Errors
    /// When Envoy does not.
    fn change(&mut self, change: &HeaderChange) -> Result<(), Refused>;
    /// Replaces the buffered request body as a whole and checks its size afterwards.
    ///
    /// # Errors
    /// When Envoy does not, or the size afterwards is another one.
    fn replace_request_body(&mut self, length_before: usize, body: &[u8]) -> Result<(), Refused>;
    /// Lets the held request go on.
    ///
    /// # Errors
    /// When Envoy does not.
    fn resume_request(&mut self) -> Result<(), Refused>;
    /// Answers instead of the server.
    ///
    /// # Errors
    /// When Envoy does not.
    fn reply(&mut self, reply: &LocalReply) -> Result<(), Refused>;
    /// A part of the piece of response body that is just passing.
    ///
    /// # Errors
    /// When Envoy does not hand out exactly as much.
    fn response_body(&mut self, part: Copied) -> Result<Vec<u8>, Refused>;
    /// Changes a response header.
    ///
    /// # Errors
    /// When Envoy does not.
    fn change_response(&mut self, change: &HeaderChange) -> Result<(), Refused>;
    /// Replaces everything of the response body that is there and checks its size afterwards.
    ///
    /// # Errors
    /// When Envoy does not, or the size afterwards is another one.
    fn replace_response_body(&mut self, length_before: usize, body: &[u8]) -> Result<(), Refused>;
    /// Takes an outcome, to be reported later.
    fn report(&mut self, outcome: Outcome);
    /// Tells at once, as well as it goes, that the response to this decision reads like instructions.
    fn warn(&mut self, decision_id: String);
    /// Aborts the stream, as well as it goes.
    fn reset(&mut self);
    /// Sets filter state for access logs, as well as it goes.
    fn publish(&mut self, key: &str, value: &str);
    /// Counts, as well as it goes.
    fn count(&mut self, counter: Counter);
    /// Records the duration of a Check in microseconds, as well as it goes.
    fn time(&mut self, microseconds: u64);
}

/// Hands an event to the stream, carries out what follows, and what follows from that.
pub fn drive(stream: &mut Stream, host: &mut impl Host, event: Event) -> Flow {
    let mut step = stream.on(event);
    // Each round ends with an action that produces an event; a stream asks for at most a handful in a row.
    loop {
        let mut next = None;
        for action in step.actions {
            if let Some(event) = perform(host, action) {
                next = Some(event);
                break;
            }
        }
        match next {
            Some(event) => step = stream.on(event),
            None => return step.flow,
        }
    }
}

/// Carries out one action. What it returns is an event that must be handled before anything else.
fn perform(host: &mut impl Host, action: Action) -> Option<Event> {
    let outcome = match action {
        Action::ReadBody { length } => {
            return Some(match host.request_body(length) {
                Ok(bytes) if bytes.len() == length => Event::BodyRead(bytes),
                _ => Event::HostFailed(Failure::Body),
            });
        }
        Action::Call { message, metadata } => {
            return Some(match host.call(&message, &metadata) {
                Ok(token) => Event::Called { token, now: host.now() },
                Err(Refused) => Event::HostFailed(Failure::Call),
            });
        }
        Action::Change(change) => host.change(&change).map_err(|Refused| Failure::Change),
        Action::ReplaceBody { length_before, body } => {
            host.replace_request_body(length_before, &body).map_err(|Refused| Failure::Change)
        }
        Action::Resume => host.resume_request().map_err(|Refused| Failure::Resume),
        Action::Reply(reply) => host.reply(&reply).map_err(|Refused| Failure::Reply),
        Action::Copy(part) => {
            let bytes = host.response_body(part).ok().filter(|bytes| bytes.len() == part.length);
            return Some(Event::ResponseCopied { part, bytes });
        }
        Action::ChangeResponse(change) => host.change_response(&change).map_err(|Refused| Failure::Response),
        Action::ReadResponse { length } => {
            return Some(match host.response_body(Copied { start: 0, length }) {
                Ok(bytes) if bytes.len() == length => Event::ResponseRead(bytes),
                _ => Event::HostFailed(Failure::Response),
            });
        }
        Action::ReplaceResponse { length_before, body } => {
            host.replace_response_body(length_before, &body).map_err(|Refused| Failure::Response)
        }
        Action::Report(outcome) => {
            host.report(outcome);
            Ok(())
        }
        Action::Warn { decision_id } => {
            host.warn(decision_id);
            Ok(())
        }
        Action::Reset => {
            host.reset();
            Ok(())
        }
        Action::Publish(publication) => {
            host.publish("interdict.decision_id", &publication.decision_id);
            host.publish("interdict.verdict", publication.verdict.as_str());
            host.publish("interdict.reason", &publication.reason);
            Ok(())
        }
        Action::Count(counter) => {
            host.count(counter);
            Ok(())
        }
        Action::Time(microseconds) => {
            host.time(microseconds);
            Ok(())
        }
    };
    outcome.err().map(Event::HostFailed)
}
