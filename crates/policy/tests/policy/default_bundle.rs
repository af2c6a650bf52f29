//! The default bundle and the quickstart, as an operator uses them.

use crate::common::{agent, call, codes, limits, project, server};
use interdict_policy::{Bundle, run_tests};
use interdict_proto::enforcement::Verdict;
use serde_json::json;

#[test]
fn the_rego_tests_of_the_default_bundle_pass() {
    let report = run_tests(&[project("policies")], None).unwrap();
    assert!(report.is_success(), "{report}");
    println!("{report}");
}

#[test]
fn the_quickstart_allows_denies_and_asks() {
    let bundle = Bundle::load(&[project("policies"), project("examples/quickstart/bundle")]).unwrap();
    let mut evaluator = bundle.evaluator(limits());
    let agent = agent();
    let payments = server("payments");
    let mut verdict = |tool: &str, arguments: serde_json::Value| {
        let decision = evaluator.decide(&call(&agent, &payments, tool, &arguments));
        println!(
            "{tool} {arguments}: {:?} {:?} {:?}",
            decision.verdict,
            decision.reasons,
            evaluator.last_error()
        );
        (decision.verdict, codes(&decision).first().unwrap().to_string())
    };
    let transfer =
        |amount: i64| json!({"amount": amount, "currency": "EUR", "iban": "DE02120300000000202051"});
    assert_eq!(verdict("get_balance", json!({})), (Verdict::Allow, "policy.granted".into()));
    assert_eq!(verdict("transfer", transfer(500)), (Verdict::Allow, "policy.granted".into()));
    assert_eq!(verdict("transfer", transfer(20_000)), (Verdict::Intercept, "policy.limit_ask".into()));
    assert_eq!(verdict("transfer", transfer(200_000)), (Verdict::Deny, "policy.limit_max".into()));
    assert_eq!(verdict("delete_payee", json!({})), (Verdict::Intercept, "policy.destructive_tool".into()));
    assert_eq!(
        verdict("query", json!({"q": ["x", {"y": "DROP table t"}]})),
        (Verdict::Deny, "policy.destructive_sql".into())
    );
    assert_eq!(
        verdict("send_receipt", json!({"to": ["a@evil.example"]})),
        (Verdict::Deny, "policy.destination_host".into())
    );
    assert_eq!(
        verdict("send_receipt", json!({"to": ["a@mail.demo.example"], "link": "https://demo.example/x?y=1"})),
        (Verdict::Allow, "policy.granted".into())
    );
    for (tool, arguments, code) in [
        ("send_receipt", json!({"to": "[\"a@evil.example\"]"}), "policy.destination_form"),
        (
            "send_receipt",
            json!({"to": ["a@demo.example"], "link": ["https://evil.example"]}),
            "policy.destination_form",
        ),
        (
            "transfer",
            json!({"amount": [200_000], "currency": "EUR", "iban": "DE02120300000000202051"}),
            "policy.limit_type",
        ),
        ("query", json!({"q": "[\"\\u0044ROP TABLE users\"]"}), "policy.destructive_sql"),
        ("query", json!({"q": "/*!50000DROP TABLE users*/"}), "policy.destructive_sql"),
    ] {
        assert_eq!(verdict(tool, arguments), (Verdict::Deny, code.into()));
    }
    assert_eq!(verdict("shutdown", json!({})), (Verdict::Deny, "policy.no_allow".into()));
}

#[test]
fn listening_and_tasks_need_grants() {
    let bundle = Bundle::load(&[project("policies"), project("examples/quickstart/bundle")]).unwrap();
    let mut evaluator = bundle.evaluator(limits());
    let (agent, files, none) = (agent(), server("files"), json!({}));
    let mut verdict = |method: &str, uris: &[&str], task_ids: &[&str]| {
        let mut input = call(&agent, &files, "", &none);
        let [uris, task_ids] =
            [uris, task_ids].map(|list| list.iter().map(|item| (*item).into()).collect::<Vec<_>>());
        (input.mcp.tool, input.mcp.arguments, input.mcp.method) = (None, None, Some(method));
        (input.mcp.uris, input.mcp.task_ids) = (&uris, &task_ids);
        evaluator.decide(&input).verdict
    };
    assert_eq!(verdict("subscriptions/listen", &[], &[]), Verdict::Allow);
    assert_eq!(verdict("subscriptions/listen", &["file:///public/a"], &[]), Verdict::Allow);
    assert_eq!(verdict("subscriptions/listen", &["file:///public/a", "file:///secret"], &[]), Verdict::Deny);
    assert_eq!(verdict("subscriptions/listen", &[], &["1"]), Verdict::Deny);
    for method in ["tasks/get", "tasks/list", "tasks/result", "tasks/cancel", "tasks/update"] {
        assert_eq!(verdict(method, &[], &["1"]), Verdict::Deny, "{method}");
    }
}
