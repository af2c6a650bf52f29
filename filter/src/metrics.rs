//! What the filter counts. Envoy shows the names under `wasmcustom.`.

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Requests seen, exempt ones included.
    Requests,
    /// Requests that passed without a decision because the configuration says so.
    Exempt,
    /// Check calls made.
    Checks,
    /// Requests that went on.
    Allowed,
    /// Requests that the decision point denied.
    Denied,
    /// Requests that wait for a person.
    Intercepted,
    /// Requests refused here: unreadable, too large, too slow.
    Refused,
    /// Requests refused because no decision could be had or carried out.
    Failed,
    /// Envoy does not hold headers although mode `call` needs it.
    HeaderHoldMissing,
    /// Bodies replaced.
    BodiesReplaced,
    /// Callbacks in an order that cannot be; each denies its request.
    IllegalEvents,
    /// JSON responses.
    ResponsesJson,
    /// Event streams.
    ResponsesEventStream,
    /// Other responses.
    ResponsesOther,
    /// Responses that were looked into and changed.
    ResponsesEdited,
    /// Responses that were looked into and refused or quarantined, as a whole or in part.
    ResponsesRefused,
    /// Outcomes that the decision point took.
    OutcomesReported,
    /// Calls with outcomes that failed; they are made again.
    OutcomesFailed,
    /// Outcomes lost because too many waited.
    OutcomesDropped,
}

impl Counter {
    /// Every counter; its place here is its index.
    pub const ALL: [Self; 19] = [
        Self::Requests,
        Self::Exempt,
        Self::Checks,
        Self::Allowed,
        Self::Denied,
        Self::Intercepted,
        Self::Refused,
        Self::Failed,
        Self::HeaderHoldMissing,
        Self::BodiesReplaced,
        Self::IllegalEvents,
        Self::ResponsesJson,
        Self::ResponsesEventStream,
        Self::ResponsesOther,
        Self::ResponsesEdited,
        Self::ResponsesRefused,
        Self::OutcomesReported,
        Self::OutcomesFailed,
        Self::OutcomesDropped,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "interdict.requests",
            Self::Exempt => "interdict.exempt",
            Self::Checks => "interdict.checks",
            Self::Allowed => "interdict.allowed",
            Self::Denied => "interdict.denied",
            Self::Intercepted => "interdict.intercepted",
            Self::Refused => "interdict.refused",
            Self::Failed => "interdict.failed",
            Self::HeaderHoldMissing => "interdict.header_hold_missing",
            Self::BodiesReplaced => "interdict.bodies_replaced",
            Self::IllegalEvents => "interdict.illegal_events",
            Self::ResponsesJson => "interdict.responses_json",
            Self::ResponsesEventStream => "interdict.responses_event_stream",
            Self::ResponsesOther => "interdict.responses_other",
            Self::ResponsesEdited => "interdict.responses_edited",
            Self::ResponsesRefused => "interdict.responses_refused",
            Self::OutcomesReported => "interdict.outcomes_reported",
            Self::OutcomesFailed => "interdict.outcomes_failed",
            Self::OutcomesDropped => "interdict.outcomes_dropped",
        }
    }
}

/// Histogram of the time from the Check call to its answer, in microseconds.
pub const CHECK_DURATION: &str = "interdict.check_duration_us";
