//! Mode split: Envoy's ext_authz asked, this filter carries out.

#![allow(clippy::unwrap_used)]

mod support;

use interdict_filter::event::{Event, Flow, HeaderChange, RequestHead};
use interdict_filter::message;
use interdict_proto::enforcement::{Obligation, Verdict};
use support::*;

fn text(verdict: Verdict, obligations: Vec<Obligation>) -> String {
    enforcement(verdict, obligations).to_json().unwrap()
}

fn open(head: RequestHead, end: bool) -> (Bench, Flow) {
    let mut bench = Bench::split();
    let flow = bench.on(Event::RequestHeaders { head: Box::new(head), end });
    (bench, flow)
}

#[test]
fn without_a_decision_in_the_metadata_the_request_is_denied_at_once() {
    let denying = text(Verdict::Deny, Vec::new());
    let intercepting = text(Verdict::Intercept, Vec::new());
    for told in
        [None, Some(""), Some("{}"), Some("allow"), Some(denying.as_str()), Some(intercepting.as_str())]
    {
        let head = RequestHead { enforcement: told.map(|text| text.as_bytes().to_vec()), ..head() };
        let (bench, flow) = open(head, false);
        assert_eq!(flow, Flow::Pause);
        assert_eq!(bench.refused().status, 503);
        assert_eq!(bench.reason(), message::NO_DECISION);
    }
    let (bench, flow) = open(RequestHead { enforcement: Some(vec![0xff]), ..head() }, false);
    assert_eq!(flow, Flow::Pause);
    bench.refused();
}

#[test]
fn an_allowed_request_streams_and_is_never_held() {
    let (mut bench, flow) = open(split_head(&text(Verdict::Allow, Vec::new())), false);
    assert_eq!(flow, Flow::Continue);
    assert_eq!(bench.body(CALL, false), Flow::Continue);
    assert_eq!(bench.on(Event::RequestTrailers), Flow::Continue);
    assert_eq!(bench.response("via_upstream", "text/event-stream"), Flow::Continue);
    assert_eq!(bench.host.resumes(), 0, "nothing was held");
    assert_eq!(bench.host.published("interdict.decision_id"), Some("decision-1"));
}

#[test]
fn an_edit_drops_the_length_in_the_header_callback_and_replaces_the_body_at_its_end() {
    for by_trailers in [false, true] {
        let obliged = text(Verdict::Allow, vec![edit(CALL.len(), 1, 1, " ")]);
        let (mut bench, flow) = open(split_head(&obliged), false);
        assert_eq!(flow, Flow::Continue);
        assert!(bench.host.did.contains(&Did::Change(HeaderChange::Remove("content-length".into()))));
        assert_eq!(bench.body(&CALL[..9], false), Flow::Pause);
        if by_trailers {
            assert_eq!(bench.body(&CALL[9..], false), Flow::Pause);
            assert_eq!(bench.on(Event::RequestTrailers), Flow::Continue);
        } else {
            assert_eq!(bench.body(&CALL[9..], true), Flow::Continue);
        }
        let mut edited = CALL.to_vec();
        edited.insert(1, b' ');
        assert_eq!(bench.host.did.last(), Some(&Did::Replace(CALL.len(), edited)));
        assert_eq!((bench.host.resumes(), bench.host.replies().len()), (0, 0));
    }
}

#[test]
fn an_edit_that_cannot_fit_is_denied_before_any_header_goes_on() {
    let obliged = |length| text(Verdict::Allow, vec![edit(length, 0, 0, " ")]);
    let length = CALL.len();
    let sized = |size| RequestHead { body_size: Some(size), ..split_head(&obliged(length)) };
    let declared = RequestHead { body_size: None, ..split_head(&obliged(length)) };
    for (head, end) in [
        (sized(length as u64 + 1), false),
        (sized(0), false),
        (with_header(declared, "content-length", "1"), false),
        (split_head(&obliged(length)), true),
        (RequestHead { body_size: None, ..split_head(&obliged(5000)) }, false),
    ] {
        let (bench, flow) = open(head, end);
        assert_eq!(flow, Flow::Pause);
        assert_eq!(bench.refused().status, 503);
        assert_eq!(bench.reason(), message::EDIT_FAILED);
    }
}

#[test]
fn a_body_of_another_size_than_judged_is_denied() {
    let obliged = text(Verdict::Allow, vec![edit(CALL.len(), 0, 0, " ")]);
    for piece in [&CALL[1..], &[CALL, b" "].concat()] {
        let (mut bench, _) = open(RequestHead { body_size: None, ..split_head(&obliged) }, false);
        assert_eq!(bench.body(piece, true), Flow::Pause);
        bench.refused();
        assert_eq!(bench.reason(), message::EDIT_FAILED);
    }
    let (mut bench, _) = open(RequestHead { body_size: None, ..split_head(&obliged) }, false);
    assert_eq!(bench.on(Event::RequestTrailers), Flow::Pause);
    bench.refused();
}

#[test]
fn a_failing_replacement_is_denied() {
    for failing in [Fail::Read, Fail::Replace] {
        let obliged = text(Verdict::Allow, vec![edit(CALL.len(), 0, 0, " ")]);
        let (mut bench, _) = open(split_head(&obliged), false);
        bench.host.failing = vec![failing];
        assert_eq!(bench.body(CALL, true), Flow::Pause);
        bench.refused();
    }
}

#[test]
fn a_body_that_never_ends_is_denied_by_time() {
    let obliged = text(Verdict::Allow, vec![edit(CALL.len(), 0, 0, " ")]);
    let (mut bench, _) = open(split_head(&obliged), false);
    bench.body(&CALL[..3], false);
    bench.tick(9_000, Some(1));
    assert!(bench.host.replies().is_empty());
    bench.tick(10_001, Some(1));
    assert_eq!(bench.refused().status, 408);
}

#[test]
fn exempt_requests_need_no_metadata() {
    let (bench, flow) = open(with_header(head(), ":path", "/healthz"), true);
    assert_eq!(flow, Flow::Continue);
    assert!(bench.host.did.is_empty());
}

#[test]
fn the_filter_never_asks_by_itself() {
    let (mut bench, _) = open(split_head(&text(Verdict::Allow, Vec::new())), false);
    bench.body(CALL, true);
    assert!(bench.host.sent.is_empty());
}
