//! An evaluation that takes too long, too much memory or panics is a Deny with its own code.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
mod common;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::{Folder, agent, call, codes, server};
use interdict_policy::EvalLimits;
use interdict_proto::enforcement::Verdict;
use serde_json::json;

const ALLOW: &str = "package interdict.policy.own\nallow contains {\"code\": \"ok\", \"message\": \"ok\"}\n";

/// The engine's memory limit is one for the process, so that a test which exhausts it would be seen by the others.
static PROCESS: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn decide(body: &str, arguments: serde_json::Value, limits: EvalLimits) -> (Verdict, String) {
    let _alone = alone();
    let policy = format!("{ALLOW}deny contains {{\"code\": \"no\", \"message\": \"no\"}} if {{ {body} }}\n");
    let bundle = Folder::new(&[("p.rego", &policy)]).load().unwrap();
    let (agent, server) = (agent(), server("payments"));
    let mut evaluator = bundle.evaluator(limits);
    let decision = evaluator.decide(&call(&agent, &server, "transfer", &arguments));
    (decision.verdict, codes(&decision)[0].to_owned())
}

#[test]
fn a_policy_that_runs_too_long_is_stopped_and_denied() {
    let body = "some a in numbers.range(1, 5000); some b in numbers.range(1, 5000); a + b == -1";
    let limits = EvalLimits { time: Duration::from_millis(50), ..EvalLimits::default() };
    // Without a limit it would run for minutes.
    assert_eq!(decide(body, json!({}), limits), (Verdict::Deny, "policy.time_limit".into()));
}

#[test]
fn a_policy_that_runs_too_long_inside_of_a_function_is_denied_too() {
    let _alone = alone();
    let policy = format!(
        "{ALLOW}slow(x) if {{ some a in numbers.range(1, 5000); some b in numbers.range(1, 5000); a + b == x }}\n\
         deny contains {{\"code\": \"no\", \"message\": \"no\"}} if slow(-1)\n"
    );
    let bundle = Folder::new(&[("p.rego", &policy)]).load().unwrap();
    let (agent, server) = (agent(), server("payments"));
    let arguments = json!({});
    let limits = EvalLimits { time: Duration::from_millis(50), ..EvalLimits::default() };
    let decision = bundle.evaluator(limits).decide(&call(&agent, &server, "transfer", &arguments));
    assert_eq!(codes(&decision), ["policy.time_limit"]);
}

#[test]
fn a_policy_that_takes_too_much_memory_is_stopped_and_denied() {
    let limits = EvalLimits { time: Duration::from_secs(60), memory_bytes: 32 << 20 };
    let body = "x := numbers.range(1, 50000000); count(x) == 3";
    assert_eq!(decide(body, json!({}), limits), (Verdict::Deny, "policy.memory_limit".into()));
    let body = "x := [concat(\"\", [s, s, s, s]) | s := input.mcp.arguments.s; some _ in numbers.range(1, 100000)]; count(x) == 3";
    assert_eq!(
        decide(body, json!({"s": "x".repeat(1000)}), limits),
        (Verdict::Deny, "policy.memory_limit".into())
    );
}

#[test]
fn the_memory_limit_is_lifted_after_the_evaluation() {
    let limits = EvalLimits { time: Duration::from_secs(60), memory_bytes: 8 << 20 };
    let _ = decide("x := numbers.range(1, 5000000); count(x) == 3", json!({}), limits);
    let generous = EvalLimits { time: Duration::from_secs(60), memory_bytes: 1 << 30 };
    assert_eq!(decide("count(numbers.range(1, 100)) == 3", json!({}), generous).0, Verdict::Allow);
}

#[test]
fn a_number_that_would_become_megabytes_is_denied() {
    let _alone = alone();
    let arguments = "{\"n\": 1e999999999}";
    let limits = interdict_mcp::Limits { numbers: interdict_mcp::Numbers::Exact, ..Default::default() };
    let document = interdict_mcp::json::Document::parse(arguments.as_bytes(), &limits).unwrap();
    let bundle = Folder::new(&[("p.rego", ALLOW)]).load().unwrap();
    let (agent, server) = (agent(), server("payments"));
    let none = json!({});
    let mut input = call(&agent, &server, "transfer", &none);
    input.mcp.arguments = Some(document.root().into());
    let limits = EvalLimits { time: Duration::from_secs(60), ..EvalLimits::default() };
    let decision = bundle.evaluator(limits).decide(&input);
    assert_eq!(codes(&decision), ["policy.number_out_of_range"]);
}

#[test]
fn a_policy_with_a_pattern_that_is_too_large_denies() {
    let body = "regex.match(input.mcp.arguments.p, \"x\")";
    let limits = EvalLimits { time: Duration::from_secs(60), ..EvalLimits::default() };
    let decision = decide(body, json!({"p": "(a{1000}){1000}"}), limits);
    assert_eq!(decision, (Verdict::Deny, "policy.evaluation_error".into()));
}
