//! `interdict labels`, where no session has one: `tests/e2e/test_lifts.py` has those that do.

use crate::office::Office;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_session_has_a_label_there_is_none_to_list_or_clear() {
    let office = Office::open().await;
    assert_eq!(office.run(&["labels", "list"]).ends(0).out, "no labels\n");
    let clear = |agent: &str, by: &str, why: &str| {
        office.run(&["labels", "clear", "--agent", agent, "--by", by, "--why", why])
    };
    clear("bot", "ana", "read it").ends(1).says(&["labels list", "[content.no_label]"]);
    for agent in ["*", "", "other"] {
        clear(agent, "ana", "read it").ends(1).says(&["[admin.unknown_agent]"]);
    }
    clear("bot", " ", "read it").ends(1).says(&["[admin.approver_required]"]);
    clear("bot", "ana", "").ends(1).says(&["[admin.why_required]"]);
    clear("bot", "ana", "a\u{7}b").ends(1).says(&["[admin.why_not_printable]"]);
    office.run(&["labels", "clear", "--by", "ana", "--why", "x"]).ends(2).says(&["--agent"]);
}
