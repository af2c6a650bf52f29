//! `interdict check`.

use std::process::Stdio;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::house::{House, Ran, SECRET};

impl House {
    fn request(&self, tool: &str, more: Value) {
        let mut request = json!({
            "path": "/mcp", "host": "tools.test",
            "headers": {"content-type": "application/json", "authorization": format!("Bearer {}", self.token())},
            "body": {"jsonrpc": "2.0", "id": 7, "method": "tools/call",
                     "params": {"name": tool, "arguments": {"secret": SECRET}}},
        });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.write("request.json", &request.to_string());
    }

    fn check(&self, more: &[&str]) -> Ran {
        self.run(&[&["check", "--request", "request.json"], more].concat())
    }

    /// The exit code where both outputs are closed before anything is written.
    fn unread(&self, arguments: &[&str]) -> Option<i32> {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        child.wait().unwrap().code()
    }
}

#[test]
fn check_ends_with_0_for_allow_10_for_deny_and_11_for_intercept_and_stores_nothing() {
    let house = House::new();
    for (tool, code, verdict, reason) in [
        ("good", 0, "allow", "policy.house_allow"),
        ("bad", 10, "deny", "policy.house_deny"),
        ("risky", 11, "intercept", "policy.house_ask"),
    ] {
        house.request(tool, json!({}));
        let answer = house.check(&[]).ends(code).json();
        assert_eq!((&answer["verdict"], &answer["reason"]), (&json!(verdict), &json!(reason)));
    }
    assert!(!house.path("interdict-approvals.db").exists());
}

#[test]
fn a_reader_that_goes_away_does_not_turn_a_deny_into_the_code_of_an_allow() {
    let house = House::new();
    for (tool, code) in [("good", 0), ("bad", 10), ("risky", 11)] {
        house.request(tool, json!({}));
        assert_eq!(house.unread(&["check", "--request", "request.json"]), Some(code), "{tool}");
    }
    house.write("bundle/house/rules.rego", "package interdict.policy.house\nimport rego.v1\nallow if");
    assert_eq!(house.unread(&["config", "check"]), Some(2));
}

/// The filter looks into answers, so policies can be tried where content is looked for; an enforcer that cannot is refused.
#[test]
fn check_stands_for_a_filter_that_looks_into_answers_unless_it_is_told_otherwise() {
    let house = House::new();
    house.write(
        "bundle/data.yaml",
        "interdict: {content: {rules: [{classes: [pan], direction: response, action: redact}]}}",
    );
    for more in [json!({}), json!({"enforcer": {"kind": "call"}})] {
        house.request("good", more);
        assert_eq!(house.check(&[]).ends(0).json()["verdict"], "allow");
    }
    for enforcer in [json!({"kind": "call", "profiles": null}), json!({"kind": "native"})] {
        house.request("good", json!({ "enforcer": enforcer }));
        assert_eq!(house.check(&[]).ends(10).json()["reason"], "enforcer.cannot_inspect_response");
    }
}

#[test]
fn check_shows_what_a_client_would_get() {
    let house = House::new();
    house.request("bad", json!({}));
    let answer = house.check(&[]).json();
    assert_eq!((&answer["reply"]["status"], &answer["reply"]["body"]["id"]), (&json!(200), &json!(7)));
    house.request("good", json!({"headers": {"content-type": "application/json"}}));
    let ran = house.check(&[]);
    assert_eq!((ran.code, &ran.json()["reply"]["status"]), (10, &json!(401)));
}

#[test]
fn check_decides_at_the_time_that_it_is_told() {
    let house = House::new();
    house.request("good", json!({"time": "2001-01-01T00:00:00Z"}));
    // The token is from today: that it is refused shows that identity sees the same time.
    assert_eq!(house.check(&[]).json()["reason"], "identity.token_not_yet_valid");
    let now = Timestamp::now().to_string();
    assert_eq!(house.check(&["--time", &now]).code, 0);
}

#[test]
fn check_reads_bodies_from_files_and_requests_from_standard_input() {
    let house = House::new();
    house.write(
        "body.json",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bad","arguments":{}}}"#,
    );
    house.request("good", json!({"body": null, "body_file": "body.json"}));
    let ran = house.check(&[]);
    assert_eq!(ran.code, 10, "{} {}", ran.out, ran.err);
    let mut child = house
        .command(&["check", "--request", "-"])
        .stdin(Stdio::from(std::fs::File::open(house.path("request.json")).unwrap()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(10));
}
