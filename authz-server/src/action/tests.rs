use interdict_mcp::json::{Document, Limits, Numbers};

use super::*;

fn digest(params: &str) -> String {
    digest_by("reporter", params)
}

fn digest_by(agent: &str, params: &str) -> String {
    let limits = Limits { numbers: Numbers::Exact, ..Limits::default() };
    let document = Document::parse(params.as_bytes(), &limits).unwrap();
    let action = Action {
        tenant: "acme",
        agent,
        principal: None,
        server: "bank",
        method: "tools/call",
        target: Some("transfer"),
        params: Some(document.root()),
    };
    action.digest().unwrap()
}

#[test]
fn the_same_action_written_differently_has_one_digest() {
    let plain = digest(r#"{"name":"transfer","arguments":{"amount":10,"to":"a\u0062c"}}"#);
    for other in [
        r#"{ "arguments" : { "to":"abc", "amount" : 10.0 } , "name":"transfer" }"#,
        r#"{"name":"transfer","arguments":{"amount":1e1,"to":"abc"}}"#,
        r#"{"name":"transfer","arguments":{"amount":10,"to":"abc"},"requestState":"x","inputResponses":{}}"#,
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
