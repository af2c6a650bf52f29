//! What an answer of the decision point may say: one shape allows.

mod support;

use interdict_filter::answer::{CONTRADICTORY, UNAVAILABLE, UNREADABLE};
use interdict_filter::event::HeaderChange;
use interdict_filter::metrics::Counter;
use interdict_proto::enforcement::Verdict;
use interdict_proto::envoy::auth::{
    CheckResponse, DeniedHttpResponse, OkHttpResponse, QueryParameter, check_response::HttpResponse,
};
use interdict_proto::envoy::core::{HeaderValue, HeaderValueOption};
use interdict_proto::envoy::{protobuf, rpc, types};
use prost::Message;
use support::*;

fn reason_for(answer: &[u8]) -> String {
    let mut bench = Bench::checking(CALL);
    bench.answer(answer);
    bench.refused();
    assert_eq!(bench.host.count_of(Counter::Failed), 1);
    bench.reason().to_owned()
}

#[test]
fn rule_12_an_empty_answer_denies() {
    assert_eq!(reason_for(b""), UNREADABLE);
    assert_eq!(reason_for(&CheckResponse::default().encode_to_vec()), UNREADABLE);
    let mut bench = Bench::checking(CALL);
    bench.answer_as(1, 0, None);
    bench.refused();
}

#[test]
fn rule_12_an_answer_that_cannot_be_decoded_denies() {
    assert_eq!(reason_for(&[0xff; 7]), UNREADABLE);
    assert_eq!(reason_for(&allow()[..allow().len() - 1]), UNREADABLE);
}

#[test]
fn rule_12_an_answer_without_a_status_denies() {
    let allow = enforcement(Verdict::Allow, Vec::new());
    assert_eq!(reason_for(&response(None, ok_arm(OkHttpResponse::default()), Some(&allow))), UNREADABLE);
}

#[test]
fn rule_12_an_answer_that_contradicts_itself_denies() {
    let allowing = enforcement(Verdict::Allow, Vec::new());
    let denying = enforcement(Verdict::Deny, Vec::new());
    let intercepting = enforcement(Verdict::Intercept, Vec::new());
    let error_arm = Some(HttpResponse::ErrorResponse(DeniedHttpResponse::default()));
    let ok = || ok_arm(OkHttpResponse::default());
    for (code, arm, told) in [
        (0, denied_arm(), &allowing),
        (0, error_arm, &allowing),
        (7, ok(), &allowing),
        (7, ok(), &denying),
        (7, denied_arm(), &allowing),
        (0, ok(), &denying),
        (0, ok(), &intercepting),
        (0, None, &denying),
    ] {
        assert_eq!(
            reason_for(&response(Some(code), arm.clone(), Some(told))),
            CONTRADICTORY,
            "{code} {arm:?}"
        );
    }
}

#[test]
fn rule_12_an_allow_without_a_readable_enforcement_denies() {
    let ok = ok_arm(OkHttpResponse::default());
    assert_eq!(reason_for(&response(Some(0), ok.clone(), None)), UNREADABLE);
    for text in
        ["", "{}", "yes", r#"{"v":2,"decision_id":"d","verdict":"allow","reason":"r","obligations":[]}"#]
    {
        let mut fields = protobuf::Struct::default();
        fields.set_string("enforcement", text);
        fields.set_string("verdict", "allow");
        let answer = CheckResponse {
            status: Some(rpc::Status::default()),
            http_response: ok.clone(),
            dynamic_metadata: Some(fields),
        };
        assert_eq!(reason_for(&answer.encode_to_vec()), UNREADABLE, "{text}");
    }
}

#[test]
fn rule_12_a_failed_call_denies_whatever_came_with_it() {
    for status in [1, 2, 4, 7, 14, 16, 99] {
        let mut bench = Bench::checking(CALL);
        bench.answer_as(1, status, Some(&allow()));
        bench.refused();
        assert_eq!(bench.reason(), UNAVAILABLE);
    }
}

#[test]
fn rule_12_the_answer_to_another_call_denies() {
    let mut bench = Bench::checking(CALL);
    bench.answer_as(2, 0, Some(&allow()));
    bench.refused();
    bench.answer_as(1, 0, Some(&allow()));
    bench.refused();
}

#[test]
fn rule_12_an_answer_to_a_stream_that_never_asked_denies() {
    let mut bench = Bench::call();
    bench.headers(false);
    bench.answer_as(1, 0, Some(&allow()));
    bench.refused();
}

#[test]
fn what_this_filter_does_not_carry_out_denies() {
    let allowing = enforcement(Verdict::Allow, Vec::new());
    for ok in [
        OkHttpResponse { response_headers_to_add: vec![option("a", "b")], ..Default::default() },
        OkHttpResponse {
            query_parameters_to_set: vec![QueryParameter { key: "a".into(), value: "b".into() }],
            ..Default::default()
        },
        OkHttpResponse { query_parameters_to_remove: vec!["a".into()], ..Default::default() },
        OkHttpResponse { headers: vec![option(":path", "/other")], ..Default::default() },
        OkHttpResponse { headers: vec![option("Host", "other")], ..Default::default() },
        OkHttpResponse { headers: vec![option("content-length", "0")], ..Default::default() },
        OkHttpResponse { headers: vec![option("x", "a\r\nb: c")], ..Default::default() },
        OkHttpResponse { headers: vec![option("x y", "a")], ..Default::default() },
        OkHttpResponse { headers: vec![HeaderValueOption::default()], ..Default::default() },
        OkHttpResponse { headers_to_remove: vec![":method".into()], ..Default::default() },
        OkHttpResponse { headers_to_remove: vec!["host".into()], ..Default::default() },
        OkHttpResponse { headers_to_remove: vec![String::new()], ..Default::default() },
        OkHttpResponse {
            headers: vec![HeaderValueOption { append_action: 9, ..option("x", "a") }],
            ..Default::default()
        },
        OkHttpResponse {
            headers: vec![HeaderValueOption {
                append: Some(protobuf::BoolValue { value: true }),
                append_action: 2,
                ..option("x", "a")
            }],
            ..Default::default()
        },
        OkHttpResponse {
            headers: vec![HeaderValueOption {
                header: Some(HeaderValue { key: "x".into(), value: "a".into(), raw_value: b"b".to_vec() }),
                ..Default::default()
            }],
            ..Default::default()
        },
    ] {
        assert_eq!(
            reason_for(&response(Some(0), ok_arm(ok.clone()), Some(&allowing))),
            CONTRADICTORY,
            "{ok:?}"
        );
    }
}

#[test]
fn header_changes_are_made_before_the_resume_and_as_envoy_reads_them() {
    let append = |value| Some(protobuf::BoolValue { value });
    let with =
        |name: &str, append, append_action| HeaderValueOption { append, append_action, ..option(name, "v") };
    let ok = OkHttpResponse {
        headers: vec![
            with("X-Set", None, 0),
            with("x-false", append(false), 0),
            with("x-true", append(true), 0),
            with("authorization", None, 1),
            with("x-absent", None, 1),
            with("x-overwrite", None, 2),
            with("authorization", None, 3),
            with("x-not-there", None, 3),
        ],
        headers_to_remove: vec!["Authorization".into()],
        ..Default::default()
    };
    let mut bench = Bench::checking(CALL);
    bench.answer(&response(Some(0), ok_arm(ok), Some(&enforcement(Verdict::Allow, Vec::new()))));
    let set = |name: &str| Did::Change(HeaderChange::Set(name.into(), b"v".to_vec()));
    let made: Vec<Did> =
        bench.host.did.iter().filter(|did| matches!(did, Did::Change(_) | Did::Resume)).cloned().collect();
    assert_eq!(
        made,
        [
            set("x-set"),
            set("x-false"),
            Did::Change(HeaderChange::Add("x-true".into(), b"v".to_vec())),
            set("x-absent"),
            set("x-overwrite"),
            set("authorization"),
            Did::Change(HeaderChange::Remove("authorization".into())),
            Did::Resume,
        ]
    );
}

#[test]
fn a_denial_is_the_servers_reply_word_by_word() {
    let mut bench = Bench::checking(CALL);
    bench.answer(&deny());
    let reply = bench.refused();
    assert_eq!((reply.status, reply.body.as_slice()), (200, &br#"{"no":1}"#[..]));
    assert_eq!(reply.headers, [("content-type".to_owned(), b"application/json".to_vec())]);
    assert_eq!(reply.details, "interdict:policy.because");
    assert_eq!(bench.host.published("interdict.verdict"), Some("deny"));
    assert_eq!(bench.host.published("interdict.decision_id"), Some("decision-1"));
    assert_eq!(bench.host.count_of(Counter::Denied), 1);
}

#[test]
fn an_interception_is_a_reply_too() {
    let mut bench = Bench::checking(CALL);
    bench.answer(&response(Some(7), denied_arm(), Some(&enforcement(Verdict::Intercept, Vec::new()))));
    bench.refused();
    assert_eq!(bench.host.published("interdict.verdict"), Some("intercept"));
    assert_eq!(bench.host.count_of(Counter::Intercepted), 1);
}

#[test]
fn a_denial_needs_no_enforcement_but_a_usable_reply() {
    let mut bench = Bench::checking(CALL);
    bench.answer(&response(Some(7), denied_arm(), None));
    assert_eq!(bench.refused().status, 200);
    assert_eq!(bench.host.published("interdict.verdict"), Some("deny"));

    let denied = |status, headers| {
        let status = Some(types::HttpStatus { code: status });
        let denied = DeniedHttpResponse { status, headers, body: "no".into() };
        response(Some(7), Some(HttpResponse::DeniedResponse(denied)), None)
    };
    assert_eq!(reason_for(&denied(100, Vec::new())), UNREADABLE);
    assert_eq!(reason_for(&denied(70_000, Vec::new())), UNREADABLE);
    assert_eq!(reason_for(&denied(-1, Vec::new())), UNREADABLE);
    assert_eq!(reason_for(&denied(403, vec![option("x", "a\nb")])), UNREADABLE);
    assert_eq!(reason_for(&response(Some(7), None, None)), UNREADABLE);

    let mut framed = Bench::checking(CALL);
    let unwanted = vec![option("Content-Length", "9"), option(":status", "200"), option("X-Why", "because")];
    framed.answer(&denied(403, unwanted));
    assert_eq!(framed.refused().headers, [("x-why".to_owned(), b"because".to_vec())]);
}
