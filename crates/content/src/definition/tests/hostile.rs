//! Lists made to hurt.

use proptest::prelude::*;

use super::*;

#[test]
fn ten_thousand_entries_are_judged_one_by_one() {
    let tools: Vec<_> = (0..10_000)
        .map(|at| tool(&format!("tool_{}", (b'a' + (at % 26) as u8) as char).repeat(1 + at / 26 % 8), "x"))
        .collect();
    let rules = ListRules { trust_first: true, ..pinning(&[]) };
    let (shown, seen) = filtered(&json!({"tools": tools}), &rules);
    assert_eq!(seen.len(), 10_000);
    assert!(names(&shown).len() <= 26 * 8);
}

#[test]
fn definitions_that_are_told_are_bounded_each_and_together() {
    let list = |count: usize, size: usize| {
        let tools: Vec<_> = (0..count).map(|at| tool(&format!("t{at}"), &"x".repeat(size))).collect();
        let text = json!({"tools": tools}).to_string();
        with(&text, |value| filter(value, &pinning(&[]), None, &|_| false)).seen
    };
    assert!(list(1, MAX_DEFINITION_BYTES).iter().all(|seen| seen.definition.is_none()));
    let told = list(40, MAX_DEFINITION_BYTES - 200);
    assert!((1..17).contains(&told.iter().filter(|seen| seen.definition.is_some()).count()));
    assert!(told.iter().all(|seen| seen.digest.len() == 64));
}

#[test]
fn a_definition_as_deep_as_its_reader_allows_has_a_digest() {
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let limits = Limits { max_depth: 600, ..LIMITS };
    let digest = |text: &str| {
        let document = Document::parse(text.as_bytes(), &limits).unwrap();
        digest_of(EntryKind::Prompt, document.root())
    };
    assert_ne!(digest(&deep), digest(&deep.replace('1', "2")));
}

proptest! {
    #[test]
    fn what_stays_keeps_its_bytes_and_its_order(
        entries in proptest::collection::vec(("[a-e]{1,2}", 0..3usize, any::<bool>()), 0..12),
        trust_first in any::<bool>(),
        permitted in proptest::option::of(proptest::collection::vec("[a-e]\\*?", 0..4)),
        pretty in any::<bool>(),
    ) {
        let tools: Vec<_> = entries.iter().map(|(name, version, _)| tool(name, &version.to_string())).collect();
        let pinned: Vec<_> = tools.iter().zip(&entries).filter(|(_, entry)| entry.2).map(|(tool, _)| tool.clone()).collect();
        let rules = ListRules { trust_first, permitted_tools: permitted, ..pinning(&pinned) };
        let list = json!({"a": 1, "tools": tools, "z": null});
        let text = if pretty { serde_json::to_string_pretty(&list).unwrap() } else { list.to_string() };
        let listed = with(&text, |value| filter(value, &rules, None, &|_| false));
        let edited = String::from_utf8(apply(text.as_bytes(), &listed.edits).unwrap()).unwrap();
        let raws = |text: &str| with(text, |value| {
            value.get("tools").unwrap().elements().map(|entry| entry.raw().to_owned()).collect::<Vec<_>>()
        });
        let expected: Vec<_> =
            raws(&text).into_iter().zip(&listed.seen).filter(|(_, seen)| seen.state.is_shown()).map(|(raw, _)| raw).collect();
        prop_assert_eq!(raws(&edited), expected);
        // What is shown is approved, permitted and there once, or shown on first use.
        for seen in listed.seen.iter().filter(|seen| seen.state == SeenState::Shown) {
            prop_assert_eq!(rules.tools.as_ref().unwrap().get(&seen.name), Some(&seen.digest));
        }
        prop_assert!(trust_first || listed.seen.iter().all(|seen| seen.state != SeenState::ShownNew));
    }
}
