//! The default bundle and the quickstart, as an operator uses them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
mod common;

use common::{agent, call, codes, limits, project, server};
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
    assert_eq!(verdict("shutdown", json!({})), (Verdict::Deny, "policy.no_allow".into()));
}
