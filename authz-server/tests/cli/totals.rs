//! `interdict totals`, as far as no call is needed: `tests/e2e/test_totals.py` has those that count.

use crate::office::Office;

const ID: &str = "00112233445566778899aabbccddeeff";
const TOLD: [&str; 4] = ["--by", "ana", "--why", "recall"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stands_of_an_agent_that_is_known_and_one_that_is_not_is_a_mistake() {
    let office = Office::open().await;
    assert_eq!(office.run(&["totals", "list"]).ends(0).out, "nothing stands\n");
    assert_eq!(
        office.run(&["totals", "list", "--agent", "bot", "--tool", "pay"]).ends(0).out,
        "nothing stands\n"
    );
    for odd in ["*", "", "b?t", "bot ", "\u{202e}bot", &"x".repeat(2_000)] {
        let refused = office.run(&["totals", "list", "--agent", odd]).ends(1);
        let refused = refused.says(&["[admin.unknown_agent]"]);
        assert!(refused.err.len() < 300 && !refused.err.contains('\u{202e}'), "{}", refused.err);
        office
            .run(&[&["totals", "reset", "--agent", odd][..], &TOLD].concat())
            .ends(1)
            .says(&["admin.unknown_agent"]);
    }
    let long = format!("none{}", "x".repeat(2_000));
    let refused = office.run(&["totals", "list", "--server", &long]).ends(1);
    assert!(refused.says(&["[admin.unknown_server]", "`nonexxx"]).err.len() < 400);
    let json = office.run(&["totals", "list", "--json"]).ends(0).json();
    assert_eq!(json["totals"].as_array().map(Vec::len), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_names_what_is_meant_who_does_it_and_why() {
    let office = Office::open().await;
    let reset = |more: &[&str]| office.run(&[&["totals", "reset"], more].concat());
    reset(&[&[ID][..], &TOLD].concat()).ends(1).says(&["totals list", "[totals.not_found]"]);
    reset(&[&["--agent", "bot"][..], &TOLD].concat()).ends(1).says(&["[totals.not_found]"]);
    reset(&TOLD).ends(2).says(&["<ID>"]);
    reset(&[&["*"][..], &TOLD].concat()).ends(2).says(&["32 hex digits"]);
    reset(&[ID, "--by", "ana"]).ends(2).says(&["--why"]);
    reset(&[ID, "--why", "x"]).ends(2).says(&["--by"]);
    for (by, why, code) in [
        ("", "x", "admin.approver_required"),
        ("a\u{200b}na", "x", "admin.approver_not_printable"),
        ("ana", " ", "admin.why_required"),
        ("ana", "one\ntwo", "admin.why_not_printable"),
        ("ana", "\u{1b}[2J", "admin.why_not_printable"),
        ("ana", &"x".repeat(1_001), "admin.why_required"),
    ] {
        reset(&[ID, "--by", by, "--why", why]).ends(1).says(&[code]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_another_token_sees_and_resets_nothing() {
    let office = Office::open().await;
    office.write("wrong.token", "another-token-for-tests");
    for acts in
        [&["totals", "list"][..], &["totals", "reset", ID, "--by", "a", "--why", "b"], &["labels", "list"]]
    {
        office.run_with("wrong.token", acts).ends(1).says(&["admin.unauthorized"]);
    }
}
