//! `interdict audit` beside a running server and without one.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::evidence::{House, text};
use crate::house::SECRET;
use interdict_audit::verify::{Verdict, verify};
use interdict_proto::outcome::{Found, Outcome, Treated};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chain_of_an_approved_call_is_told_from_the_question_to_the_outcome_and_proves_itself() {
    let house = House::new();
    let server = house.start().await;
    let asked = server.call("risky").await;
    let approval = server.approve();
    let allowed = server.call("risky").await;
    server.ended(&allowed).await;
    for id in [&asked, &allowed, &approval] {
        let ran = house.until(&["audit", "show", id], |ran| {
            ran.out.contains("OUTCOME") && !ran.out.contains("not yet covered")
        });
        let ran = ran.ends(0).says(&[
            "INTERCEPT  policy.house_ask",
            "ALLOW  policy.house_ask",
            "allow: vera@example.com approved what policy.house_ask asks about",
            "agent bot, owner olga, assurance 1",
            "ana@example.com (vouched for by https://dev.test)",
            "tools/call: tools risky",
            "APPROVAL  opened",
            "APPROVAL  approved",
            "vera@example.com",
            "APPROVAL  consumed",
            "OUTCOME  complete",
            "200 result, 9 bytes",
            "allow policy.house_allow (house)",
            "intercept policy.house_ask (house)",
            "included; first signed at",
            &asked,
            &allowed,
            &approval,
        ]);
        assert!(ran.out.find("INTERCEPT").unwrap() < ran.out.find("APPROVAL  approved").unwrap());
        assert!(ran.out.find("APPROVAL  approved").unwrap() < ran.out.find("ALLOW").unwrap());
    }
    let ran = house.run(&["audit", "show", &allowed, "--arguments"]);
    assert!(ran.out.contains(SECRET) && ran.out.contains("facts that were judged"), "{}", ran.out);
    let lines = house.run(&["audit", "show", &allowed, "--json"]).ends(0).lines();
    assert!(lines.iter().all(|line| line["stands"]["proved"] == true), "{lines:?}");
    let ran = house.run(&["audit", "show", &allowed, "--json", "--arguments"]);
    assert!(ran.lines().iter().any(|line| line["facts"][0]["mcp"]["arguments"]["secret"] == SECRET));
    server.stop().await;
    house.run(&["audit", "show", &allowed]).ends(0);
    house.run(&["audit", "show", "0198c5d2-7c1e-7000-8000-00000000002a"]).ends(1).says(&["no log holds"]);
    house.run(&["audit", "show", "x"]).ends(2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_to_an_answer_is_told_in_words_and_found_by_its_reason() {
    let house = House::new();
    let server = house.start().await;
    let allowed = server.call("good").await;
    let pan = Found { class: "pan".to_owned(), action: "redact".to_owned(), count: 2 };
    let refused = Outcome {
        treated: Treated::Refused.into(),
        treated_reason: "response.rows".to_owned(),
        rows_cut: 7,
        found: vec![pan],
        ..Outcome::default()
    };
    server.ended_with(&allowed, refused).await;
    let of = ["audit", "query", "--reason", "response.rows"];
    let ran = house.until(&of, |ran| ran.out.contains(&allowed)).ends(0);
    assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
    ran.says(&["answer refused because of response.rows (server said 200 result) in 12.3 ms"]);
    house.run(&["audit", "query", "--reason", "response.none"]).ends(0).says(&["nothing fits"]);
    house.run(&["audit", "show", &allowed]).ends(0).says(&[
        "happened     allowed; answer refused because of response.rows",
        "treated      refused: the agent got an error",
        "found        pan redact 2",
        "rows cut     7",
    ]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_of_ones_own_call_is_told_as_not_taken_with_its_why() {
    let house = House::new();
    let server = house.start().await;
    let asked = server.call("risky").await;
    let entries = house.run(&["audit", "show", &asked, "--json"]).lines();
    let id = |entry: &Value| entry["entry"]["body"]["approval_id"].as_str().map(str::to_owned);
    let approval = entries.iter().find_map(id).unwrap();
    server.approve_in_vain(&approval, "ana@example.com");
    let ran = house.until(&["audit", "show", &asked], |ran| ran.out.contains("not_applied")).ends(0);
    ran.says(&[
        "APPROVAL  approved",
        "taken        no: ",
        "why          the agent, its owner",
        "approval.self_approval",
    ]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_are_found_by_agent_tool_verdict_reason_server_and_time_newest_first() {
    let house = House::new();
    let server = house.start().await;
    let good = server.call("good").await;
    let bad = server.call("bad").await;
    let hostile = server.call("read\u{1b}[2K\u{202e}").await;
    let ids = |arguments: &[&str]| {
        let mut all = vec!["audit", "query", "--json", "--tenant", "acme"];
        all.extend(arguments);
        let found = house.run(&all).ends(0).lines();
        found.iter().map(|line| line["body"]["decision_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = [hostile.clone(), bad.clone(), good.clone()];
    assert_eq!(ids(&["--kind", "decision"]), all);
    assert_eq!(ids(&["--agent", "bot", "--server", "tools", "--since", "1h"]), all);
    assert_eq!(ids(&["--kind", "decision", "--limit", "1"]), all[..1]);
    assert_eq!(ids(&["--tool", "*d"]), [bad.clone(), good.clone()]);
    assert_eq!(ids(&["--verdict", "deny"]).join(","), bad);
    assert_eq!(ids(&["--reason", "policy.house_allow", "--tool", "good"]), [good]);
    for nothing in [["--agent", "other"], ["--until", "1h"], ["--tool", "go"], ["--reason", "x"]] {
        assert!(ids(&nothing).is_empty(), "{nothing:?}");
    }
    // Attack: a tool's name rewrites the line in the auditor's terminal.
    let ran = house.run(&["audit", "query", "--kind", "decision"]).ends(0).says(&["DENY", &bad]);
    assert!(!ran.out.contains('\u{1b}') && !ran.out.contains('\u{202e}'), "{}", ran.out);
    let json = house.run(&["audit", "query", "--kind", "decision", "--json"]).ends(0);
    assert!(json.out.is_ascii() && json.out.contains("read\\u001b[2K\\u202e"), "{}", json.out);
    assert!(json.lines().iter().any(|line| line["body"]["action"]["target"] == "read\u{1b}[2K\u{202e}"));
    for command in [&["audit", "tail", "--json"][..], &["audit", "show", &hostile, "--json", "--arguments"]] {
        assert!(house.run(command).out.is_ascii(), "{command:?}");
    }
    // The bytes that are hashed stay as they are.
    house.until(&["audit", "verify"], |ran| !ran.out.contains("no signed"));
    let export = ["audit", "export", "--wait", "--decision", &hostile, "--out", "bytes"];
    house.run(&export).ends(0).says(&["WHOLE"]);
    let records = std::fs::read_to_string(house.path("bytes/records.jsonl")).unwrap();
    assert!(records.contains("\u{202e}") && verify(&house.path("bytes"), None, false).is_ok(), "{records}");
    house.run(&["audit", "query", "--since", "yesterday"]).ends(2);
    house.run(&["audit", "query", "--tenant", "nobody"]).ends(1).says(&["audit.not_found"]);
    house.run(&["audit", "query", "--directory", "nowhere"]).ends(2).says(&["--directory"]);
    house.run(&["audit", "tenants"]).ends(0).says(&["_system", "acme"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tail_shows_the_newest_entries_and_follows_what_comes() {
    let house = House::new();
    let server = house.start().await;
    for tool in ["one", "two", "three"] {
        server.call(tool).await;
    }
    let ran = house.run(&["audit", "tail", "-n", "2", "--tenant", "acme", "--kind", "decision"]).ends(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("two") && lines[1].contains("three"), "{}", ran.out);
    let mut command = house.command(&["audit", "tail", "-n", "1", "--follow", "--kind", "decision"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("three"));
    server.call("four").await;
    assert!(lines.next().unwrap().unwrap().contains("four"));
    child.kill().unwrap();
    child.wait().unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exported_package_is_whole_for_the_verifier_and_nothing_is_overwritten() {
    let house = House::new();
    let server = house.start().await;
    let mut ids = Vec::new();
    for tool in ["good", "bad", "good", "risky"] {
        ids.push(server.call(tool).await);
    }
    server.approve();
    house.until(&["audit", "verify", "--tenant", "acme"], |ran| !ran.out.contains("no signed"));
    std::fs::copy(house.path("interdict-audit/tenants/acme/head.note"), house.path("kept.note")).unwrap();
    ids.push(server.call("risky").await);
    let export = |name: &str, arguments: &[&str]| {
        let mut all = vec!["audit", "export", "--wait", "--out", name];
        all.extend(arguments);
        house.run(&all).ends(0).says(&["WHOLE"]);
        let report = verify(&house.path(name), None, false).unwrap();
        assert_eq!(report.verdict, Verdict::Whole, "{:?}", report.findings);
        report
    };
    let one = export("one", &["--decision", &ids[1]]);
    assert_eq!((one.records, one.bundles, one.complete), (1, 1, false));
    // The question, who answered, the call that used the answer, and the question that was opened.
    let approved = export("approved", &["--decision", &ids[3], "--since-checkpoint", "kept.note"]);
    assert_eq!((approved.kinds["decision"], approved.kinds["approval"]), (2, 3));
    let all = export("all", &["--tenant", "acme", "--all"]);
    assert!(all.complete && all.records == all.size, "{all:?}");
    assert_eq!(export("some", &["--from", "1", "--to", "2"]).records, 2);
    assert!(export("time", &["--since", "1h"]).records >= 5);
    export("system", &["--tenant", "_system", "--all"]);

    // The auditor's own trust: the key and a checkpoint from before.
    let trust: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(house.path("one/trust.json")).unwrap()).unwrap();
    let note = std::fs::read_to_string(house.path("kept.note")).unwrap();
    let trust = serde_json::json!({"v": 1, "log_keys": trust["log_keys"], "checkpoints": [{"note": note}]});
    house.write("trust.json", &trust.to_string());
    let report = verify(&house.path("approved"), Some(&house.path("trust.json")), false).unwrap();
    assert_eq!((report.verdict, report.trusted_checkpoints), (Verdict::Whole, 1));

    house.run(&["audit", "export", "--all", "--out", "all"]).ends(2).says(&["not empty"]);
    let other = [
        "audit",
        "export",
        "--tenant",
        "_system",
        "--all",
        "--since-checkpoint",
        "kept.note",
        "--out",
        "none",
    ];
    house.run(&other).ends(2).says(&["is a checkpoint of"]);
    house.run(&["audit", "export", "--out", "none"]).ends(2);
    house.run(&["audit", "export", "--out", "none", "--since", "2030-01-01"]).ends(1).says(&["no entry"]);
    assert!(!house.path("none").exists(), "a failed export leaves nothing");
    let left: Vec<_> =
        std::fs::read_dir(house.path("")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".interdict-")), "{left:?}");
    let records = std::fs::read_to_string(house.path("all/records.jsonl")).unwrap();
    assert!(!records.contains(SECRET));
    std::fs::write(house.path("all/records.jsonl"), records.replacen("\"bot\"", "\"bob\"", 1)).unwrap();
    assert_eq!(verify(&house.path("all"), None, true).unwrap().verdict, Verdict::Tampered);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_checkpoint_covers_yet_is_said_and_not_exported() {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("interdict.yaml")).unwrap();
    house.write("interdict.yaml", &format!("{config}audit: {{checkpoint_seconds: 60}}\n"));
    let server = house.start().await;
    let id = server.call("good").await;
    house.run(&["audit", "show", &id]).ends(0).says(&["not yet covered"]);
    house
        .run(&["audit", "export", "--decision", &id, "--out", "one"])
        .ends(1)
        .says(&["checkpoint", "--wait"]);
    assert!(!house.path("one").exists());
    house.run(&["audit", "verify", "--tenant", "acme"]).ends(0).says(&["no signed checkpoint yet"]);
    server.stop().await;
    house.run(&["audit", "export", "--decision", &id, "--out", "one"]).ends(0).says(&["WHOLE"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_verifies_where_it_lies_until_somebody_edits_the_database() {
    let house = House::new();
    let server = house.start().await;
    let id = server.call("bad").await;
    server.call("good").await;
    server.stop().await;
    let report = house.run(&["audit", "verify", "--tenant", "acme", "--json"]).ends(0).json();
    assert_eq!((&report["verdict"], &report["complete"]), (&"whole".into(), &true.into()));
    house.run(&["audit", "verify"]).ends(0).says(&["_system", "acme", "WHOLE"]);

    let database = house.database("acme");
    let changed = database
        .execute("UPDATE entries SET record = CAST(replace(CAST(record AS TEXT), '\"deny\"', '\"allow\"') AS BLOB)", [])
        .unwrap();
    assert!(changed >= 2);
    drop(database);
    house.run(&["audit", "verify", "--tenant", "acme"]).ends(1).says(&["TAMPERED", "verify."]);
    house.run(&["audit", "show", &id]).ends(1).says(&["BROKEN"]);
    house.run(&["audit", "export", "--decision", &id, "--out", "lie"]).ends(1).says(&["TAMPERED"]);

    // Attack: the whole database of yesterday is put back.
    let database = house.database("_system");
    database.execute("DELETE FROM checkpoints WHERE size = (SELECT max(size) FROM checkpoints)", []).unwrap();
    drop(database);
    house.run(&["audit", "verify", "--tenant", "_system"]).ends(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erased_inputs_are_said_to_be_erased_and_the_log_still_verifies() {
    let house = House::new();
    let server = house.start().await;
    let id = server.call("bad").await;
    let day = house.sealed_on("acme");
    let destroy = ["audit", "destroy-inputs", "--tenant", "acme", "--day", &day, "--yes"];
    house.run(&destroy).ends(1).says(&["a running server holds the log", "audit.locked"]);
    server.stop().await;
    house.run(&destroy[..destroy.len() - 1]).ends(2).says(&["--yes"]);
    house.run(&["audit", "destroy-inputs", "--tenant", "acne", "--day", &day, "--yes"]).ends(1);
    assert!(!house.path("interdict-audit/tenants/acne").exists());
    house.run(&destroy).ends(0).says(&["are erased"]);
    house.run(&destroy).ends(1).says(&["nothing was done"]);
    house.run(&["audit", "show", &id, "--arguments"]).ends(0).says(&["inputs erased"]);
    house.run(&["audit", "verify"]).ends(0).says(&["WHOLE"]);
    house.run(&["audit", "query", "--kind", "key"]).ends(0).says(&["inputs_destroyed", &day]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_change_of_the_key_the_whole_log_and_every_decision_verify() {
    let house = House::new();
    let server = house.start().await;
    let before = server.call("bad").await;
    house.run(&["audit", "rotate-key", "--yes"]).ends(1).says(&["audit.locked"]);
    server.stop().await;
    house.run(&["audit", "rotate-key"]).ends(2);
    house.run(&["audit", "rotate-key", "--yes"]).ends(0).says(&["interdict-"]);
    let server = house.start().await;
    let after = server.call("good").await;
    server.stop().await;
    house.run(&["audit", "verify"]).ends(0).says(&["WHOLE"]);
    for (name, id) in [("before", &before), ("after", &after)] {
        house.run(&["audit", "export", "--decision", id, "--out", name]).ends(0).says(&["WHOLE"]);
        house.run(&["audit", "show", id]).ends(0).says(&["included"]);
    }
    let all = text(&house.path("all"));
    house.run(&["audit", "export", "--tenant", "acme", "--all", "--out", &all]).ends(0).says(&["WHOLE"]);
}
