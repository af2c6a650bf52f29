//! Attacks that a vector cannot say: on the configuration's hint, on the log, and on the time of others.

use std::time::Duration;

use authz_server::request::{Answer, Request as Asked};
use serde_json::{Value, json};

use crate::format::Request;
use crate::log;
use crate::stage::{Door, Run, Stage};

async fn begin(stage: &Stage) -> Run<'_> {
    stage.begin("call", None).await
}

fn call(run: &mut Run<'_>, tool: &str, arguments: Value) -> Asked {
    let message =
        json!({ "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": arguments } });
    run.http(&Request { message: message.as_object().cloned(), ..Request::default() })
}

fn told(answer: &Answer) -> (&str, &str) {
    (answer.enforcement().verdict.as_str(), &answer.enforcement().reason)
}

/// Attack: with `interdict.server` in the configuration of a route `prefix: /`, any path passes to what is behind it.
#[tokio::test]
async fn the_hint_of_a_route_names_a_server_and_not_every_path_behind_the_route() {
    let stage = Stage::set_up();
    let mut run = begin(&stage).await;
    let hinted = |request: Asked, method: &str, path: &str| {
        let mut request = Asked { server_hint: Some("files".to_owned()), ..request };
        (request.http.method, request.http.path) = (method.to_owned(), path.to_owned());
        // With the hint the host says nothing.
        request.http.host = "elsewhere.test".to_owned();
        request
    };
    let good = hinted(call(&mut run, "read_file", json!({})), "POST", "/files/mcp?x=1");
    assert_eq!(told(&run.decider.decide(good).await), ("allow", "policy.granted"));
    let unknown = ("deny", "registry.unknown_server");
    let post = hinted(call(&mut run, "read_file", json!({})), "POST", "/admin/anything");
    assert_eq!(told(&run.decider.decide(post).await), unknown);
    for method in ["GET", "DELETE"] {
        let bare = run.http(&Request::default());
        let bare = hinted(bare, method, "/admin/secrets.txt");
        assert_eq!(told(&run.decider.decide(bare).await), unknown, "{method}");
    }
    for (target, reason) in
        [("/files/mcp", "identity.resource_metadata"), ("/bank/mcp", "registry.unknown_server")]
    {
        let bare = run.http(&Request::default());
        let path = format!("/.well-known/oauth-protected-resource{target}");
        assert_eq!(told(&run.decider.decide(hinted(bare, "GET", &path)).await), ("deny", reason), "{target}");
    }
}

/// Attack: a denied call with a tool name of 300 KB fills the pipe of the log, and everybody waits for it.
#[tokio::test]
async fn the_line_of_a_decision_stays_short_whatever_the_client_sends() {
    let stage = Stage::set_up();
    let mut run = begin(&stage).await;
    let mut request = call(&mut run, &"\u{1}é".repeat(100_000), json!({}));
    request.id = "i".repeat(50_000);
    request.route = Some("r".repeat(50_000));
    let answer = run.decider.decide(request).await;
    assert_eq!(told(&answer).0, "deny");
    let text = log::written();
    let line = text.lines().find(|line| line.contains(&answer.enforcement().decision_id)).unwrap();
    assert!(line.len() < 3_000, "{} bytes", line.len());
    let event: Value = serde_json::from_str(line).unwrap();
    assert!(event["fields"]["tool"].as_str().unwrap().ends_with("...(300000 bytes)"), "{line}");
    assert!(event["fields"]["request_id"].as_str().unwrap().ends_with("...(50000 bytes)"), "{line}");
}

/// Attack: a hundred messages in one request have a hundred times the time of one.
#[tokio::test(flavor = "multi_thread")]
async fn all_messages_of_a_batch_share_the_time_of_one_request() {
    let mut stage = Stage::set_up();
    stage.evaluation.time = Duration::from_millis(5);
    let mut run = begin(&stage).await;
    let element = |id| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
                "params": { "name": "read_file", "arguments": { "path": "a" } } })
    };
    let batch: Vec<_> = (0..100).map(element).collect();
    let step = Request {
        body: Some(Value::from(batch).to_string()),
        era: Some("2025-03-26".to_owned()),
        ..Request::default()
    };
    let request = run.http(&step);
    let outcome = run.send(request, Door::Decision).await;
    assert_eq!((outcome.verdict.as_str(), outcome.reason.as_str()), ("deny", "policy.time_limit"));
    assert_eq!(outcome.form, "batch");
}

/// Large messages are judged aside; on the only thread there is where it has no other.
async fn a_large_message_is_judged() {
    let stage = Stage::set_up();
    let mut run = begin(&stage).await;
    let large = json!({ "path": "x".repeat(100_000) });
    let request = call(&mut run, "read_file", large.clone());
    assert_eq!(told(&run.decider.decide(request).await), ("allow", "policy.granted"));
    // From an intercept to the approved call, every judgement takes its turn and gives it back.
    for _ in 0..20 {
        let request = call(&mut run, "delete_file", large.clone());
        assert_eq!(told(&run.decider.decide(request).await).0, "intercept");
    }
    run.answer("approve").await;
    let request = call(&mut run, "delete_file", large);
    assert_eq!(told(&run.decider.decide(request).await).0, "allow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_is_judged_where_there_are_many_threads() {
    a_large_message_is_judged().await;
}

#[tokio::test]
async fn a_large_message_is_judged_where_there_is_one_thread() {
    a_large_message_is_judged().await;
}
