//! Lists of several pages.

use super::*;

fn page(list: &serde_json::Value, rules: &ListRules, before: &[&str]) -> Vec<SeenState> {
    let before: Vec<String> = before.iter().map(|name| (*name).to_owned()).collect();
    with(&list.to_string(), |value| filter(value, rules, None, &before))
        .seen
        .iter()
        .map(|seen| seen.state)
        .collect()
}

#[test]
fn a_later_page_cannot_replace_or_imitate_what_an_earlier_one_showed() {
    let rules = ListRules { trust_first: true, ..pinning(&[]) };
    let list = json!({"tools": [tool("read_file", "Other."), tool("readfile", ""), tool("write_file", "")]});
    let states = page(&list, &rules, &["read_file"]);
    assert_eq!(states, [SeenState::Misshapen, SeenState::Confusable, SeenState::ShownNew]);
}

#[test]
fn an_approved_entry_may_come_again_on_a_later_page() {
    let add = tool("add", "Adds.");
    assert_eq!(
        page(&json!({"tools": [add]}), &pinning(std::slice::from_ref(&add)), &["add"]),
        [SeenState::Shown]
    );
}
