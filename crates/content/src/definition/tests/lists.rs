//! What is shown of a list.

use super::*;
use SeenState::*;

fn told(entries: &[(&str, SeenState)]) -> Vec<(String, SeenState)> {
    entries.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect()
}

#[test]
fn only_what_was_approved_is_shown() {
    let (add, sub) = (tool("add", "Adds."), tool("sub", "Subtracts."));
    let rules = pinning(&[add.clone(), sub]);
    let list =
        json!({"tools": [tool("mul", "Multiplies."), add, tool("sub", "Subtracts!")], "nextCursor": "2"});
    let (shown, seen) = filtered(&list, &rules);
    assert_eq!(names(&shown), ["add"]);
    assert_eq!(shown["nextCursor"], "2");
    assert_eq!(seen, told(&[("mul", New), ("add", Shown), ("sub", Changed)]));
}

#[test]
fn news_come_with_their_definition_and_nothing_else_does() {
    let add = tool("add", "Adds.");
    let rules = ListRules {
        permitted_tools: Some(vec!["add".into(), "su*".into()]),
        ..pinning(std::slice::from_ref(&add))
    };
    let text = json!({"tools": [add, tool("sub", "Subtracts."), tool("mul", "")]}).to_string();
    let seen = with(&text, |value| filter(value, &rules, None, &|_| false)).seen;
    let states: Vec<_> = seen.iter().map(|seen| (seen.state, seen.definition.is_some())).collect();
    assert_eq!(states, [(Shown, false), (New, true), (NotPermitted, false)]);
    assert_eq!(digest_text(seen[1].definition.as_ref().unwrap()), seen[1].digest);
    assert!(!format!("{seen:?}").contains("Subtracts"));
}

#[test]
fn on_first_use_unknown_entries_are_shown_and_changed_ones_are_not() {
    let add = tool("add", "Adds.");
    let rules = ListRules { trust_first: true, ..pinning(&[add]) };
    let list = json!({"tools": [tool("add", "Adds!"), tool("mul", ""), tool("rnul", ""), tool("a d", "")]});
    let (shown, seen) = filtered(&list, &rules);
    assert_eq!(names(&shown), ["mul"]);
    assert_eq!(seen, told(&[("add", Changed), ("mul", ShownNew), ("rnul", Confusable), ("a d", Misshapen)]));
}

#[test]
fn an_unknown_name_that_looks_like_an_approved_one_is_hidden() {
    let read = tool("read_file", "Reads.");
    let rules = ListRules { trust_first: true, ..pinning(std::slice::from_ref(&read)) };
    // In front of the real one, and while the real one is not in the list.
    let (shown, seen) = filtered(&json!({"tools": [tool("read-file", ""), read]}), &rules);
    assert_eq!(names(&shown), ["read_file"]);
    assert_eq!(seen[0], ("read-file".to_owned(), Confusable));
}

#[test]
fn two_approved_names_may_look_alike() {
    let tools = [tool("mail", ""), tool("mall", "")];
    let (shown, _) = filtered(&json!({"tools": tools}), &pinning(&tools));
    assert_eq!(names(&shown), ["mail", "mall"]);
}

#[test]
fn entries_without_a_usable_name_are_hidden() {
    let list = json!({"tools": [{"description": "x"}, 7, {"name": 7}, {"name": ""}, {"name": "a\u{7}b"}, {"name": "add\u{200b}"},
        {"name": "x".repeat(513)}, tool("add", ""), tool("add", "again"), null]});
    let (shown, seen) = filtered(&list, &ListRules::default());
    assert_eq!(names(&shown), ["add"]);
    assert_eq!(
        seen.iter().filter(|seen| **seen == (String::new(), Misshapen)).count(),
        9,
        "told, and without a name"
    );
    let (shown, seen) = filtered(&json!({"tools": {"name": "add"}}), &ListRules::default());
    assert_eq!(shown, json!({"tools": []}));
    assert_eq!(seen, told(&[("", Misshapen)]));
}

/// Attack: a server puts a value into the name of a tool, and names are kept and recorded.
#[test]
fn an_entry_whose_name_holds_a_value_is_hidden_and_told_without_its_name_where_names_are_pinned() {
    let odd = tool("pay_4711", "");
    let list = json!({"tools": [odd, tool("add", "")]}).to_string();
    let withheld = |name: &str| name.contains("4711");
    let told = |rules: &ListRules| {
        let seen = with(&list, |value| filter(value, rules, None, &withheld)).seen;
        seen.into_iter().map(|seen| (seen.name, seen.state)).collect::<Vec<_>>()
    };
    let trusting = ListRules { trust_first: true, ..pinning(&[]) };
    assert_eq!(told(&trusting), [(String::new(), Misshapen), ("add".into(), ShownNew)]);
    assert_eq!(
        told(&pinning(std::slice::from_ref(&odd)))[0].1,
        Shown,
        "a person approved it before there was a rule"
    );
    assert_eq!(told(&ListRules::default())[0].1, Shown, "marks are put into lists that nobody pins");
}

#[test]
fn a_name_is_what_it_says_after_decoding() {
    let add = tool("add", "Adds.");
    let text =
        r#"{"tools":[{"n\u0061me":"\u0061dd","description":"Adds.","inputSchema":{"type":"object"}}]}"#;
    let listed = with(text, |value| filter(value, &pinning(&[add]), None, &|_| false));
    assert!(listed.edits.is_empty());
    assert_eq!(listed.seen[0].state, Shown);
}

#[test]
fn resources_and_templates_are_known_by_their_uri() {
    let file = json!({"uri": "file:///data/a", "name": "a"});
    let pin = with(&file.to_string(), |value| digest_of(EntryKind::Resource, value));
    let rules = ListRules {
        resources: Some([("file:///data/a".to_owned(), pin)].into()),
        templates: Some([].into()),
        permitted_resources: Some(vec!["file:///data/".into()]),
        trust_first: true,
        ..ListRules::default()
    };
    let list =
        json!({"resources": [file, {"uri": "file:///etc/passwd", "name": "a"}, {"uri": "file:///data/b"}]});
    let (shown, seen) = filtered(&list, &rules);
    assert_eq!(shown["resources"].as_array().unwrap().len(), 2);
    let states: Vec<_> = seen.iter().map(|seen| seen.1).collect();
    assert_eq!(states, [Shown, NotPermitted, ShownNew]);
    let templates = json!({"resourceTemplates": [{"uriTemplate": "file:///{path}"}, {"uriTemplate": "file:///data/{x}"},
        {"uriTemplate": "https://x/{y}"}]});
    let states: Vec<_> = filtered(&templates, &rules).1.into_iter().map(|seen| seen.1).collect();
    assert_eq!(states, [ShownNew, ShownNew, NotPermitted]);
}

#[test]
fn instructions_that_were_not_approved_are_taken_out() {
    let result = json!({"instructions": "Be kind.", "protocolVersion": "2025-11-25"});
    let pin = with("\"Be kind.\"", |value| digest_of(EntryKind::Instructions, value));
    let pinned = |digest: &str| ListRules { instructions: Some(digest.to_owned()), ..ListRules::default() };
    assert_eq!(filtered(&result, &pinned(&pin)).0, result);
    let (shown, seen) = filtered(&result, &pinned(&"0".repeat(64)));
    assert_eq!(shown, json!({"protocolVersion": "2025-11-25"}));
    assert_eq!(seen, told(&[("", Changed)]));
    // Where tools are pinned, so are instructions; where nothing is, they pass.
    let (shown, seen) = filtered(&result, &pinning(&[]));
    assert_eq!((shown.get("instructions"), seen), (None, told(&[("", New)])));
    assert_eq!(
        filtered(&result, &ListRules { trust_first: true, ..pinning(&[]) }).1,
        told(&[("", ShownNew)])
    );
    assert_eq!(filtered(&result, &ListRules::default()).0, result);
    let (shown, seen) = filtered(&json!({"instructions": ["Be kind."]}), &ListRules::default());
    assert_eq!((shown, seen), (json!({}), told(&[("", Misshapen)])));
}

#[test]
fn a_filtered_list_is_cached_for_one_agent_and_a_minute() {
    let caching = |result| filtered(&result, &ListRules::default()).0;
    let private = json!({"tools": [], "cacheScope": "private", "ttlMs": 60000});
    assert_eq!(caching(json!({"tools": [], "cacheScope": "public", "ttlMs": 3_600_000})), private);
    assert_eq!(caching(private.clone()), private);
    assert_eq!(caching(json!({"tools": [], "cacheScope": ["public"], "ttlMs": "x"})), private);
    assert_eq!(
        caching(json!({"tools": [], "ttlMs": 5})),
        json!({"tools": [], "ttlMs": 5, "cacheScope": "private"})
    );
    assert_eq!(caching(json!({"tools": [], "ttlMs": -1})), private);
    assert_eq!(caching(json!({"tools": []})), json!({"tools": []}));
}
