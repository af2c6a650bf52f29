//! `docs/policy-input.md` lists exactly the members of the document.

use std::collections::BTreeSet;

use crate::common::{Folder, agent, call, limits, project, server};
use interdict_policy::{ApprovalFact, ContentFact, Contract, Principal, TotalFact};
use interdict_proto::enforcement::Verdict;
use serde_json::{Value, json};

fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        // The parts of a contract are those of its file.
        Value::Object(members) if path != "mcp.arguments" && !path.starts_with("contract.") => {
            for (key, member) in members {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(member, &path, found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn the_documented_members_are_the_members_of_the_document() {
    let (agent, server) = (agent(), server("payments"));
    let arguments = json!({"a": 1});
    let mut input = call(&agent, &server, "transfer", &arguments);
    input.agent.instance = Some("7");
    input.principal = Some(Principal { id: "ana".into(), issuer: "https://i".into() });
    input.mcp.name = Some("n");
    input.mcp.uri = Some("u");
    let (uris, task_ids) = (["u".into(), "v".into()], ["t".into()]);
    (input.mcp.uris, input.mcp.task_ids) = (&uris, &task_ids);
    input.approval = Some(ApprovalFact {
        id: "1".into(),
        approved_by: "olga".into(),
        approved_at: crate::common::TIME.parse().unwrap(),
        covers: vec!["policy.x".into()],
    });
    let contract: Contract = serde_json::from_value(json!({
        "server": "payments", "tool": "transfer", "signed_by": "ana", "effects": ["pay"], "reversible": false,
        "sensitivity": "high", "value": {"path": ["a"], "max": 5, "minor_units": 2},
        "rows": {"path": ["r"], "max": 5, "over": "cut"}, "recipients": {"paths": [["to"]], "max": 1},
        "cardinality": {"paths": [["id"]], "max": 1}, "destinations": [{"path": ["url"], "kind": "url"}],
        "path_depth": {"path": ["p"], "min": 2}, "output": {"undeclared": "drop"},
    }))
    .unwrap();
    input.contract = Some(&contract);
    let content: ContentFact = serde_json::from_value(json!({
        "findings": [{"class": "pan", "action": "ask", "path": "/a", "place": "number", "count": 2, "last_four": "1111"}],
        "accumulated": [{"class": "pan", "family": "card", "distinct": 7}],
        "labels": ["hostile"], "incomplete": true,
    }))
    .unwrap();
    input.content = Some(&content);
    let totals = [TotalFact { counter: "value".into(), window: "24h".into(), before: 5, new: Some(1) }];
    input.totals = &totals;
    let document: Value = serde_json::from_str(&input.to_json().unwrap()).unwrap();
    assert_eq!(document["contract"], serde_json::to_value(&contract).unwrap());
    let mut seen = document["content"].clone();
    assert_eq!(seen.as_object_mut().unwrap().remove("consequential"), Some(json!(true)));
    assert_eq!(seen, serde_json::to_value(&content).unwrap());
    assert_eq!(document["totals"], serde_json::to_value(&totals).unwrap());
    assert_eq!((&document["mcp"]["uris"], &document["mcp"]["task_ids"]), (&json!(["u", "v"]), &json!(["t"])));
    let mut real = BTreeSet::new();
    leaves(&document, "", &mut real);
    let page = std::fs::read_to_string(project("docs/policy-input.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(real, rows.map(str::to_owned).collect());
    assert_eq!(
        document["time"],
        json!({"unix_ms": 1_795_084_200_000_u64, "rfc3339": "2026-11-19T10:30:00.000Z"})
    );
}

#[test]
fn what_changes_nothing_is_not_consequential() {
    let (agent, mut server) = (agent(), server("payments"));
    server.read_only_tools = vec!["look".into()];
    let (none, content) = (json!({}), ContentFact::default());
    let consequential = |tool: Option<&str>, effects: Option<&[&str]>| {
        let contract: Option<Contract> = effects.map(|effects| {
            let form = json!({"server": "payments", "tool": "t", "signed_by": "ana", "effects": effects});
            serde_json::from_value(form).unwrap()
        });
        let mut input = call(&agent, &server, "", &none);
        (input.mcp.tool, input.contract, input.content) = (tool, contract.as_ref(), Some(&content));
        let document: Value = serde_json::from_str(&input.to_json().unwrap()).unwrap();
        document["content"]["consequential"].as_bool().unwrap()
    };
    assert!(consequential(Some("act"), None) && !consequential(Some("look"), None));
    assert!(
        consequential(Some("look"), Some(&["read", "send"])) && !consequential(Some("act"), Some(&["read"]))
    );
    assert!(!consequential(None, None));
}

#[test]
fn what_does_not_apply_is_absent() {
    let (agent, server) = (agent(), server("payments"));
    let none = json!({});
    let mut input = call(&agent, &server, "", &none);
    input.mcp.tool = None;
    input.mcp.arguments = None;
    let document: Value = serde_json::from_str(&input.to_json().unwrap()).unwrap();
    assert_eq!(document["mcp"], json!({"era": "2025-06-18", "kind": "request", "method": "tools/call"}));
    for member in ["principal", "approval", "contract", "content"] {
        assert!(document.get(member).is_none(), "{member}");
    }
    input.mcp.tool = Some("t");
    let document: Value = serde_json::from_str(&input.to_json().unwrap()).unwrap();
    assert_eq!(document["mcp"]["arguments"], json!({}));
}

#[test]
fn numbers_of_the_body_keep_their_value() {
    for (text, condition) in [
        ("9007199254740993", "input.mcp.arguments.n == 9007199254740993"),
        ("9007199254740993", "input.mcp.arguments.n != 9007199254740992"),
        ("123456789012345678901234567890", "input.mcp.arguments.n > 123456789012345678901234567889"),
        ("1.0", "input.mcp.arguments.n == 1"),
        ("1e2", "input.mcp.arguments.n == 100"),
        ("-0.5", "input.mcp.arguments.n == -0.5"),
        ("-7", "input.mcp.arguments.n < 0"),
    ] {
        let body = format!("{{\"n\": {text}, \"deep\": [{{\"x\": null}}, true]}}");
        let limits_of_reader =
            interdict_mcp::Limits { numbers: interdict_mcp::Numbers::Exact, ..Default::default() };
        let document = interdict_mcp::json::Document::parse(body.as_bytes(), &limits_of_reader).unwrap();
        let policy = format!(
            "package interdict.policy.own\nallow contains {{\"code\": \"ok\", \"message\": \"ok\"}} if {{ {condition}; input.mcp.arguments.deep == [{{\"x\": null}}, true] }}\n"
        );
        let bundle = Folder::new(&[("p.rego", &policy)]).load().unwrap();
        let (agent, server) = (agent(), server("payments"));
        let none = json!({});
        let mut input = call(&agent, &server, "transfer", &none);
        input.mcp.arguments = Some(document.root().into());
        assert_eq!(bundle.evaluator(limits()).decide(&input).verdict, Verdict::Allow, "{text} {condition}");
    }
}
