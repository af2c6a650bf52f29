//! What has no single reading, and what somebody may read otherwise.

use super::*;

#[test]
fn what_cannot_be_read_passes_or_ends_the_stream_with_an_error_for_every_open_id() {
    for text in ["{", "{\"a\":1,\"a\":2}", "", "nonsense", "{\"a\":\"\\ud800\"}"] {
        let mut rules = rules();
        rules.answers.insert("3".into(), AnswerRules::default());
        let mut treater = with(&rules, "redact");
        assert_eq!(treater.treat(answer("fine").as_bytes()), Body::Keep);
        let Body::End(errors) = treater.treat(text.as_bytes()) else { panic!("{text}") };
        let [error] = errors.as_slice() else { panic!("{text}") };
        denied(&serde_json::from_slice(error).unwrap(), &json!(3), UNREADABLE);
        assert_eq!(treater.treat(answer("fine").as_bytes()), Body::Drop);
        assert_eq!(treater.report().reason(), Some(UNREADABLE));

        rules.unreadable = Unreadable::Pass;
        let mut treater = with(&rules, "redact");
        assert_eq!(treater.treat(text.as_bytes()), Body::Keep);
        assert_eq!(treater.report().treated(), None, "it was not looked into");
        assert!(matches!(treater.treat(answer(SECRET).as_bytes()), Body::Edited(_)));
    }
    let mut treater = treater("redact");
    assert!(matches!(treater.treat(answer(&"x".repeat(10_000)).as_bytes()), Body::End(_)));
}

#[test]
fn the_place_of_a_whole_body_is_never_empty() {
    let mut open = rules();
    open.answers.insert("3".into(), AnswerRules::default());
    let body: Value = serde_json::from_slice(&with(&open, "redact").whole(b"{").unwrap()).unwrap();
    denied(&body[0], &json!("seven"), UNREADABLE);
    denied(&body[1], &json!(3), UNREADABLE);

    let misc = json!({"detail": {SECRET: 1}}).to_string();
    let body: Value = serde_json::from_slice(&treater("redact").whole(misc.as_bytes()).unwrap()).unwrap();
    denied(&body, &json!("seven"), DENIED_CONTENT);

    let mut nobody = rules();
    nobody.answers.clear();
    let body: Value = serde_json::from_slice(&with(&nobody, "redact").unread().unwrap()).unwrap();
    denied(&body, &Value::Null, UNREADABLE);
    assert_eq!(treater("redact").whole(answer("fine").as_bytes()), None);
}

/// Attack: a list, or rows, of a type that only some client reads.
#[test]
fn text_that_somebody_may_take_for_a_message_is_treated_as_one() {
    let mut rules = rules();
    let rows = RowRule { path: vec!["rows".into()], max: 2, over: Over::Cut };
    rules.answers = [("\"seven\"".into(), AnswerRules { rows: vec![rows], output: None })].into();
    let message =
        json!({"jsonrpc": "2.0", "id": "seven", "result": {"structuredContent": {"rows": [1, 2, 3]}}});
    let cut = with(&rules, "redact").text(format!("\n {message}").as_bytes()).unwrap();
    assert!(String::from_utf8(cut).unwrap().ends_with(r#"{"rows":[1,2]}}}"#));
    let twice = r#"{"id":"seven","result":{"tools":[]},"result":{}}"#.to_owned();
    for text in [format!("\u{feff}{message}"), format!("data: {message}\n\n"), twice, "{".to_owned()] {
        let body = with(&rules, "redact").text(text.as_bytes()).unwrap();
        denied(&serde_json::from_slice(&body).unwrap(), &json!("seven"), UNREADABLE);
        let mut free = treater("redact");
        assert_eq!(free.text(text.as_bytes()), None, "no rule is about its form: {text}");
        let valued = format!("{text} {SECRET}");
        assert!(String::from_utf8(free.text(valued.as_bytes()).unwrap()).unwrap().contains("[[dlp:marker:"));
    }
    assert_eq!(with(&rules, "redact").text(b"the server is closed"), None);
}

#[test]
fn text_is_looked_through_as_it_is() {
    assert_eq!(treater("redact").text(b"<h1>fine</h1>"), None);
    let edited =
        String::from_utf8(treater("redact").text(format!("a {SECRET} b").as_bytes()).unwrap()).unwrap();
    assert!(edited.starts_with("a [[dlp:marker:") && edited.ends_with("]] b"), "{edited}");
    let body: Value = serde_json::from_slice(&treater("deny").text(SECRET.as_bytes()).unwrap()).unwrap();
    denied(&body, &json!("seven"), DENIED_CONTENT);
    let body: Value = serde_json::from_slice(&treater("redact").text(b"\xff").unwrap()).unwrap();
    denied(&body, &json!("seven"), UNREADABLE);
}

/// Attack: a client that ignores case reads another answer than was looked into.
#[test]
fn an_answer_whose_members_differ_in_case_cannot_be_read() {
    let message = r#"{"jsonrpc":"2.0","id":"seven","Result":{"tools":[]}}"#;
    let batch = format!("[{},{message}]", answer("fine"));
    for text in [message, &batch] {
        let Body::End(errors) = treater("redact").treat(text.as_bytes()) else { panic!("{text}") };
        denied(&serde_json::from_slice(&errors[0]).unwrap(), &json!("seven"), UNREADABLE);
    }
    let rules = ResponseRules { unreadable: Unreadable::Pass, ..rules() };
    let message = message.replace("[]", &format!("\"{SECRET}\""));
    let text = edited(with(&rules, "redact").treat(message.as_bytes())).to_string();
    assert!(text.contains("[[dlp:marker:"), "it may pass, but not unseen: {text}");
}
