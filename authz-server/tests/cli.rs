//! The `interdict` command as a person or a script meets it: exit codes, output, messages.

// Helpers outside of test functions fail a test the same way as the tests themselves.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use authz_server::clock::SystemClock;
use authz_server::store::{ApprovalReason, ApprovalState, ApprovalStore, NewApproval, SqliteStore};
use envoy_types::ext_authz::v3::pb::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{self, HttpRequest};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const AUDIENCE: &str = "https://tools.test/mcp";
const RULES: &str = "package interdict.policy.house\n\
    import rego.v1\n\
    allow contains {\"code\": \"house_allow\", \"message\": \"allowed here\"}\n\
    deny contains {\"code\": \"house_deny\", \"message\": \"denied here\"} if input.mcp.tool == \"bad\"\n\
    intercept contains {\"code\": \"house_ask\", \"message\": \"a person decides\"} if input.mcp.tool == \"risky\"\n";
const TESTS: &str = "package interdict.policy.house_test\n\
    import rego.v1\n\
    import data.interdict.policy.house\n\
    test_bad_is_denied if count(house.deny) == 1 with input as {\"mcp\": {\"tool\": \"bad\"}}\n";

struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let house = Self { folder };
        house.write(
            "bundle/agents/a.yaml",
            "agents: [{id: bot, owner: olga, tenant: acme, roles: [tester], servers: [tools], \
             identities: [{issuer: 'https://dev.test', subject: bot}]}]",
        );
        house.write(
            "bundle/servers/s.yaml",
            "servers: [{id: tools, owner: sam, tenant: acme, resource: 'https://tools.test/mcp', hosts: ['*'], \
             paths: [/mcp]}]",
        );
        house.write("bundle/house/rules.rego", RULES);
        house.write("bundle/house/rules_test.rego", TESTS);
        house.write("admin.token", "a-token-for-tests-only\n");
        house.write(
            "interdict.yaml",
            "listen:\n  grpc: {address: '127.0.0.1:0', drain_seconds: 1}\n  \
             admin: {address: '127.0.0.1:0', token_file: admin.token}\n  metrics: {address: '127.0.0.1:0'}\n\
             bundle: {paths: [bundle]}\n\
             identity: {issuers: [{issuer: 'https://dev.test', algorithm: ES256, jwks: {file: jwks.json}}]}\n\
             decision: {timeout_ms: 5000}\n",
        );
        house
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interdict"));
        command.current_dir(self.path()).args(arguments).env_remove("INTERDICT_CONFIG");
        command.env_remove("INTERDICT_ADMIN_URL").env_remove("INTERDICT_ADMIN_TOKEN_FILE");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    fn token(&self) -> String {
        let ran = self.run(&[
            "token",
            "--key",
            "dev.pem",
            "--jwks",
            "jwks.json",
            "--issuer",
            "https://dev.test",
            "--agent",
            "bot",
            "--audience",
            AUDIENCE,
        ]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("warning"), "{}", ran.err);
        ran.out.trim().to_owned()
    }

    fn request(&self, tool: &str, more: Value) {
        let mut request = json!({
            "path": "/mcp", "host": "tools.test",
            "headers": {"content-type": "application/json", "authorization": format!("Bearer {}", self.token())},
            "body": {"jsonrpc": "2.0", "id": 7, "method": "tools/call",
                     "params": {"name": tool, "arguments": {"secret": "hunter2"}}},
        });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.write("request.json", &request.to_string());
    }

    fn check(&self, more: &[&str]) -> Ran {
        let mut arguments = vec!["check", "--request", "request.json"];
        arguments.extend(more);
        self.run(&arguments)
    }
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {}\n{}", self.out, self.err))
    }
}

#[test]
fn check_ends_with_0_for_allow_10_for_deny_and_11_for_intercept_and_stores_nothing() {
    let house = House::new();
    for (tool, code, verdict, reason) in [
        ("good", 0, "allow", "policy.house_allow"),
        ("bad", 10, "deny", "policy.house_deny"),
        ("risky", 11, "intercept", "policy.house_ask"),
    ] {
        house.request(tool, json!({}));
        let ran = house.check(&[]);
        assert_eq!(ran.code, code, "{tool}: {} {}", ran.out, ran.err);
        let answer = ran.json();
        assert_eq!((&answer["verdict"], &answer["reason"]), (&json!(verdict), &json!(reason)));
        assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"));
    }
    assert!(!house.path().join("interdict-approvals.db").exists());
}

#[test]
fn check_shows_what_a_client_would_get() {
    let house = House::new();
    house.request("bad", json!({}));
    let answer = house.check(&[]).json();
    assert_eq!((&answer["reply"]["status"], &answer["reply"]["body"]["id"]), (&json!(200), &json!(7)));
    house.request("good", json!({"headers": {"content-type": "application/json"}}));
    let ran = house.check(&[]);
    assert_eq!((ran.code, &ran.json()["reply"]["status"]), (10, &json!(401)));
}

#[test]
fn check_decides_at_the_time_that_it_is_told() {
    let house = House::new();
    house.request("good", json!({"time": "2001-01-01T00:00:00Z"}));
    // The token is from today: that it is refused shows that identity sees the same time.
    assert_eq!(house.check(&[]).json()["reason"], "identity.token_not_yet_valid");
    let now = Timestamp::now().to_string();
    assert_eq!(house.check(&["--time", &now]).code, 0);
}

#[test]
fn check_reads_bodies_from_files_and_requests_from_standard_input() {
    let house = House::new();
    house.write(
        "body.json",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bad","arguments":{}}}"#,
    );
    house.request("good", json!({"body": null, "body_file": "body.json"}));
    let ran = house.check(&[]);
    assert_eq!(ran.code, 10, "{} {}", ran.out, ran.err);
    let mut child = house
        .command(&["check", "--request", "-"])
        .stdin(Stdio::from(std::fs::File::open(house.path().join("request.json")).unwrap()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(10));
}

#[test]
fn wrong_use_and_wrong_files_end_with_2_and_say_where() {
    let house = House::new();
    house.token();
    house.write("request.json", r#"{"path": "/mcp", "pat": 1}"#);
    house.write("typo.yaml", "listen: {grcp: {}}");
    house.write("broken/policy.rego", "package interdict.policy.x\nallow contains {");
    let text = std::fs::read_to_string(house.path().join("interdict.yaml")).unwrap();
    house.write("broken.yaml", &text.replace("[bundle]", "[bundle, broken]"));
    house.write("nokeys.yaml", &text.replace("jwks.json", "nokeys.json"));
    house.write(
        "notls.yaml",
        &text.replace("drain_seconds: 1", "tls: {cert: request.json, key: request.json}"),
    );
    for (arguments, hint) in [
        (&["chekc"][..], "chekc"),
        (&["config", "check", "--config", "nokeys.yaml"], "nokeys.json"),
        (&["config", "check", "--config", "notls.yaml"], "listen.grpc.tls"),
        (&["check"], "--request"),
        (&["check", "--request", "request.json"], "pat"),
        (&["check", "--request", "nowhere.json"], "nowhere.json"),
        (&["check", "--request", "request.json", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (&["config", "check", "--config", "typo.yaml"], "listen.grcp"),
        (&["config", "check", "--config", "broken.yaml"], "policy.rego"),
        (&["serve", "--config", "typo.yaml"], "listen.grcp"),
        (&["serve", "--config", "broken.yaml"], "policy.rego"),
        (&["policy", "test", "broken"], "policy.rego"),
        (&["approvals", "list"], "--token-file"),
        (
            &["token", "--key", "interdict.yaml", "--issuer", "i", "--agent", "a", "--audience", "b"],
            "interdict.yaml",
        ),
    ] {
        let ran = house.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {} {}", ran.out, ran.err);
        assert!(ran.err.contains(hint), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn config_check_and_version_end_with_0_and_help_has_examples() {
    let house = House::new();
    house.token();
    let ran = house.run(&["config", "check"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("correct"));
    assert!(house.run(&["version"]).out.starts_with("interdict "));
    for command in [
        &["--help"][..],
        &["serve", "--help"],
        &["check", "--help"],
        &["approvals", "--help"],
        &["token", "--help"],
        &["policy", "test", "--help"],
    ] {
        let ran = house.run(command);
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("Example"), "{command:?}");
    }
}

#[test]
fn policy_test_ends_with_0_when_all_pass_and_1_when_one_fails_or_none_runs() {
    let house = House::new();
    let ran = house.run(&["policy", "test"]);
    assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
    assert!(
        ran.out.contains("PASS") && ran.out.contains("rules.rego") && ran.out.contains("1 passed, 0 failed")
    );
    let ran = house.run(&["policy", "test", "bundle", "--format", "json"]);
    assert_eq!((ran.code, &ran.json()["passed"]), (0, &json!(1)));
    house.write(
        "bundle/more/rules.rego",
        "package interdict.policy.more\nimport rego.v1\n\ndeny contains {\"code\": \"m\", \"message\": \"m\"} if {\n\t\
         input.mcp.tool == \"odd\"\n\tinput.mcp.method == \"tools/call\"\n}\n",
    );
    let ran = house.run(&["policy", "test", "bundle", "--min-coverage", "100"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.out.contains("not reached") && ran.err.contains("bundle/more/rules.rego"), "{}", ran.out);
    assert_eq!(house.run(&["policy", "test", "bundle", "--filter", "no-such-test"]).code, 1);
    house.write("bundle/house/rules_test.rego", &TESTS.replace("== 1", "== 2"));
    let ran = house.run(&["policy", "test", "bundle"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.out.contains("FAIL") && ran.out.contains("0 passed, 1 failed"), "{}", ran.out);
}

/// A `serve` process; killed when the test ends in the middle.
struct Server {
    child: Child,
    started: Value,
    log: Option<JoinHandle<String>>,
}

impl Server {
    fn start(house: &House) -> Self {
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
    fn stop(mut self) -> String {
        self.terminate();
        self.child.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }

    fn terminate(&self) {
        let signalled = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(signalled.success());
    }

    fn admin(&self) -> String {
        format!("http://{}", self.started["admin"].as_str().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn question(store: &SqliteStore, binding: &str) -> String {
    let now = Timestamp::now();
    let new = NewApproval {
        binding: binding.to_owned(),
        tenant: "acme".to_owned(),
        agent: "bot".to_owned(),
        agent_owner: "olga".to_owned(),
        principal: None,
        server: "tools".to_owned(),
        method: "tools/call".to_owned(),
        tool: Some("trans\u{202e}fer".to_owned()),
        action_digest: binding.to_owned(),
        policy_digest: "p".to_owned(),
        reasons: vec![ApprovalReason { code: "policy.amount".to_owned(), message: "above 100".to_owned() }],
        arguments_json: r#"{"amount":1.50,"note":"\u001b[2K"}"#.to_owned(),
        era: "2025-11-25".to_owned(),
        created_at: now,
        expires_at: now + SignedDuration::from_secs(600),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.open_or_get(new)).unwrap().id
}

#[test]
fn approvals_are_listed_shown_and_answered_through_a_running_server() {
    let house = House::new();
    house.token();
    let server = Server::start(&house);
    let store = SqliteStore::open(
        &house.path().join("interdict-approvals.db"),
        10,
        Arc::new(SystemClock),
        Box::new(()),
    )
    .unwrap();
    let (first, second) = (question(&store, "b1"), question(&store, "b2"));
    let admin = server.admin();
    let approvals = |arguments: &[&str]| {
        let output = house
            .command(&["approvals"])
            .args(arguments)
            .env("INTERDICT_ADMIN_URL", &admin)
            .env("INTERDICT_ADMIN_TOKEN_FILE", "admin.token")
            .output()
            .unwrap();
        Ran::from(output)
    };
    let listed = approvals(&["list", "--state", "pending"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(listed.out.contains(&first) && listed.out.contains(&second));
    let shown = approvals(&["show", &first]);
    assert!(
        shown.out.contains("\"amount\": 1.50") && shown.out.contains("trans\\u{202e}fer"),
        "{}",
        shown.out
    );
    assert!(!shown.out.contains('\u{1b}') && !shown.out.contains('\u{202e}'));
    let refused = approvals(&["approve", &first, "--by", "olga"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("approval.self_approval"), "{}", refused.err);
    assert_eq!(approvals(&["approve", &first, "--by", "ana", "--note", "fine"]).code, 0);
    assert_eq!(approvals(&["deny", &second, "--by", "ana"]).code, 0);
    let again = approvals(&["deny", &first, "--by", "ana"]);
    assert!(again.code == 1 && again.err.contains("approval.already_decided"), "{}", again.err);
    assert!(approvals(&["list", "--state", "pending"]).out.contains("no approvals"));
    let states = approvals(&["list", "--json"]).json();
    let states: Vec<_> =
        states["approvals"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, [ApprovalState::Approved.label(), ApprovalState::Denied.label()]);
    house.write("wrong.token", "another-token-for-tests");
    let wrong = approvals(&["--token-file", "wrong.token", "list"]);
    assert!(wrong.code == 1 && wrong.err.contains("admin.unauthorized"), "{}", wrong.err);
    let nowhere = approvals(&["--admin", "http://127.0.0.1:9", "list"]);
    assert_eq!(nowhere.code, 1, "{}", nowhere.err);
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
    let text = std::fs::read_to_string(house.path().join("interdict.yaml")).unwrap();
    let text = text.replace("drain_seconds: 1", "drain_seconds: 60");
    house.write("interdict.yaml", &format!("{text}approvals: {{hold_seconds: 25}}\n"));
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
    let begun = std::time::Instant::now();
    server.terminate();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(server.child.try_wait().unwrap(), None, "the held call is drained");
    server.terminate();
    assert_eq!(server.child.wait().unwrap().code(), Some(1));
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
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
            tokio::time::timeout(std::time::Duration::from_secs(10), answer).await.unwrap().unwrap();
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
fn config_check_and_serve_warn_of_a_token_file_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    house.token();
    let file = house.path().join("admin.token");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let ran = house.run(&["config", "check"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("listen.admin.token_file") && ran.err.contains("chmod 600"), "{}", ran.err);
    mode(0o600);
    let ran = house.run(&["config", "check"]);
    assert!(ran.code == 0 && !ran.err.contains("chmod"), "{}", ran.err);
}

#[test]
fn the_log_holds_no_body_no_token_and_no_argument_even_at_trace() {
    let house = House::new();
    let token = house.token();
    let text = std::fs::read_to_string(house.path().join("interdict.yaml")).unwrap();
    house.write("interdict.yaml", &format!("{text}log: {{level: trace}}\napprovals: {{hold_seconds: 0}}\n"));
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
