use super::*;

fn value(reply: &Reply) -> serde_json::Value {
    assert_eq!(reply.content_type, Some("application/json"));
    serde_json::from_slice(&reply.body).unwrap()
}

fn id(token: &str) -> Id<'_> {
    Id::from_raw(token).unwrap()
}

const FACTS: Facts<'static> = Facts {
    reason: "policy.x",
    decision_id: "d-1",
    approval_id: Some("a\"1"),
    status_url: Some("https://a/1"),
    retry_after_s: Some(5),
};

#[test]
fn an_id_is_echoed_as_its_raw_token() {
    for token in ["0", "-0", "9007199254740993", r#""\u0061""#, r#""""#] {
        let reply = error(Some(id(token)), code::DENIED, "no", &Facts::new("policy.x", "d"));
        let text = String::from_utf8(reply.body).unwrap();
        assert!(text.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{token},"error":"#)), "{text}");
    }
    for token in ["1.0", "1e3", "null", "true", "{}", "", " 1", "1 ", "1,\"x\":2", "\"a"] {
        assert_eq!(Id::from_raw(token), None, "{token}");
    }
}

#[test]
fn an_error_carries_its_facts_in_data() {
    let reply = error(Some(id("1")), code::APPROVAL_REQUIRED, "ask \"Bob\"\n", &FACTS);
    assert_eq!(reply.status, 200);
    let expected = serde_json::json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -31409, "message": "ask \"Bob\"\n", "data": {
        "reason": "policy.x", "decision_id": "d-1", "approval_id": "a\"1", "status_url": "https://a/1", "retry_after": 5}}});
    assert_eq!(value(&reply), expected);
    assert!(value(&error(None, code::DENIED, "no", &FACTS)).get("id").is_none());
}

#[test]
fn a_tool_error_has_a_result_type_exactly_in_the_modern_era() {
    let meta = serde_json::json!({"io.interdict/reason": "policy.x", "io.interdict/decision_id": "d"});
    let facts = Facts::new("policy.x", "d");
    let content = serde_json::json!([{"type": "text", "text": "no"}]);
    assert_eq!(
        value(&tool_error(Era::V2026_07_28, id("1"), "no", &facts))["result"],
        serde_json::json!({"resultType": "complete", "content": content, "isError": true, "_meta": meta})
    );
    assert_eq!(
        value(&tool_error(Era::V2025_11_25, id("1"), "no", &facts))["result"],
        serde_json::json!({"content": content, "isError": true, "_meta": meta})
    );
}

#[test]
fn an_empty_list_uses_the_member_of_its_method_and_is_private() {
    let list = |era, method| empty_list(era, method, id("1")).map(|reply| value(&reply)["result"].clone());
    assert_eq!(
        list(Era::V2025_06_18, Method::ResourcesTemplatesList),
        Some(serde_json::json!({"resourceTemplates": []}))
    );
    assert_eq!(
        list(Era::V2026_07_28, Method::ToolsList),
        Some(serde_json::json!({"resultType": "complete", "tools": [], "ttlMs": 0, "cacheScope": "private"}))
    );
    assert_eq!(list(Era::V2026_07_28, Method::ToolsCall), None);
}

#[test]
fn an_empty_result_is_an_object() {
    assert_eq!(value(&empty_result(Era::V2025_11_25, id("1")))["result"], serde_json::json!({}));
    assert_eq!(
        value(&empty_result(Era::V2026_07_28, id("1")))["result"],
        serde_json::json!({"resultType": "complete"})
    );
}

#[test]
fn input_required_asks_only_if_told_to() {
    let page = UrlElicitation { id: "a1", url: "https://a/1", message: "approve" };
    assert_eq!(
        value(&input_required(id("1"), "s", None))["result"],
        serde_json::json!({"resultType": "input_required", "requestState": "s"})
    );
    assert_eq!(
        value(&input_required(id("1"), "s", Some(&page)))["result"],
        serde_json::json!({"resultType": "input_required", "requestState": "s", "inputRequests": {APPROVAL_INPUT: {
            "method": "elicitation/create", "params": {"mode": "url", "url": "https://a/1", "message": "approve"}}}})
    );
    assert_eq!(
        value(&url_elicitation_required(id("1"), "approve", &page, &Facts::new("policy.x", "d")))["error"],
        serde_json::json!({"code": -32042, "message": "approve", "data": {"reason": "policy.x", "decision_id": "d",
            "elicitations": [{"mode": "url", "elicitationId": "a1", "url": "https://a/1", "message": "approve"}]}})
    );
}

#[test]
fn a_batch_of_answers_is_an_array_without_the_silent_ones() {
    let one = error(Some(id("1")), code::DENIED, "no", &Facts::new("x", "d"));
    let reply = batch(vec![one.clone(), accepted(), one]);
    assert_eq!((reply.status, value(&reply).as_array().unwrap().len()), (200, 2));
    assert_eq!(batch(vec![accepted(), accepted()]), accepted());
}

#[test]
fn refused_http_methods_are_told_what_is_allowed() {
    let reply = method_not_allowed();
    assert_eq!((reply.status, reply.headers), (405, vec![("allow".to_owned(), "POST".to_owned())]));
}
