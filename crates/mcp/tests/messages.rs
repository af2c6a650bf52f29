//! What is read from messages that are accepted.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use interdict_mcp::{Batch, Era, Head, Limits, Message, MessageKind, Method, Reading, read};

type Headers<'a> = Vec<(&'a str, &'a [u8])>;

fn headers<'a>(version: Option<&'a str>, more: &[(&'a str, &'a str)]) -> Headers<'a> {
    let mut headers: Headers<'a> = vec![("content-type", b"application/json"), ("accept", b"*/*")];
    headers.extend(version.map(|version| ("mcp-protocol-version", version.as_bytes())));
    headers.extend(more.iter().map(|(name, value)| (*name, value.as_bytes())));
    headers
}

#[track_caller]
fn message<'b>(headers: &Headers<'_>, body: &'b str) -> Message<'b> {
    match read(&Head { method: "POST", path: "/mcp", headers }, body.as_bytes(), &Limits::default()) {
        Ok(Reading::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn batch(body: &str) -> Batch<'_> {
    let headers = headers(None, &[]);
    match read(&Head { method: "POST", path: "/mcp", headers: &headers }, body.as_bytes(), &Limits::default())
    {
        Ok(Reading::Batch(batch)) => batch,
        other => panic!("{other:?}"),
    }
}

/// A request of 2026-07-28 with its envelope.
fn modern(method: &str, params: &str, capabilities: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    format!(
        r#"{{"jsonrpc":"2.0","id":"p-1","method":"{method}","params":{{{params}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
    )
}

#[test]
fn a_tool_call_shows_its_tool_and_arguments_decoded() {
    let body = r#"{"jsonrpc":"2.0","id":9007199254740991,"method":"tools\/call","params":{"name":"\u0061dd","arguments":{"a":1.0}}}"#;
    let message = message(&headers(Some("2025-11-25"), &[]), body);
    assert_eq!(
        (message.era(), message.kind(), message.method()),
        (Era::V2025_11_25, MessageKind::Request, Some(Method::ToolsCall))
    );
    assert_eq!(message.tool().as_deref(), Some("add"));
    assert_eq!(message.id().map(|id| id.raw()), Some("9007199254740991"));
    let argument = message.arguments().and_then(|arguments| arguments.get("a")).unwrap();
    assert_eq!((argument.raw(), body.get(argument.span())), ("1.0", Some("1.0")));
    assert!(message.prompt_name().is_none() && message.uri().is_none() && message.task_id().is_none());
}

#[test]
fn a_name_means_only_what_its_method_makes_of_it() {
    let headers = headers(None, &[]);
    let params = r#""params":{"name":"n","uri":"test://u","arguments":{},"taskId":"t"}"#;
    let read = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}",{params}}}"#);
    let body = read("prompts/get");
    let prompt = message(&headers, &body);
    assert_eq!((prompt.tool(), prompt.prompt_name().as_deref(), prompt.uri()), (None, Some("n"), None));
    let body = read("resources/read");
    let resource = message(&headers, &body);
    assert_eq!(
        (resource.prompt_name(), resource.uri().as_deref(), resource.arguments().is_none()),
        (None, Some("test://u"), true)
    );
    let body = read("tasks/get");
    assert_eq!(message(&headers, &body).task_ids(), ["t"]);
    let body = read("tools/list");
    let list = message(&headers, &body);
    assert!(
        list.tool().is_none()
            && list.uris().is_empty()
            && list.task_ids().is_empty()
            && list.arguments().is_none()
    );
}

#[test]
fn a_completion_is_about_the_prompt_or_resource_it_refers_to() {
    let headers = headers(None, &[]);
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"x","value":"y"}}}"#;
    assert_eq!(message(&headers, body).prompt_name().as_deref(), Some("p"));
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"test://{id}"},"argument":{"name":"x","value":"y"}}}"#;
    let about = message(&headers, body);
    assert_eq!((about.prompt_name(), about.uri().as_deref()), (None, Some("test://{id}")));
}

#[test]
fn a_modern_call_brings_state_answers_and_capabilities() {
    let params = r#""name":"add","requestState":"s\u002b1","inputResponses":{"k":{"action":"accept"}}"#;
    let body = modern("tools/call", params, r#"{"elicitation":{"url":{}}}"#);
    let message =
        message(&headers(Some("2026-07-28"), &[("mcp-method", "tools/call"), ("mcp-name", "add")]), &body);
    assert!(message.era().is_modern() && message.declares_url_elicitation());
    assert_eq!(message.request_state().as_deref(), Some("s+1"));
    assert!(message.input_responses().unwrap().get("k").is_some());
    assert_eq!(message.id().unwrap().raw(), "\"p-1\"");
}

#[test]
fn an_empty_elicitation_capability_means_form_mode_only() {
    let headers = headers(Some("2026-07-28"), &[("mcp-method", "tools/list")]);
    for (capabilities, declares) in [
        ("{}", false),
        (r#"{"elicitation":{}}"#, false),
        (r#"{"elicitation":{"url":true}}"#, false),
        (r#"{"elicitation":{"form":{},"url":{}}}"#, true),
    ] {
        let body = modern("tools/list", "", capabilities);
        assert_eq!(message(&headers, &body).declares_url_elicitation(), declares, "{capabilities}");
    }
}

#[test]
fn state_of_the_modern_era_means_nothing_before_it() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","requestState":"s","inputResponses":{}}}"#;
    let message = message(&headers(Some("2025-11-25"), &[]), body);
    assert!(message.request_state().is_none() && message.input_responses().is_none());
}

#[test]
fn the_offer_of_initialize_fixes_its_era_while_there_is_no_header() {
    let body = |version: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{"elicitation":{{"url":{{}}}}}},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
        )
    };
    // A client may offer any version; a handshake is never of the modern era.
    for (offered, era) in [
        ("2025-11-25", Era::V2025_11_25),
        ("2024-11-05", Era::V2024_11_05),
        ("2026-07-28", Era::ASSUMED),
        ("2099-01-01", Era::ASSUMED),
    ] {
        let body = body(offered);
        let message = message(&headers(None, &[]), &body);
        assert_eq!((message.era(), message.protocol_version_offered().as_deref()), (era, Some(offered)));
        assert!(message.declares_url_elicitation());
    }
    let body = body("2025-11-25");
    assert_eq!(message(&headers(Some("2025-06-18"), &[]), &body).era(), Era::V2025_06_18);
}

#[test]
fn without_a_version_header_2025_03_26_is_assumed() {
    assert_eq!(
        message(&headers(None, &[]), r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).era(),
        Era::V2025_03_26
    );
}

#[test]
fn an_answer_of_the_client_is_a_response() {
    let headers = headers(Some("2025-11-25"), &[]);
    for body in [
        r#"{"jsonrpc":"2.0","id":4,"result":{"action":"accept"}}"#,
        r#"{"jsonrpc":"2.0","id":4,"error":{"code":-1,"message":"no"}}"#,
    ] {
        let message = message(&headers, body);
        assert_eq!(
            (message.kind(), message.method(), message.id().unwrap().raw()),
            (MessageKind::Response, None, "4")
        );
    }
}

#[test]
fn a_modern_notification_needs_neither_envelope_nor_mirrored_headers() {
    let body = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let message = message(&headers(Some("2026-07-28"), &[]), body);
    assert_eq!((message.kind(), message.era()), (MessageKind::Notification, Era::V2026_07_28));
}

#[test]
fn a_subscription_names_its_resources_and_tasks() {
    let body = modern(
        "subscriptions/listen",
        r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["test://a","test://b"],"taskIds":["t"]}"#,
        "{}",
    );
    let message = message(&headers(Some("2026-07-28"), &[("mcp-method", "subscriptions/listen")]), &body);
    assert_eq!(
        (message.uris(), message.task_ids()),
        (vec!["test://a".into(), "test://b".into()], vec!["t".into()])
    );
}

#[test]
fn a_task_is_compared_with_mcp_name_only_if_the_header_is_there() {
    let body = modern("tasks/get", r#""taskId":"t""#, "{}");
    message(&headers(Some("2026-07-28"), &[("mcp-method", "tasks/get")]), &body);
    message(&headers(Some("2026-07-28"), &[("mcp-method", "tasks/get"), ("mcp-name", "t")]), &body);
}

#[test]
fn a_batch_keeps_the_order_and_the_ids_of_its_messages() {
    let body = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"add","arguments":{}}}]"#;
    let batch = batch(body);
    let read: Vec<_> = batch
        .messages()
        .iter()
        .map(|message| (message.method_name().unwrap(), message.id().map(|id| id.raw())))
        .collect();
    assert_eq!(
        read,
        [("ping", Some("1")), ("notifications/initialized", None), ("tools/call", Some("\"x\""))]
    );
    let call = &batch.messages()[2];
    assert_eq!(
        body.get(call.root().span()).map(str::len),
        Some(body.len() - body.rfind("{\"jsonrpc").unwrap() - 1)
    );
    assert_eq!(call.tool().as_deref(), Some("add"));
}

#[test]
fn get_opens_and_delete_ends_a_session_of_the_older_eras() {
    for (version, era) in [(None, Era::V2025_03_26), (Some("2025-11-25"), Era::V2025_11_25)] {
        let headers = headers(version, &[("mcp-session-id", "abc-1")]);
        let outcome =
            |method| read(&Head { method, path: "/mcp", headers: &headers }, b"", &Limits::default());
        assert!(matches!(outcome("GET"), Ok(Reading::OpenStream { era: found }) if found == era));
        assert!(matches!(outcome("DELETE"), Ok(Reading::EndSession { era: found }) if found == era));
    }
}

#[test]
fn an_unsupported_version_is_told_what_is_supported() {
    let reply = |body: &str, version| {
        let headers = headers(Some(version), &[]);
        let refusal = read(
            &Head { method: "POST", path: "/mcp", headers: &headers },
            body.as_bytes(),
            &Limits::default(),
        )
        .unwrap_err();
        let reply = refusal.reply("d");
        assert_eq!(reply.status, 400);
        serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap()
    };
    let envelope = modern("server/discover", "", "{}").replace("2026-07-28", "v999");
    let modern = reply(&envelope, "v999");
    assert_eq!((&modern["id"], &modern["error"]["code"]), (&"p-1".into(), &(-32022).into()));
    // A modern client chooses among modern revisions; the list has to be a part of what servers advertise.
    assert_eq!(modern["error"]["data"]["supported"], serde_json::json!(["2026-07-28"]));
    assert_eq!(modern["error"]["data"]["requested"], "v999");
    let legacy = reply(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, "2000-01-01");
    assert_eq!(legacy["error"]["data"]["supported"].as_array().unwrap().len(), 5);
}

#[test]
fn many_mirrored_headers_over_many_arguments_stay_cheap() {
    let arguments: Vec<_> = (0..20_000).map(|n| format!(r#""k{n}":{n}"#)).collect();
    let body = modern("tools/call", &format!(r#""name":"a","arguments":{{{}}}"#, arguments.join(",")), "{}");
    let names: Vec<_> = (0..100).map(|n| format!("mcp-param-h{n}")).collect();
    let mut headers = headers(Some("2026-07-28"), &[("mcp-method", "tools/call"), ("mcp-name", "a")]);
    headers.extend(names.iter().map(|name| (name.as_str(), &b"-1"[..])));
    let started = std::time::Instant::now();
    let refusal =
        read(&Head { method: "POST", path: "/mcp", headers: &headers }, body.as_bytes(), &Limits::default())
            .unwrap_err();
    assert_eq!(refusal.code, "http.param_mismatch");
    // Two million comparisons of whole arguments would take minutes; the bound is for a busy machine.
    assert!(started.elapsed().as_secs() < 60);
}
