//! A host that remembers, and shorthand for what Envoy and the decision point say.
// Shared by several test files, none of which uses all of it; Clippy's leave for tests covers `#[test]` functions only.
#![allow(dead_code, unreachable_pub, missing_docs)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use interdict_filter::config::Config;
use interdict_filter::drive::{Host, Refused, drive};
use interdict_filter::event::{
    Event, Flow, GrpcAnswer, HeaderChange, LocalReply, RequestHead, ResponseHead, Surroundings,
};
use interdict_filter::inspect::{SharedProfiles, no_profiles};
use interdict_filter::metrics::Counter;
use interdict_filter::outcome::Copied;
use interdict_filter::stream::Stream;
use interdict_proto::enforcement::{Edit, Enforcement, Obligation, Verdict};
use interdict_proto::envoy::auth::{CheckResponse, DeniedHttpResponse, OkHttpResponse, check_response};
use interdict_proto::envoy::core::{HeaderValue, HeaderValueOption};
use interdict_proto::envoy::{rpc, types};
use interdict_proto::outcome::Outcome;
use prost::Message;
use std::rc::Rc;

pub const MILLI: u64 = 1_000_000;
pub const START: u64 = 1_790_000_000_000_000_000;
pub const CALL: &[u8] =
    br#"{"jsonrpc":"2.0","id":"seven","method":"tools/call","params":{"name":"a","arguments":{}}}"#;
pub const NOTIFICATION: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// What was asked of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    Read(usize),
    Call,
    Change(HeaderChange),
    Replace(usize, Vec<u8>),
    Resume,
    Reply(LocalReply),
    Reset,
    Publish(String, String),
    Copy(Copied),
    ChangeResponse(HeaderChange),
    ReplaceResponse(usize, Vec<u8>),
    Warn(String),
}

/// Which operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    Copy,
    Read,
    ShortRead,
    Call,
    Change,
    Replace,
    Resume,
    Reply,
    ChangeResponse,
    ReplaceResponse,
}

#[derive(Default)]
pub struct FakeHost {
    pub body: Vec<u8>,
    /// The piece of response body that is passing.
    pub piece: Vec<u8>,
    pub outcomes: Vec<Outcome>,
    pub did: Vec<Did>,
    pub sent: Vec<Vec<u8>>,
    pub metadata: Vec<(String, Vec<u8>)>,
    pub counted: Vec<Counter>,
    pub times: Vec<u64>,
    pub failing: Vec<Fail>,
    pub now: u64,
}

impl FakeHost {
    fn outcome(&self, operation: Fail) -> Result<(), Refused> {
        if self.failing.contains(&operation) { Err(Refused) } else { Ok(()) }
    }
    pub fn replies(&self) -> Vec<&LocalReply> {
        let replies = self.did.iter();
        replies.filter_map(|did| if let Did::Reply(reply) = did { Some(reply) } else { None }).collect()
    }
    pub fn resumes(&self) -> usize {
        self.did.iter().filter(|did| **did == Did::Resume).count()
    }
    pub fn published(&self, key: &str) -> Option<&str> {
        let mut found = self.did.iter().rev();
        found.find_map(|did| match did {
            Did::Publish(name, value) if name == key => Some(value.as_str()),
            _ => None,
        })
    }
    pub fn count_of(&self, counter: Counter) -> usize {
        self.counted.iter().filter(|found| **found == counter).count()
    }
}

impl Host for FakeHost {
    fn now(&mut self) -> u64 {
        self.now
    }
    fn request_body(&mut self, length: usize) -> Result<Vec<u8>, Refused> {
        self.did.push(Did::Read(length));
        self.outcome(Fail::Read)?;
        let short = usize::from(self.failing.contains(&Fail::ShortRead));
        Ok(self.body[..length.min(self.body.len()) - short].to_vec())
    }
    fn call(&mut self, message: &[u8], metadata: &[(String, Vec<u8>)]) -> Result<u32, Refused> {
        self.did.push(Did::Call);
        self.outcome(Fail::Call)?;
        self.sent.push(message.to_vec());
        self.metadata = metadata.to_vec();
        Ok(u32::try_from(self.sent.len()).unwrap())
    }
    fn change(&mut self, change: &HeaderChange) -> Result<(), Refused> {
        self.outcome(Fail::Change)?;
        self.did.push(Did::Change(change.clone()));
        Ok(())
    }
    fn replace_request_body(&mut self, length_before: usize, body: &[u8]) -> Result<(), Refused> {
        self.outcome(Fail::Replace)?;
        self.did.push(Did::Replace(length_before, body.to_vec()));
        Ok(())
    }
    fn resume_request(&mut self) -> Result<(), Refused> {
        self.outcome(Fail::Resume)?;
        self.did.push(Did::Resume);
        Ok(())
    }
    fn reply(&mut self, reply: &LocalReply) -> Result<(), Refused> {
        self.outcome(Fail::Reply)?;
        self.did.push(Did::Reply(reply.clone()));
        Ok(())
    }
    fn response_body(&mut self, part: Copied) -> Result<Vec<u8>, Refused> {
        self.did.push(Did::Copy(part));
        self.outcome(Fail::Copy)?;
        self.piece.get(part.start..part.start + part.length).map(<[u8]>::to_vec).ok_or(Refused)
    }
    fn change_response(&mut self, change: &HeaderChange) -> Result<(), Refused> {
        self.outcome(Fail::ChangeResponse)?;
        self.did.push(Did::ChangeResponse(change.clone()));
        Ok(())
    }
    fn replace_response_body(&mut self, length_before: usize, body: &[u8]) -> Result<(), Refused> {
        self.outcome(Fail::ReplaceResponse)?;
        assert_eq!(length_before, self.piece.len());
        self.piece = body.to_vec();
        self.did.push(Did::ReplaceResponse(length_before, body.to_vec()));
        Ok(())
    }
    fn report(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }
    fn warn(&mut self, decision_id: String) {
        self.did.push(Did::Warn(decision_id));
    }
    fn reset(&mut self) {
        self.did.push(Did::Reset);
    }
    fn publish(&mut self, key: &str, value: &str) {
        self.did.push(Did::Publish(key.to_owned(), value.to_owned()));
    }
    fn count(&mut self, counter: Counter) {
        self.counted.push(counter);
    }
    fn time(&mut self, microseconds: u64) {
        self.times.push(microseconds);
    }
}

/// A stream on the fake host.
pub struct Bench {
    pub stream: Stream,
    pub host: FakeHost,
}

impl Bench {
    pub fn new(config: &str) -> Self {
        let config = Config::parse(config.as_bytes()).unwrap();
        let host = FakeHost { now: START, ..FakeHost::default() };
        Self { stream: Stream::new(Rc::new(config), no_profiles()), host }
    }
    pub fn call() -> Self {
        Self::new(CALL_CONFIG)
    }
    /// Mode call, on a worker with these profiles.
    pub fn sharing(profiles: &SharedProfiles) -> Self {
        let config = Rc::new(Config::parse(CALL_CONFIG.as_bytes()).unwrap());
        Self { stream: Stream::new(config, Rc::clone(profiles)), ..Self::call() }
    }
    pub fn split() -> Self {
        Self::new(SPLIT_CONFIG)
    }
    pub fn on(&mut self, event: Event) -> Flow {
        drive(&mut self.stream, &mut self.host, event)
    }
    pub fn headers(&mut self, end: bool) -> Flow {
        self.on(Event::RequestHeaders { head: Box::new(head()), end })
    }
    /// Buffers a piece and shows the whole buffered size, as Envoy does while the body is held.
    pub fn body(&mut self, piece: &[u8], end: bool) -> Flow {
        self.host.body.extend_from_slice(piece);
        let size = self.host.body.len();
        self.on(Event::RequestBody { size, end })
    }
    pub fn answer(&mut self, message: &[u8]) {
        let token = u32::try_from(self.host.sent.len()).unwrap();
        self.answer_as(token, 0, Some(message));
    }
    pub fn answer_as(&mut self, token: u32, status: u32, message: Option<&[u8]>) {
        let now = START + 3 * MILLI;
        self.on(Event::Answered(GrpcAnswer { token, status, message: message.map(<[u8]>::to_vec), now }));
    }
    pub fn tick(&mut self, after_ms: u64, received: Option<u64>) -> Flow {
        self.on(Event::Tick { now: START + after_ms * MILLI, received })
    }
    pub fn response(&mut self, details: &str, content_type: &str) -> Flow {
        self.on(Event::ResponseHeaders(Box::new(ResponseHead {
            code_details: Some(details.to_owned()),
            content_type: Some(content_type.as_bytes().to_vec()),
            status: Some(200),
            ..ResponseHead::default()
        })))
    }
    /// A piece of the response passes; that it does is checked.
    pub fn answer_piece(&mut self, piece: &[u8], end: bool) {
        self.host.piece = piece.to_vec();
        assert_eq!(self.on(Event::ResponseBody { size: piece.len(), end }), Flow::Continue);
    }
    /// The stream is over after 250 ms; what was reported, if anything.
    pub fn done(&mut self) -> Option<Outcome> {
        self.on(Event::Done { now: START + 250 * MILLI, status: None });
        assert!(self.host.outcomes.len() <= 1);
        self.host.outcomes.pop()
    }
    /// A stream whose Check is under way.
    pub fn checking(body: &[u8]) -> Self {
        let mut bench = Self::call();
        assert_eq!(bench.headers(false), Flow::Pause);
        assert_eq!(bench.body(body, true), Flow::Pause);
        assert_eq!(bench.host.sent.len(), 1, "{:?}", bench.host.did);
        bench
    }
    /// The one reply, after making sure that nothing went on.
    pub fn refused(&self) -> &LocalReply {
        assert_eq!(self.host.resumes(), 0);
        let replies = self.host.replies();
        assert_eq!(replies.len(), 1, "{:?}", self.host.did);
        replies[0]
    }
    pub fn reason(&self) -> &str {
        self.host.published("interdict.reason").unwrap()
    }
}

pub const CALL_CONFIG: &str = r#"{"mode":"call","authz":{"cluster":"interdict","timeout_ms":10000},
    "max_body_bytes":4096,"body_timeout_ms":10000,"context":{"interdict.server":"files"},
    "exempt":[{"path":"/healthz"},{"path_prefix":"/static/"},{"route":"open"}]}"#;
pub const SPLIT_CONFIG: &str =
    r#"{"mode":"split","max_body_bytes":4096,"body_timeout_ms":10000,"exempt":[{"path":"/healthz"}]}"#;

pub fn head() -> RequestHead {
    let headers = [
        (":method", "POST"),
        (":path", "/mcp"),
        (":authority", "mcp.example"),
        (":scheme", "https"),
        ("content-type", "application/json"),
        ("authorization", "Bearer token"),
        ("x-request-id", "id-1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "a=b"),
    ];
    RequestHead {
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect(),
        surroundings: Surroundings {
            source_address: Some("192.0.2.1:4711".into()),
            route: Some("mcp".into()),
            virtual_host: Some("all".into()),
            ..Surroundings::default()
        },
        now: START,
        stream: 2,
        received: Some(300),
        body_size: Some(CALL.len() as u64),
        enforcement: None,
    }
}

pub fn with_header(mut head: RequestHead, name: &str, value: &str) -> RequestHead {
    head.headers.retain(|(found, _)| found != name);
    head.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    head
}

pub fn split_head(enforcement: &str) -> RequestHead {
    RequestHead { enforcement: Some(enforcement.as_bytes().to_vec()), ..head() }
}

pub fn enforcement(verdict: Verdict, obligations: Vec<Obligation>) -> Enforcement {
    Enforcement::new("decision-1", verdict, "policy.because", obligations)
}

pub fn edit(length_before: usize, start: usize, end: usize, text: &str) -> Obligation {
    Obligation::ReplaceRequestBody { length_before, edits: vec![Edit { start, end, text: text.into() }] }
}

/// An answer, arm by arm.
pub fn response(
    code: Option<i32>,
    arm: Option<check_response::HttpResponse>,
    enforcement: Option<&Enforcement>,
) -> Vec<u8> {
    CheckResponse {
        status: code.map(|code| rpc::Status { code, message: String::new() }),
        http_response: arm,
        dynamic_metadata: enforcement.map(|enforcement| enforcement.to_struct().unwrap()),
    }
    .encode_to_vec()
}

pub fn ok_arm(ok: OkHttpResponse) -> Option<check_response::HttpResponse> {
    Some(check_response::HttpResponse::OkResponse(ok))
}

pub fn denied_arm() -> Option<check_response::HttpResponse> {
    Some(check_response::HttpResponse::DeniedResponse(DeniedHttpResponse {
        status: Some(types::HttpStatus { code: 200 }),
        headers: vec![option("content-type", "application/json")],
        body: r#"{"no":1}"#.into(),
    }))
}

pub fn option(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption { header: Some(HeaderValue::raw(name, value)), ..HeaderValueOption::default() }
}

pub fn allow() -> Vec<u8> {
    response(Some(0), ok_arm(OkHttpResponse::default()), Some(&enforcement(Verdict::Allow, Vec::new())))
}

pub fn deny() -> Vec<u8> {
    response(Some(7), denied_arm(), Some(&enforcement(Verdict::Deny, Vec::new())))
}
