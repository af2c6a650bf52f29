//! Mode call: the filter asks, the request is held until the answer.

mod support;

use interdict_filter::answer;
use interdict_filter::event::{Event, Failure, Flow, HeaderChange};
use interdict_filter::message;
use interdict_filter::metrics::Counter;
use interdict_proto::enforcement::Verdict;
use interdict_proto::envoy::auth::{CheckRequest, OkHttpResponse};
use interdict_proto::envoy::core::{address::Address, socket_address::PortSpecifier};
use prost::Message;
use support::*;

#[test]
fn rule_01_the_state_machine_runs_without_a_host() {
    // This very test is native; the adapter exists on wasm32 only.
    let mut bench = Bench::checking(CALL);
    bench.answer(&allow());
    assert_eq!(bench.host.resumes(), 1);
}

#[test]
fn rule_04_one_resume_per_direction_and_only_from_the_answer() {
    let mut bench = Bench::call();
    assert_eq!(bench.headers(false), Flow::Pause);
    assert_eq!(bench.body(&CALL[..7], false), Flow::Pause);
    assert_eq!(bench.body(&CALL[7..], true), Flow::Pause);
    assert_eq!(bench.host.resumes(), 0);
    bench.answer(&allow());
    assert_eq!(bench.host.resumes(), 1);
    bench.answer(&allow());
    assert_eq!(bench.host.resumes(), 1, "the second answer changes nothing");
    assert_eq!(bench.response("via_upstream", "application/json"), Flow::Continue);
}

#[test]
fn rule_05_the_body_is_complete_at_headers_body_or_trailers() {
    let mut by_headers = Bench::call();
    let delete = with_header(with_header(head(), ":method", "DELETE"), "mcp-session-id", "s");
    assert_eq!(by_headers.on(Event::RequestHeaders { head: Box::new(delete), end: true }), Flow::Pause);
    let mut by_body = Bench::call();
    by_body.headers(false);
    by_body.body(CALL, true);
    let mut by_trailers = Bench::call();
    by_trailers.headers(false);
    by_trailers.body(CALL, false);
    assert_eq!(by_trailers.host.sent.len(), 0);
    assert_eq!(by_trailers.on(Event::RequestTrailers), Flow::Pause);
    for bench in [&by_headers, &by_body, &by_trailers] {
        assert_eq!(bench.host.sent.len(), 1, "{:?}", bench.host.did);
    }
}

#[test]
fn rule_06_an_oversize_body_is_refused_before_it_is_read() {
    for announced in [false, true] {
        let mut bench = Bench::call();
        if announced {
            let head = with_header(head(), "content-length", "4097");
            bench.on(Event::RequestHeaders { head: Box::new(head), end: false });
        } else {
            bench.headers(false);
            assert_eq!(bench.on(Event::RequestBody { size: 4096, end: false }), Flow::Pause);
            assert_eq!(bench.on(Event::RequestBody { size: 4097, end: false }), Flow::Pause);
        }
        assert!(!bench.host.did.iter().any(|did| matches!(did, Did::Read(_))));
        let reply = bench.refused();
        assert_eq!(reply.status, 413);
        assert!(String::from_utf8_lossy(&reply.body).contains("\"jsonrpc\""));
        assert_eq!(bench.reason(), message::BODY_TOO_LARGE);
    }
}

#[test]
fn rule_07_everything_the_server_needs_is_copied_in_the_header_callback() {
    let mut bench = Bench::call();
    let mut told = head();
    told.headers.push(("x-bytes".into(), vec![0xff, 0xfe]));
    told.headers.push(("x-bytes".into(), b"second".to_vec()));
    told.surroundings.mtls = Some(true);
    told.surroundings.uri_san = Some("spiffe://example.org/agent".into());
    told.surroundings.dns_san = Some("agent.example.org".into());
    told.surroundings.sni = Some("mcp.example".into());
    told.surroundings.protocol = Some("HTTP/2".into());
    bench.on(Event::RequestHeaders { head: Box::new(told), end: false });
    bench.body(CALL, true);
    let check = CheckRequest::decode(bench.host.sent[0].as_slice()).unwrap().attributes.unwrap();
    let source = check.source.unwrap();
    assert_eq!(source.principal, "spiffe://example.org/agent");
    let Some(Address::SocketAddress(address)) = source.address.unwrap().address else { panic!() };
    assert_eq!(
        (address.address.as_str(), address.port_specifier),
        ("192.0.2.1", Some(PortSpecifier::PortValue(4711)))
    );
    assert_eq!(check.tls_session.unwrap().sni, "mcp.example");
    let extensions = check.context_extensions;
    for (key, value) in [
        ("interdict.enforcer", "call"),
        ("interdict.enforcer_version", env!("CARGO_PKG_VERSION")),
        ("interdict.server", "files"),
        ("interdict.outcomes", "1"),
        ("interdict.route", "mcp"),
        ("interdict.virtual_host", "all"),
    ] {
        assert_eq!(extensions.get(key).map(String::as_str), Some(value));
    }
    let request = check.request.unwrap();
    assert_eq!(request.time.unwrap().seconds, 1_790_000_000);
    let http = request.http.unwrap();
    assert_eq!(http.raw_body, CALL);
    assert_eq!(http.size, CALL.len() as i64);
    assert_eq!(
        [&http.id, &http.method, &http.path, &http.host, &http.scheme, &http.protocol],
        ["id-1", "POST", "/mcp", "mcp.example", "https", "HTTP/2"]
    );
    let headers = http.header_map.unwrap().headers;
    let bytes: Vec<_> = headers.iter().filter(|header| header.key == "x-bytes").collect();
    assert_eq!(
        (bytes[0].raw_value.as_slice(), bytes[1].raw_value.as_slice()),
        (&[0xff, 0xfe][..], &b"second"[..])
    );
    assert!(headers.iter().any(|header| header.key == "authorization"));
}

#[test]
fn a_certificate_that_was_not_verified_gives_no_principal() {
    for (mtls, valid, expected) in [
        (Some(true), None, Some("spiffe://example.org/a")),
        (Some(true), Some(true), Some("spiffe://example.org/a")),
        (Some(true), Some(false), None),
        (Some(false), None, None),
        (None, None, None),
    ] {
        let mut around = head().surroundings;
        around.mtls = mtls;
        around.certificate_valid = valid;
        around.uri_san = Some("spiffe://example.org/a".into());
        assert_eq!(interdict_filter::check::principal(&around), expected);
    }
}

#[test]
fn rule_07_a_second_security_header_is_refused() {
    let mut bench = Bench::call();
    let mut twice = head();
    twice.headers.push(("authorization".into(), b"Bearer other".to_vec()));
    bench.on(Event::RequestHeaders { head: Box::new(twice), end: false });
    bench.body(CALL, true);
    assert!(bench.host.sent.is_empty());
    bench.refused();
}

#[test]
fn rule_08_every_failing_host_call_denies() {
    let obliged = response(
        Some(0),
        ok_arm(OkHttpResponse { headers: vec![option("x-new", "1")], ..OkHttpResponse::default() }),
        Some(&enforcement(Verdict::Allow, vec![edit(CALL.len(), 0, 0, " ")])),
    );
    for (failing, reason) in [
        (Fail::Read, message::HOST_FAILED),
        (Fail::ShortRead, message::HOST_FAILED),
        (Fail::Call, answer::UNAVAILABLE),
        (Fail::Change, message::HOST_FAILED),
        (Fail::Replace, message::HOST_FAILED),
        (Fail::Resume, message::HOST_FAILED),
    ] {
        let mut bench = Bench::call();
        bench.host.failing = vec![failing];
        bench.headers(false);
        bench.body(CALL, true);
        bench.answer(&obliged);
        bench.refused();
        assert_eq!(bench.reason(), reason, "{failing:?}");
        assert_eq!(bench.host.published("interdict.verdict"), Some("deny"));
    }
    let mut unreadable = Bench::call();
    assert_eq!(unreadable.on(Event::HostFailed(Failure::Head)), Flow::Pause);
    unreadable.refused();
}

#[test]
fn rule_08_a_reply_that_cannot_be_sent_resets_the_stream() {
    let mut bench = Bench::checking(CALL);
    bench.host.failing = vec![Fail::Reply];
    bench.answer(&deny());
    assert_eq!(bench.host.resumes(), 0);
    assert_eq!(bench.host.did.last(), Some(&Did::Reset));
}

#[test]
fn rule_10_nothing_but_a_complete_valid_message_is_ever_sent() {
    for body in [
        &b"{"[..],
        b"",
        b"[]",
        b"null",
        br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#,
        b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"a\":\"\xff\"}}",
    ] {
        let mut bench = Bench::call();
        bench.headers(false);
        bench.body(body, true);
        assert!(bench.host.sent.is_empty(), "sent {body:?}");
        bench.refused();
        assert!(bench.reason().starts_with("parse."), "{}", bench.reason());
        assert_eq!(bench.host.count_of(Counter::Refused), 1);
    }
}

#[test]
fn rule_11_the_call_carries_trace_context_and_request_id() {
    let bench = Bench::checking(CALL);
    let names: Vec<&str> = bench.host.metadata.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-request-id", "traceparent", "tracestate"]);
    let mut unfit = Bench::call();
    let mut told = head();
    told.headers.push(("tracestate".into(), vec![b'a', 0xff]));
    unfit.on(Event::RequestHeaders { head: Box::new(told), end: false });
    unfit.body(CALL, true);
    assert_eq!(unfit.host.metadata.len(), 3, "a value that is no header value of gRPC is left out");
}

#[test]
fn rule_11_the_latency_runs_from_the_call_to_its_answer() {
    let mut bench = Bench::call();
    bench.headers(false);
    bench.host.now = START + MILLI;
    bench.body(CALL, true);
    bench.answer(&allow());
    assert_eq!(bench.host.times, [2_000]);
}

#[test]
fn rule_13_a_refusal_of_our_own_has_the_requests_id_and_says_it_once() {
    let mut request = Bench::checking(CALL);
    request.answer_as(1, 14, None);
    let reply = request.refused();
    assert_eq!(reply.status, 200);
    assert!(reply.headers.contains(&("content-type".into(), b"application/json".to_vec())));
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["id"], "seven");
    assert_eq!(body["error"]["code"], -31503);
    assert_eq!(body["error"]["data"]["reason"], answer::UNAVAILABLE);
    assert_eq!(reply.details, format!("interdict:{}", answer::UNAVAILABLE));
    assert_eq!(
        Some(body["error"]["data"]["decision_id"].as_str().unwrap()),
        request.host.published("interdict.decision_id")
    );

    let mut notification = Bench::checking(NOTIFICATION);
    notification.answer_as(1, 14, None);
    let reply = notification.refused();
    assert_eq!((reply.status, reply.body.len()), (202, 0));

    let mut stream = Bench::call();
    let get = with_header(head(), ":method", "GET");
    stream.on(Event::RequestHeaders { head: Box::new(get), end: true });
    stream.answer_as(1, 14, None);
    assert_eq!(stream.refused().status, 503);
}

#[test]
fn rule_13_a_batch_is_refused_element_by_element() {
    let mut bench = Bench::checking(
        br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"}]"#,
    );
    bench.answer(b"");
    let body: serde_json::Value = serde_json::from_slice(&bench.refused().body).unwrap();
    assert_eq!(body.as_array().unwrap().len(), 1);
    assert_eq!(body[0]["id"], 1);
}

#[test]
fn rule_14_an_edit_replaces_the_whole_buffer_with_the_edited_judged_bytes() {
    let mut bench = Bench::call();
    let length = CALL.len();
    let told = with_header(head(), "content-length", &length.to_string());
    bench.on(Event::RequestHeaders { head: Box::new(told), end: false });
    bench.body(CALL, true);
    let obliged = enforcement(Verdict::Allow, vec![edit(length, 1, 1, "  ")]);
    bench.answer(&response(Some(0), None, Some(&obliged)));
    let mut edited = CALL.to_vec();
    edited.splice(1..1, *b"  ");
    let length_set = HeaderChange::Set("content-length".into(), (length + 2).to_string().into_bytes());
    let order: Vec<&Did> = bench
        .host
        .did
        .iter()
        .filter(|did| !matches!(did, Did::Publish(..) | Did::Read(_) | Did::Call))
        .collect();
    assert_eq!(order, [&Did::Change(length_set), &Did::Replace(length, edited), &Did::Resume]);
}

#[test]
fn rule_14_an_edit_of_another_body_denies() {
    for length in [CALL.len() - 1, CALL.len() + 1] {
        let mut bench = Bench::checking(CALL);
        let obliged = enforcement(Verdict::Allow, vec![edit(length, 0, 1, "")]);
        bench.answer(&response(Some(0), None, Some(&obliged)));
        bench.refused();
        assert_eq!(bench.reason(), message::EDIT_FAILED);
    }
}

#[test]
fn a_switch_of_protocols_is_refused_at_once() {
    let mut bench = Bench::call();
    let head = with_header(with_header(head(), ":method", "GET"), "upgrade", "websocket");
    assert_eq!(bench.on(Event::RequestHeaders { head: Box::new(head), end: false }), Flow::Pause);
    assert_eq!(bench.refused().status, 400);
    assert_eq!(bench.reason(), "http.upgrade_not_allowed");
    assert!(bench.host.sent.is_empty());
}

#[test]
fn rule_17_an_encoded_request_body_is_refused() {
    let mut bench = Bench::call();
    let told = with_header(head(), "content-encoding", "gzip");
    bench.on(Event::RequestHeaders { head: Box::new(told), end: false });
    bench.body(CALL, true);
    assert!(bench.host.sent.is_empty());
    bench.refused();
}

#[test]
fn rule_20_the_decision_is_published_for_access_logs() {
    let mut bench = Bench::checking(CALL);
    bench.answer(&allow());
    assert_eq!(bench.host.published("interdict.decision_id"), Some("decision-1"));
    assert_eq!(bench.host.published("interdict.verdict"), Some("allow"));
    assert_eq!(bench.host.published("interdict.reason"), Some("policy.because"));
    let mut names: Vec<&str> = Counter::ALL.iter().map(|counter| counter.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Counter::ALL.len(), "each metric is defined once");
}

#[test]
fn rule_03_a_missing_header_hold_flag_is_told_apart_from_a_slow_client() {
    let mut slow = Bench::call();
    slow.headers(false);
    assert_eq!(slow.tick(9_000, Some(300)), Flow::Pause);
    assert_eq!(slow.host.replies().len(), 0, "no bytes arrived: the client is slow");
    slow.tick(10_001, Some(300));
    assert_eq!(slow.refused().status, 408);
    assert_eq!(slow.reason(), message::BODY_TIMEOUT);

    let mut unheld = Bench::call();
    unheld.headers(false);
    unheld.tick(250, Some(301));
    let reply = unheld.refused();
    assert_eq!(reply.status, 500);
    assert!(String::from_utf8_lossy(&reply.body).contains("allow_on_headers_stop_iteration: true"));
    assert_eq!(unheld.host.count_of(Counter::HeaderHoldMissing), 1);

    let mut held = Bench::call();
    held.headers(false);
    held.body(&CALL[..5], false);
    held.tick(250, Some(305));
    assert_eq!(held.host.replies().len(), 0, "the body was shown: Envoy holds headers");
}

#[test]
fn a_check_whose_end_is_never_reported_ends_by_time() {
    let mut bench = Bench::checking(CALL);
    bench.tick(11_999, None);
    assert_eq!(bench.host.replies().len(), 0);
    bench.tick(12_001, None);
    assert_eq!(bench.refused().status, 200);
    bench.answer(&allow());
    bench.refused();
}

#[test]
fn exempt_requests_pass_without_a_call() {
    for (path, route) in
        [("/healthz", "mcp"), ("/healthz?x=1", "mcp"), ("/static/a.css", "mcp"), ("/x", "open")]
    {
        let mut bench = Bench::call();
        let mut told = with_header(head(), ":path", path);
        told.surroundings.route = Some(route.into());
        assert_eq!(
            bench.on(Event::RequestHeaders { head: Box::new(told), end: false }),
            Flow::Continue,
            "{path}"
        );
        assert_eq!(bench.body(b"anything", true), Flow::Continue);
        assert_eq!(bench.response("via_upstream", "text/html"), Flow::Continue);
        assert_eq!(bench.on(Event::ResponseBody { size: 3, end: true }), Flow::Continue);
        assert!(bench.host.did.is_empty());
    }
    for path in [
        "/healthz/",
        "/HEALTHZ",
        "/static/../mcp",
        "/static/%2e%2e/mcp",
        "/static//x",
        "/static",
        "/mcp?/healthz",
    ] {
        let mut bench = Bench::call();
        let told = with_header(head(), ":path", path);
        assert_eq!(
            bench.on(Event::RequestHeaders { head: Box::new(told), end: false }),
            Flow::Pause,
            "{path}"
        );
    }
}

#[test]
fn resource_metadata_is_asked_for_without_being_mcp() {
    let mut bench = Bench::call();
    let get = with_header(head(), ":method", "GET");
    let get = with_header(get, ":path", "/.well-known/oauth-protected-resource/mcp");
    let get = with_header(get, "accept", "*/*");
    bench.on(Event::RequestHeaders { head: Box::new(get), end: true });
    assert_eq!(bench.host.sent.len(), 1);
}
