//! The way back: nothing is buffered, and nothing passes without a decision.

mod support;

use interdict_filter::event::{Event, Flow, ResponseHead};
use interdict_filter::message;
use interdict_filter::metrics::Counter;
use interdict_filter::response::Shape;
use interdict_proto::enforcement::Verdict;
use support::*;

fn allowed() -> Bench {
    let mut bench = Bench::checking(CALL);
    bench.answer(&allow());
    assert_eq!(bench.host.resumes(), 1);
    bench
}

#[test]
fn rule_16_json_and_event_streams_pass_unbuffered() {
    for (content_type, counter) in [
        ("application/json", Counter::ResponsesJson),
        ("Application/JSON; charset=utf-8", Counter::ResponsesJson),
        ("text/event-stream", Counter::ResponsesEventStream),
        ("text/event-stream;charset=utf-8", Counter::ResponsesEventStream),
        ("text/html", Counter::ResponsesOther),
        ("", Counter::ResponsesOther),
    ] {
        let mut bench = allowed();
        assert_eq!(bench.response("via_upstream", content_type), Flow::Continue);
        for _ in 0..3 {
            assert_eq!(bench.on(Event::ResponseBody { size: 10, end: false }), Flow::Continue);
        }
        assert_eq!(bench.on(Event::ResponseTrailers { grpc_status: None }), Flow::Continue);
        assert_eq!(bench.host.count_of(counter), 1, "{content_type}");
        assert!(bench.host.replies().is_empty());
    }
    assert_eq!(Shape::of(Some(b"application/json-seq")), Shape::Other);
    assert_eq!(Shape::of(Some(&[0xff])), Shape::Other);
    assert_eq!(Shape::of(None), Shape::Other);
}

#[test]
fn rule_15_our_own_reply_passes_untouched() {
    let mut bench = Bench::checking(CALL);
    bench.answer(&deny());
    assert_eq!(bench.response("interdict:policy.because", "application/json"), Flow::Continue);
    assert_eq!(bench.on(Event::ResponseBody { size: 10, end: true }), Flow::Continue);
    bench.refused();
    assert!(!bench.host.did.contains(&Did::Reset));
}

#[test]
fn rule_15_local_replies_of_other_filters_pass_and_end_the_matter() {
    let mut bench = Bench::checking(CALL);
    assert_eq!(bench.response("request_payload_too_large", "text/plain"), Flow::Continue);
    assert_eq!(bench.on(Event::ResponseBody { size: 10, end: true }), Flow::Continue);
    bench.answer(&allow());
    assert_eq!(bench.host.resumes(), 0, "somebody answered already");
    assert!(bench.host.replies().is_empty());

    let mut before = Bench::call();
    assert_eq!(before.response("rbac_access_denied", "text/plain"), Flow::Continue);

    let mut after = allowed();
    assert_eq!(after.response("upstream_reset_before_response_started", "text/plain"), Flow::Continue);
    assert!(after.host.replies().is_empty());
}

#[test]
fn a_response_of_the_server_without_an_allow_is_replaced() {
    for (mut bench, shown) in [(Bench::call(), "before headers"), (Bench::checking(CALL), "while checking")] {
        assert_eq!(bench.response("via_upstream", "application/json"), Flow::Pause, "{shown}");
        bench.refused();
        assert_eq!(bench.reason(), message::RESPONSE_WITHOUT_DECISION);
        bench.answer(&allow());
        assert_eq!(bench.host.resumes(), 0);
        assert_eq!(
            bench.response("interdict:enforcer.response_without_decision", "application/json"),
            Flow::Continue
        );
    }
    let mut held = Bench::call();
    held.headers(false);
    assert_eq!(held.response("via_upstream", "application/json"), Flow::Pause);
    held.refused();
}

#[test]
fn a_response_whose_origin_is_not_known_counts_as_the_servers() {
    let mut bench = Bench::checking(CALL);
    assert_eq!(bench.on(Event::ResponseHeaders(Box::default())), Flow::Pause);
    bench.refused();
}

#[test]
fn a_response_of_the_server_behind_our_reply_resets_the_stream() {
    let mut bench = Bench::checking(CALL);
    bench.answer(&deny());
    assert_eq!(bench.response("via_upstream", "application/json"), Flow::Pause);
    bench.refused();
    assert_eq!(bench.host.did.last(), Some(&Did::Reset));
}

#[test]
fn a_response_body_without_headers_is_denied() {
    let mut bench = Bench::checking(CALL);
    assert_eq!(bench.on(Event::ResponseBody { size: 1, end: false }), Flow::Pause);
    bench.refused();
    assert_eq!(bench.reason(), message::ILLEGAL_ORDER);
}

/// A client that asked for nothing of the kind would wait for ever.
#[test]
fn a_switch_to_another_protocol_that_nobody_asked_for_is_refused() {
    let switch = || ResponseHead {
        code_details: Some("via_upstream".into()),
        status: Some(101),
        ..ResponseHead::default()
    };
    let mut split = Bench::split();
    let allowed_before = split_head(&enforcement(Verdict::Allow, Vec::new()).to_json().unwrap());
    split.on(Event::RequestHeaders { head: Box::new(allowed_before), end: false });
    for (mut bench, status) in [(allowed(), 200), (split, 503)] {
        assert_eq!(bench.on(Event::ResponseHeaders(Box::new(switch()))), Flow::Pause);
        assert_eq!(bench.reason(), message::UNASKED_UPGRADE);
        let replies = bench.host.replies();
        assert_eq!((replies.len(), replies[0].status), (1, status));
        assert_eq!(bench.response("interdict:enforcer.unasked_upgrade", "application/json"), Flow::Continue);
    }
    let mut exempt = Bench::call();
    let head = with_header(head(), ":path", "/healthz");
    exempt.on(Event::RequestHeaders { head: Box::new(head), end: true });
    assert_eq!(exempt.on(Event::ResponseHeaders(Box::new(switch()))), Flow::Continue);
}
