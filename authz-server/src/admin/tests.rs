use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Running;
use crate::server::tests::House;
use crate::store::{ApprovalReason, ApprovalStore, NewApproval, SqliteStore};

mod pins;

struct Office {
    house: House,
    running: Running,
    store: SqliteStore,
}

impl Office {
    async fn open() -> Self {
        Self::of(House::new()).await
    }

    async fn of(house: House) -> Self {
        let running = house.start("").await;
        let file = house.folder.path().join("interdict-approvals.db");
        let clock = std::sync::Arc::new(crate::clock::SystemClock);
        let store = SqliteStore::open(&file, 10, clock, Box::new(())).unwrap();
        Self { house, running, store }
    }

    async fn question(&self, binding: &str) -> String {
        self.question_with(binding, r#"{"amount":1.50,"id":12345678901234567890}"#).await
    }

    async fn question_with(&self, binding: &str, arguments: &str) -> String {
        let now = jiff::Timestamp::now();
        let new = NewApproval {
            binding: binding.to_owned(),
            tenant: "acme".to_owned(),
            agent: "bot".to_owned(),
            agent_owner: "olga".to_owned(),
            principal: None,
            server: "tools".to_owned(),
            method: "tools/call".to_owned(),
            tool: Some("transfer".to_owned()),
            action_digest: binding.to_owned(),
            policy_digest: "p".to_owned(),
            reasons: vec![ApprovalReason {
                code: "policy.amount".to_owned(),
                message: "above 100".to_owned(),
            }],
            totals: Vec::new(),
            arguments_json: arguments.to_owned(),
            era: "2025-11-25".to_owned(),
            created_at: now,
            expires_at: now + jiff::SignedDuration::from_secs(600),
        };
        self.store.open_or_get(new).await.unwrap().id
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&str>,
    ) -> (StatusCode, String) {
        let address = self.running.addresses().admin.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.request(method, format!("http://{address}{path}"));
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["content-type"], "application/json");
        (response.status(), response.text().await.unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (status, text) = self.call(Method::GET, path, Some(&bearer(House::ADMIN_TOKEN)), None).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn post(&self, path: &str, body: &str) -> (StatusCode, Value) {
        let (status, text) =
            self.call(Method::POST, path, Some(&bearer(House::ADMIN_TOKEN)), Some(body)).await;
        (status, serde_json::from_str(&text).unwrap())
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_health_is_told_to_a_caller_without_the_token() {
    let office = Office::open().await;
    let (status, text) = office.call(Method::GET, "/healthz", None, None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("\"ok\""));
    let id = office.question("b").await;
    let wrong = [
        None,
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(bearer("a-token-for-tests-onlx")),
        Some(bearer("a-token-for-tests-onl")),
        Some(format!("Basic {}", House::ADMIN_TOKEN)),
        Some(House::ADMIN_TOKEN.to_owned()),
    ];
    for token in &wrong {
        for (method, path) in [
            (Method::GET, "/v1/approvals".to_owned()),
            (Method::GET, format!("/v1/approvals/{id}")),
            (Method::POST, format!("/v1/approvals/{id}/approve")),
            (Method::POST, format!("/v1/approvals/{id}/deny")),
            (Method::GET, "/v1/bundle".to_owned()),
        ] {
            let (status, text) = office.call(method, &path, token.as_deref(), Some(r#"{"by":"ana"}"#)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {token:?}");
            assert!(text.contains("admin.unauthorized") && !text.contains(&id));
        }
    }
    assert_eq!(office.get(&format!("/v1/approvals/{id}")).await.1["state"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_token_is_out_of_force_at_once_and_without_a_token_file_nobody_is_admitted() {
    let office = Office::open().await;
    let file = office.house.folder.path().join("admin.token");
    std::fs::write(&file, "another-token-for-tests\n").unwrap();
    assert_eq!(office.get("/v1/bundle").await.0, StatusCode::UNAUTHORIZED);
    let (status, _) =
        office.call(Method::GET, "/v1/bundle", Some(&bearer("another-token-for-tests")), None).await;
    assert_eq!(status, StatusCode::OK);
    std::fs::remove_file(&file).unwrap();
    let (status, answer) = office.get("/v1/bundle").await;
    assert_eq!((status, code(&answer)), (StatusCode::SERVICE_UNAVAILABLE, "admin.token_unavailable"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_listed_shown_and_answered_once_by_somebody_else_than_its_owner() {
    let office = Office::open().await;
    let id = office.question("b1").await;
    let (_, page) = office.get("/v1/approvals?state=pending").await;
    assert_eq!(page["approvals"][0]["id"], json!(id));
    assert_eq!(page["approvals"][0].get("arguments"), None, "only the one approval shows its arguments");
    assert_eq!(office.get("/v1/approvals?state=denied").await.1, json!({ "approvals": [] }));
    let path = format!("/v1/approvals/{id}");
    let (_, text) = office.call(Method::GET, &path, Some(&bearer(House::ADMIN_TOKEN)), None).await;
    assert!(text.contains(r#""arguments":{"amount":1.50,"id":12345678901234567890}"#), "{text}");

    let (status, answer) = office.post(&format!("{path}/approve"), r#"{"by":"Olga"}"#).await;
    assert_eq!((status, code(&answer)), (StatusCode::FORBIDDEN, "approval.self_approval"));
    let (status, answer) = office.post(&format!("{path}/approve"), r#"{"by":"ana","note":"fine"}"#).await;
    assert_eq!(
        (status, &answer["state"], &answer["note"]),
        (StatusCode::OK, &json!("approved"), &json!("fine"))
    );
    let (status, answer) = office.post(&format!("{path}/deny"), r#"{"by":"ana"}"#).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "approval.already_decided"));
    let (status, answer) = office.post("/v1/approvals/nobody/deny", r#"{"by":"ana"}"#).await;
    assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "approval.not_found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_not_understood_is_refused_with_a_code_and_changes_nothing() {
    let office = Office::open().await;
    let id = office.question("b1").await;
    let approve = format!("/v1/approvals/{id}/approve");
    let long = format!(r#"{{"by":"ana","note":"{}"}}"#, "x".repeat(5_000));
    let huge = format!(r#"{{"by":"ana","note":"{}"}}"#, "x".repeat(50_000));
    for (body, status, wanted) in [
        ("", StatusCode::BAD_REQUEST, "admin.bad_body"),
        ("{}", StatusCode::UNPROCESSABLE_ENTITY, "admin.bad_body"),
        (r#"{"by":"ana","sure":true}"#, StatusCode::UNPROCESSABLE_ENTITY, "admin.bad_body"),
        (r#"{"by":"ana","by":"eve"}"#, StatusCode::UNPROCESSABLE_ENTITY, "admin.bad_body"),
        (r#"{"by":"  "}"#, StatusCode::BAD_REQUEST, "admin.approver_required"),
        ("{\"by\":\"a\\nb\"}", StatusCode::BAD_REQUEST, "admin.approver_not_printable"),
        ("{\"by\":\"olga\u{200b}\"}", StatusCode::BAD_REQUEST, "admin.approver_not_printable"),
        ("{\"by\":\"\u{202e}ana\"}", StatusCode::BAD_REQUEST, "admin.approver_not_printable"),
        ("{\"by\":\"ｏｌｇａ\"}", StatusCode::FORBIDDEN, "approval.self_approval"),
        (&long, StatusCode::BAD_REQUEST, "admin.note_too_long"),
        (&huge, StatusCode::PAYLOAD_TOO_LARGE, "admin.bad_body"),
    ] {
        let (got, answer) = office.post(&approve, body).await;
        let start: String = body.chars().take(40).collect();
        assert_eq!((got, code(&answer)), (status, wanted), "{start}");
    }
    for (path, status, wanted) in [
        ("/v1/approvals?state=maybe", StatusCode::BAD_REQUEST, "admin.bad_query"),
        ("/v1/approvals?sort=up", StatusCode::BAD_REQUEST, "admin.bad_query"),
        ("/v2", StatusCode::NOT_FOUND, "admin.no_such_path"),
        (approve.as_str(), StatusCode::METHOD_NOT_ALLOWED, "admin.method_not_allowed"),
    ] {
        let (got, answer) = office.get(path).await;
        assert_eq!((got, code(&answer)), (status, wanted), "{path}");
    }
    assert_eq!(office.get(&format!("/v1/approvals/{id}")).await.1["state"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_that_are_too_long_are_told_by_size_and_digest_and_can_be_denied() {
    let office = Office::open().await;
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(100_000));
    let id = office.question_with("b1", &long).await;
    let (status, shown) = office.get(&format!("/v1/approvals/{id}")).await;
    assert_eq!((status, &shown["arguments"]), (StatusCode::OK, &Value::Null));
    assert_eq!(shown["arguments_not_shown"]["bytes"], json!(100_011));
    assert_eq!(shown["arguments_not_shown"]["sha256"].as_str().unwrap().len(), 64);
    let (status, answer) = office.post(&format!("/v1/approvals/{id}/deny"), r#"{"by":"ana"}"#).await;
    assert_eq!((status, &answer["state"]), (StatusCode::OK, &json!("denied")));
}

/// Attack: whoever hangs up in time leaves a record of an answer that was never given, and the agent goes on waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_began_is_done_also_when_the_connection_ends_meanwhile() {
    use tokio::io::AsyncWriteExt as _;

    let office = Office::open().await;
    let first = office.question("b1").await;
    assert_eq!(
        office.post(&format!("/v1/approvals/{first}/approve"), r#"{"by":"ana"}"#).await.0,
        StatusCode::OK
    );
    let layout = crate::audit::Layout::new(office.house.folder.path().join("interdict-audit"));
    let mut log = rusqlite::Connection::open(layout.database("acme").unwrap()).unwrap();
    let path = format!("/v1/approvals/{}", office.question("b2").await);
    let request = format!(
        "POST {path}/approve HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
         content-length: 12\r\n\r\n{{\"by\":\"ana\"}}",
        bearer(House::ADMIN_TOKEN)
    );
    // Where a machine is so slow that the log counts as locked, the answer is refused: once more then.
    for _ in 0..8 {
        let held = log.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        let address = office.running.addresses().admin.unwrap();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        drop(stream);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        drop(held);
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        if office.get(&path).await.1["state"] == "approved" {
            return;
        }
    }
    panic!("the answer is on record and was never given");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bundle_in_force_is_told() {
    let office = Office::open().await;
    let (status, answer) = office.get("/v1/bundle").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["digest"].as_str().unwrap().len(), 64);
    assert_eq!(answer["refused"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_is_no_text_is_refused_like_everything_else() {
    let office = Office::open().await;
    for path in ["/v1/approvals/%ff", "/v1/quarantine/%ff"] {
        let (status, answer) = office.get(path).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "admin.bad_path"), "{path}");
    }
}
