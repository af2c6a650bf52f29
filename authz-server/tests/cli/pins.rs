//! `interdict pins`.

use interdict_content::definition::digest_text;
use serde_json::Value;

use crate::house::Ran;
use crate::office::Office;

fn review(office: &Office, more: &[&str]) -> Ran {
    office.run(&[&["pins", "review", "--server", "tools"], more].concat())
}

fn approve(office: &Office, which: &[&str], digest: &str) -> Ran {
    let common = ["pins", "approve", "--server", "tools", "--by", "ana", "--digest", digest];
    office.run(&[&common[..], which].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_reviewed_character_by_character_and_approved_by_its_digest() {
    let office = Office::open().await;
    office.run(&["pins", "review"]).ends(0).says(&["nothing waits for a person\n"]);
    let first = r#"{"description":"Pays the invoice.","name":"pay"}"#;
    office.saw(first, "new").await;
    let shown = review(&office, &[]).ends(0).says(&["\"description\": \"Pays the invoice.\""]).out;
    let all = shown.rsplit_once("--all --digest ").unwrap().1.trim();
    let done = approve(&office, &["--all"], all).ends(0).out;
    assert!(done.starts_with("pinned    tools  tool          pay"), "{done}");
    approve(&office, &["--all"], all).ends(1).says(&["[pin.settled]"]);

    // A Cyrillic letter, and a mark that turns the text around.
    let second = "{\"description\":\"Pays the inv\u{43e}ice.\u{202e}\",\"name\":\"pay\"}";
    office.saw(second, "changed").await;
    let shown = review(&office, &["--tool", "pay"]).ends(0).says(&[
        "-  \"description\": \"Pays the invoice.\"",
        "`\u{43e}` (U+043E) was `o` (U+006F)",
        "\\u{202e}",
        "SUSPICIOUS structural: bidi_control",
    ]);
    assert!(!shown.out.contains('\u{202e}'), "{}", shown.out);
    approve(&office, &["--tool", "pay"], &digest_text(second)).ends(0);
    let listed = office.run(&["pins", "list", "--json"]).ends(0).json();
    assert_eq!(listed["pins"][0]["approved"]["digest"].as_str().unwrap(), digest_text(second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_says_who_approved_and_who_revoked_and_when() {
    let office = Office::open().await;
    let pay = r#"{"description":"Pays.","name":"pay"}"#;
    office.saw(pay, "new").await;
    approve(&office, &["--tool", "pay"], &digest_text(pay)).ends(0);
    let listed = office.run(&["pins", "list", "--state", "pinned"]).ends(0).out;
    let moment = listed.rsplit_once(" approved by ana at ").unwrap().1.trim().to_owned();
    assert!(moment.parse::<jiff::Timestamp>().is_ok(), "{listed}");
    let revoke = ["pins", "revoke", "--server", "tools", "--by", "vera"];
    office.run(&[&revoke[..], &["--tool", "pay"]].concat()).ends(0);
    let listed = office.run(&["pins", "list"]).ends(0).says(&["approved by ana at "]).out;
    let moment = listed.rsplit_once(" revoked by vera at ").unwrap().1.trim();
    assert!(moment.parse::<jiff::Timestamp>().is_ok(), "{listed}");
    office.run(&revoke).ends(2).says(&["--kind instructions", "--all"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_kind_or_tool_that_nobody_knows_is_an_error_and_not_all_clear() {
    let office = Office::open().await;
    for command in [
        &["pins", "review", "--server", "tolls"][..],
        &["pins", "list", "--server", "tolls"],
        &["pins", "approve", "--server", "tolls", "--tool", "a", "--by", "ana", "--digest", &"0".repeat(64)],
        &["pins", "approve", "--server", "tolls", "--all", "--by", "ana", "--digest", &"0".repeat(64)],
        &["pins", "revoke", "--server", "tolls", "--tool", "a", "--by", "ana"],
        &["quarantine", "list", "--server", "tolls"],
        &["approvals", "list", "--server", "tolls"],
    ] {
        office.run(command).ends(1).says(&["no server `tolls`", "it has: tools", "[admin.unknown_server]"]);
    }
    review(&office, &["--tool", "a"]).ends(1).says(&["[pin.not_found]"]);
    let wrong = review(&office, &["--kind", "tols"]).ends(2);
    wrong.says(&["tool, prompt, template, instructions"]);
    review(&office, &[]).ends(0).says(&["nothing is known of this server yet"]);
    office.saw(r#"{"name":"pay"}"#, "new").await;
    review(&office, &["--kind", "prompt"]).ends(0).says(&["nothing waits", "known: 1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_digest_is_answered_with_the_one_that_waits_and_what_to_do() {
    let office = Office::open().await;
    let pay = r#"{"description":"Pays.","name":"pay"}"#;
    office.saw(pay, "new").await;
    let now = digest_text(pay);
    let wrong = "0".repeat(64);
    approve(&office, &["--tool", "pay"], &wrong).ends(1).says(&[
        &now,
        "interdict pins review --server tools --kind tool --name pay",
        "nothing was approved",
        "[pin.changed]",
    ]);
    // The digest of one is not that of all.
    approve(&office, &["--all"], &now)
        .ends(1)
        .says(&["interdict pins review --server tools`", "[pin.changed]"]);
    // What a list shows is the beginning only.
    approve(&office, &["--tool", "pay"], now.split_at(12).0).ends(2).says(&["64 hex digits"]);
    // Attack: a tool's name is a piece of a command line.
    let odd = r#"{"name":"x;reboot"}"#;
    office.saw(odd, "new").await;
    let said = approve(&office, &["--tool", "x;reboot"], &wrong).ends(1).says(&["[pin.changed]"]).err;
    assert!(!said.contains("reboot"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_of_definitions_has_no_character_that_a_terminal_obeys_and_reads_the_same() {
    let office = Office::open().await;
    let text = "{\"description\":\"a\u{9b}2K\u{202e}b\u{200b}\",\"name\":\"pay\"}";
    office.saw(text, "new").await;
    let shown = review(&office, &["--json"]).ends(0);
    assert!(shown.out.is_ascii(), "{}", shown.out);
    let definition = &shown.json()["pins"][0]["seen"]["definition"];
    assert_eq!(*definition, serde_json::from_str::<Value>(text).unwrap());
}
