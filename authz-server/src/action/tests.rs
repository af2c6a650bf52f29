use interdict_mcp::json::{Document, Limits, Numbers};

use super::*;

fn digest(params: &str) -> String {
    digest_by("reporter", params)
}

fn digest_by(agent: &str, params: &str) -> String {
    with_action(agent, params, |action| action.digest().unwrap())
}

fn with_action<T>(agent: &str, params: &str, then: impl FnOnce(Action<'_>) -> T) -> T {
    let limits = Limits { numbers: Numbers::Exact, ..Limits::default() };
    let document = Document::parse(params.as_bytes(), &limits).unwrap();
    then(Action {
        tenant: "acme",
        agent,
        principal: None,
        server: "bank",
        path: "/bank/mcp",
        method: "tools/call",
        target: Some("transfer"),
        params: Some(document.root()),
        our_round: false,
    })
}

#[test]
fn the_same_action_written_differently_has_one_digest() {
    let plain = digest(r#"{"name":"transfer","arguments":{"amount":10,"to":"a\u0062c"}}"#);
    for other in [
        r#"{ "arguments" : { "to":"abc", "amount" : 10.0 } , "name":"transfer" }"#,
        r#"{"name":"transfer","arguments":{"amount":1e1,"to":"abc"}}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"},"_meta":{"progressToken":7}}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"},"_meta":{"io.modelcontextprotocol/clientInfo":{}}}"#,
    ] {
        assert_eq!(digest(other), plain, "{other}");
    }
}

#[test]
fn any_difference_that_a_server_could_act_on_changes_the_digest() {
    let all = [
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"}}"#,
        r#"{"name":"transfer","arguments":{"amount":11,"to":"abc"}}"#,
        r#"{"name":"transfer","arguments":{"amount":"10","to":"abc"}}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"ABC"}}"#,
        r#"{"name":"transfer","arguments":{"amount":10}}"#,
        r#"{"name":"transfer"}"#,
        r#"{"name":"transfer","arguments":{}}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"},"task":{"ttl":1}}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"},"_meta":{"x-target":"other"}}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"},"_meta":"x"}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"}}}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"},"_meta":{"io.modelcontextprotocol/evil":1}}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"},"requestState":"x"}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"},"requestState":"x","inputResponses":{}}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"},"inputResponses":{"confirm":{"action":"accept"}}}"#,
    ];
    let mut digests: Vec<_> = all.iter().map(|params| digest(params)).collect();
    digests.push(digest_by("other", all[0]));
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), all.len() + 1);
}

#[test]
fn numbers_that_are_one_double_but_differ_never_share_a_digest() {
    let of = |number: &str| digest(&format!(r#"{{"name":"t","arguments":{{"n":{number}}}}}"#));
    for (one, other) in [
        ("9007199254740992", "9007199254740993"),
        ("9007199254740993", "9007199254740992.0"),
        ("0.1", "0.10000000000000000001"),
        ("1e400", "1e401"),
        ("1", "1.0000000000000000000001"),
        ("123456789012345678901234567890", "123456789012345678901234567891"),
    ] {
        assert_ne!(of(one), of(other), "{one} {other}");
    }
}

#[test]
fn a_number_that_a_double_carries_is_canonical() {
    for (one, other) in
        [("0.1", "1e-1"), ("-0", "0"), ("100", "1E+2"), ("9007199254740991", "9007199254740991.0")]
    {
        let of = |number: &str| digest(&format!(r#"{{"name":"t","arguments":{{"n":{number}}}}}"#));
        assert_eq!(of(one), of(other), "{one} {other}");
    }
}

/// Attack: approve a call, then send it along with answers that steer the tool's next round.
#[test]
fn the_answers_of_a_round_of_the_server_are_part_of_the_action_and_those_of_ours_are_not() {
    let plain = r#"{"name":"transfer","arguments":{"amount":6}}"#;
    let answered = r#"{"name":"transfer","arguments":{"amount":6},"requestState":"s","inputResponses":{"confirm":{"content":{"amount":1000000}}}}"#;
    assert_ne!(digest(plain), digest(answered));
    let shown = with_action("reporter", answered, |action| action.shown(true));
    assert!(shown.contains("1000000"), "{shown}");
    let ours =
        with_action("reporter", answered, |action| Action { our_round: true, ..action }.digest().unwrap());
    assert_eq!(ours, digest(plain));
}

/// Attack: approve a call at one path and query, use the approval at another.
#[test]
fn path_and_query_are_part_of_the_action_and_are_shown_where_they_say_something() {
    let params = r#"{"name":"transfer","arguments":{"amount":6}}"#;
    let at =
        |path: &str| with_action("reporter", params, |action| Action { path, ..action }.digest().unwrap());
    let mut all = vec![
        at("/bank/mcp"),
        at("/bank/mcp?"),
        at("/bank/mcp?db=test"),
        at("/bank/mcp?db=production"),
        at("/bank/sse?db=test"),
    ];
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
    let shown = |only_path| {
        with_action("reporter", params, |action| Action { path: "/mcp?db=\"x", ..action }.shown(only_path))
    };
    assert_eq!(shown(true), r#"{"amount":6}"#);
    assert_eq!(shown(false), r#"{"path":"/mcp?db=\"x","params":{"amount":6}}"#);
}

/// Attack: members of `_meta` under MCP's own prefix ride along with an approved call, unseen.
#[test]
fn an_approver_sees_what_meta_selects() {
    let params = r#"{"name":"transfer","arguments":{},"_meta":{"progressToken":1,"io.modelcontextprotocol/related-task":{"taskId":"7"}}}"#;
    let shown = with_action("reporter", params, |action| action.shown(true));
    assert_eq!(shown, r#"{"arguments":{},"_meta/io.modelcontextprotocol/related-task":{"taskId":"7"}}"#);
}
