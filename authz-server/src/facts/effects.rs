//! What a call may change: whether losing its record would lose a deed.

use interdict_mcp::{Message, MessageKind, Method, Reading};
use interdict_policy::{Bundle, Server};

/// Whether a request may change something behind the server: calls of tools, what is told to tasks, and the client's
/// answers to the server's own questions. What a call of a tool does its contract says, which somebody signed; of a tool
/// without one, whether the operator declared it as read-only. A tool's own annotations count for nothing: the server that
/// lies about them is the one to be recorded.
///
/// Everything else is a read: lists, resources, prompts, the handshake, notifications and streams.
pub fn is_consequential(reading: &Reading<'_>, server: &Server, bundle: &Bundle) -> bool {
    match reading {
        Reading::OpenStream { .. } | Reading::EndSession { .. } => false,
        Reading::Message(message) => changes(message, server, bundle),
        Reading::Batch(batch) => batch.messages().iter().any(|message| changes(message, server, bundle)),
    }
}

fn changes(message: &Message<'_>, server: &Server, bundle: &Bundle) -> bool {
    if message.kind() == MessageKind::Response {
        return true;
    }
    match message.method() {
        Some(Method::ToolsCall) => {
            let tool = message.tool();
            match tool.as_deref().and_then(|tool| bundle.contract(&server.id, tool)) {
                Some(contract) => contract.changes_things(),
                None => !server.read_only_tools.iter().any(|name| tool.as_deref() == Some(name.as_str())),
            }
        }
        Some(Method::TasksUpdate | Method::TasksCancel) => true,
        _ => false,
    }
}

/// Whether the response lasts as long as the client listens, so that no time can be set for its end.
pub fn is_stream(reading: &Reading<'_>) -> bool {
    match reading {
        Reading::OpenStream { .. } => true,
        Reading::Message(message) => message.method() == Some(Method::SubscriptionsListen),
        Reading::EndSession { .. } | Reading::Batch(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use interdict_mcp::{Head, Limits, read};
    use serde_json::{Value, json};

    use super::*;

    fn server() -> Server {
        serde_json::from_value(json!({
            "id": "files", "owner": "sam", "tenant": "acme", "resource": "https://files.test/mcp",
            "hosts": ["*"], "paths": ["/mcp"], "read_only_tools": ["read_file", "read_and_send"],
        }))
        .unwrap()
    }

    /// Contracts of two tools of that server.
    fn bundle() -> Bundle {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &Value| {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text.to_string()).unwrap();
        };
        let contract = |tool: &str, effects: &[&str]| json!({ "server": "files", "tool": tool, "signed_by": "sam", "effects": effects });
        let contracts = [contract("look", &["read"]), contract("read_and_send", &["read", "send"])];
        write("servers/s.yaml", &json!({ "servers": [server()] }));
        write("contracts/c.yaml", &json!({ "contracts": contracts }));
        Bundle::load(&[folder.path().to_path_buf()]).unwrap()
    }

    fn seen<T>(version: &str, body: &Value, see: impl Fn(&Reading<'_>) -> T) -> T {
        let body = body.to_string();
        let headers: [(&str, &[u8]); 3] = [
            ("content-type", b"application/json"),
            ("accept", b"application/json, text/event-stream"),
            ("mcp-protocol-version", version.as_bytes()),
        ];
        let head = Head { method: "POST", path: "/mcp", headers: &headers };
        see(&read(&head, body.as_bytes(), &Limits::default()).unwrap())
    }

    fn consequential(body: &Value) -> bool {
        seen("2025-11-25", body, |reading| is_consequential(reading, &server(), &bundle()))
    }

    fn request(method: &str, params: &Value) -> Value {
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
    }

    #[test]
    fn a_tool_call_changes_things_unless_the_operator_declared_exactly_this_tool_as_read_only() {
        let call = |tool: &str| request("tools/call", &json!({ "name": tool, "arguments": {} }));
        assert!(!consequential(&call("read_file")));
        for tool in ["write_file", "Read_file", "read_file ", "read_files", "read_fil"] {
            assert!(consequential(&call(tool)), "{tool}");
        }
    }

    /// Attack: a tool that sends is on the list of reads.
    #[test]
    fn what_a_contract_says_counts_and_the_list_of_reads_does_not() {
        let call = |tool: &str| request("tools/call", &json!({ "name": tool, "arguments": {} }));
        assert!(!consequential(&call("look")));
        assert!(consequential(&call("read_and_send")));
        assert!(consequential(&call("Look")));
    }

    #[test]
    fn tasks_and_answers_to_the_server_change_things_and_lists_reads_and_notifications_do_not() {
        assert!(consequential(&request("tasks/cancel", &json!({ "taskId": "t" }))));
        assert!(consequential(&json!({ "jsonrpc": "2.0", "id": 1, "result": {} })));
        assert!(!consequential(&request("tools/list", &json!({}))));
        assert!(!consequential(&request("resources/read", &json!({ "uri": "file:///a" }))));
        assert!(!consequential(&request("prompts/get", &json!({ "name": "p" }))));
        assert!(!consequential(&request("ping", &json!({}))));
        assert!(!consequential(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })));
    }

    #[test]
    fn one_message_that_changes_things_makes_its_batch_change_things() {
        let read = request("ping", &json!({}));
        let mut write = request("tools/call", &json!({ "name": "w", "arguments": {} }));
        write["id"] = 2.into();
        let batch = |messages: Value| {
            seen("2025-03-26", &messages, |reading| is_consequential(reading, &server(), &bundle()))
        };
        assert!(!batch(json!([read])));
        assert!(batch(json!([read, write])));
    }

    #[test]
    fn only_streams_have_no_end_that_one_could_wait_for() {
        assert!(is_stream(&Reading::OpenStream { era: interdict_mcp::Era::V2025_11_25 }));
        assert!(!is_stream(&Reading::EndSession { era: interdict_mcp::Era::V2025_11_25 }));
        assert!(!seen("2025-11-25", &request("tools/list", &json!({})), is_stream));
    }
}
