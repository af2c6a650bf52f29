//! Every order of events, legal or not, on a host that may fail at any call.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use interdict_filter::event::{Event, Flow, GrpcAnswer, RequestHead, ResponseHead};
use interdict_proto::enforcement::Verdict;
use interdict_proto::envoy::auth::OkHttpResponse;
use proptest::prelude::*;
use support::*;

#[derive(Debug, Clone)]
enum Kind {
    Headers { end: bool, exempt: bool },
    Body { size: usize, end: bool },
    Trailers,
    Answer { right_token: bool, status: u32, message: Message },
    Tick { after_ms: u64, received: Option<u64> },
    Response { details: Option<&'static str> },
    ResponseBody,
    ResponseTrailers,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Message {
    Allow,
    Edit,
    Deny,
    Intercept,
    Contradiction,
    Garbage,
    Empty,
    None,
}

impl Message {
    fn bytes(self) -> Option<Vec<u8>> {
        let told = |verdict| enforcement(verdict, Vec::new());
        Some(match self {
            Self::Allow => allow(),
            Self::Edit => {
                let ok = OkHttpResponse { headers: vec![option("x", "y")], ..Default::default() };
                let edited = enforcement(Verdict::Allow, vec![edit(CALL.len(), 0, 0, " ")]);
                response(Some(0), ok_arm(ok), Some(&edited))
            }
            Self::Deny => deny(),
            Self::Intercept => response(Some(7), denied_arm(), Some(&told(Verdict::Intercept))),
            Self::Contradiction => response(Some(0), denied_arm(), Some(&told(Verdict::Allow))),
            Self::Garbage => vec![0xff; 9],
            Self::Empty => Vec::new(),
            Self::None => return None,
        })
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    let message = prop_oneof![
        4 => Just(Message::Allow),
        2 => Just(Message::Edit),
        1 => Just(Message::Deny),
        1 => Just(Message::Intercept),
        1 => Just(Message::Contradiction),
        1 => Just(Message::Garbage),
        1 => Just(Message::Empty),
        1 => Just(Message::None),
    ];
    let details = prop_oneof![
        Just(None),
        Just(Some("via_upstream")),
        Just(Some("interdict:x")),
        Just(Some("request_payload_too_large")),
    ];
    prop_oneof![
        3 => (prop::bool::weighted(0.2), prop::bool::weighted(0.1)).prop_map(|(end, exempt)| Kind::Headers { end, exempt }),
        4 => (prop_oneof![Just(0), Just(10), Just(CALL.len()), Just(5000)], any::<bool>())
            .prop_map(|(size, end)| Kind::Body { size, end }),
        1 => Just(Kind::Trailers),
        4 => (prop::bool::weighted(0.9), prop_oneof![6 => Just(0_u32), 1 => Just(14)], message)
            .prop_map(|(right_token, status, message)| Kind::Answer { right_token, status, message }),
        1 => (0_u64..30_000, prop::option::of(200_u64..400))
            .prop_map(|(after_ms, received)| Kind::Tick { after_ms, received }),
        2 => details.prop_map(|details| Kind::Response { details }),
        1 => Just(Kind::ResponseBody),
        1 => Just(Kind::ResponseTrailers),
        1 => Just(Kind::Done),
    ]
}

/// Mostly legal sequences, so that the interesting states are reached, with anything mixed in.
fn sequence() -> impl Strategy<Value = Vec<Kind>> {
    let legal = Just(vec![
        Kind::Headers { end: false, exempt: false },
        Kind::Body { size: 10, end: false },
        Kind::Body { size: CALL.len(), end: true },
    ]);
    prop_oneof![
        prop::collection::vec(kind(), 0..12),
        (legal, prop::collection::vec(kind(), 0..10)).prop_map(|(mut start, rest)| {
            start.extend(rest);
            start
        }),
        (prop::collection::vec(kind(), 0..3), kind(), prop::collection::vec(kind(), 0..6)).prop_map(
            |(first, odd, rest)| {
                let mut all = vec![Kind::Headers { end: false, exempt: false }];
                all.extend(first);
                all.push(Kind::Body { size: CALL.len(), end: true });
                all.push(odd);
                all.extend(rest);
                all
            }
        ),
    ]
}

fn failing() -> impl Strategy<Value = Vec<Fail>> {
    let one = prop_oneof![
        Just(Fail::Read),
        Just(Fail::ShortRead),
        Just(Fail::Call),
        Just(Fail::Change),
        Just(Fail::Replace),
        Just(Fail::Resume),
        Just(Fail::Reply),
    ];
    prop_oneof![5 => Just(Vec::new()), 1 => prop::collection::vec(one, 1..3)]
}

fn head_for(exempt: bool, decision: Option<&str>) -> RequestHead {
    let head =
        RequestHead { enforcement: decision.map(|text| text.as_bytes().to_vec()), body_size: None, ..head() };
    if exempt { with_header(head, ":path", "/healthz") } else { head }
}

fn run(
    mut bench: Bench,
    events: &[Kind],
    failing: Vec<Fail>,
    call: bool,
    decision: Option<&str>,
) -> Result<(), TestCaseError> {
    bench.host.failing = failing;
    bench.host.body = CALL.to_vec();
    bench.host.body.resize(5000, b' ');
    let mut exempt_seen = false;
    let mut headers_seen = false;
    let mut done = false;
    for (index, kind) in events.iter().enumerate() {
        let before = bench.host.did.len();
        let resumes = bench.host.resumes();
        let calls = bench.host.sent.len();
        let replied = bench.host.did.iter().any(|did| matches!(did, Did::Reply(_)));
        let flow = match kind.clone() {
            Kind::Headers { end, exempt } => {
                exempt_seen |= exempt && !headers_seen;
                headers_seen = true;
                bench.on(Event::RequestHeaders { head: Box::new(head_for(exempt, decision)), end })
            }
            Kind::Body { size, end } => bench.on(Event::RequestBody { size, end }),
            Kind::Trailers => bench.on(Event::RequestTrailers),
            Kind::Answer { right_token, status, message } => {
                let token = u32::try_from(calls).unwrap() + u32::from(!right_token);
                bench.on(Event::Answered(GrpcAnswer { token, status, message: message.bytes(), now: START }))
            }
            Kind::Tick { after_ms, received } => bench.tick(after_ms, received),
            Kind::Response { details } => bench.on(Event::ResponseHeaders(Box::new(ResponseHead {
                code_details: details.map(str::to_owned),
                content_type: Some(b"application/json".to_vec()),
                ..ResponseHead::default()
            }))),
            Kind::ResponseBody => bench.on(Event::ResponseBody { size: 1, end: false }),
            Kind::ResponseTrailers => bench.on(Event::ResponseTrailers { grpc_status: None }),
            Kind::Done => bench.on(Event::Done { now: START, status: None }),
        };
        let new = &bench.host.did[before..];
        // An outcome is told once, at the end, of an allowed call.
        prop_assert!(bench.host.outcomes.len() <= usize::from(done || matches!(kind, Kind::Done)));
        // Nothing after Done.
        prop_assert!(!done || new.is_empty(), "event {index} after the end did {new:?}");
        done |= matches!(kind, Kind::Done);
        // At most one resume, call and reply.
        prop_assert!(bench.host.resumes() <= 1);
        prop_assert!(bench.host.sent.len() <= 1);
        prop_assert!(bench.host.did.iter().filter(|did| matches!(did, Did::Reply(_))).count() <= 1);
        // A resume only in the callback of an allowing answer to the call that was made, and never behind a reply.
        if bench.host.resumes() > resumes {
            let allowed = matches!(
                kind,
                Kind::Answer { right_token: true, status: 0, message: Message::Allow | Message::Edit }
            );
            prop_assert!(allowed && calls == 1 && !replied && call, "resumed by {kind:?}");
        }
        let allowed = exempt_seen || bench.host.resumes() == 1;
        match kind {
            // In mode call nothing of a request that is not exempt is ever passed on by its callbacks.
            Kind::Headers { .. } | Kind::Body { .. } | Kind::Trailers if call && !exempt_seen => {
                prop_assert_eq!(flow, Flow::Pause);
            }
            Kind::Headers { .. } | Kind::Body { .. } | Kind::Trailers
                if !call && decision.is_none() && !exempt_seen =>
            {
                prop_assert_eq!(flow, Flow::Pause);
            }
            // A response of the server passes only on an allowed request.
            Kind::Response { details: Some("via_upstream") } if (call || decision.is_none()) && !allowed => {
                prop_assert_eq!(flow, Flow::Pause);
            }
            _ => {}
        }
        // What was put before Envoy and is neither passed, nor waiting, nor answered would hang for ever.
        let reset = bench.host.did.contains(&Did::Reset);
        let answered = reset || bench.host.did.iter().any(|did| matches!(did, Did::Reply(_)));
        let foreign = events[..=index].iter().any(|kind| matches!(kind, Kind::Response { .. }));
        if headers_seen && !done && !answered && !allowed && !foreign {
            prop_assert!(bench.stream.is_waiting() || !call, "event {index} left the stream hanging");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn rule_02_mode_call_keeps_its_promises_in_every_order_of_events(events in sequence(), failing in failing()) {
        run(Bench::call(), &events, failing, true, None)?;
    }

    #[test]
    fn rule_02_mode_split_keeps_its_promises_in_every_order_of_events(
        events in sequence(), failing in failing(), told in 0..4_usize,
    ) {
        let edited = enforcement(Verdict::Allow, vec![edit(CALL.len(), 0, 0, " ")]).to_json().unwrap();
        let allowed = enforcement(Verdict::Allow, Vec::new()).to_json().unwrap();
        let denied = enforcement(Verdict::Deny, Vec::new()).to_json().unwrap();
        let decision = [None, Some(edited.as_str()), Some(allowed.as_str()), Some(denied.as_str())][told];
        let usable = decision.filter(|text| *text != denied);
        if usable.is_none() {
            run(Bench::split(), &events, failing, false, None)?;
        } else {
            run(Bench::split(), &events, failing, false, decision)?;
        }
    }
}

#[test]
fn rule_02_events_in_an_order_that_cannot_be_deny() {
    type Happening = fn(&mut Bench);
    let illegal: [(&str, Happening); 5] = [
        ("body before headers", |bench| {
            bench.on(Event::RequestBody { size: 1, end: true });
        }),
        ("trailers before headers", |bench| {
            bench.on(Event::RequestTrailers);
        }),
        ("headers twice", |bench| {
            bench.headers(false);
            bench.headers(false);
        }),
        ("body after its end", |bench| {
            bench.headers(false);
            bench.body(CALL, true);
            bench.body(b" ", true);
        }),
        ("trailers after the end", |bench| {
            bench.headers(false);
            bench.body(CALL, true);
            bench.on(Event::RequestTrailers);
        }),
    ];
    for (name, happen) in illegal {
        let mut bench = Bench::call();
        happen(&mut bench);
        bench.refused();
        assert_eq!(bench.reason(), "enforcer.illegal_order", "{name}");
        bench.answer(&allow());
        assert_eq!(bench.host.resumes(), 0, "{name}");
    }
}

#[test]
fn a_client_that_leaves_while_the_check_is_under_way_leaves_nothing_behind() {
    let mut bench = Bench::checking(CALL);
    assert_eq!(bench.done(), None);
    let did = bench.host.did.len();
    bench.answer(&allow());
    bench.tick(60_000, Some(9_999));
    assert_eq!(bench.host.did.len(), did);
}
