//! `interdict approvals`.

use std::sync::Arc;

use authz_server::clock::SystemClock;
use authz_server::store::{ApprovalReason, ApprovalState, ApprovalStore, NewApproval, SqliteStore};
use jiff::{SignedDuration, Timestamp};

use crate::house::{House, Ran};
use crate::serve::Server;

fn question(store: &SqliteStore, binding: &str) -> String {
    let now = Timestamp::now();
    let new = NewApproval {
        binding: binding.to_owned(),
        tenant: "acme".to_owned(),
        agent: "bot".to_owned(),
        agent_owner: "olga".to_owned(),
        principal: None,
        server: "tools".to_owned(),
        method: "tools/call".to_owned(),
        tool: Some("trans\u{202e}fer".to_owned()),
        action_digest: binding.to_owned(),
        policy_digest: "p".to_owned(),
        reasons: vec![ApprovalReason { code: "policy.amount".to_owned(), message: "above 100".to_owned() }],
        totals: Vec::new(),
        arguments_json: r#"{"amount":1.50,"note":"\u001b[2K"}"#.to_owned(),
        era: "2025-11-25".to_owned(),
        created_at: now,
        expires_at: now + SignedDuration::from_secs(600),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.open_or_get(new)).unwrap().id
}

#[test]
fn approvals_are_listed_shown_and_answered_through_a_running_server() {
    let house = House::new();
    house.token();
    let server = Server::start(&house);
    let store =
        SqliteStore::open(&house.path("interdict-approvals.db"), 10, Arc::new(SystemClock), Box::new(()))
            .unwrap();
    let (first, second) = (question(&store, "b1"), question(&store, "b2"));
    let admin = server.admin();
    let approvals = |arguments: &[&str]| {
        let output = house
            .command(&["approvals"])
            .args(arguments)
            .env("INTERDICT_ADMIN_URL", &admin)
            .env("INTERDICT_ADMIN_TOKEN_FILE", "admin.token")
            .output()
            .unwrap();
        Ran::from(output)
    };
    let listed = approvals(&["list", "--state", "pending"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(listed.out.contains(&first) && listed.out.contains(&second));
    let shown = approvals(&["show", &first]);
    assert!(
        shown.out.contains("\"amount\": 1.50") && shown.out.contains("trans\\u{202e}fer"),
        "{}",
        shown.out
    );
    assert!(!shown.out.contains('\u{1b}') && !shown.out.contains('\u{202e}'));
    let refused = approvals(&["approve", &first, "--by", "olga"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("approval.self_approval"), "{}", refused.err);
    assert_eq!(approvals(&["approve", &first, "--by", "ana", "--note", "fine"]).code, 0);
    assert_eq!(approvals(&["deny", &second, "--by", "ana"]).code, 0);
    let again = approvals(&["deny", &first, "--by", "ana"]);
    assert!(again.code == 1 && again.err.contains("approval.already_decided"), "{}", again.err);
    assert!(approvals(&["list", "--state", "pending"]).out.contains("no approvals"));
    let states = approvals(&["list", "--json"]).json();
    let states: Vec<_> =
        states["approvals"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, [ApprovalState::Approved.label(), ApprovalState::Denied.label()]);
    house.write("wrong.token", "another-token-for-tests");
    let wrong = approvals(&["--token-file", "wrong.token", "list"]).ends(1);
    wrong.says(&["admin.unauthorized", "--token-file", "listen.admin.token_file"]);
}

#[test]
fn an_admin_api_that_cannot_be_reached_is_named_with_where_its_address_is_from_and_what_to_try() {
    let house = House::new();
    let token = ["approvals", "list", "--token-file", "admin.token"];
    let wanted = ["cannot be reached", "interdict serve", "listen.admin.address", "--admin URL"];
    let given = house.run(&[&token[..], &["--admin", "http://127.0.0.1:9"]].concat()).ends(1).says(&wanted);
    given.says(&["at http://127.0.0.1:9 ", "from --admin"]);
    let mut command = house.command(&token);
    let from_outside = Ran::from(command.env("INTERDICT_ADMIN_URL", "http://127.0.0.1:9").output().unwrap());
    from_outside.ends(1).says(&wanted).says(&["from INTERDICT_ADMIN_URL"]);
    house.run(&["approvals", "list"]).ends(2).says(&["--token-file FILE", "listen.admin.token_file"]);
    house.run(&["pins", "list", "--token-file", "nowhere"]).ends(2).says(&["--token-file: nowhere"]);
}
