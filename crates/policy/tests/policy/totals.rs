//! Ceilings over calls: what a call adds, and what the policy says to what stands so far.

use crate::common::facts::{exact_numbers, facts};
use crate::common::{Folder, codes, limits, project};
use interdict_mcp::json;
use interdict_policy::{
    ApprovalFact, Bundle, BundleError, Facts, Judgement, PolicyObligation, Quantity, TotalFact, replay,
};
use interdict_proto::enforcement::Verdict;

const AGENTS: &str = "agents: [{id: a, owner: o, tenant: t, roles: [payer], servers: [s], identities: [{issuer: i, subject: a}]}]";
const SERVERS: &str =
    "servers: [{id: s, owner: o, tenant: t, resource: \"https://s/mcp\", hosts: [\"s\"], paths: [/mcp]}]";
const CONTRACT: &str = "contracts:
  - server: s
    tool: t
    signed_by: treasury@example.com
    effects: [pay]
    value: {path: [amount], minor_units: 2, optional: true, totals: [{window: 24h, ask_above: 80, max: 100}, {window: 7d, per: [to], max: 60}]}
    recipients: {paths: [[cc, \"*\"]], optional: true, totals: [{window: 60m, max: 3}]}
    cardinality: {paths: [[ids, \"*\"]], filters: [[where]], totals: [{window: 1d, ask_above: 2}]}
";

fn load(contract: &str) -> Result<Bundle, BundleError> {
    let folder = Folder::new(&[
        ("agents/a.yaml", AGENTS),
        ("servers/s.yaml", SERVERS),
        ("data.yaml", "interdict: {roles: {payer: {tools: {s: [\"*\"]}}}}\n"),
        ("contracts/c.yaml", contract),
    ]);
    Bundle::load(&[project("policies"), folder.root()])
}

fn stands(counter: &str, window: &str, before: u64, new: Option<u64>) -> TotalFact {
    TotalFact { counter: counter.into(), window: window.into(), before, new }
}

fn judge(
    bundle: &Bundle,
    arguments: &str,
    totals: &[TotalFact],
    approval: Option<&ApprovalFact>,
) -> Judgement {
    let document = json::Document::parse(arguments.as_bytes(), &exact_numbers()).unwrap();
    let mut facts = facts(Some(document.root()));
    (facts.totals, facts.approval) = (totals, approval);
    bundle.evaluator(limits()).judge(&facts)
}

#[test]
fn a_call_says_what_it_adds_to_which_counter_and_the_decision_does_not() {
    let bundle = load(CONTRACT).unwrap();
    let arguments = r#"{"amount": 0.5, "to": "DE89 3704-0044", "cc": ["x", "y", "x"], "ids": [5, "5"]}"#;
    let judged = judge(&bundle, arguments, &[], None);
    assert_eq!(judged.decision.verdict, Verdict::Allow, "{:?}", judged.decision);
    let told: Vec<_> = judged
        .consumes
        .iter()
        .map(|one| (one.counter.as_str(), one.seconds, one.of.as_deref(), one.quantity.clone()))
        .collect();
    let things = |all: &[&str]| Quantity::Things(all.iter().map(|one| (*one).to_owned()).collect());
    for one in [
        ("value", 86_400, None, Quantity::Amount(50)),
        ("payee", 604_800, Some("\"de8937040044"), Quantity::Amount(50)),
        ("recipients", 3_600, None, things(&["\"x", "\"y", "\"x"])),
        ("cardinality", 86_400, None, things(&["5", "\"5"])),
    ] {
        assert!(told.contains(&one), "{}", one.0);
    }
    assert_eq!((told.len(), judged.decision.obligations.len()), (4, 0));
}

#[test]
fn what_stands_and_what_a_call_adds_are_held_against_the_bounds_together() {
    let bundle = load(CONTRACT).unwrap();
    let call = r#"{"amount": 0.2, "to": "x", "cc": ["a"], "ids": ["b"]}"#;
    for (totals, verdict, code) in [
        (vec![], Verdict::Allow, "policy.granted"),
        (vec![stands("value", "24h", 60, None)], Verdict::Allow, "policy.granted"),
        (vec![stands("value", "24h", 61, None)], Verdict::Intercept, "policy.contract_value_total_ask"),
        (vec![stands("value", "24h", 81, None)], Verdict::Deny, "policy.contract_value_total"),
        (vec![stands("payee", "7d", 40, None)], Verdict::Allow, "policy.granted"),
        (vec![stands("payee", "7d", 41, None)], Verdict::Deny, "policy.contract_payee_total"),
        (vec![stands("recipients", "60m", 3, Some(0))], Verdict::Allow, "policy.granted"),
        (vec![stands("recipients", "60m", 3, Some(1))], Verdict::Deny, "policy.contract_recipients_total"),
        (vec![stands("cardinality", "1d", 1, Some(1))], Verdict::Allow, "policy.granted"),
        (
            vec![stands("cardinality", "1d", 2, Some(1))],
            Verdict::Intercept,
            "policy.contract_cardinality_total_ask",
        ),
        // Of another counter or window.
        (
            vec![stands("payee", "24h", 1_000, None), stands("value", "7d", 1_000, None)],
            Verdict::Allow,
            "policy.granted",
        ),
    ] {
        let judged = judge(&bundle, call, &totals, None);
        assert_eq!((judged.decision.verdict, codes(&judged.decision)[0]), (verdict, code), "{totals:?}");
        assert_eq!(judged.consumes.is_empty(), verdict == Verdict::Deny, "{totals:?}");
    }
}

#[test]
fn one_call_alone_is_held_against_the_bounds_as_well() {
    let bundle = load(CONTRACT).unwrap();
    for (call, code) in [
        (r#"{"amount": 1.01, "to": "x", "ids": ["b"]}"#, "policy.contract_payee_total"),
        (r#"{"ids": ["b"], "cc": ["a", "b", "c", "d"]}"#, "policy.contract_recipients_total"),
        (r#"{"ids": ["a", "b", "c"]}"#, "policy.contract_cardinality_total_ask"),
        (r#"{"amount": 9007199254740990, "to": "x", "ids": ["b"]}"#, "policy.contract_payee_total"),
    ] {
        assert_eq!(codes(&judge(&bundle, call, &[], None).decision)[0], code, "{call}");
    }
    let many = (0..10_001).map(|one| one.to_string()).collect::<Vec<_>>().join(",");
    let judged = judge(&bundle, &format!(r#"{{"ids": [{many}]}}"#), &[], None);
    assert_eq!(codes(&judged.decision)[0], "policy.contract_cardinality_total");
}

/// Attack: a payee that is several, or none, has a sum of its own.
#[test]
fn a_payee_is_one_text_or_number() {
    let bundle = load(CONTRACT).unwrap();
    for to in ["[\"x\"]", "{}", "null", "true", "\"\"", "\" - . \"", "\"x,y\"", "\"x\\ny\""] {
        let judged = judge(&bundle, &format!(r#"{{"amount": 0.1, "to": {to}, "ids": ["b"]}}"#), &[], None);
        assert_eq!(codes(&judged.decision)[0], "policy.contract_value_payee", "{to}");
    }
    let judged = judge(&bundle, r#"{"amount": 0.1, "ids": ["b"]}"#, &[], None);
    assert_eq!(codes(&judged.decision)[0], "policy.contract_value_payee");
    // Without an amount nobody is paid.
    assert_eq!(judge(&bundle, r#"{"ids": ["b"]}"#, &[], None).decision.verdict, Verdict::Allow);
}

#[test]
fn an_approved_call_still_adds_and_still_has_a_maximum() {
    let bundle = load(CONTRACT).unwrap();
    let approval = ApprovalFact {
        id: "1".into(),
        approved_by: "vera".into(),
        approved_at: crate::common::TIME.parse().unwrap(),
        covers: vec!["policy.contract_value_total_ask".into()],
    };
    let call = r#"{"amount": 0.2, "to": "x", "ids": ["b"]}"#;
    let judged = judge(&bundle, call, &[stands("value", "24h", 80, None)], Some(&approval));
    assert_eq!((judged.decision.verdict, judged.consumes.len()), (Verdict::Allow, 3));
    let judged = judge(&bundle, call, &[stands("value", "24h", 81, None)], Some(&approval));
    assert_eq!(judged.decision.verdict, Verdict::Deny);
}

#[test]
fn a_judgement_by_totals_is_replayed_to_the_byte_and_facts_without_them_are_as_they_were() {
    let bundle = load(CONTRACT).unwrap();
    let arguments = r#"{"amount": 0.2, "to": "x", "ids": ["b"]}"#;
    let document = json::Document::parse(arguments.as_bytes(), &exact_numbers()).unwrap();
    let mut facts = facts(Some(document.root()));
    assert!(!String::from_utf8(facts.to_json()).unwrap().contains("totals"));
    let all = [0, 61, 81]
        .map(|before| [stands("value", "24h", before, None), stands("cardinality", "1d", 0, Some(1))]);
    for totals in &all {
        facts.totals = totals;
        let (text, decision) = (facts.to_json(), bundle.evaluator(limits()).judge(&facts).decision);
        let exact = replay::exact(&bundle, &text, &decision.canonical());
        assert!(matches!(exact, replay::Exact::Same), "{exact:?}");
        assert_eq!(Facts::parse(&text).unwrap().totals, totals);
    }
}

#[test]
fn rules_of_ones_own_may_count_and_one_counter_has_one_quantity() {
    let own = |rules: &str| {
        let text = format!(
            "package interdict.policy.own\nallow contains {{\"code\": \"ok\", \"message\": \"x\"}}\n{rules}"
        );
        let folder =
            Folder::new(&[("agents/a.yaml", AGENTS), ("servers/s.yaml", SERVERS), ("p.rego", &text)]);
        judge(&folder.load().unwrap(), "{}", &[], None)
    };
    let counter = |amount: &str, window: &str| {
        format!(
            "obligation contains {{\"type\": \"consume\", \"counter\": \"calls\", \"window\": \"{window}\", \"amount\": {amount}}}\n"
        )
    };
    let one = own(&counter("1", "24h"));
    assert_eq!((one.decision.verdict, one.consumes.len()), (Verdict::Allow, 1));
    assert!(
        one.decision.obligations.iter().all(|one| matches!(one, PolicyObligation::SetRequestHeader { .. }))
    );
    let clash = own(&[counter("1", "24h"), counter("2", "1d")].concat());
    assert_eq!(codes(&clash.decision), ["policy.conflicting_obligation"]);
    for wrong in [counter("-1", "24h"), counter("1", "24"), counter("\"1\"", "24h")] {
        assert_eq!(codes(&own(&wrong).decision), ["policy.unknown_obligation"], "{wrong}");
    }
}

#[test]
fn every_set_about_contracts_is_fast_with_totals_too() {
    let bundle = load(CONTRACT).unwrap();
    let fast = bundle.evaluator(limits()).fast_sets();
    for set in ["contracts.deny", "contracts.intercept", "contracts.obligation"] {
        assert!(fast.iter().any(|name| name == set), "{set}: {:?}", bundle.notes());
    }
}

#[test]
fn what_is_wrong_with_a_total_refuses_the_bundle() {
    for (from, to) in [
        ("window: 24h", "window: 24"),
        ("window: 24h", "window: 32d"),
        ("window: 24h", "window: 30s"),
        ("ask_above: 80, max: 100", "ask_above: 100, max: 100"),
        (", ask_above: 80, max: 100", ""),
        ("per: [to]", "per: [to, \"*\"]"),
        ("per: [to]", "per: []"),
        ("{window: 7d, per: [to], max: 60}", "{window: 1440m, max: 60}"),
        ("window: 60m, max: 3", "window: 60m, max: 10001"),
        ("window: 60m, max: 3", "window: 60m, max: 3, per: [to]"),
        ("paths: [[ids, \"*\"]], filters", "filters"),
        (
            "max: 3}]",
            "max: 3}, {window: 1m, max: 1}, {window: 2m, max: 1}, {window: 3m, max: 1}, {window: 4m, max: 1}]",
        ),
    ] {
        assert!(CONTRACT.contains(from), "{from}");
        let error = load(&CONTRACT.replace(from, to)).map(drop).unwrap_err();
        assert_eq!(error.code, "bundle.contract", "{from} -> {to}: {error}");
    }
}
