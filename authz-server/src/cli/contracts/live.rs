//! The tools of a running server, in whichever revision it speaks.

use std::collections::HashSet;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::cli::admin_client::reason;

/// What a server is offered up to 2025-11-25.
const LEGACY: &str = "2025-11-25";
/// The revision without sessions.
const MODERN: &str = "2026-07-28";
/// Longest answer.
const MAX_BYTES: usize = 16 << 20;
/// Most pages of a list, and most tools.
const MAX_PAGES: usize = 200;
const MAX_TOOLS: usize = 5_000;

/// `NAME: VALUE` lines as headers.
pub(super) fn headers(lines: &[String]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("--header is `NAME: VALUE`")?;
        let name: HeaderName = name.trim().parse().map_err(|_| "--header: that is no name of a header")?;
        let mut value =
            HeaderValue::from_str(value.trim()).map_err(|_| "--header: that is no value of a header")?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// A connection, as far as there is one.
struct Server {
    http: Client,
    url: url::Url,
    headers: HeaderMap,
    modern: bool,
    next_id: u64,
}

/// All tools, in the server's order.
pub(super) async fn tools(url: url::Url, headers: HeaderMap) -> Result<Vec<Value>, String> {
    // The headers may hold a credential: it goes to this address alone.
    let http = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| format!("no HTTP client: {error}"))?;
    let mut server = Server { http, url, headers, modern: false, next_id: 0 };
    server.begin().await?;
    let found = server.list().await;
    server.end().await;
    found
}

impl Server {
    /// `initialize`, or `server/discover` where that is not known any more.
    async fn begin(&mut self) -> Result<(), String> {
        let info = json!({ "name": "interdict", "version": env!("CARGO_PKG_VERSION") });
        let params = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": info });
        let (legacy, session) = match self.ask("initialize", params).await {
            Ok((result, session)) => (Ok(result), session),
            Err(error) => (Err(error), None),
        };
        let refused = match legacy {
            Ok(welcome) => {
                let version = welcome.get("protocolVersion").and_then(Value::as_str).unwrap_or(LEGACY);
                self.set("mcp-protocol-version", version)?;
                if let Some(session) = session {
                    self.set("mcp-session-id", &session)?;
                }
                let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
                self.post(&told).await?;
                return Ok(());
            }
            Err(refused) => refused,
        };
        self.modern = true;
        self.set("mcp-protocol-version", MODERN)?;
        match self.ask("server/discover", json!({})).await {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("initialize: {refused}; server/discover: {error}")),
        }
    }

    async fn list(&mut self) -> Result<Vec<Value>, String> {
        let mut tools = Vec::new();
        let mut cursors = HashSet::new();
        let mut params = json!({});
        for _ in 0..MAX_PAGES {
            let (page, _) =
                self.ask("tools/list", params).await.map_err(|error| format!("tools/list: {error}"))?;
            let list = page.get("tools").and_then(Value::as_array);
            tools.extend(list.ok_or("tools/list: the answer has no tools")?.iter().cloned());
            if tools.len() > MAX_TOOLS {
                return Err(format!("the server has more than {MAX_TOOLS} tools"));
            }
            let Some(cursor) = page.get("nextCursor").and_then(Value::as_str) else { return Ok(tools) };
            if !cursors.insert(cursor.to_owned()) {
                return Err("tools/list: the pages go round in a circle".to_owned());
            }
            params = json!({ "cursor": cursor });
        }
        Err(format!("tools/list: more than {MAX_PAGES} pages"))
    }

    /// Ends a session; a server that does not want that keeps it.
    async fn end(&self) {
        if self.headers.contains_key("mcp-session-id") {
            let _ = self.http.delete(self.url.clone()).headers(self.headers.clone()).send().await;
        }
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), String> {
        let value = HeaderValue::from_str(value).map_err(|_| format!("the server's {name} is no header"))?;
        self.headers.insert(name, value);
        Ok(())
    }

    /// A request: its result, and the session that it began.
    async fn ask(&mut self, method: &str, mut params: Value) -> Result<(Value, Option<String>), String> {
        self.next_id += 1;
        if self.modern {
            if let Some(params) = params.as_object_mut() {
                let meta = json!({
                    "io.modelcontextprotocol/protocolVersion": MODERN,
                    "io.modelcontextprotocol/clientCapabilities": {},
                    "io.modelcontextprotocol/clientInfo":
                        { "name": "interdict", "version": env!("CARGO_PKG_VERSION") },
                });
                params.insert("_meta".to_owned(), meta);
            }
            self.headers.insert(
                "mcp-method",
                HeaderValue::from_str(method).map_err(|_| "no such method".to_owned())?,
            );
        }
        let id = self.next_id;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let response = self.post(&message).await?;
        let status = response.status();
        let session = response.headers().get("mcp-session-id").and_then(|id| id.to_str().ok());
        let session = session.map(str::to_owned);
        let answer = answer_of(response, id).await?;
        if let Some(error) = answer.get("error") {
            let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
            let text = error.get("message").and_then(Value::as_str).unwrap_or_default();
            return Err(format!("error {code}: {}", text.chars().take(200).collect::<String>()));
        }
        match answer.get("result") {
            Some(result) => Ok((result.clone(), session)),
            None => Err(format!("HTTP {status} without a result")),
        }
    }

    async fn post(&self, message: &Value) -> Result<Response, String> {
        let request = self
            .http
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(ACCEPT, "application/json, text/event-stream")
            .header(CONTENT_TYPE, "application/json")
            .body(message.to_string());
        request.send().await.map_err(|error| reason(&error))
    }
}

/// The answer to request `id`, from a JSON body or out of a stream, which may stay open.
async fn answer_of(mut response: Response, id: u64) -> Result<Value, String> {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_stream = kind.starts_with("text/event-stream");
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BYTES {
            return Err(format!("the answer has more than {MAX_BYTES} bytes"));
        }
        if is_stream && let Some(answer) = in_stream(&body, id) {
            return Ok(answer);
        }
    }
    if is_stream {
        // The last event may have no empty line behind it.
        body.extend_from_slice(b"\n\n");
        return in_stream(&body, id).ok_or_else(|| "the stream ended without an answer".to_owned());
    }
    serde_json::from_slice(&body).map_err(|_| format!("HTTP {status}, and the body is not JSON"))
}

/// The answer in the events that are whole.
pub(super) fn in_stream(body: &[u8], id: u64) -> Option<Value> {
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n").replace('\r', "\n");
    let (whole, _) = text.rsplit_once("\n\n")?;
    whole.split("\n\n").find_map(|event| {
        let data: Vec<_> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        let message: Value = serde_json::from_str(&data.join("\n")).ok()?;
        let is_answer = message.get("result").is_some() || message.get("error").is_some();
        (is_answer && message.get("id").and_then(Value::as_u64) == Some(id)).then_some(message)
    })
}
