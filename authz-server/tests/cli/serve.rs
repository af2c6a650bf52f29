//! `interdict serve`: start, drain and log.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use envoy_types::ext_authz::v3::pb::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{self, HttpRequest};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use serde_json::Value;

use crate::house::House;

/// A `serve` process; killed when the test ends in the middle.
pub(crate) struct Server {
    child: Child,
    started: Value,
    log: Option<JoinHandle<String>>,
}

impl Server {
    pub(crate) fn start(house: &House) -> Self {
        let mut child = house.command(&["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let started = lines
            .by_ref()
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
            .find(|event| event["message"] == "started")
            .unwrap();
        // Somebody has to read on, or the server waits for its log.
        let log = std::thread::spawn(move || lines.collect::<Vec<_>>().join("\n"));
        Self { child, started, log: Some(log) }
    }

    /// Ends the server; what it logged after its start.
    pub(crate) fn stop(mut self) -> String {
        self.terminate();
        self.child.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }

    fn terminate(&self) {
        let signalled = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(signalled.success());
    }

    pub(crate) fn admin(&self) -> String {
        format!("http://{}", self.started["admin"].as_str().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serve_ends_with_0_after_sigterm() {
    let house = House::new();
    house.token();
    let mut server = Server::start(&house);
    for key in ["grpc", "admin", "metrics"] {
        let address: std::net::SocketAddr = server.started[key].as_str().unwrap().parse().unwrap();
        assert_ne!(address.port(), 0);
    }
    server.terminate();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

fn call(token: &str, body: &str) -> CheckRequest {
    let headers = [("content-type", "application/json"), ("authorization", &format!("Bearer {token}"))];
    let http = HttpRequest {
        method: "POST".to_owned(),
        path: "/mcp".to_owned(),
        host: "tools.test".to_owned(),
        scheme: "https".to_owned(),
        size: i64::try_from(body.len()).unwrap(),
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        raw_body: body.as_bytes().to_vec(),
        ..HttpRequest::default()
    };
    let request = attribute_context::Request { http: Some(http), ..attribute_context::Request::default() };
    let attributes = AttributeContext { request: Some(request), ..AttributeContext::default() };
    CheckRequest { attributes: Some(attributes) }
}

#[test]
fn a_second_sigterm_ends_the_drain_at_once() {
    let house = House::new();
    let token = house.token();
    let text = house.configuration();
    let text = text.replace("drain_seconds: 1", "drain_seconds: 60");
    house.configure(&format!("{text}approvals: {{hold_seconds: 25}}\n"));
    let mut server = Server::start(&house);
    let address = format!("http://{}", server.started["grpc"].as_str().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let metrics = format!("http://{}/metrics", server.started["metrics"].as_str().unwrap());
    runtime.spawn(async move {
        let mut client = AuthorizationClient::connect(address).await.unwrap();
        let body =
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"risky","arguments":{}}}"#;
        let _ = client.check(call(&token, body)).await;
    });
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        loop {
            let text = client.get(&metrics).send().await.unwrap().text().await.unwrap();
            if text.contains("interdict_checks_in_flight 1") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    server.terminate();
    let pause = || std::thread::sleep(std::time::Duration::from_millis(300));
    pause();
    assert_eq!(server.child.try_wait().unwrap(), None, "the held call is drained");
    // Two signals that a busy process did not look at in between are one.
    while server.child.try_wait().unwrap().is_none() {
        server.terminate();
        pause();
    }
    assert_eq!(server.child.wait().unwrap().code(), Some(1), "after a drain that was not cut off it is 0");
    let log = server.log.take().unwrap().join().unwrap();
    assert!(log.contains("a second signal") && log.contains("\"message\":\"stopped\""), "{log}");
}

#[test]
fn decisions_go_on_while_nobody_reads_the_log_and_none_is_missing_afterwards() {
    const CALLS: usize = 400;
    let house = House::new();
    let token = house.token();
    let mut child = house.command(&["serve"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let started = loop {
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["message"] == "started" {
            break event;
        }
    };
    // From here on nobody reads; a pipe holds 64 KiB, the calls below write more.
    let address = format!("http://{}", started["grpc"].as_str().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = AuthorizationClient::connect(address).await.unwrap();
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bad","arguments":{}}}"#;
        for _ in 0..CALLS {
            let answer = client.check(call(&token, body));
            tokio::time::timeout(std::time::Duration::from_secs(60), answer).await.unwrap().unwrap();
        }
    });
    // With its connection: a drain waits for those.
    drop(runtime);
    let signalled = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut log, &mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(rest.len() > 128 * 1024, "{} bytes do not fill a pipe", rest.len());
    assert_eq!(rest.matches("\"message\":\"decision\"").count(), CALLS);
    assert!(rest.trim_end().lines().last().unwrap().contains("stopped"));
}

#[test]
fn the_log_holds_no_body_no_token_and_no_argument_even_at_trace() {
    let house = House::new();
    let token = house.token();
    let text = house.configuration();
    house.configure(&format!("{text}log: {{level: trace}}\napprovals: {{hold_seconds: 0}}\n"));
    let server = Server::start(&house);
    let address = format!("http://{}", server.started["grpc"].as_str().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = AuthorizationClient::connect(address).await.unwrap();
        let spoilt = format!("{}x", token);
        for (token, tool, tail) in
            [(&token, "good", ""), (&token, "bad", ""), (&token, "risky", ""), (&spoilt, "good", ""), (&token, "good", "{")]
        {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"k3y":"hunter2"}}}}}}{tail}"#
            );
            client.check(call(token, &body)).await.unwrap();
        }
    });
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let log = server.stop();
    assert_eq!(log.matches("\"message\":\"decision\"").count(), 5, "{log}");
    for secret in ["hunter2", "k3y", signature.as_str(), "a-token-for-tests-only"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}
