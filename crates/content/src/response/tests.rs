//! Whole messages through all stages.

use interdict_mcp::json::{Document, Limits};
use proptest::prelude::*;
use serde_json::{Value, json};

use std::collections::BTreeSet;

use super::*;
use crate::rules::{AnswerRules, Over, RowRule};

mod forms;
mod unreadable;

const SECRET: &str = "MARK-12345678";

fn profile(action: &str) -> String {
    json!({
        "v": 1,
        "classes": {"marker": action},
        "patterns": [{"class": "marker", "pattern": "MARK-[0-9]{8}"}],
        "injection": {"structural": "quarantine", "contextual": "note", "lexical": "note"},
    })
    .to_string()
}

fn rules() -> ResponseRules {
    ResponseRules {
        profile: None,
        profile_text: None,
        session_key: "ab".repeat(32),
        unreadable: Unreadable::Deny,
        lists: None,
        tools: BTreeSet::new(),
        answers: [("\"seven\"".to_owned(), AnswerRules::default())].into(),
        max_bytes: 10_000,
    }
}

fn with(rules: &ResponseRules, action: &str) -> Treater {
    let text = profile(action);
    let profile = Some(crate::definition::digest_text(&text));
    let rules = ResponseRules { profile, profile_text: Some(text), ..rules.clone() };
    let detectors = Profiles::new(1).find(&rules).unwrap();
    Treater::new(&rules, detectors, "decision-1").unwrap()
}

fn treater(action: &str) -> Treater {
    with(&rules(), action)
}

fn edited(body: Body) -> Value {
    let Body::Edited(bytes) = body else { panic!("{body:?}") };
    serde_json::from_slice(&bytes).unwrap()
}

fn answer(text: &str) -> String {
    json!({"jsonrpc": "2.0", "id": "seven", "result": {"content": [{"type": "text", "text": text}]}})
        .to_string()
}

fn found(treater: &Treater) -> Vec<(String, &'static str, u64)> {
    treater.report().found().map(|(class, action, count)| (class.to_owned(), action, count)).collect()
}

fn denied(value: &Value, id: &Value, reason: &str) {
    assert_eq!((&value["id"], &value["error"]["code"]), (id, &json!(-31403)));
    assert_eq!(value["error"]["data"], json!({"reason": reason, "decision_id": "decision-1"}));
}

#[test]
fn a_clean_message_passes_byte_for_byte() {
    for message in [
        answer("nothing"),
        " {\"jsonrpc\":\"2.0\" , \"id\":7,\"error\":{\"code\":-1,\"message\":\"no\"}}\n".to_owned(),
        r#"{"method":"notifications/progress","params":{"progress":1.0}}"#.to_owned(),
        r#"{"detail":"Not Found"}"#.to_owned(),
        "[]".to_owned(),
        "3".to_owned(),
    ] {
        let mut treater = treater("redact");
        assert_eq!(treater.treat(message.as_bytes()), Body::Keep, "{message}");
        assert_eq!(treater.report().treated(), Some(Treated::Untouched));
        assert_eq!(found(&treater), []);
    }
}

#[test]
fn a_value_is_replaced_in_results_errors_notifications_and_requests_of_the_server() {
    for message in [
        answer(SECRET),
        json!({"jsonrpc": "2.0", "id": "seven", "error": {"code": 1, "message": SECRET, "data": {"x": 1}}}).to_string(),
        json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": SECRET}}).to_string(),
        json!({"jsonrpc": "2.0", "id": 7, "method": "sampling/createMessage", "params": {"systemPrompt": SECRET}})
            .to_string(),
        json!({"detail": SECRET}).to_string(),
    ] {
        let mut treater = treater("redact");
        let text = edited(treater.treat(message.as_bytes())).to_string();
        assert!(!text.contains(SECRET) && text.contains("[[dlp:marker:"), "{text}");
        assert_eq!(found(&treater), [("marker".to_owned(), "redact", 1)]);
        assert_eq!((treater.report().treated(), treater.report().reason()), (Some(Treated::Edited), None));
    }
}

#[test]
fn a_refused_answer_is_an_error_of_its_id_and_anything_else_goes_away() {
    for action in ["deny", "ask"] {
        let mut treater = treater(action);
        let answer = edited(treater.treat(answer(SECRET).as_bytes()));
        denied(&answer, &json!("seven"), DENIED_CONTENT);
        let message =
            json!({"jsonrpc": "2.0", "id": 12, "error": {"code": 1, "message": SECRET}}).to_string();
        denied(&edited(treater.treat(message.as_bytes())), &json!(12), DENIED_CONTENT);
        for message in [
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": SECRET}}),
            json!({"jsonrpc": "2.0", "id": "seven", "method": "roots/list", "params": {"x": SECRET}}),
        ] {
            assert_eq!(treater.treat(message.to_string().as_bytes()), Body::Drop);
        }
        assert_eq!(found(&treater), [("marker".to_owned(), "deny", 4)]);
        assert_eq!(treater.report().reason(), Some(DENIED_CONTENT));
    }
}

#[test]
fn what_stands_where_nothing_can_be_replaced_is_refused() {
    let mut treater = treater("redact");
    let message = json!({"jsonrpc": "2.0", "id": "seven", "result": {SECRET: 1}}).to_string();
    denied(&edited(treater.treat(message.as_bytes())), &json!("seven"), DENIED_CONTENT);
}

#[test]
fn an_allowed_or_counted_value_passes() {
    for (action, found_as) in [("allow", vec![]), ("count", vec![("marker".to_owned(), "count", 1)])] {
        let mut treater = treater(action);
        assert_eq!(treater.treat(answer(SECRET).as_bytes()), Body::Keep);
        assert_eq!(found(&treater), found_as);
    }
}

#[test]
fn the_id_of_a_request_comes_back_whatever_it_is() {
    let mut rules = rules();
    rules.answers = [(format!("\"{SECRET}\""), AnswerRules::default())].into();
    let message = json!({"jsonrpc": "2.0", "id": SECRET, "result": {}}).to_string();
    assert_eq!(with(&rules, "deny").treat(message.as_bytes()), Body::Keep);
    let refused = json!({"jsonrpc": "2.0", "id": SECRET, "result": {SECRET: 1}}).to_string();
    denied(&edited(with(&rules, "deny").treat(refused.as_bytes())), &json!(SECRET), DENIED_CONTENT);
    let message = json!({"jsonrpc": "2.0", "id": SECRET, "method": "ping"}).to_string();
    assert_eq!(with(&rules, "deny").treat(message.as_bytes()), Body::Drop);
}

/// Attack: a server answers what nobody asked, and what it has to say is the id.
#[test]
fn an_id_that_no_request_has_is_content_and_not_told_again() {
    let hidden: String = "do it".chars().map(|c| char::from_u32(0xe0000 + u32::from(c)).unwrap()).collect();
    for (action, id) in [("deny", json!(SECRET)), ("redact", json!({SECRET: 1})), ("redact", json!(hidden))] {
        let message = json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}}).to_string();
        assert_eq!(treater(action).treat(message.as_bytes()), Body::Drop, "{message}");
    }
    let message = json!({"jsonrpc": "2.0", "id": SECRET, "error": {"code": 1, "message": "x"}}).to_string();
    let id = edited(treater("redact").treat(message.as_bytes()))["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("[[dlp:marker:"), "{id}");
    let message = json!({"jsonrpc": "2.0", "id": "another", "result": {SECRET: 1}}).to_string();
    denied(&edited(treater("deny").treat(message.as_bytes())), &json!("another"), DENIED_CONTENT);
}

#[test]
fn every_message_of_a_batch_is_treated_by_itself() {
    let notification = json!({"jsonrpc": "2.0", "method": "x", "params": {SECRET: 1}}).to_string();
    let batch = format!("[ {notification} , {}, {} ,{notification}]", answer("fine"), answer(SECRET));
    let mut treater = treater("redact");
    let Body::Edited(bytes) = treater.treat(batch.as_bytes()) else { panic!() };
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with(&format!("[ {}, ", answer("fine"))), "{text}");
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert!(list[1]["result"]["content"][0]["text"].as_str().unwrap().starts_with("[[dlp:marker:"));
    assert_eq!(treater.treat(format!("[{notification},{notification}]").as_bytes()), Body::Drop);
}

#[test]
fn a_tool_result_that_reads_like_instructions_is_replaced_by_a_handle() {
    let hidden: String = "do it".chars().map(|c| char::from_u32(0xe0000 + u32::from(c)).unwrap()).collect();
    let mut treater = treater("redact");
    let modern = json!({"jsonrpc": "2.0", "id": "seven", "result":
        {"resultType": "complete", "content": [{"type": "text", "text": format!("{SECRET} {hidden}")}]}});
    let result = edited(treater.treat(modern.to_string().as_bytes()));
    let [told] = treater.report().quarantined_texts() else { panic!() };
    assert_eq!((told.handle.len(), told.reason.as_str()), (32, "injection.structural"));
    assert!(!String::from_utf8_lossy(&told.original).contains(SECRET), "the reviewer sees it redacted");
    assert!(String::from_utf8_lossy(&told.original).contains(&hidden));
    assert_eq!((&result["id"], &result["result"]["isError"]), (&json!("seven"), &json!(true)));
    assert_eq!(result["result"]["resultType"], "complete");
    let text = result["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.ends_with(&format!("[[quarantined:{}]]", told.handle)));
    assert_eq!(result["result"]["_meta"]["io.interdict/reason"], QUARANTINED);
    assert_eq!(treater.report().treated(), Some(Treated::Quarantined));
    assert!(found(&treater).contains(&("injection.structural".to_owned(), "quarantine", 1)));

    let other =
        json!({"jsonrpc": "2.0", "id": "seven", "result": {"contents": [{"text": hidden}]}}).to_string();
    denied(&edited(treater.treat(other.as_bytes())), &json!("seven"), QUARANTINED);
    let notification = json!({"jsonrpc": "2.0", "method": "x", "params": {"message": hidden}}).to_string();
    assert_eq!(treater.treat(notification.as_bytes()), Body::Drop);
    assert_eq!(treater.report().quarantined_texts().len(), 3);
}

#[test]
fn clients_correlate_loosely_and_so_does_the_answers_rule() {
    let parse = |text: &'static str| Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    for (asked, id, same) in [
        ("1", "1", true),
        ("1", "\"1\"", true),
        ("\"1\"", "1", true),
        ("1", "1.0", true),
        ("\"a\"", "\"\\u0061\"", true),
        ("1", "2", false),
        ("\"a\"", "\"b\"", false),
        ("1", "null", false),
    ] {
        assert_eq!(answers::is_same(asked, parse(id).root()), same, "{asked} {id}");
    }
}

fn said(text: &str) -> String {
    json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": text}})
        .to_string()
}

#[test]
fn a_value_cut_by_the_border_of_two_events_is_caught_in_the_later_one() {
    for cut in 1..SECRET.len() {
        let (head, tail) = SECRET.split_at(cut);
        for later in [said(&format!("{tail} after")), answer(&format!("{tail} after"))] {
            let mut treater = treater("redact");
            assert_eq!(treater.event(said(&format!("before {head}")).as_bytes()), Body::Keep);
            let text = edited(treater.event(later.as_bytes())).to_string();
            assert!(text.contains("[[dlp:marker:") && text.contains("]] after"), "{cut} {text}");
            assert_eq!(found(&treater), [("marker".to_owned(), "redact", 1)]);
        }
        let mut treater = self::treater("deny");
        assert_eq!(treater.event(said(head).as_bytes()), Body::Keep);
        assert_eq!(treater.event(said(tail).as_bytes()), Body::Drop);
    }
}

#[test]
fn a_value_that_comes_in_many_small_events_is_caught_in_the_last() {
    let mut treater = treater("redact");
    let pieces: Vec<String> = SECRET.chars().map(|character| said(&character.to_string())).collect();
    let (last, first) = pieces.split_last().unwrap();
    for piece in first {
        assert_eq!(treater.event(piece.as_bytes()), Body::Keep);
    }
    assert!(edited(treater.event(last.as_bytes()))["params"]["data"].as_str().unwrap().starts_with("[[dlp:"));
    // What was replaced is not found again.
    assert_eq!(treater.event(said("8").as_bytes()), Body::Keep);
}

#[test]
fn messages_that_are_no_events_are_not_read_together() {
    let mut treater = treater("redact");
    let (head, tail) = SECRET.split_at(6);
    assert_eq!(treater.treat(said(head).as_bytes()), Body::Keep);
    assert_eq!(treater.treat(said(tail).as_bytes()), Body::Keep);
}

#[test]
fn tokens_that_go_back_to_the_server_stay_as_they_are() {
    for message in [
        json!({"jsonrpc": "2.0", "id": "seven", "result": {"resultType": "input_required", "requestState": SECRET}}),
        json!({"jsonrpc": "2.0", "id": "seven", "result": {"tools": [], "nextCursor": SECRET}}),
        json!({"jsonrpc": "2.0", "id": "seven", "result": {"task": {"taskId": SECRET}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": SECRET}}),
    ] {
        let mut treater = treater("deny");
        assert_eq!(treater.event(message.to_string().as_bytes()), Body::Keep, "{message}");
        assert_eq!(found(&treater), [("marker".to_owned(), "count", 1)]);
    }
    let elsewhere =
        json!({"jsonrpc": "2.0", "id": "seven", "result": {"content": [{"requestState": SECRET}]}});
    denied(&edited(treater("deny").treat(elsewhere.to_string().as_bytes())), &json!("seven"), DENIED_CONTENT);
}

/// Attack: the one member that every reader passes over.
#[test]
fn the_version_says_nothing_but_the_version() {
    for version in [json!(SECRET), json!("2.1"), json!(["2.0", SECRET]), json!(2)] {
        let message = json!({"jsonrpc": version, "id": "seven", "result": {"content": []}}).to_string();
        assert!(matches!(treater("redact").treat(message.as_bytes()), Body::End(_)), "{message}");
    }
    let rules = ResponseRules { unreadable: Unreadable::Pass, ..rules() };
    let message = json!({"jsonrpc": SECRET, "id": "seven", "result": {}}).to_string();
    let passed = edited(with(&rules, "redact").treat(message.as_bytes()));
    assert!(passed["jsonrpc"].as_str().unwrap().starts_with("[[dlp:marker:"));
}

#[test]
fn rules_that_cannot_be_carried_out_are_refused() {
    let code = |change: fn(&mut ResponseRules)| {
        let mut rules = rules();
        change(&mut rules);
        Treater::new(&rules, None, "d").err().map(|error| error.code)
    };
    assert_eq!(code(|_| ()), None);
    assert_eq!(code(|rules| rules.session_key = "ab".into()), Some("content.bad_session_key"));
    assert_eq!(code(|rules| rules.session_key = "+b".repeat(32)), Some("content.bad_session_key"));
    assert_eq!(code(|rules| rules.profile = Some("ab".into())), Some("content.profile_missing"));
}

#[test]
fn profiles_are_compiled_once_and_the_ones_used_last_are_kept() {
    let mut profiles = Profiles::new(2);
    let ask = |text: Option<&str>, digest: &str| ResponseRules {
        profile: Some(digest.to_owned()),
        profile_text: text.map(str::to_owned),
        ..rules()
    };
    let texts: Vec<String> = ["redact", "deny", "count"].iter().map(|action| profile(action)).collect();
    let digests: Vec<String> = texts.iter().map(|text| crate::definition::digest_text(text)).collect();
    let missing = RulesError { code: "content.profile_missing" };
    assert_eq!(profiles.find(&ask(None, &digests[0])).unwrap_err(), missing);
    let other = profiles.find(&ask(Some(&texts[1]), &digests[0])).unwrap_err();
    assert_eq!(other.code, "content.profile_mismatch");
    let first = profiles.find(&ask(Some(&texts[0]), &digests[0])).unwrap().unwrap();
    let again = profiles.find(&ask(None, &digests[0])).unwrap().unwrap();
    assert!(std::ptr::eq(first.engine(), again.engine()));
    assert!(std::ptr::eq(first.injection().unwrap(), again.injection().unwrap()));
    let mut others = ask(None, &digests[0]);
    others.tools.insert("send_mail".into());
    let other = profiles.find(&others).unwrap().unwrap();
    assert!(std::ptr::eq(first.engine(), other.engine()));
    assert!(!std::ptr::eq(first.injection().unwrap(), other.injection().unwrap()));
    profiles.find(&ask(Some(&texts[1]), &digests[1])).unwrap();
    profiles.find(&ask(None, &digests[0])).unwrap();
    profiles.find(&ask(Some(&texts[2]), &digests[2])).unwrap();
    assert_eq!(profiles.digests(), format!("{},{}", digests[0], digests[2]));
    assert!(profiles.find(&rules()).unwrap().is_none());
    let bad = "{}";
    let error = profiles.find(&ask(Some(bad), &crate::definition::digest_text(bad))).unwrap_err();
    assert_eq!(error.code, "content.bad_profile");
}

#[test]
fn nothing_that_was_found_is_shown_for_debugging() {
    let mut treater = treater("redact");
    let hidden: String = "do it".chars().map(|c| char::from_u32(0xe0000 + u32::from(c)).unwrap()).collect();
    let (part, _) = SECRET.split_at(7);
    let body = treater.event(answer(&format!("{SECRET} {hidden} {part}")).as_bytes());
    let shown = format!("{treater:?} {body:?} {:?}", treater.report());
    assert!(!shown.contains(part) && !shown.contains(&hidden), "{shown}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(events in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..5)) {
        let mut treater = treater("redact");
        for event in events {
            let _ = treater.event(&event);
            let _ = treater.treat_text(&event);
            let _ = treater.whole(&event);
        }
    }

    #[test]
    fn what_is_left_of_a_message_is_a_message(
        texts in prop::collection::vec(
            prop_oneof!["\\PC{0,12}", Just(SECRET.to_owned()), Just("MARK-1234".to_owned()), Just("5678".to_owned())],
            1..6,
        ),
        action in prop_oneof![Just("redact"), Just("deny"), Just("count")],
    ) {
        let mut treater = treater(action);
        for text in texts {
            let message = answer(&text);
            match treater.event(message.as_bytes()) {
                Body::Keep => prop_assert!(action == "count" || !message.contains(SECRET)),
                Body::Edited(bytes) => {
                    let value: Value = serde_json::from_slice(&bytes).unwrap();
                    prop_assert_eq!(&value["id"], "seven");
                    prop_assert!(!String::from_utf8_lossy(&bytes).contains(SECRET));
                }
                body => prop_assert!(false, "{:?}", body),
            }
        }
    }
}
