//! A set is only left out when it is empty: decisions with and without guards are equal.

use crate::common::{Folder, agent, call, limits, project, server};
use interdict_policy::{Bundle, MessageKind};
use serde_json::{Value, json};

/// Inputs that make conditions of all kinds true, false and undefined.
const TOOLS: [&str; 9] =
    ["transfer", "get_balance", "query", "send_receipt", "delete_payee", "echo", "read_file", "other", ""];

fn arguments() -> Vec<Value> {
    vec![
        json!({}),
        json!({"amount": 5, "currency": "EUR", "iban": "DE02120300000000202051"}),
        json!({"amount": "5", "currency": 3}),
        json!({"amount": 50_000, "currency": "EUR", "iban": "DE02120300000000202051", "reference": "x"}),
        json!({"q": "drop table x", "to": ["a@demo.example"], "link": "https://demo.example/"}),
        json!({"to": "a@demo.example", "link": 5}),
        json!({"list": [1, 2], "flag": false, "none": null, "text": "a"}),
    ]
}

fn same(bundle: &Bundle) {
    let (agent, mut nobody) = (agent(), agent());
    nobody.roles.clear();
    let mut with = bundle.evaluator(limits());
    let mut without = bundle.evaluator(limits()).without_guards();
    for server in ["payments", "files", "everything", "unknown"].map(server) {
        for tool in TOOLS {
            for arguments in &arguments() {
                for agent in [&agent, &nobody] {
                    let input = call(agent, &server, tool, arguments);
                    assert_eq!(
                        with.decide(&input),
                        without.decide(&input),
                        "{} {tool} {arguments}",
                        server.id
                    );
                }
            }
        }
        let none = json!({});
        let mut input = call(&agent, &server, "", &none);
        input.mcp.tool = None;
        input.mcp.arguments = None;
        for method in
            ["ping", "tools/list", "prompts/get", "resources/read", "notifications/x", "completion/complete"]
        {
            for kind in [MessageKind::Request, MessageKind::Notification, MessageKind::Response] {
                input.mcp.method = Some(method);
                input.mcp.kind = kind;
                input.mcp.uri = (method == "resources/read").then_some("demo://x");
                input.mcp.name = (method == "prompts/get").then_some("p");
                assert_eq!(with.decide(&input), without.decide(&input), "{method}");
            }
        }
    }
}

#[test]
fn guards_change_no_decision_of_the_default_bundle() {
    same(&Bundle::load(&[project("policies"), project("examples/quickstart/bundle")]).unwrap());
}

#[test]
fn guards_change_no_decision_of_hand_made_rules() {
    let bodies = [
        "input.mcp.tool == \"transfer\"",
        "\"transfer\" == input.mcp.tool",
        "input.mcp.tool in {\"transfer\", \"query\"}",
        "input.mcp.tool in [\"query\"]",
        "not input.mcp.tool in {\"transfer\"}",
        "input.mcp.arguments.flag == false",
        "input.mcp.arguments.flag",
        "input.mcp.arguments.none == null",
        "input.mcp.arguments.none",
        "input.mcp.arguments.missing",
        "input.mcp.arguments.amount == 5",
        "some x in input.mcp.arguments.list; x == 2",
        "some input_list in input.mcp.arguments.list; input_list",
        "data.own.tools[input.mcp.tool]",
        "some x in data.own.tools[input.mcp.tool]; x == 1",
        "data.own.deep[input.server.id][input.mcp.tool].on",
        "data.own.numbers[input.mcp.arguments.amount]",
        "data.own.list[input.mcp.arguments.amount]",
        "table",
        "some x in table; x == 1",
        "input.mcp.tool in names",
        "twice",
        "some table in [false]; table == false",
        "table := true; table",
        "computed",
        "data.interdict.policy.own.computed",
        "data.other.rules[input.mcp.tool]",
        "input.mcp.tool == \"x\" with input.mcp.tool as \"x\"",
        "input[\"mcp\"][\"tool\"] == \"query\"",
        "input.mcp[\"method\"] == `tools/call`",
        "count(input.mcp.arguments) > 0; input.mcp.tool == \"query\"",
    ];
    for body in bodies {
        let policy = format!(
            "package interdict.policy.own\n\
             allow contains {{\"code\": \"ok\", \"message\": \"ok\"}}\n\
             deny contains {{\"code\": \"no\", \"message\": \"no\"}} if {{ {body} }}\n\
             table := data.own.tools[input.mcp.tool]\n\
             names := {{\"query\", \"transfer\"}}\n\
             twice if input.mcp.tool == \"query\"\n\
             twice if input.mcp.tool == \"transfer\"\n\
             computed if input.mcp.tool == \"query\"\n"
        );
        let data = "tools: {query: [1], transfer: [], echo: false, other: null}\n\
                    deep: {payments: {query: {on: true}, transfer: {on: false}}}\n\
                    numbers: {\"5\": true}\n\
                    list: [0, 1, 2, 3, 4, true]\n";
        let other = "package other.rules\nquery if input.mcp.tool == \"query\"\n";
        let folder = Folder::new(&[("p.rego", &policy), ("own/data.yaml", data), ("o.rego", other)]);
        match folder.load() {
            Ok(bundle) => same(&bundle),
            // The engine itself refuses a variable that hides a rule.
            Err(error) => assert!(body.contains("table in") || body.contains("table :="), "{body}: {error}"),
        }
    }
}
