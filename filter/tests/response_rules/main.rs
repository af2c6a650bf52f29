//! Obligations on responses: what the client gets, whatever the bytes come like.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod streams;
#[path = "../support/mod.rs"]
mod support;

use interdict_content::definition::digest_text;
use interdict_content::rules::{AnswerRules, ResponseRules, Unreadable};
use interdict_filter::event::{Event, Flow, HeaderChange, ResponseHead};
use interdict_filter::message;
use interdict_filter::metrics::Counter;
use interdict_proto::enforcement::{Obligation, Verdict, keys};
use interdict_proto::envoy::auth::CheckRequest;
use interdict_proto::outcome::{Ended, Outcome, Rpc, Treated};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};
use support::*;

const SECRET: &str = "MARK-12345678";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

fn rules(action: &str) -> ResponseRules {
    let text = json!({
        "v": 1,
        "classes": {"marker": action},
        "patterns": [{"class": "marker", "pattern": "MARK-[0-9]{8}"}],
        "injection": {"structural": "quarantine", "contextual": "note", "lexical": "note"},
    })
    .to_string();
    ResponseRules {
        profile: Some(digest_text(&text)),
        profile_text: Some(text),
        session_key: "ab".repeat(32),
        unreadable: Unreadable::Deny,
        lists: None,
        tools: Default::default(),
        answers: [("\"seven\"".to_owned(), AnswerRules::default())].into(),
        max_bytes: 2000,
    }
}

fn obligation(rules: ResponseRules) -> Obligation {
    Obligation::InspectResponse { rules: Box::new(rules) }
}

fn answer_with(obligations: Vec<Obligation>) -> Vec<u8> {
    response(Some(0), ok_arm(Default::default()), Some(&enforcement(Verdict::Allow, obligations)))
}

/// An allowed call whose response is to be looked into.
fn obliged(rules: ResponseRules) -> Bench {
    let mut bench = Bench::checking(CALL);
    bench.answer(&answer_with(vec![obligation(rules)]));
    assert_eq!(bench.host.resumes(), 1, "{:?}", bench.host.did);
    bench
}

fn open_split(rules: ResponseRules) -> (Bench, Flow) {
    let mut bench = Bench::new(&SPLIT_CONFIG.replacen('{', r#"{"outcomes":{"cluster":"interdict"},"#, 1));
    let head = split_head(&enforcement(Verdict::Allow, vec![obligation(rules)]).to_json().unwrap());
    let flow = bench.on(Event::RequestHeaders { head: Box::new(head), end: false });
    (bench, flow)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Flag,
    EmptyPiece,
    Trailers,
}

fn begin(bench: &mut Bench, content_type: &str, encoding: Option<&str>) {
    let head = ResponseHead {
        code_details: Some("via_upstream".into()),
        content_type: Some(content_type.into()),
        content_encoding: encoding.map(Into::into),
        status: Some(200),
        ..ResponseHead::default()
    };
    assert_eq!(bench.on(Event::ResponseHeaders(Box::new(head))), Flow::Continue);
}

/// Hands pieces to the filter as Envoy does: what is kept is shown again with the next. Returns what reaches the client.
fn passed(bench: &mut Bench, pieces: &[&[u8]], end: End) -> Vec<u8> {
    let mut received = Vec::new();
    let mut shown = |bench: &mut Bench, event: fn(usize, bool) -> Event, piece: &[u8], end: bool| {
        bench.host.piece.extend_from_slice(piece);
        let size = bench.host.piece.len();
        if bench.on(event(size, end)) == Flow::Continue {
            received.append(&mut bench.host.piece);
        }
    };
    let body = |size, end| Event::ResponseBody { size, end };
    for (index, piece) in pieces.iter().enumerate() {
        shown(bench, body, piece, end == End::Flag && index + 1 == pieces.len());
    }
    match end {
        End::Flag => {}
        End::EmptyPiece => shown(bench, body, b"", true),
        End::Trailers => shown(bench, |_, _| Event::ResponseTrailers { grpc_status: None }, b"", true),
    }
    received
}

fn get(mut bench: Bench, content_type: &str, pieces: &[&[u8]], end: End) -> (Vec<u8>, Outcome) {
    begin(&mut bench, content_type, None);
    let received = passed(&mut bench, pieces, end);
    assert!(bench.host.replies().is_empty() && !bench.host.did.contains(&Did::Reset), "{:?}", bench.host.did);
    (received, bench.done().unwrap())
}

fn result(text: &str) -> String {
    json!({"jsonrpc": "2.0", "id": "seven", "result": {"content": [{"type": "text", "text": text}]}})
        .to_string()
}

fn said(text: &str) -> String {
    json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": text}}).to_string()
}

fn event(data: &str, end: &str) -> String {
    let data = data.replace('\n', &format!("{end}data:"));
    format!("event: message{end}id: 5{end}data:{data}{end}retry: 10{end}{end}")
}

fn is_error(body: &[u8], reason: &str) {
    let value: Value = serde_json::from_slice(body).unwrap();
    assert_eq!((&value["id"], &value["error"]["code"]), (&json!("seven"), &json!(-31403)));
    assert_eq!(value["error"]["data"], json!({"reason": reason, "decision_id": "decision-1"}));
}

fn changes(bench: &Bench) -> Vec<&HeaderChange> {
    let did = bench.host.did.iter();
    did.filter_map(|did| if let Did::ChangeResponse(change) = did { Some(change) } else { None }).collect()
}

fn removed(name: &str) -> HeaderChange {
    HeaderChange::Remove(name.to_owned())
}

#[test]
fn the_request_goes_on_without_accept_encoding_and_the_answer_without_its_length() {
    let mut bench = obliged(rules("redact"));
    let removed_before = |bench: &Bench| bench.host.did.contains(&Did::Change(removed("accept-encoding")));
    assert!(removed_before(&bench));
    begin(&mut bench, JSON, None);
    assert_eq!(changes(&bench), [&removed("content-length")]);

    let (mut bench, flow) = open_split(rules("redact"));
    assert_eq!(flow, Flow::Continue);
    assert!(removed_before(&bench));
    begin(&mut bench, EVENTS, None);
    assert_eq!(changes(&bench), [&removed("content-length")]);

    let mut free = Bench::checking(CALL);
    free.answer(&allow());
    assert!(!removed_before(&free));
    begin(&mut free, JSON, None);
    assert_eq!(changes(&free), [] as [&HeaderChange; 0]);
}

#[test]
fn json_is_kept_until_its_end_and_replaced_as_a_whole_wherever_it_is_cut() {
    let body = result(&format!("a {SECRET} b"));
    for cut in 0..body.len() {
        for end in [End::Flag, End::EmptyPiece, End::Trailers] {
            let (head, tail) = body.as_bytes().split_at(cut);
            let (received, outcome) = get(obliged(rules("redact")), JSON, &[head, tail], end);
            let value: Value = serde_json::from_slice(&received).unwrap();
            let text = value["result"]["content"][0]["text"].as_str().unwrap();
            assert!(text.starts_with("a [[dlp:marker:") && text.ends_with("]] b"), "{text}");
            // Told is what the server said.
            assert_eq!(
                (outcome.bytes, outcome.rpc(), outcome.ended()),
                (body.len() as u64, Rpc::Result, Ended::Complete)
            );
            assert_eq!((outcome.treated(), outcome.found[0].count), (Treated::Edited, 1));
        }
    }
}

#[test]
fn a_clean_answer_passes_byte_for_byte() {
    let body = format!(" {}\n", result("fine"));
    let (received, outcome) =
        get(obliged(rules("redact")), "application/problem+json", &[body.as_bytes()], End::Flag);
    assert_eq!(received, body.as_bytes());
    assert_eq!((outcome.treated(), outcome.found.len()), (Treated::Untouched, 0));

    for line_end in ["\n", "\r\n"] {
        let stream = format!(
            "\u{feff}: hello{line_end}{}: ping{line_end}{line_end}id: 6{line_end}data:{line_end}{line_end}{}",
            event(&said("ä\n"), line_end),
            event(&result("€"), line_end)
        );
        for cut in 0..stream.len() {
            let (head, tail) = stream.as_bytes().split_at(cut);
            let (received, outcome) = get(obliged(rules("redact")), EVENTS, &[head, tail], End::Flag);
            assert_eq!(String::from_utf8(received).unwrap(), stream);
            assert_eq!((outcome.treated(), outcome.rpc()), (Treated::Untouched, Rpc::Result));
            assert_eq!(outcome.bytes, stream.len() as u64);
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_headers_that_fit() {
    for (content_type, encoding) in
        [(JSON, Some("gzip")), (EVENTS, Some("br")), ("image/png", None), ("application/json-seq", None)]
    {
        let mut bench = obliged(rules("redact"));
        begin(&mut bench, content_type, encoding);
        let json = HeaderChange::Set("content-type".into(), JSON.into());
        assert_eq!(changes(&bench), [&removed("content-length"), &removed("content-encoding"), &json]);
        let received = passed(&mut bench, &[b"", b"abc", b"def"], End::EmptyPiece);
        is_error(&received, "response.unreadable");
        let outcome = bench.done().unwrap();
        assert_eq!((outcome.bytes, outcome.rpc(), outcome.treated()), (6, Rpc::Unread, Treated::Refused));
        assert_eq!(bench.host.count_of(Counter::ResponsesRefused), 1);
    }
    for body in ["{", r#"{"a":1,"a":2}"#, "nonsense"] {
        is_error(
            &get(obliged(rules("redact")), JSON, &[body.as_bytes()], End::Flag).0,
            "response.unreadable",
        );
    }
    let pieces = [event(&said("x"), "\n"), "data: {\n\n".into(), event(&result("x"), "\n"), ": x\n".into()];
    let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
    let received = String::from_utf8(get(obliged(rules("redact")), EVENTS, &pieces, End::Flag).0).unwrap();
    let rest = received.strip_prefix(&format!("{}event: message\ndata: ", event(&said("x"), "\n"))).unwrap();
    is_error(rest.strip_suffix("\n\n").unwrap().as_bytes(), "response.unreadable");
}

#[test]
fn what_cannot_be_read_passes_where_it_may() {
    let lenient = || ResponseRules { unreadable: Unreadable::Pass, ..rules("redact") };
    let mut bench = obliged(lenient());
    begin(&mut bench, JSON, Some("gzip"));
    assert!(changes(&bench).is_empty());
    assert_eq!(passed(&mut bench, &[b"ab", b"c"], End::Flag), b"abc");
    assert_eq!(bench.done().unwrap().treated(), Treated::Unspecified, "it was not looked into");

    let long = result(&"x".repeat(4000));
    let (head, tail) = long.as_bytes().split_at(1500);
    let (middle, tail) = tail.split_at(1000);
    for end in [End::Flag, End::Trailers] {
        assert_eq!(get(obliged(lenient()), JSON, &[head, middle, tail], end).0, long.as_bytes());
        assert_eq!(get(obliged(lenient()), JSON, &[b"{"], end).0, b"{");
    }
    let stream = [event(&said("x"), "\n"), event(&long, "\n"), event("{", "\n")].concat();
    let (head, tail) = stream.as_bytes().split_at(1500);
    let (middle, tail) = tail.split_at(1000);
    assert_eq!(get(obliged(lenient()), EVENTS, &[head, middle, tail], End::Flag).0, stream.as_bytes());
    // One bad event does not open the way for the next.
    let stream = [event("{", "\n"), event(&result(SECRET), "\n")].concat();
    let (received, _) = get(obliged(lenient()), EVENTS, &[stream.as_bytes()], End::Flag);
    assert!(!String::from_utf8(received).unwrap().contains(SECRET));
}

#[test]
fn what_is_too_large_is_refused_as_soon_as_that_is_known() {
    let long = result(&"x".repeat(4000));
    let (head, tail) = long.as_bytes().split_at(1500);
    let (middle, tail) = tail.split_at(1000);
    let mut bench = obliged(rules("redact"));
    begin(&mut bench, JSON, None);
    is_error(&passed(&mut bench, &[head, middle], End::Flag), "response.unreadable");
    for end in [End::Flag, End::EmptyPiece, End::Trailers] {
        is_error(&get(obliged(rules("redact")), JSON, &[head, middle, tail], end).0, "response.unreadable");
    }
    let stream = [event(&said("x"), "\n"), event(&long, "\n"), event(&said("y"), "\n")].concat();
    let (head, tail) = stream.as_bytes().split_at(1500);
    let (received, outcome) = get(obliged(rules("redact")), EVENTS, &[head, tail], End::Flag);
    let text = String::from_utf8(received).unwrap();
    assert!(text.starts_with(&event(&said("x"), "\n")) && text.contains("response.unreadable"), "{text}");
    assert!(!text.contains("xxxx") && !text.contains(&said("y")), "{text}");
    assert_eq!(outcome.bytes, stream.len() as u64);
}

#[test]
fn what_is_announced_as_too_large_is_not_collected() {
    let mut bench = obliged(rules("redact"));
    let head = ResponseHead {
        code_details: Some("via_upstream".into()),
        content_type: Some(JSON.into()),
        content_length: Some(2001),
        ..ResponseHead::default()
    };
    assert_eq!(bench.on(Event::ResponseHeaders(Box::new(head))), Flow::Continue);
    bench.host.piece = b"{\"a\":".to_vec();
    assert_eq!(bench.on(Event::ResponseBody { size: 5, end: false }), Flow::Continue);
    is_error(&bench.host.piece.clone(), "response.unreadable");
}

#[test]
fn text_is_looked_through_and_an_empty_answer_is_left_alone() {
    let (received, _) = get(obliged(rules("redact")), "text/html", &[b"<h1>", b"fine</h1>"], End::Flag);
    assert_eq!(received, b"<h1>fine</h1>");
    let (received, _) = get(obliged(rules("redact")), "text/plain", &[SECRET.as_bytes()], End::Flag);
    assert!(received.starts_with(b"[[dlp:marker:"));
    is_error(
        &get(obliged(rules("deny")), "text/plain", &[SECRET.as_bytes()], End::Flag).0,
        "response.denied_content",
    );
    for content_type in [JSON, EVENTS, "text/plain", "image/png"] {
        for end in [End::EmptyPiece, End::Trailers] {
            let (received, outcome) = get(obliged(rules("redact")), content_type, &[], end);
            assert_eq!((received.len(), outcome.treated()), (0, Treated::Unspecified));
        }
        let mut bench = obliged(rules("redact"));
        let head = ResponseHead {
            code_details: Some("via_upstream".into()),
            content_type: Some(content_type.into()),
            end: true,
            ..ResponseHead::default()
        };
        assert_eq!(bench.on(Event::ResponseHeaders(Box::new(head))), Flow::Continue);
        assert!(changes(&bench).is_empty());
    }
}

/// Attack: the client follows to a place that nobody looks after, and gets its answer there.
#[test]
fn a_redirect_to_another_host_does_not_pass_where_answers_are_looked_into() {
    let redirect = |location: &str| {
        Event::ResponseHeaders(Box::new(ResponseHead {
            code_details: Some("via_upstream".into()),
            location: Some(location.into()),
            status: Some(307),
            ..ResponseHead::default()
        }))
    };
    for (mut bench, status) in [(obliged(rules("redact")), 200), (open_split(rules("redact")).0, 503)] {
        assert_eq!(bench.on(redirect("https://other.example/mcp")), Flow::Pause);
        assert_eq!(bench.reason(), message::LED_ELSEWHERE);
        assert_eq!(bench.host.replies().iter().map(|reply| reply.status).collect::<Vec<_>>(), [status]);
    }
    let mut free = Bench::checking(CALL);
    free.answer(&allow());
    assert_eq!(free.on(redirect("https://other.example/mcp")), Flow::Continue);
    assert_eq!(obliged(rules("redact")).on(redirect("https://mcp.example/mcp/")), Flow::Continue);
}

#[test]
fn a_host_that_does_not_do_its_part_loses_the_stream() {
    for failing in [Fail::Copy, Fail::ReplaceResponse, Fail::ChangeResponse] {
        for content_type in [JSON, EVENTS] {
            let mut bench = obliged(rules("redact"));
            bench.host.failing = vec![failing];
            let piece = if content_type == JSON { result(SECRET) } else { event(&result(SECRET), "\n") };
            let head = ResponseHead {
                code_details: Some("via_upstream".into()),
                content_type: Some(content_type.into()),
                ..ResponseHead::default()
            };
            let flow = bench.on(Event::ResponseHeaders(Box::new(head)));
            bench.host.piece = piece.into_bytes();
            let size = bench.host.piece.len();
            assert_eq!(bench.on(Event::ResponseBody { size, end: true }), Flow::Pause, "{failing:?}");
            assert_eq!(bench.host.did.iter().filter(|did| **did == Did::Reset).count(), 1, "{failing:?}");
            assert_eq!(flow == Flow::Pause, failing == Fail::ChangeResponse);
            assert_eq!(bench.on(Event::ResponseBody { size: 5, end: true }), Flow::Pause, "nothing follows");
            assert_eq!(bench.on(Event::ResponseTrailers { grpc_status: None }), Flow::Pause);
            assert!(bench.host.replies().is_empty());
        }
    }
}

#[test]
fn rules_that_cannot_be_carried_out_stop_the_request() {
    let unfit: [fn(&mut ResponseRules); 4] = [
        |rules| rules.profile_text = None,
        |rules| rules.profile = Some("00".repeat(32)),
        |rules| rules.session_key = "xy".into(),
        |rules| {
            rules.profile_text = Some("{}".into());
            rules.profile = Some(digest_text("{}"));
        },
    ];
    for change in unfit {
        let mut changed = rules("redact");
        change(&mut changed);
        let mut bench = Bench::checking(CALL);
        bench.answer(&answer_with(vec![obligation(changed.clone())]));
        bench.refused();
        assert_eq!(bench.reason(), message::RULES_UNFIT);

        let (bench, flow) = open_split(changed);
        assert_eq!(flow, Flow::Pause);
        assert_eq!(bench.refused().status, 503);
        assert_eq!(bench.reason(), message::RULES_UNFIT);
    }
}

#[test]
fn a_profile_is_told_once_and_then_named() {
    let profiles = interdict_filter::inspect::no_profiles();
    let mut told = Vec::new();
    for held in [false, true] {
        let mut bench = Bench::sharing(&profiles);
        bench.headers(false);
        bench.body(CALL, true);
        let check = CheckRequest::decode(bench.host.sent[0].as_slice()).unwrap();
        told.push(check.attributes.unwrap().context_extensions[keys::PROFILES].clone());
        let mut rules = rules("redact");
        if held {
            rules.profile_text = None;
        }
        bench.answer(&answer_with(vec![obligation(rules)]));
        assert_eq!(bench.host.resumes(), 1);
        assert!(
            !String::from_utf8(get(bench, JSON, &[result(SECRET).as_bytes()], End::Flag).0)
                .unwrap()
                .contains(SECRET)
        );
    }
    assert_eq!(told, [String::new(), rules("redact").profile.unwrap()]);
}

#[test]
fn a_body_edit_and_rules_for_the_response_go_together() {
    let mut bench = Bench::checking(CALL);
    bench.answer(&answer_with(vec![edit(CALL.len(), 1, 1, " "), obligation(rules("redact"))]));
    assert_eq!(bench.host.resumes(), 1);
    let (received, _) = get(bench, JSON, &[result(SECRET).as_bytes()], End::Flag);
    assert!(!String::from_utf8(received).unwrap().contains(SECRET));
}

#[test]
fn what_envoy_answers_itself_is_not_looked_into() {
    let mut bench = obliged(rules("deny"));
    bench.response("upstream_reset_before_response_started", JSON);
    bench.answer_piece(result(SECRET).as_bytes(), true);
    assert_eq!(bench.done().unwrap().treated(), Treated::Unspecified);
}

proptest! {
    #[test]
    fn whatever_comes_no_value_passes_and_nothing_panics(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                Just(b"data: ".to_vec()),
                Just(b"\n\n".to_vec()),
                Just(b"\r".to_vec()),
                Just(result(SECRET).into_bytes()),
                Just(event(&result(SECRET), "\r\n").into_bytes()),
                Just(event(&said("fine"), "\n").into_bytes()),
            ],
            0..8,
        ),
        content_type in prop_oneof![Just(JSON), Just(EVENTS), Just("text/plain"), Just("image/png")],
        end in prop_oneof![Just(End::Flag), Just(End::EmptyPiece), Just(End::Trailers)],
    ) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let (received, outcome) = get(obliged(rules("redact")), content_type, &pieces, end);
        prop_assert_eq!(outcome.bytes, pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
        let text = String::from_utf8_lossy(&received).into_owned();
        // Comments and unknown fields are none of the client's data and pass at once.
        let data = text.split(['\n', '\r']).filter(|line| content_type != EVENTS || line.starts_with("data"));
        prop_assert!(!data.collect::<Vec<_>>().join("\n").contains(SECRET), "{text}");
    }
}
