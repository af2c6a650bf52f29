use envoy_types::ext_authz::v3::pb::HeaderValue;
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request as WireRequest};

use super::*;

fn check(http: HttpRequest) -> CheckRequest {
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(WireRequest { http: Some(http), ..WireRequest::default() }),
            ..AttributeContext::default()
        }),
    }
}

fn post() -> HttpRequest {
    HttpRequest {
        method: "POST".into(),
        path: "/mcp".into(),
        host: "h".into(),
        size: -1,
        ..HttpRequest::default()
    }
}

fn raw(key: &str, value: &[u8]) -> HeaderValue {
    HeaderValue { key: key.into(), value: String::new(), raw_value: value.to_vec() }
}

fn with_headers(headers: Vec<HeaderValue>, raw_body: &[u8]) -> CheckRequest {
    check(HttpRequest { header_map: Some(HeaderMap { headers }), raw_body: raw_body.to_vec(), ..post() })
}

fn body_of(check: CheckRequest) -> BodyState {
    decode(check, None).unwrap().http.body
}

#[test]
fn raw_headers_keep_their_bytes_their_order_and_their_duplicates() {
    let headers = vec![raw(":path", b"/mcp"), raw("X-A", b"\xff1"), raw("x-a", b"2"), raw("b", b"")];
    let request = decode(with_headers(headers, b"{}"), None).unwrap();
    let expected: [(&str, &[u8]); 3] = [("x-a", b"\xff1"), ("x-a", b"2"), ("b", b"")];
    let found: Vec<_> =
        request.http.headers.iter().map(|(name, value)| (name.as_str(), value.as_ref())).collect();
    assert_eq!(found, expected);
}

#[test]
fn plain_headers_are_read_when_there_are_no_raw_ones() {
    let http = HttpRequest { headers: [("accept".into(), "x".into())].into(), body: "{}".into(), ..post() };
    let request = decode(check(http), None).unwrap();
    assert_eq!(request.http.headers, [("accept".to_owned(), Bytes::from("x"))]);
    assert!(matches!(request.http.body, BodyState::Raw(body) if body == "{}"));
}

#[test]
fn raw_body_wins_over_body() {
    let http = HttpRequest { raw_body: b"{\"a\":1}".to_vec(), body: "{}".into(), ..post() };
    assert!(matches!(body_of(check(http)), BodyState::Raw(body) if body == "{\"a\":1}"));
}

#[test]
fn a_header_with_two_values_at_once_is_undecodable() {
    let both = HeaderValue { key: "a".into(), value: "1".into(), raw_value: b"2".to_vec() };
    assert_eq!(decode(with_headers(vec![both], b"{}"), None).unwrap_err().code, "enforcer.ambiguous_header");
}

#[test]
fn only_a_clear_false_says_that_a_body_is_whole() {
    for (values, whole) in [
        (&["false"][..], true),
        (&[], true),
        (&["true"], false),
        (&["false", "true"], false),
        (&["False"], false),
        (&[""], false),
    ] {
        let headers = values.iter().map(|value| raw(PARTIAL_BODY, value.as_bytes())).collect();
        let body = body_of(with_headers(headers, b"{}"));
        assert_eq!(matches!(body, BodyState::Raw(_)), whole, "{values:?}");
        assert_eq!(matches!(body, BodyState::Partial), !whole, "{values:?}");
    }
}

#[test]
fn a_body_that_was_announced_and_not_sent_is_missing() {
    let missing =
        |headers: Vec<HeaderValue>| matches!(body_of(with_headers(headers, b"")), BodyState::Missing);
    assert!(missing(vec![raw("content-length", b"12")]));
    assert!(missing(vec![raw("content-length", b"x")]));
    assert!(missing(vec![raw("transfer-encoding", b"chunked")]));
    assert!(!missing(vec![raw("content-length", b"0")]));
    assert!(!missing(Vec::new()));
    assert!(matches!(body_of(check(HttpRequest { size: 5, ..post() })), BodyState::Missing));
}

#[test]
fn a_check_that_is_not_about_http_is_undecodable() {
    let no_method = HttpRequest { path: "/mcp".into(), ..HttpRequest::default() };
    let no_path = HttpRequest { method: "GET".into(), ..HttpRequest::default() };
    for check in [
        CheckRequest::default(),
        CheckRequest { attributes: Some(AttributeContext::default()) },
        check(no_method),
        check(no_path),
    ] {
        assert_eq!(decode(check, None).unwrap_err().code, "enforcer.undecodable");
    }
}

#[test]
fn the_enforcer_is_native_unless_it_says_what_it_is_and_an_unknown_one_is_refused() {
    let with = |kind: Option<&str>| {
        let mut check = check(post());
        if let (Some(kind), Some(attributes)) = (kind, &mut check.attributes) {
            attributes.context_extensions.insert(keys::ENFORCER.into(), kind.into());
        }
        decode(check, None).map(|request| request.enforcer.kind).map_err(|refused| refused.code)
    };
    assert_eq!(with(None), Ok(EnforcerKind::Native));
    assert_eq!(with(Some("call")), Ok(EnforcerKind::Call));
    assert_eq!(with(Some("split")), Ok(EnforcerKind::Split));
    assert_eq!(with(Some("CALL")), Err("enforcer.unknown_kind"));
    assert_eq!(with(Some("")), Err("enforcer.unknown_kind"));
}
