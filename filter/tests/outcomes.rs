//! What is told of an allowed call after its end, and that telling it changes nothing on the way.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use interdict_filter::event::{Event, Flow, ResponseHead};
use interdict_filter::outcome::Copied;
use interdict_proto::enforcement::Verdict;
use interdict_proto::outcome::{Ended, Outcome, Rpc};
use proptest::prelude::*;
use support::*;

const RESULT: &str = r#"{"jsonrpc":"2.0","id":"seven","result":{"content":[],"note":"ä €"}}"#;
const TOOL_ERROR: &str = r#"{"jsonrpc":"2.0","id":"s\u0065ven","result":{"content":[],"isError":true}}"#;
const ERROR: &str = r#"{"jsonrpc":"2.0","id":"seven","error":{"code":-32602,"message":"no"}}"#;
const FOREIGN: &str = r#"{"jsonrpc":"2.0","id":"eight","error":{"code":1,"message":"no"}}"#;
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream; charset=utf-8";

/// An allowed call of `body` in mode call, with changes of the plugin's `outcomes`.
fn allowed_with(body: &[u8], outcomes: &str) -> Bench {
    let config = CALL_CONFIG.replacen('{', &format!(r#"{{"outcomes":{outcomes},"#), 1);
    let mut bench = Bench::new(&config);
    bench.headers(false);
    bench.body(body, true);
    bench.answer(&allow());
    assert_eq!(bench.host.resumes(), 1);
    bench
}

fn allowed() -> Bench {
    allowed_with(CALL, "{}")
}

fn split() -> Bench {
    let mut bench = Bench::new(&SPLIT_CONFIG.replacen('{', r#"{"outcomes":{"cluster":"interdict"},"#, 1));
    let head = split_head(&enforcement(Verdict::Allow, Vec::new()).to_json().unwrap());
    assert_eq!(bench.on(Event::RequestHeaders { head: Box::new(head), end: false }), Flow::Continue);
    bench
}

/// Lets a response pass in these pieces and ends the stream.
fn answered(mut bench: Bench, content_type: &str, pieces: &[&[u8]]) -> Outcome {
    assert_eq!(bench.response("via_upstream", content_type), Flow::Continue);
    for (index, piece) in pieces.iter().enumerate() {
        bench.answer_piece(piece, index + 1 == pieces.len());
    }
    assert!(bench.host.replies().is_empty());
    bench.done().unwrap()
}

fn told(outcome: &Outcome) -> (Ended, Rpc, Option<i64>) {
    (outcome.ended(), outcome.rpc(), outcome.rpc_code)
}

fn event(data: &str) -> String {
    format!("event: message\r\nid: 1\r\ndata: {data}\r\n\r\n")
}

#[test]
fn a_completed_call_is_told_with_its_decision_status_bytes_and_time() {
    let outcome = answered(allowed(), JSON, &[RESULT.as_bytes()]);
    assert_eq!(
        outcome,
        Outcome {
            decision_id: "decision-1".into(),
            http_status: 200,
            bytes: RESULT.len() as u64,
            duration_us: 250_000,
            ended: Ended::Complete.into(),
            rpc: Rpc::Result.into(),
            rpc_code: None,
            grpc_status: None,
            ..Outcome::default()
        }
    );
}

#[test]
fn a_json_answer_says_result_tool_error_or_error() {
    for (body, rpc, code) in [
        (RESULT, Rpc::Result, None),
        (TOOL_ERROR, Rpc::ToolError, None),
        (ERROR, Rpc::Error, Some(-32602)),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#, Rpc::Error, Some(-32700)),
        (r#"{"jsonrpc":"2.0","error":{"message":"x"}}"#, Rpc::Error, None),
        (r#"{"id":"seven","error":{"code":1.5}}"#, Rpc::Error, None),
        (r#"{"id":"seven","error":{"code":99999999999999999}}"#, Rpc::Error, None),
        (FOREIGN, Rpc::Unread, None),
        (r#"{"id":"seven","result":{},"error":{}}"#, Rpc::Unread, None),
        (r#"{"id":"seven","result":{},"result":{"isError":true}}"#, Rpc::Unread, None),
        (r#"{"id":"seven","result":{"isError":true},"method":"ping"}"#, Rpc::Unread, None),
        ("null", Rpc::Unread, None),
        ("[]", Rpc::Unread, None),
        ("{", Rpc::Unread, None),
    ] {
        let outcome = answered(allowed(), JSON, &[body.as_bytes()]);
        assert_eq!(told(&outcome), (Ended::Complete, rpc, code), "{body}");
        // What the filter does not know of the request in mode split changes the reading of foreign ids only.
        let expected = if body == FOREIGN { (Ended::Complete, Rpc::Error, Some(1)) } else { told(&outcome) };
        assert_eq!(told(&answered(split(), JSON, &[body.as_bytes()])), expected, "{body}");
    }
}

#[test]
fn a_json_answer_may_come_in_any_pieces() {
    for at in 0..=TOOL_ERROR.len() {
        let (first, second) = TOOL_ERROR.as_bytes().split_at(at);
        let outcome = answered(allowed(), JSON, &[first, second]);
        assert_eq!(told(&outcome), (Ended::Complete, Rpc::ToolError, None), "{at}");
        assert_eq!(outcome.bytes, TOOL_ERROR.len() as u64);
    }
}

#[test]
fn an_event_stream_is_decided_by_the_answer_wherever_it_is_cut() {
    let notice = event(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#);
    let asks = event(r#"{"jsonrpc":"2.0","id":"seven","method":"sampling/createMessage","params":{}}"#);
    let stream = format!(": ping\n\n{notice}{asks}{}{}", event(FOREIGN), event(TOOL_ERROR));
    for at in 0..=stream.len() {
        let (first, second) = stream.as_bytes().split_at(at);
        // Small limits, so that every event is decoded on the way as well as at the end.
        for limit in [130, 200, 65_536] {
            let bench = allowed_with(CALL, &format!(r#"{{"read_body_bytes":{limit}}}"#));
            let outcome = answered(bench, EVENTS, &[first, second]);
            assert_eq!(told(&outcome), (Ended::Complete, Rpc::ToolError, None), "cut at {at}, limit {limit}");
        }
    }
}

#[test]
fn an_event_stream_of_many_limits_is_read_to_its_answer_with_bounded_copies() {
    let notice = event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"xxxxxxxx"}}"#);
    let mut stream = notice.repeat(3000);
    stream.push_str(&event(ERROR));
    stream.push_str(&notice.repeat(500));
    let mut bench = allowed_with(CALL, r#"{"read_body_bytes":512}"#);
    bench.response("via_upstream", EVENTS);
    bench.answer_piece(stream.as_bytes(), true);
    let longest = bench.host.did.iter().filter_map(|did| match did {
        Did::Copy(Copied { length, .. }) => Some(*length),
        _ => None,
    });
    assert_eq!(longest.max(), Some(512));
    assert_eq!(told(&bench.done().unwrap()), (Ended::Complete, Rpc::Error, Some(-32602)));
}

#[test]
fn what_is_too_long_encoded_or_of_another_kind_is_unread() {
    let long = RESULT.replace("ä €", &"x".repeat(5000));
    let bench = || allowed_with(CALL, r#"{"read_body_bytes":4096}"#);
    for (content_type, body) in
        [(JSON, long.clone()), (EVENTS, event(&long)), ("text/html", RESULT.into()), ("", RESULT.into())]
    {
        let outcome = answered(bench(), content_type, &[body.as_bytes()]);
        assert_eq!(told(&outcome), (Ended::Complete, Rpc::Unread, None), "{content_type}");
        assert_eq!(outcome.bytes, body.len() as u64);
    }
    let mut encoded = allowed();
    encoded.on(Event::ResponseHeaders(Box::new(ResponseHead {
        content_type: Some(JSON.into()),
        content_encoding: Some(b"gzip".to_vec()),
        status: Some(200),
        ..ResponseHead::default()
    })));
    encoded.answer_piece(RESULT.as_bytes(), true);
    assert!(!encoded.host.did.iter().any(|did| matches!(did, Did::Copy(_))));
    assert_eq!(encoded.done().unwrap().rpc(), Rpc::Unread);
    let off = answered(allowed_with(CALL, r#"{"read_body_bytes":0}"#), JSON, &[RESULT.as_bytes()]);
    assert_eq!(off.rpc(), Rpc::Unread);
}

#[test]
fn an_empty_answer_says_nothing() {
    let mut bench = allowed_with(NOTIFICATION, "{}");
    bench.on(Event::ResponseHeaders(Box::new(ResponseHead {
        status: Some(202),
        end: true,
        ..ResponseHead::default()
    })));
    let outcome = bench.done().unwrap();
    assert_eq!((outcome.http_status, told(&outcome)), (202, (Ended::Complete, Rpc::None, None)));
    assert_eq!(answered(allowed(), JSON, &[b""]).rpc(), Rpc::None);
}

#[test]
fn where_nothing_was_asked_only_an_error_without_id_is_an_answer() {
    let notified = || allowed_with(NOTIFICATION, "{}");
    assert_eq!(answered(notified(), JSON, &[RESULT.as_bytes()]).rpc(), Rpc::None);
    assert_eq!(answered(notified(), EVENTS, &[event(RESULT).as_bytes()]).rpc(), Rpc::None);
    let refused = answered(notified(), JSON, &[br#"{"jsonrpc":"2.0","error":{"code":-32600}}"#]);
    assert_eq!((refused.rpc(), refused.rpc_code), (Rpc::Error, Some(-32600)));
}

#[test]
fn a_batch_is_told_by_its_worst_answer() {
    const BATCH: &[u8] = br#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}},
        {"jsonrpc":"2.0","method":"notifications/initialized"},
        {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"b"}},
        {"jsonrpc":"2.0","id":"3","method":"ping"}]"#;
    let batch = || allowed_with(BATCH, "{}");
    let (fine, failed, error) = (
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":2,"result":{"isError":true}}"#,
        r#"{"jsonrpc":"2.0","id":"3","error":{"code":-1,"message":""}}"#,
    );
    for (answers, rpc, code) in [
        (vec![fine, failed], Rpc::ToolError, None),
        (vec![error, fine, failed], Rpc::Error, Some(-1)),
        (vec![fine], Rpc::Result, None),
        // One id counts once.
        (vec![fine, r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true}}"#], Rpc::Result, None),
    ] {
        let array = format!("[{}]", answers.join(","));
        assert_eq!(told(&answered(batch(), JSON, &[array.as_bytes()])), (Ended::Complete, rpc, code));
        let stream: String = answers.iter().map(|answer| event(answer)).collect();
        assert_eq!(told(&answered(batch(), EVENTS, &[stream.as_bytes()])), (Ended::Complete, rpc, code));
    }
}

#[test]
fn a_stream_cut_off_before_its_end_is_a_reset() {
    let mut early = allowed();
    let outcome = early.done().unwrap();
    assert_eq!((outcome.http_status, told(&outcome)), (0, (Ended::Reset, Rpc::None, None)));

    let mut halfway = allowed();
    halfway.response("via_upstream", JSON);
    halfway.answer_piece(&RESULT.as_bytes()[..20], false);
    let outcome = halfway.done().unwrap();
    assert_eq!((outcome.http_status, outcome.bytes), (200, 20));
    assert_eq!(told(&outcome), (Ended::Reset, Rpc::Unread, None));

    let mut after_the_answer = allowed();
    after_the_answer.response("via_upstream", EVENTS);
    after_the_answer.answer_piece(event(RESULT).as_bytes(), false);
    assert_eq!(told(&after_the_answer.done().unwrap()), (Ended::Reset, Rpc::Result, None));
}

#[test]
fn trailers_end_a_response_and_tell_the_grpc_status() {
    let mut bench = allowed();
    bench.response("via_upstream", "application/grpc");
    bench.answer_piece(b"....", false);
    assert_eq!(bench.on(Event::ResponseTrailers { grpc_status: Some(5) }), Flow::Continue);
    let outcome = bench.done().unwrap();
    assert_eq!((outcome.grpc_status, told(&outcome)), (Some(5), (Ended::Complete, Rpc::Unread, None)));
}

#[test]
fn what_envoy_answers_after_an_allow_is_a_local_reply() {
    let mut bench = allowed();
    bench.on(Event::ResponseHeaders(Box::new(ResponseHead {
        code_details: Some("upstream_reset_before_response_started{connection_failure}".into()),
        content_type: Some(b"text/plain".to_vec()),
        status: Some(503),
        ..ResponseHead::default()
    })));
    bench.answer_piece(b"upstream connect error", true);
    let outcome = bench.done().unwrap();
    assert_eq!((outcome.http_status, outcome.bytes), (503, 22));
    assert_eq!(told(&outcome), (Ended::LocalReply, Rpc::None, None));

    // Sent past the filters, so that only the end of the stream shows it.
    let mut past = allowed();
    past.on(Event::Done { now: START, status: Some(408) });
    let outcome = past.host.outcomes.pop().unwrap();
    assert_eq!((outcome.http_status, told(&outcome)), (408, (Ended::LocalReply, Rpc::None, None)));
}

#[test]
fn an_allow_that_could_not_be_carried_out_is_told_as_a_local_reply() {
    let mut bench = Bench::checking(CALL);
    let edited = enforcement(Verdict::Allow, vec![edit(CALL.len() + 1, 0, 0, " ")]);
    bench.answer(&response(Some(0), ok_arm(Default::default()), Some(&edited)));
    bench.refused();
    bench.response("interdict:enforcer.edit_failed", JSON);
    bench.answer_piece(b"{}", true);
    let outcome = bench.done().unwrap();
    assert_eq!((outcome.decision_id.as_str(), outcome.ended()), ("decision-1", Ended::LocalReply));
}

#[test]
fn only_allowed_calls_have_an_outcome() {
    let mut denied = Bench::checking(CALL);
    denied.answer(&deny());
    denied.response("interdict:policy.because", JSON);
    assert_eq!(denied.done(), None);

    let mut intercepted = Bench::checking(CALL);
    let told = enforcement(Verdict::Intercept, Vec::new());
    intercepted.answer(&response(Some(7), denied_arm(), Some(&told)));
    assert_eq!(intercepted.done(), None);

    let mut exempt = Bench::call();
    let head = with_header(head(), ":path", "/healthz");
    exempt.on(Event::RequestHeaders { head: Box::new(head), end: true });
    exempt.response("via_upstream", JSON);
    exempt.answer_piece(RESULT.as_bytes(), true);
    assert_eq!(exempt.done(), None);

    let mut undecided = Bench::checking(CALL);
    assert_eq!(undecided.done(), None);

    let mut unsaid = Bench::split();
    let head = split_head(&enforcement(Verdict::Allow, Vec::new()).to_json().unwrap());
    unsaid.on(Event::RequestHeaders { head: Box::new(head), end: false });
    assert_eq!(unsaid.done(), None, "mode split reports only where a cluster is named");

    let mut off = allowed_with(CALL, r#"{"enabled":false}"#);
    assert_eq!(off.done(), None);
}

#[test]
fn a_host_that_does_not_hand_out_the_body_leaves_it_unread() {
    let mut bench = allowed();
    bench.host.failing = vec![Fail::Copy];
    bench.response("via_upstream", JSON);
    bench.answer_piece(RESULT.as_bytes(), false);
    bench.answer_piece(RESULT.as_bytes(), true);
    assert_eq!(bench.host.did.iter().filter(|did| matches!(did, Did::Copy(_))).count(), 1);
    assert_eq!(told(&bench.done().unwrap()), (Ended::Complete, Rpc::Unread, None));
}

proptest! {
    #[test]
    fn no_response_whatever_its_bytes_is_held_back_or_answered(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..6),
        content_type in prop_oneof![Just(JSON), Just(EVENTS), Just("text/plain")],
        limit in 0_usize..300,
    ) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let bench = allowed_with(CALL, &format!(r#"{{"read_body_bytes":{limit}}}"#));
        let outcome = answered(bench, content_type, &pieces);
        prop_assert_eq!(outcome.bytes, pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
        prop_assert_eq!(outcome.ended(), Ended::Complete);
    }
}
