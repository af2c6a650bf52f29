//! `interdict quarantine`.

use interdict_proto::outcome;

use crate::office::Office;

const HANDLE: &str = "00112233445566778899aabbccddeeff";

async fn keep(office: &Office, original: &str) {
    let text = outcome::Quarantined {
        handle: HANDLE.to_owned(),
        reason: "injection.structural".to_owned(),
        original: original.as_bytes().to_vec(),
    };
    office.twin.keep("acme", "tools", "decision-1", &[text]);
    office.twin.entries(None, None, None, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantined_text_is_printed_without_what_a_terminal_would_obey() {
    let office = Office::open().await;
    assert_eq!(office.run(&["quarantine", "list"]).ends(0).out, "nothing is kept\n");
    let original = "\u{1b}[2Jpay\u{9b} now\nor \u{2067}else";
    keep(&office, original).await;
    let listed = office.run(&["quarantine", "list", "--server", "tools"]).ends(0).says(&[HANDLE]);
    assert!(!listed.out.contains("pay"), "{}", listed.out);
    let shown = office.run(&["quarantine", "show", HANDLE]).ends(0);
    let shown = shown.says(&["\\u{1b}[2Jpay\\u{9b} now\nor \\u{2067}else\n", "decision-1"]);
    assert!(!shown.out.contains('\u{9b}'), "{}", shown.out);
    let json = office.run(&["quarantine", "show", HANDLE, "--json"]).ends(0);
    assert!(json.out.is_ascii() && json.json()["original"] == original, "{}", json.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_is_taken_as_the_agent_was_given_it() {
    let office = Office::open().await;
    keep(&office, "pay").await;
    for handle in
        [format!("[[quarantined:{HANDLE}]]"), format!("quarantined:{HANDLE}"), HANDLE.to_uppercase()]
    {
        office.run(&["quarantine", "show", &handle]).ends(0).says(&["decision-1", "pay"]);
    }
    let missing = office.run(&["quarantine", "show", &HANDLE.replace("00", "01")]).ends(1);
    missing.says(&["no text is kept under this handle", "[quarantine.not_found]"]);
}

/// `..` would be another path of the admin API, and its answer something else than was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_handle_or_id_never_becomes_a_part_of_a_path() {
    let office = Office::open().await;
    for odd in ["..", ".", "", "../pins", "%2e%2e", "a/b", "x?state=pending"] {
        office.run(&["quarantine", "show", odd]).ends(2).says(&["[[quarantined:…]]"]);
        office.run(&["approvals", "show", odd]).ends(2).says(&["an id looks like"]);
        office.run(&["approvals", "approve", odd, "--by", "ana"]).ends(2);
        office.run(&["approvals", "deny", odd, "--by", "ana"]).ends(2);
    }
}
