//! `interdict contracts draft`, against servers in this process.

use std::net::SocketAddr;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use crate::house::House;

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
    let house = House::new();
    for modern in [false, true] {
        let url = format!("http://{}/mcp", serve(modern).await);
        let header = "authorization: Bearer of-the-server";
        let draft = ["contracts", "draft", "--url", &url, "--server", "notes", "--header", header];
        let text = house.run(&draft).ends(0).out;
        for expected in
            ["tool: \"list_notes\"", "effects: [read]", "tool: \"delete_note\"", "effects: [delete]"]
        {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert_eq!(text.matches("signed_by: \"\"").count(), 2);
        assert!(!text.contains("of-the-server"));
    }
    house.run(&["contracts", "draft", "--url", "http://127.0.0.1:1/mcp"]).ends(1);
    house.run(&["contracts", "draft", "--url", "file:///etc/passwd"]).ends(2);
}
