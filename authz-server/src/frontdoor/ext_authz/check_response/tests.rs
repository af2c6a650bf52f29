use interdict_proto::enforcement::{Obligation, Verdict};

use super::*;

fn enforcement(verdict: Verdict) -> Enforcement {
    Enforcement::new("0197", verdict, "policy.test", Vec::new())
}

fn reply(status: u16, body: &[u8]) -> Reply {
    Reply {
        status,
        content_type: Some("application/json"),
        headers: vec![("www-authenticate".into(), "Bearer".into())],
        body: body.to_vec(),
    }
}

fn field<'r>(response: &'r CheckResponse, name: &str) -> &'r str {
    match response.dynamic_metadata.as_ref().unwrap().fields[name].kind.as_ref().unwrap() {
        Kind::StringValue(text) => text,
        _ => panic!("{name} is not text"),
    }
}

#[test]
fn a_pass_is_code_0_with_the_ok_arm_and_carries_the_enforcement() {
    let response = encode(Answer::Pass {
        set_headers: vec![("authorization".into(), "Bearer up".into())],
        remove_headers: vec!["mcp-name".into()],
        enforcement: enforcement(Verdict::Allow),
    })
    .unwrap();
    assert_eq!(response.status.as_ref().unwrap().code, 0);
    let Some(HttpResponse::OkResponse(ok)) = &response.http_response else { panic!("not the ok arm") };
    assert_eq!(ok.headers_to_remove, ["mcp-name"]);
    let set = &ok.headers[0];
    assert_eq!(set.header.as_ref().unwrap().value, "Bearer up");
    assert_eq!(set.append_action(), HeaderAppendAction::OverwriteIfExistsOrAdd);
    assert_eq!(field(&response, "verdict"), "allow");
    assert_eq!(field(&response, "decision_id"), "0197");
    assert_eq!(field(&response, "reason"), "policy.test");
    assert_eq!(Enforcement::parse(field(&response, "enforcement")), Ok(enforcement(Verdict::Allow)));
}

#[test]
fn rule_24_a_reply_of_any_status_is_code_7_with_the_denied_arm() {
    for (status, verdict) in
        [(200, Verdict::Deny), (200, Verdict::Intercept), (202, Verdict::Deny), (401, Verdict::Deny)]
    {
        let response =
            encode(Answer::Reply { reply: reply(status, b"{}"), enforcement: enforcement(verdict) }).unwrap();
        assert_eq!(response.status.as_ref().unwrap().code, 7);
        let Some(HttpResponse::DeniedResponse(denied)) = &response.http_response else {
            panic!("not denied")
        };
        assert_eq!(denied.status.as_ref().unwrap().code, i32::from(status));
        assert_eq!(denied.body, "{}");
        let names: Vec<_> =
            denied.headers.iter().map(|header| &header.header.as_ref().unwrap().key).collect();
        assert_eq!(names, ["www-authenticate", "content-type"]);
        assert_eq!(field(&response, "verdict"), verdict.as_str());
    }
}

#[test]
fn rule_24_verdict_and_arm_that_do_not_belong_together_are_not_encoded() {
    for verdict in [Verdict::Deny, Verdict::Intercept] {
        let pass = Answer::Pass {
            set_headers: Vec::new(),
            remove_headers: Vec::new(),
            enforcement: enforcement(verdict),
        };
        assert_eq!(encode(pass), Err(EncodeError::Contradiction));
    }
    let allowed_reply = Answer::Reply { reply: reply(200, b""), enforcement: enforcement(Verdict::Allow) };
    assert_eq!(encode(allowed_reply), Err(EncodeError::Contradiction));
}

#[test]
fn what_the_filter_would_refuse_is_not_sent() {
    let edit = Obligation::ReplaceRequestBody {
        length_before: 1,
        edits: vec![interdict_proto::enforcement::Edit { start: 0, end: 2, text: String::new() }],
    };
    let unfit = Enforcement::new("0197", Verdict::Allow, "policy.test", vec![edit]);
    let pass = Answer::Pass { set_headers: Vec::new(), remove_headers: Vec::new(), enforcement: unfit };
    assert!(matches!(encode(pass), Err(EncodeError::Enforcement(_))));
    let not_text = Answer::Reply { reply: reply(200, b"\xff"), enforcement: enforcement(Verdict::Deny) };
    assert_eq!(encode(not_text), Err(EncodeError::BodyNotText));
}
