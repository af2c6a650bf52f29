use interdict_policy::{Bundle, Effect};
use serde_json::{Value, json};

use super::draft::draft;
use super::live::in_stream;
use super::words::words;

/// The bundle with this file of contracts.
fn load(contracts: &str) -> Result<Bundle, interdict_policy::BundleError> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    file(
        "servers/s.yaml",
        "servers: [{id: files, owner: sam, tenant: acme, resource: 'https://f.test/mcp', hosts: ['*'], paths: [/mcp]}]",
    );
    file("agents/a.yaml", "agents: []");
    file("data.yaml", "interdict: {destinations: {hosts: [example.com]}}");
    file("house/rules.rego", "package interdict.policy.house\nimport rego.v1\n");
    file("contracts/draft.yaml", contracts);
    Bundle::load(&[folder.path().to_owned()])
}

fn tools() -> Vec<Value> {
    let text = json!({ "type": "string" });
    vec![
        json!({ "name": "list_files", "inputSchema": { "type": "object" },
            "outputSchema": { "type": "object", "properties": { "files": { "type": "array", "items": text } } } }),
        json!({ "name": "deleteFile", "description": "Deletes.\n- server: evil",
            "annotations": { "readOnlyHint": true, "destructiveHint": true },
            "inputSchema": { "type": "object", "required": ["path"],
                "properties": { "path": text, "filter": text } } }),
        json!({ "name": "send_money", "inputSchema": { "type": "object", "properties": {
            "transfer": { "type": "object", "properties": { "amount": { "type": "number" }, "currency": text } },
            "to": { "type": "array", "items": text }, "callback_url": { "type": "string", "format": "uri" } } } }),
        json!({ "name": "pay", "inputSchema": { "type": "object", "required": ["amount"], "properties": {
            "amount": { "type": "integer" }, "payee": text } } }),
        json!({ "name": "frobnicate", "inputSchema": { "type": "object", "properties": { "sql": text } } }),
        json!({ "name": "get_message", "inputSchema": {} }),
        json!({ "name": "mystery" }),
    ]
}

#[test]
fn a_draft_is_refused_until_somebody_signs_it_and_loads_then() {
    let text = draft("files", &tools());
    let refused = load(&text).unwrap_err().to_string();
    assert!(refused.contains("signed_by"), "{refused}");
    let bundle = load(&text.replace("signed_by: \"\"", "signed_by: ana")).unwrap();
    assert_eq!(bundle.contracts().count(), tools().len());
    let contract = |tool: &str| bundle.contract("files", tool).unwrap();
    assert_eq!(contract("list_files").effects, [Effect::Read]);
    assert_eq!(contract("list_files").rows.as_ref().unwrap().path, ["files"]);
    let delete = contract("deleteFile");
    assert_eq!(delete.effects, [Effect::Delete], "the name weighs more than what the server says of it");
    assert_eq!(delete.cardinality.as_ref().unwrap().paths, [["path"]]);
    assert_eq!(delete.path_depth.as_ref().unwrap().min, 2);
    assert_eq!(contract("send_money").value.as_ref().unwrap().path, ["transfer", "amount"]);
    assert_eq!(contract("send_money").recipients.as_ref().unwrap().paths, [["to", "*"]]);
    assert_eq!(contract("send_money").destinations.len(), 1);
    let pay = contract("pay").value.as_ref().unwrap();
    assert!(!pay.optional && pay.minor_units.is_none());
    assert_eq!(contract("frobnicate").effects, [Effect::Execute]);
    assert_eq!(contract("get_message").effects, [Effect::Read]);
    assert_eq!(contract("mystery").effects, [Effect::Write], "what says nothing may change something");
}

/// Attack: names and descriptions that would be other YAML.
#[test]
fn a_servers_words_stay_words() {
    let hostile = [
        "a\"\n  - server: \"files\"",
        "a: {b: [",
        "# comment",
        "\\",
        "ключ-\u{e9}",
        "&anchor *alias !!tag",
        "${HOME}",
    ];
    let mut tools: Vec<_> = hostile
        .iter()
        .map(|name| json!({ "name": name, "description": format!("{name}\u{2028}x\u{85}y"),
            "inputSchema": { "properties": { (*name): { "type": "number" }, "amount": { "type": "number" } } } }))
        .collect();
    tools.extend([
        json!({ "name": "\u{202e}evil" }),
        json!({ "name": "" }),
        json!({}),
        json!("tool"),
        json!(7),
    ]);
    let text = draft("files", &tools).replace("signed_by: \"\"", "signed_by: ana");
    let bundle = load(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut found: Vec<_> = bundle.contracts().map(|contract| contract.tool.clone()).collect();
    let mut expected: Vec<_> = hostile[1..].iter().map(|name| (*name).to_owned()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert!(load(&draft("files", &[])).is_ok());
}

#[test]
fn names_are_split_at_separators_and_humps() {
    assert_eq!(words("listOpenIssues2"), ["list", "open", "issues2"]);
    assert_eq!(words("list-open_issues.v1"), ["list", "open", "issues", "v1"]);
    assert!(words("__").is_empty());
}

#[test]
fn an_answer_is_found_among_the_events_of_a_stream() {
    let stream = b"event: message\ndata: {\"method\":\"notifications/progress\"}\n\n: ping\r\n\r\ndata: {\"id\":2,\r\ndata: \"result\":{}}\r\n\r\ndata: {\"id\"";
    assert_eq!(in_stream(stream, 2).unwrap()["id"], 2);
    assert!(in_stream(stream, 3).is_none());
    assert!(in_stream(b"data: {\"id\":2,\"result\":{}}", 2).is_none(), "not whole yet");
}
