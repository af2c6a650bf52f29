//! What happens to a stream, and what it asks of its host.

use crate::outcome::Copied;
use interdict_proto::enforcement::Verdict;
use interdict_proto::outcome::Outcome;

/// Whether Envoy passes on what it just showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Pass it on.
    Continue,
    /// Keep it.
    Pause,
}

/// What Envoy knows of a request besides its headers. `None` where it did not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `source.address`: IP and port, or a path.
    pub source_address: Option<String>,
    /// `connection.mtls`: the client showed a certificate.
    pub mtls: Option<bool>,
    /// `connection.peer_certificate_valid` (Envoy 1.39): it was verified.
    pub certificate_valid: Option<bool>,
    /// First URI SAN of the client's certificate.
    pub uri_san: Option<String>,
    /// First DNS SAN of the client's certificate.
    pub dns_san: Option<String>,
    /// Subject of the client's certificate.
    pub subject: Option<String>,
    /// Server name of the TLS client hello.
    pub sni: Option<String>,
    /// `request.protocol`.
    pub protocol: Option<String>,
    /// `xds.route_name`.
    pub route: Option<String>,
    /// `xds.virtual_host_name`.
    pub virtual_host: Option<String>,
}

/// A request before its body. Everything that is needed of it later is copied here: Envoy hands headers out only
/// while their callback runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// All headers in order, duplicates and pseudo-headers included; names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What Envoy knows besides.
    pub surroundings: Surroundings,
    /// Now, in nanoseconds since 1970.
    pub now: u64,
    /// A number that is unique per stream of one worker, for ids of refusals made here.
    pub stream: u32,
    /// `request.total_size`: bytes received so far.
    pub received: Option<u64>,
    /// `request.size`: the declared length of the body, or else the bytes of it that arrived. Behind ext_authz, which
    /// waits for the whole body, it is the body's size either way.
    pub body_size: Option<u64>,
    /// Mode split: the enforcement that ext_authz left in the dynamic metadata.
    pub enforcement: Option<Vec<u8>>,
}

impl RequestHead {
    /// The first header of this name, as text; empty when it is missing or not UTF-8.
    pub fn text(&self, name: &str) -> &str {
        let first = self.headers.iter().find(|(found, _)| found == name);
        first.and_then(|(_, value)| std::str::from_utf8(value).ok()).unwrap_or_default()
    }

    /// All headers of this name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_slice())
    }
}

/// A response before its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// `response.code_details`; `via_upstream` when the server behind Envoy made it.
    pub code_details: Option<String>,
    /// The `content-type` header; several are joined by commas.
    pub content_type: Option<Vec<u8>>,
    /// The `content-length` header.
    pub content_length: Option<u64>,
    /// The `content-encoding` header; several are joined by commas.
    pub content_encoding: Option<Vec<u8>>,
    /// The `location` header; several are joined by commas.
    pub location: Option<Vec<u8>>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The `grpc-status` header of a gRPC response.
    pub grpc_status: Option<u32>,
    /// Nothing follows.
    pub end: bool,
}

/// The answer to a Check call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcAnswer {
    /// Token of the call.
    pub token: u32,
    /// gRPC status.
    pub status: u32,
    /// The message; `None` when there is none or it could not be fetched.
    pub message: Option<Vec<u8>>,
    /// Now, in nanoseconds since 1970.
    pub now: u64,
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Request headers; `end` when nothing follows.
    RequestHeaders {
        /// The request.
        head: Box<RequestHead>,
        /// Nothing follows.
        end: bool,
    },
    /// A piece of the request body.
    RequestBody {
        /// Bytes buffered in Envoy (all of them, as long as the body is kept).
        size: usize,
        /// Nothing follows.
        end: bool,
    },
    /// Request trailers: the end of the request.
    RequestTrailers,
    /// The answer to [`Action::ReadBody`].
    BodyRead(Vec<u8>),
    /// The answer to [`Action::Call`].
    Called {
        /// Token of the call.
        token: u32,
        /// Now, in nanoseconds since 1970.
        now: u64,
    },
    /// A Check call ended.
    Answered(GrpcAnswer),
    /// The host could not carry out an action. What stood behind it in the same step was left out.
    HostFailed(Failure),
    /// Time passed.
    Tick {
        /// Now, in nanoseconds since 1970.
        now: u64,
        /// `request.total_size`: bytes received so far.
        received: Option<u64>,
    },
    /// Response headers.
    ResponseHeaders(Box<ResponseHead>),
    /// A piece of the response body.
    ResponseBody {
        /// Bytes.
        size: usize,
        /// Nothing follows.
        end: bool,
    },
    /// The answer to [`Action::Copy`].
    ResponseCopied {
        /// What was asked for.
        part: Copied,
        /// The bytes; `None` when the host did not hand them out.
        bytes: Option<Vec<u8>>,
    },
    /// The answer to [`Action::ReadResponse`].
    ResponseRead(Vec<u8>),
    /// Response trailers.
    ResponseTrailers {
        /// `grpc-status` of a gRPC response.
        grpc_status: Option<u32>,
    },
    /// The stream ended, in whatever way.
    Done {
        /// Now, in nanoseconds since 1970.
        now: u64,
        /// `response.code`: what Envoy answered, as far as it did.
        status: Option<u16>,
    },
}

/// What the host could not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Read the headers or properties that a decision needs.
    Head,
    /// Hand out the buffered body.
    Body,
    /// Start the Check call.
    Call,
    /// Change request headers or body.
    Change,
    /// Let the request go on.
    Resume,
    /// Send a local reply.
    Reply,
    /// Hand out or change the response.
    Response,
}

/// A reply made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body.
    pub body: Vec<u8>,
    /// Envoy's response code details: `interdict:` and the reason code.
    pub details: String,
}

/// What access logs are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// `interdict.decision_id`.
    pub decision_id: String,
    /// `interdict.verdict`.
    pub verdict: Verdict,
    /// `interdict.reason`.
    pub reason: String,
}

/// A change of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderChange {
    /// Replace all headers of this name, or add.
    Set(String, Vec<u8>),
    /// Add one more.
    Add(String, Vec<u8>),
    /// Remove all of this name.
    Remove(String),
}

/// Something the host must do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Hand out the buffered request body.
    ReadBody {
        /// Its size.
        length: usize,
    },
    /// Make the Check call.
    Call {
        /// The serialized `CheckRequest`.
        message: Vec<u8>,
        /// Initial metadata.
        metadata: Vec<(String, Vec<u8>)>,
    },
    /// Change a request header.
    Change(HeaderChange),
    /// Replace the whole buffered request body.
    ReplaceBody {
        /// Size of what is replaced.
        length_before: usize,
        /// What replaces it.
        body: Vec<u8>,
    },
    /// Let the held request go on.
    Resume,
    /// Answer instead of the server.
    Reply(LocalReply),
    /// Abort the stream; the last resort when a reply cannot be sent.
    Reset,
    /// Hand out a part of the piece of response body that is just passing. It passes all the same.
    Copy(Copied),
    /// Change a response header.
    ChangeResponse(HeaderChange),
    /// Hand out everything of the response body that is there.
    ReadResponse {
        /// Its size.
        length: usize,
    },
    /// Replace everything of the response body that is there.
    ReplaceResponse {
        /// Size of what is replaced.
        length_before: usize,
        /// What replaces it.
        body: Vec<u8>,
    },
    /// Tell the decision point later how the allowed call ended.
    Report(Outcome),
    /// Tell the decision point now that the response reads like instructions.
    Warn {
        /// The decision that allowed the call.
        decision_id: String,
    },
    /// Tell access logs.
    Publish(Publication),
    /// Count.
    Count(crate::metrics::Counter),
    /// Record how long the Check took, in microseconds.
    Time(u64),
}

/// What follows from an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What to do, in this order.
    pub actions: Vec<Action>,
    /// Whether Envoy passes on what it showed. Means nothing for events that show nothing.
    pub flow: Flow,
}

impl Step {
    /// Nothing to do.
    pub fn flow(flow: Flow) -> Self {
        Self { actions: Vec::new(), flow }
    }

    /// Keep what was shown, and do this.
    pub fn pause(actions: Vec<Action>) -> Self {
        Self { actions, flow: Flow::Pause }
    }

    /// Pass on what was shown, and do this.
    pub fn pass(actions: Vec<Action>) -> Self {
        Self { actions, flow: Flow::Continue }
    }
}
