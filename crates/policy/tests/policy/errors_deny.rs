//! An error, a panic, an undefined result or a wrong type anywhere in evaluation is a Deny, also inside of an
//! operator's own `deny` rule. Every policy here allows everything unless its other rule works: if the engine lost an
//! error, the call would be allowed.

use crate::common::{Folder, agent, call, codes, decide, limits, server};
use interdict_policy::Decision;
use interdict_proto::enforcement::Verdict;
use serde_json::{Value, json};

const ALLOW: &str = "package interdict.policy.own\nallow contains {\"code\": \"ok\", \"message\": \"ok\"}\n";
const REASON: &str = r#"{"code": "no", "message": "no"}"#;

/// Decides with an allowing policy and `deny contains … if { <body> }`.
fn deny_if(body: &str, arguments: Value) -> Decision {
    decide(&format!("{ALLOW}deny contains {REASON} if {{ {body} }}\n"), &arguments)
}

#[track_caller]
fn is_error(decision: &Decision) {
    assert_eq!((decision.verdict, codes(decision)), (Verdict::Deny, vec!["policy.evaluation_error"]));
    assert!(decision.obligations.is_empty());
}

#[test]
fn the_allowing_policy_allows_when_nothing_else_is_said() {
    assert_eq!(decide(ALLOW, &json!({})).verdict, Verdict::Allow);
}

#[test]
fn a_deny_rule_that_fires_denies_and_one_that_does_not_allows() {
    let decision = deny_if("input.mcp.arguments.n > 3", json!({"n": 4}));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["policy.no", "policy.ok"]));
    assert_eq!(deny_if("input.mcp.arguments.n > 3", json!({"n": 3})).verdict, Verdict::Allow);
}

// The table of engine modes: one test per row.

#[test]
fn row_1_an_invalid_regex_in_a_deny_rule_denies() {
    is_error(&deny_if("regex.match(input.mcp.arguments.p, \"x\")", json!({"p": "("})));
    is_error(&deny_if("regex.replace(\"x\", input.mcp.arguments.p, \"y\") == \"never\"", json!({"p": "("})));
}

#[test]
fn row_2_a_type_error_in_a_deny_rule_denies() {
    is_error(&deny_if("startswith(input.mcp.arguments.n, \"a\")", json!({"n": 5})));
    is_error(&deny_if("input.mcp.arguments.s - 1 == 3", json!({"s": "4"})));
    is_error(&deny_if("count(input.mcp.arguments.n) == 1", json!({"n": 5})));
    is_error(&deny_if("lower(input.mcp.arguments.n) == \"x\"", json!({"n": null})));
}

#[test]
fn row_3_a_string_above_a_number_denies() {
    is_error(&deny_if("input.mcp.arguments.s > 100", json!({"s": "5"})));
}

#[test]
fn row_4_two_complete_rules_with_different_values_deny() {
    let rules = "level := 1 if input.mcp.tool\nlevel := 2 if input.mcp.tool\ndefault level := 0\n";
    let policy = format!("{ALLOW}{rules}deny contains {REASON} if level == 3\n");
    is_error(&decide(&policy, &json!({})));
}

#[test]
fn row_5_a_default_of_a_function_holds() {
    let rules = "default risky(_) := false\nrisky(x) if x == \"transfer\"\n";
    let policy = format!("{ALLOW}{rules}deny contains {REASON} if risky(input.mcp.arguments.t)\n");
    assert_eq!(decide(&policy, &json!({"t": "transfer"})).verdict, Verdict::Deny);
    assert_eq!(decide(&policy, &json!({"t": "other"})).verdict, Verdict::Allow);
    let policy = format!("{ALLOW}{rules}deny contains {REASON} if risky(input.mcp.arguments.t) == false\n");
    assert_eq!(decide(&policy, &json!({"t": "other"})).verdict, Verdict::Deny);
}

#[test]
fn row_6_a_number_above_a_string_denies() {
    is_error(&deny_if("input.mcp.arguments.n > \"100\"", json!({"n": 5})));
    let policy = format!("{ALLOW}deny contains {REASON} if input.mcp.arguments.n >= data.own.max\n");
    let folder = Folder::new(&[("p.rego", &policy), ("own/data.yaml", "max: \"100\"")]);
    let (agent, server) = (agent(), server("payments"));
    let arguments = json!({"n": 500});
    let mut evaluator = folder.load().unwrap().evaluator(limits());
    is_error(&evaluator.decide(&call(&agent, &server, "transfer", &arguments)));
}

// What else goes wrong.

#[test]
fn every_ordering_comparison_of_mixed_types_denies_wherever_it_stands() {
    for body in [
        "input.mcp.arguments.n < \"1\"",
        "input.mcp.arguments.n <= \"1\"",
        "\"1\" >= input.mcp.arguments.n",
        "not input.mcp.arguments.n > \"1\"; false",
        "count([x | some x in input.mcp.arguments.list; x > 3]) == 99",
        "every x in input.mcp.arguments.list { x < 3 }",
        "(input.mcp.arguments.n + 1) * 2 > (\"1\")",
        "input.mcp.arguments.list > 3",
        "input.mcp.arguments.none > 3",
        "x := input.mcp.arguments.n > \"100\"; x",
        "[1 | input.mcp.arguments.n > \"100\"] == [2]",
        "{\"a\": input.mcp.arguments.n > \"1\"}.a",
    ] {
        let decision = deny_if(body, json!({"n": 5, "list": ["a", 4], "none": null}));
        assert_eq!(
            (decision.verdict, codes(&decision)),
            (Verdict::Deny, vec!["policy.evaluation_error"]),
            "{body}"
        );
    }
}

#[test]
fn ordering_comparisons_of_one_type_work_as_before() {
    for (body, holds) in [
        ("input.mcp.arguments.n > 4", true),
        ("input.mcp.arguments.n > 5", false),
        ("input.mcp.arguments.n >= 5", true),
        ("4 < input.mcp.arguments.n", true),
        ("input.mcp.arguments.n <= 4", false),
        ("\"a\" < \"b\"", true),
        ("input.time.rfc3339 > \"2026-01-01\"", true),
        ("(input.mcp.arguments.n + 1) * 2 > (input.mcp.arguments.n - 1)", true),
        ("not input.mcp.arguments.n > 100", true),
        ("input.mcp.arguments.missing > 100", false),
        ("count([x | some x in [1, 2, 3]; x > 1]) == 2", true),
        ("every x in [1, 2] { x < 3; x > 0 }", true),
        ("1 < 2; 2 < 3; 3 > 2", true),
        ("\"<\" > \";\" # a > b", true),
    ] {
        let verdict = if holds { Verdict::Deny } else { Verdict::Allow };
        let decision = deny_if(&format!("{body}\n"), json!({"n": 5}));
        assert_eq!(decision.verdict, verdict, "{body}: {:?}", decision.reasons);
        assert!(!codes(&decision).contains(&"policy.evaluation_error"), "{body}");
    }
}

#[test]
fn dividing_by_zero_denies() {
    is_error(&deny_if("input.mcp.arguments.n / 0 == 1", json!({"n": 5})));
    is_error(&deny_if("input.mcp.arguments.n % 0 == 1", json!({"n": 5})));
}

#[test]
fn an_error_inside_of_a_function_a_helper_or_a_comprehension_denies() {
    for rules in [
        "f(x) if startswith(x, \"a\")\nbad if f(input.mcp.arguments.n)",
        "helper := startswith(input.mcp.arguments.n, \"a\")\nbad if helper",
        "set contains x if { some x in [1]; startswith(input.mcp.arguments.n, \"a\") }\nbad if count(set) > 3",
        "bad if count({x | some x in [1]; startswith(input.mcp.arguments.n, \"a\")}) > 3",
        "bad if { some x in [1]; startswith(input.mcp.arguments.n, \"a\"); x == 2 }",
        "bad if not startswith(input.mcp.arguments.n, \"a\")\nfalse_bad if bad",
        "bad if false\nbad if { false } else if startswith(input.mcp.arguments.n, \"a\")",
        "bad if object.get({}, \"x\", startswith(input.mcp.arguments.n, \"a\")) == 3",
    ] {
        let policy = format!("{ALLOW}{rules}\ndeny contains {REASON} if bad\n");
        let decision = decide(&policy, &json!({"n": 5}));
        assert_eq!(
            (decision.verdict, codes(&decision)),
            (Verdict::Deny, vec!["policy.evaluation_error"]),
            "{rules}"
        );
    }
}

#[test]
fn an_error_in_any_set_of_any_topic_denies() {
    for set in ["deny", "intercept", "obligation", "allow"] {
        let body = "startswith(input.mcp.arguments.n, \"a\")";
        let other = format!("package interdict.policy.other\n{set} contains {REASON} if {body}\n");
        let folder = Folder::new(&[("a.rego", ALLOW), ("b.rego", &other)]);
        let (agent, server) = (agent(), server("payments"));
        let arguments = json!({"n": 5});
        let mut evaluator = folder.load().unwrap().evaluator(limits());
        is_error(&evaluator.decide(&call(&agent, &server, "transfer", &arguments)));
    }
}

#[test]
fn after_an_error_the_next_decision_is_whole() {
    let policy = format!("{ALLOW}deny contains {REASON} if startswith(input.mcp.arguments.n, \"a\")\n");
    let bundle = Folder::new(&[("p.rego", &policy)]).load().unwrap();
    let mut evaluator = bundle.evaluator(limits());
    let (agent, server) = (agent(), server("payments"));
    for _ in 0..3 {
        let wrong = json!({"n": 5});
        is_error(&evaluator.decide(&call(&agent, &server, "transfer", &wrong)));
        assert!(evaluator.last_error().is_some());
        let fine = json!({"n": "b"});
        assert_eq!(evaluator.decide(&call(&agent, &server, "transfer", &fine)).verdict, Verdict::Allow);
        let denied = json!({"n": "ab"});
        assert_eq!(evaluator.decide(&call(&agent, &server, "transfer", &denied)).verdict, Verdict::Deny);
    }
}

#[test]
fn an_error_message_names_the_place_and_no_argument() {
    let decision = deny_if("startswith(input.mcp.arguments.n, \"a\")", json!({"n": ["secret-4711"]}));
    let message = &decision.reasons[0].message;
    assert!(message.contains("p.rego:3"), "{message}");
    assert!(!message.contains("secret-4711"), "{message}");
}

#[test]
fn no_allow_is_a_deny() {
    let silent =
        "package interdict.policy.own\nallow contains {\"code\": \"a\", \"message\": \"a\"} if false\n";
    let decision = decide(silent, &json!({}));
    assert_eq!((decision.verdict, codes(&decision)), (Verdict::Deny, vec!["policy.no_allow"]));
    let nothing = decide("package own.helpers\nx := 1\n", &json!({}));
    assert_eq!((nothing.verdict, codes(&nothing)), (Verdict::Deny, vec!["policy.no_allow"]));
}

#[test]
fn an_element_of_another_shape_denies() {
    for element in [
        r#""no""#,
        "5",
        "null",
        "[]",
        "{}",
        r#"{"code": "no"}"#,
        r#"{"code": "no", "message": 5}"#,
        r#"{"code": 5, "message": "no"}"#,
        r#"{"code": "No Way", "message": "no"}"#,
        r#"{"code": "", "message": "no"}"#,
        r#"{"code": "no", "message": "line\nline"}"#,
        r#"{"code": "no", "message": "no", "more": 1}"#,
    ] {
        for set in ["deny", "intercept", "allow"] {
            let decision = decide(&format!("{ALLOW}{set} contains {element}\n"), &json!({}));
            let expected = (Verdict::Deny, vec!["policy.malformed_result"]);
            assert_eq!((decision.verdict, codes(&decision)), expected, "{set} {element}");
        }
    }
}

#[test]
fn an_unknown_or_dangerous_obligation_denies() {
    for element in [
        r#""x""#,
        r#"{"type": "explode"}"#,
        r#"{"type": "set_request_header"}"#,
        r#"{"type": "set_request_header", "name": "x-a"}"#,
        r#"{"type": "set_request_header", "name": "x-a", "value": 1}"#,
        r#"{"type": "set_request_header", "name": "x-a", "value": "a", "more": 1}"#,
        r#"{"type": "set_request_header", "name": "X-A", "value": "a"}"#,
        r#"{"type": "set_request_header", "name": ":path", "value": "a"}"#,
        r#"{"type": "set_request_header", "name": "authorization", "value": "a"}"#,
        r#"{"type": "set_request_header", "name": "content-length", "value": "a"}"#,
        r#"{"type": "set_request_header", "name": "mcp-session-id", "value": "a"}"#,
        r#"{"type": "set_request_header", "name": "x-forwarded-client-cert", "value": "a"}"#,
        r#"{"type": "set_request_header", "name": "x-a", "value": "a\r\nb: c"}"#,
    ] {
        let decision = decide(&format!("{ALLOW}obligation contains {element}\n"), &json!({}));
        let expected = (Verdict::Deny, vec!["policy.unknown_obligation"]);
        assert_eq!((decision.verdict, codes(&decision)), expected, "{element}");
    }
}

#[test]
fn two_values_for_one_header_deny_and_one_value_twice_is_one() {
    let header = |value: &str| {
        format!(
            "obligation contains {{\"type\": \"set_request_header\", \"name\": \"x-a\", \"value\": \"{value}\"}}\n"
        )
    };
    let decision = decide(&format!("{ALLOW}{}{}", header("1"), header("2")), &json!({}));
    assert_eq!(codes(&decision), ["policy.conflicting_obligation"]);
    let decision = decide(&format!("{ALLOW}{}{}", header("1"), header("1")), &json!({}));
    assert_eq!((decision.verdict, decision.obligations.len()), (Verdict::Allow, 1));
}

#[test]
fn the_strongest_verdict_wins() {
    let intercept = format!("intercept contains {REASON}\n");
    let deny = "deny contains {\"code\": \"never\", \"message\": \"never\"}\n";
    assert_eq!(decide(&format!("{ALLOW}{intercept}"), &json!({})).verdict, Verdict::Intercept);
    let decision = decide(&format!("{ALLOW}{intercept}{deny}"), &json!({}));
    assert_eq!(
        (decision.verdict, codes(&decision)),
        (Verdict::Deny, vec!["policy.never", "policy.no", "policy.ok"])
    );
    let without_allow = format!("package interdict.policy.own\n{intercept}");
    assert_eq!(decide(&without_allow, &json!({})).verdict, Verdict::Deny);
}

#[test]
fn an_approval_satisfies_the_reasons_that_it_covers_and_no_other() {
    let policy = format!(
        "{ALLOW}intercept contains {REASON}\nintercept contains {{\"code\": \"late\", \"message\": \"late\"}} if input.approval\n"
    );
    let bundle = Folder::new(&[("p.rego", &policy)]).load().unwrap();
    let (agent, server) = (agent(), server("payments"));
    let arguments = json!({});
    let mut input = call(&agent, &server, "transfer", &arguments);
    let mut evaluator = bundle.evaluator(limits());
    let mut with = |covers: &[&str]| {
        input.approval = Some(interdict_policy::ApprovalFact {
            id: "1".into(),
            approved_by: "olga".into(),
            approved_at: crate::common::TIME.parse().unwrap(),
            covers: covers.iter().map(|code| (*code).to_owned()).collect(),
        });
        evaluator.decide(&input).verdict
    };
    assert_eq!(with(&["policy.no"]), Verdict::Intercept);
    assert_eq!(with(&["policy.late"]), Verdict::Intercept);
    assert_eq!(with(&["policy.no", "policy.late"]), Verdict::Allow);
}

/// The machine's own time zone is a fact that no record holds.
#[test]
fn the_time_zone_of_the_machine_is_no_time_zone() {
    for call in [
        "time.clock([0, zone])",
        "time.date([0, zone])",
        "time.weekday([0, zone])",
        "time.format([0, zone])",
        "time.format([0, zone, \"RFC3339\"])",
        "time.add_date([0, zone], 0, 0, 1)",
        "time.diff([0, \"UTC\"], [0, zone])",
    ] {
        let policy = format!(
            "{ALLOW}zone := input.mcp.arguments.zone\ndeny contains {{\"code\": \"no\", \"message\": \"no\"}} if {call} == 7\n"
        );
        for (zone, code) in
            [("Local", "policy.evaluation_error"), ("UTC", "policy.ok"), ("Europe/Berlin", "policy.ok")]
        {
            let decision = decide(&policy, &json!({"zone": zone}));
            assert_eq!(codes(&decision), [code], "{call} {zone}");
        }
    }
}
