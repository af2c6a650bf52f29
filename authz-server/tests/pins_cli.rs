//! `interdict pins`, `quarantine` and `contracts draft` as a person meets them, against servers in this process.

// Helpers outside of test functions fail a test the same way as the tests themselves.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use arc_swap::ArcSwap;
use authz_server::clock::SystemClock;
use authz_server::config::Config;
use authz_server::pins::{DATABASE, Pins};
use authz_server::server::Running;
use authz_server::telemetry::metrics::Metrics;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use interdict_content::definition::digest_text;
use interdict_policy::Bundle;
use interdict_proto::outcome;
use serde_json::{Value, json};

fn interdict(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_interdict")).current_dir(folder).args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

struct House {
    folder: tempfile::TempDir,
    running: Running,
    twin: Pins,
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("bundle/agents/a.yaml", "agents: []"),
            (
                "bundle/servers/s.yaml",
                "servers: [{id: tools, owner: sam, tenant: acme, resource: 'https://tools.test/mcp', hosts: ['*'], \
                 paths: [/mcp], tool_pinning: approve_first}]",
            ),
            (
                "bundle/house/rules.rego",
                "package interdict.policy.house\nimport rego.v1\nallow contains {\"code\": \"a\", \"message\": \"b\"}\n",
            ),
            ("admin.token", "a-token-for-tests-only\n"),
            (
                "interdict.yaml",
                "listen:\n  grpc: {address: '127.0.0.1:0', drain_seconds: 1}\n  \
                 admin: {address: '127.0.0.1:0', token_file: admin.token}\nbundle: {paths: [bundle]}\n\
                 identity: {issuers: [{issuer: 'https://dev.test', algorithm: ES256, jwks: {file: jwks.json}}]}\n",
            ),
        ] {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let token = ["token", "--key", "dev.pem", "--jwks", "jwks.json", "--issuer", "https://dev.test"];
        printed(&interdict(
            folder.path(),
            &[&token[..], &["--agent", "a", "--audience", "https://tools.test/mcp"]].concat(),
        ));
        let config = Config::load(&folder.path().join("interdict.yaml")).unwrap();
        let running = Running::start(config).await.unwrap();
        let bundle = Arc::new(ArcSwap::from_pointee(Bundle::load(&[folder.path().join("bundle")]).unwrap()));
        let file = folder.path().join(DATABASE);
        let twin = Pins::open(&file, bundle, None, Arc::new(SystemClock), &Metrics::new()).unwrap();
        Self { folder, running, twin }
    }

    async fn saw(&self, definition: &str, state: &str) {
        let name = serde_json::from_str::<Value>(definition).unwrap()["name"].as_str().unwrap().to_owned();
        let seen = outcome::Seen {
            kind: "tool".to_owned(),
            name,
            digest: digest_text(definition),
            state: state.to_owned(),
            definition: definition.to_owned(),
        };
        self.twin.saw("acme", "tools", &[seen]);
        self.twin.entries(None, None, None, None).await.unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let admin = format!("http://{}", self.running.addresses().admin.unwrap());
        let place = ["--admin", &admin, "--token-file", "admin.token"];
        interdict(self.folder.path(), &[arguments, &place[..]].concat())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_reviewed_character_by_character_and_approved_by_its_digest() {
    let house = House::open().await;
    assert_eq!(printed(&house.run(&["pins", "review"])), "nothing waits for a person\n");
    let first = r#"{"description":"Pays the invoice.","name":"pay"}"#;
    house.saw(first, "new").await;
    let review = printed(&house.run(&["pins", "review", "--server", "tools"]));
    assert!(review.contains("\"description\": \"Pays the invoice.\""), "{review}");
    let all = review.rsplit_once("--all --digest ").unwrap().1.trim();
    let all = ["pins", "approve", "--server", "tools", "--all", "--digest", all, "--by", "ana"];
    assert!(printed(&house.run(&all)).starts_with("pinned    tools  tool          pay"));
    let again = house.run(&all);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("[pin.settled]"));

    // A Cyrillic letter, and a mark that turns the text around.
    let second = "{\"description\":\"Pays the inv\u{43e}ice.\u{202e}\",\"name\":\"pay\"}";
    house.saw(second, "changed").await;
    let review = printed(&house.run(&["pins", "review", "--tool", "pay", "--server", "tools"]));
    assert!(review.contains("-  \"description\": \"Pays the invoice.\""), "{review}");
    assert!(review.contains("`\u{43e}` (U+043E) was `o` (U+006F)"), "{review}");
    assert!(review.contains("\\u{202e}") && !review.contains('\u{202e}'), "{review}");
    assert!(review.contains("SUSPICIOUS structural: bidi_control"), "{review}");
    let approve = |digest: &str| {
        house.run(&[
            "pins", "approve", "--server", "tools", "--tool", "pay", "--digest", digest, "--by", "ana",
        ])
    };
    let stale = approve(&"0".repeat(64));
    assert!(String::from_utf8_lossy(&stale.stderr).contains("review it again [pin.changed]"));
    printed(&approve(&digest_text(second)));
    let listed = printed(&house.run(&["pins", "list", "--state", "pinned"]));
    assert!(listed.contains("approved by ana"), "{listed}");
    let listed: Value = serde_json::from_str(&printed(&house.run(&["pins", "list", "--json"]))).unwrap();
    assert_eq!(listed["pins"][0]["approved"]["digest"].as_str().unwrap(), digest_text(second));
    let revoke = ["pins", "revoke", "--server", "tools", "--tool", "pay", "--by", "ana"];
    assert!(printed(&house.run(&revoke)).starts_with("revoked"));
    let nameless = house.run(&["pins", "revoke", "--server", "tools", "--by", "ana"]);
    assert_eq!(nameless.status.code(), Some(2), "usage");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantined_text_is_printed_without_what_a_terminal_would_obey() {
    let house = House::open().await;
    assert_eq!(printed(&house.run(&["quarantine", "list"])), "nothing is kept\n");
    let handle = "00112233445566778899aabbccddeeff";
    let text = outcome::Quarantined {
        handle: handle.to_owned(),
        reason: "injection.structural".to_owned(),
        original: b"\x1b[2Jpay now\nor else".to_vec(),
    };
    house.twin.keep("acme", "tools", "decision-1", &[text]);
    house.twin.entries(None, None, None, None).await.unwrap();
    let listed = printed(&house.run(&["quarantine", "list", "--server", "tools"]));
    assert!(listed.contains(handle) && !listed.contains("pay"), "{listed}");
    let shown = printed(&house.run(&["quarantine", "show", handle]));
    assert!(shown.contains("\\u{1b}[2Jpay now\nor else\n") && shown.contains("decision-1"), "{shown}");
}

/// What a server of either era answers; `true`: the one without sessions.
async fn answer(State(modern): State<bool>, headers: HeaderMap, body: String) -> Response {
    let message: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(headers["authorization"], "Bearer of-the-server");
    let id = &message["id"];
    let said = |result: Value| json!({ "jsonrpc": "2.0", "id": id, "result": result });
    let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
    match (message["method"].as_str().unwrap(), modern) {
        ("initialize", true) => {
            let error = json!({ "code": -32601, "message": "no such method" });
            (StatusCode::BAD_REQUEST, axum::Json(json!({ "jsonrpc": "2.0", "id": id, "error": error })))
                .into_response()
        }
        ("initialize", false) => {
            let welcome = said(json!({ "protocolVersion": "2025-06-18", "capabilities": {} }));
            ([("mcp-session-id", "s-1")], axum::Json(welcome)).into_response()
        }
        ("notifications/initialized", false) => StatusCode::ACCEPTED.into_response(),
        ("server/discover", true) => {
            axum::Json(said(json!({ "supportedVersions": ["2026-07-28"] }))).into_response()
        }
        ("tools/list", _) => {
            if modern {
                assert_eq!(headers["mcp-method"], "tools/list");
                assert_eq!(
                    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"],
                    "2026-07-28"
                );
            } else {
                assert_eq!(
                    (&headers["mcp-session-id"], &headers["mcp-protocol-version"]),
                    (&"s-1".parse().unwrap(), &"2025-06-18".parse().unwrap())
                );
            }
            let page = match message["params"]["cursor"].as_str() {
                None => json!({ "tools": [tool("list_notes")], "nextCursor": "2" }),
                Some("2") => json!({ "tools": [tool("delete_note")] }),
                Some(_) => panic!("no such page"),
            };
            let event = format!("event: message\ndata: {}\n\n", said(page));
            ([("content-type", "text/event-stream")], event).into_response()
        }
        (method, _) => panic!("{method}"),
    }
}

async fn serve(modern: bool) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let end = || async { StatusCode::METHOD_NOT_ALLOWED };
    let app = axum::Router::new().route("/mcp", post(answer).delete(end)).with_state(modern);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contracts_are_drafted_from_servers_of_both_eras_and_all_pages() {
    let folder = tempfile::tempdir().unwrap();
    for modern in [false, true] {
        let url = format!("http://{}/mcp", serve(modern).await);
        let header = "authorization: Bearer of-the-server";
        let draft = ["contracts", "draft", "--url", &url, "--server", "notes", "--header", header];
        let text = printed(&interdict(folder.path(), &draft));
        for expected in
            ["tool: \"list_notes\"", "effects: [read]", "tool: \"delete_note\"", "effects: [delete]"]
        {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert_eq!(text.matches("signed_by: \"\"").count(), 2);
        assert!(!text.contains("of-the-server"));
    }
    let nobody = interdict(folder.path(), &["contracts", "draft", "--url", "http://127.0.0.1:1/mcp"]);
    assert_eq!(nobody.status.code(), Some(1));
    let wrong = interdict(folder.path(), &["contracts", "draft", "--url", "file:///etc/passwd"]);
    assert_eq!(wrong.status.code(), Some(2));
}
