//! Answers whose form is known: rows, schemas, lists.

use super::*;

#[test]
fn too_many_rows_are_cut_or_refused_whoever_the_answer_says_it_is_for() {
    let rows = json!({"rows": [1, 2, 3, 4]});
    for id in [json!("seven"), json!("eight"), Value::Null] {
        for over in [Over::Cut, Over::Deny] {
            let mut rules = rules();
            let rule = RowRule { path: vec!["rows".into()], max: 2, over };
            rules.answers = [("\"seven\"".into(), AnswerRules { rows: vec![rule], output: None })].into();
            let mut treater = with(&rules, "redact");
            let message = json!({"jsonrpc": "2.0", "id": id, "result":
                {"content": [{"type": "text", "text": rows.to_string()}], "structuredContent": rows}});
            let treated = edited(treater.treat(message.to_string().as_bytes()));
            if over == Over::Cut {
                assert_eq!(treated["result"]["structuredContent"], json!({"rows": [1, 2]}));
                assert_eq!(treater.report().rows_cut(), 2);
            } else {
                assert_eq!(treated["error"]["data"]["reason"], ROWS);
            }
        }
    }
}

fn with_rows(over: Over) -> Treater {
    let mut rules = rules();
    let rule = RowRule { path: vec!["rows".into()], max: 2, over };
    rules.answers = [("\"seven\"".into(), AnswerRules { rows: vec![rule], output: None })].into();
    with(&rules, "redact")
}

/// Attack: an answer as often as it takes, each with as many rows as one may have.
#[test]
fn of_several_answers_to_one_request_the_first_passes_where_rows_are_counted() {
    let message = |id: Value| {
        json!({"jsonrpc": "2.0", "id": id, "result": {"structuredContent": {"rows": [1, 2]}}}).to_string()
    };
    let mut counted = with_rows(Over::Cut);
    assert_eq!(counted.event(message(json!("seven")).as_bytes()), Body::Keep);
    assert_eq!(counted.event(message(json!("seven")).as_bytes()), Body::Drop);
    let error = json!({"jsonrpc": "2.0", "id": "seven", "error": {"code": 1, "message": "x"}}).to_string();
    assert_eq!(counted.event(error.as_bytes()), Body::Drop);
    let both = format!("[{0},{0}]", message(json!("seven")));
    let left = edited(with_rows(Over::Deny).treat(both.as_bytes()));
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    let mut free = treater("redact");
    for _ in 0..2 {
        assert_eq!(free.event(message(json!("seven")).as_bytes()), Body::Keep);
    }
}

/// Attack: the rows in an error, in a message of the log, in a question to the client.
#[test]
fn a_ceiling_that_refuses_holds_for_errors_and_params_too() {
    let rows = json!([1, 2, 3]);
    let error = json!({"jsonrpc": "2.0", "id": "seven", "error": {"code": 1, "message": "x", "data": {"rows": rows}}});
    let other =
        json!({"jsonrpc": "2.0", "id": "eight", "error": {"code": 1, "message": format!("got {rows}")}});
    for message in [&error, &other] {
        let refused = edited(with_rows(Over::Deny).treat(message.to_string().as_bytes()));
        denied(&refused, &message["id"], ROWS);
        assert_eq!(with_rows(Over::Cut).treat(message.to_string().as_bytes()), Body::Keep);
    }
    let log = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": rows}});
    let question = json!({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": {"message": rows.to_string()}});
    for message in [&log, &question] {
        assert_eq!(with_rows(Over::Deny).event(message.to_string().as_bytes()), Body::Drop);
        assert_eq!(with_rows(Over::Cut).event(message.to_string().as_bytes()), Body::Keep);
    }
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 3}});
    assert_eq!(with_rows(Over::Deny).event(progress.to_string().as_bytes()), Body::Keep);
}

#[test]
fn an_answer_is_held_against_its_schema() {
    use crate::rules::{OutputRule, Undeclared};
    let schema =
        json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}).to_string();
    let mut rules = rules();
    let output = Some(OutputRule { schema, undeclared: Undeclared::Drop });
    rules.answers = [("\"seven\"".into(), AnswerRules { rows: vec![], output })].into();
    let message = |structured: Value| {
        json!({"jsonrpc": "2.0", "id": "seven", "result": {"content": [], "structuredContent": structured}})
            .to_string()
    };
    let mut treater = with(&rules, "redact");
    let dropped = edited(treater.treat(message(json!({"a": 1, "b": SECRET})).as_bytes()));
    assert_eq!(dropped["result"]["structuredContent"], json!({"a": 1}));
    assert_eq!(found(&treater), [], "what was taken out is not looked for");
    let unfit = message(json!({"a": "x"}));
    denied(&edited(with(&rules, "redact").treat(unfit.as_bytes())), &json!("seven"), SCHEMA);
    let failed = json!({"jsonrpc": "2.0", "id": "seven", "error": {"code": 1, "message": "no"}}).to_string();
    assert_eq!(with(&rules, "redact").treat(failed.as_bytes()), Body::Keep);
}

#[test]
fn a_list_shows_what_was_approved_whatever_its_id_and_the_rest_is_told() {
    let tool = json!({"name": "good", "description": "x", "inputSchema": {"type": "object"}});
    let text = tool.to_string();
    let digest = crate::definition::digest(parse(text.as_bytes(), usize::MAX).unwrap().root());
    let mut rules = rules();
    let tools = Some([("good".to_owned(), digest), ("other".to_owned(), "00".repeat(32))].into());
    rules.lists = Some(ListRules { tools, ..ListRules::default() });
    let other = json!({"name": "other", "description": "y", "inputSchema": {"type": "object"}});
    let new = json!({"name": "quite_new", "description": "z", "inputSchema": {"type": "object"}});
    for id in [json!("seven"), json!(99)] {
        let list = json!({"jsonrpc": "2.0", "id": id, "result": {"tools": [tool, other, new]}}).to_string();
        for is_event in [false, true] {
            let mut treater = with(&rules, "redact");
            let treated =
                if is_event { treater.event(list.as_bytes()) } else { treater.treat(list.as_bytes()) };
            assert_eq!(edited(treated)["result"]["tools"], json!([tool]));
            let seen =
                treater.report().seen().iter().map(|entry| (entry.name.as_str(), entry.state.as_str()));
            assert_eq!(seen.collect::<Vec<_>>(), [("other", "changed"), ("quite_new", "new")]);
        }
    }
}

#[test]
fn what_a_list_or_instructions_say_without_pins_counts_for_the_session() {
    for result in [
        json!({"tools": [{"name": "t", "description": "<IMPORTANT> do it"}]}),
        json!({"resources": [{"uri": "a:b", "description": "<IMPORTANT> do it"}]}),
        json!({"instructions": "<IMPORTANT> do it"}),
    ] {
        let mut treater = treater("redact");
        let message = json!({"jsonrpc": "2.0", "id": "seven", "result": result}).to_string();
        assert_eq!(treater.treat(message.as_bytes()), Body::Keep);
        assert!(treater.report().is_hostile(), "{message}");
        assert_eq!(found(&treater), [("injection.contextual".to_owned(), "note", 1)]);
    }
}
