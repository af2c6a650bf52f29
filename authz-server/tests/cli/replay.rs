//! `interdict replay`: recorded decisions judged again, by their own bundle and by another one.

use std::sync::Arc;

use crate::evidence::{House, call};
use crate::house::RULES;
use authz_server::audit::{AuditLog, AuditMetrics, Layout, LogReader, NewEntry, Recorder};
use authz_server::clock::SystemClock;
use authz_server::config::AuditConfig;
use interdict_audit::commit::{ARGS, DECISION, INPUT, commit};
use interdict_audit::record::{AnyBody, Body, Entry, Kind, Verdict};
use interdict_policy::Facts;
use serde_json::json;
use uuid::Uuid;

const COUNTED: &str = "package interdict.policy.counted\n\
    import rego.v1\n\
    obligation contains {\"type\": \"consume\", \"counter\": \"value\", \"window\": \"1h\", \"amount\": 1} if {\n\
      input.mcp.tool == \"counted\"\n\
    }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_decision_comes_out_the_same_beside_the_server_and_without_it() {
    let house = House::new();
    let server = house.start().await;
    let mut ids = Vec::new();
    for tool in ["good", "bad", "risky"] {
        ids.push(server.call(tool).await);
    }
    server.approve();
    ids.push(server.call("risky").await);
    let batch = server.send(json!([call(1, "good"), call(2, "also")]), true).await;
    for id in &ids {
        house.run(&["replay", id]).ends(0).says(&["SAME", id]);
    }
    house.run(&["replay", &batch, "--format", "json"]).ends(0);
    server.stop().await;
    house.run(&["replay", &ids[0], "--explain"]).ends(0).says(&["rule", "policy.house_allow", "(house)"]);
    let all = house.run(&["replay", "--since", "1h", "--format", "json"]).ends(0).json();
    assert_eq!((&all["decisions"], &all["different"], &all["tampered"]), (&5.into(), &0.into(), &0.into()));
    assert!(all["same"].as_u64().unwrap() >= 4, "{all}");
    house.run(&["replay", "--since", "1h", "--limit", "2"]).ends(0).says(&["decisions", "per second"]);
    house.run(&["replay", "0198c5d2-7c1e-7000-8000-00000000002a"]).ends(1).says(&["no log holds"]);
    house.run(&["replay"]).ends(2);
    house.run(&["replay", &ids[0], "--bundle", "bundle"]).ends(2);
}

/// Attack: an agent sends a batch that is refused, and the record of the refusal looks like tampering.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_refused_for_being_one_comes_out_the_same() {
    let house = House::new();
    house.write("bundle/house/counted.rego", COUNTED);
    let server = house.start().await;
    let mut ids = Vec::new();
    for batch in [
        json!([call(1, "counted"), call(2, "good")]),
        json!([call(1, "good"), call(2, "counted"), call(3, "bad")]),
        json!([call(1, "counted")]),
        json!([call(1, "risky")]),
        json!([call(1, "good"), call(2, "risky")]),
        json!([call(1, "bad")]),
    ] {
        ids.push(server.send(batch, true).await);
    }
    server.stop().await;
    for id in &ids {
        house.run(&["replay", id]).ends(0).says(&["SAME", id]);
    }
    let shown = house.run(&["audit", "show", &ids[0], "--json"]).ends(0).lines();
    let body = &shown[0]["entry"]["body"];
    assert_eq!((&body["verdict"], &body["reason"]), (&"deny".into(), &"totals.not_in_batch".into()));
    assert_eq!(body["judgements"].as_array().unwrap().len(), 2, "{body}");
    let all = house.run(&["replay", "--since", "1h", "--format", "json"]).ends(0).json();
    assert_eq!((&all["decisions"], &all["tampered"]), (&6.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_tested_says_why_and_ends_with_three() {
    let house = House::new();
    let server = house.start().await;
    let unknown = server.send(call(1, "good"), false).await;
    let good = server.call("good").await;
    server.stop().await;
    house
        .run(&["replay", &unknown])
        .ends(3)
        .says(&["NOT TESTABLE", "refused before the policy at stage identity"]);

    let kept = house.path("interdict-audit/bundles");
    std::fs::rename(&kept, house.path("elsewhere")).unwrap();
    house.run(&["replay", &good]).ends(3).says(&["not kept", "replay.bundle_not_kept"]);
    std::fs::rename(house.path("elsewhere"), &kept).unwrap();

    let day = house.sealed_on("acme");
    house.run(&["audit", "destroy-inputs", "--tenant", "acme", "--day", &day, "--yes"]).ends(0);
    house.run(&["replay", &good]).ends(3).says(&["inputs erased", "replay.inputs_erased"]);
    // Nothing is hidden in a range either.
    let all = house.run(&["replay", "--since", "1h", "--format", "json"]).ends(0).json();
    assert_eq!(all["not_testable"]["replay.inputs_erased"]["count"], 1);
    assert_eq!(all["not_testable"]["replay.refused_before_policy (identity)"]["count"], 1);
}

/// Attack: day and key of a sealed input are in no commitment, so whoever can write the database lets it look erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_input_that_no_key_opens_is_tampering_unless_the_log_says_that_its_key_was_destroyed() {
    let house = House::new();
    let server = house.start().await;
    let good = server.call("good").await;
    server.stop().await;
    let database = house.database("acme");
    let sealed: Vec<u8> = database
        .query_row("SELECT sealed FROM entries WHERE sealed IS NOT NULL", [], |row| row.get(0))
        .unwrap();
    let put = |sealed: Option<Vec<u8>>| {
        database.execute("UPDATE entries SET sealed = ?1 WHERE seq = (SELECT max(seq) FROM entries WHERE decision_id IS NOT NULL AND flags & 6 = 0)", [sealed]).unwrap();
    };
    let tampered = |what: &str| {
        house.run(&["replay", &good]).ends(1).says(&["TAMPERED", "replay.sealed_tampered", what]);
    };
    let mut other = sealed.clone();
    other[4..12].fill(0);
    put(Some(other));
    tampered("the log does not say");
    // Another day, whose key the log says to be destroyed: not the one of the entry.
    let keys = house.path("interdict-audit/keys/acme");
    std::fs::write(keys.join("1970-01-02.key"), "0".repeat(64)).unwrap();
    house.run(&["audit", "destroy-inputs", "--tenant", "acme", "--day", "1970-01-02", "--yes"]).ends(0);
    let mut other = sealed.clone();
    other[..4].copy_from_slice(&[0, 0, 0, 1]);
    put(Some(other));
    tampered("the log does not say");
    put(None);
    tampered("taken out");
    // The file of the key is taken away by hand.
    put(Some(sealed));
    house.run(&["replay", &good]).ends(0).says(&["SAME"]);
    std::fs::remove_dir_all(&keys).unwrap();
    tampered("the log does not say");
}

/// Attack: whoever can write the database lets a decision be judged by other facts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_sealed_input_or_a_changed_record_is_tampering() {
    let house = House::new();
    let server = house.start().await;
    let good = server.call("good").await;
    let bad = server.call("bad").await;
    server.stop().await;
    let change = |sql: &str| assert_eq!(house.database("acme").execute(sql, []).unwrap(), 1);
    let seq = |id: &str| {
        let found = house.run(&["audit", "show", id, "--json"]).lines();
        found[0]["entry"]["seq"].as_u64().unwrap()
    };
    let (good_seq, bad_seq) = (seq(&good), seq(&bad));
    change(&format!(
        "UPDATE entries SET record = CAST(replace(CAST(record AS TEXT), '\"verdict\":\"deny\"', '\"verdict\":\"allow\"') \
         AS BLOB) WHERE seq = {bad_seq}"
    ));
    house.run(&["replay", &bad]).ends(1).says(&["TAMPERED", "replay.sealed_tampered", "another verdict"]);
    change(&format!(
        "UPDATE entries SET sealed = (SELECT sealed FROM entries WHERE seq = {bad_seq}) WHERE seq = {good_seq}"
    ));
    house.run(&["replay", &good]).ends(1).says(&["TAMPERED", "replay.sealed_tampered"]);
    let all = house.run(&["replay", "--since", "1h", "--format", "json"]).ends(1).json();
    assert_eq!(all["tampered"], 2);
    house.run(&["replay", "--since", "1h", "--bundle", "bundle"]).ends(1).says(&["TAMPERED"]);
}

/// Attack: a server that lies records a deny as an allow, with commitments, seals and signatures that all fit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_the_bundle_does_not_make_is_found_although_every_commitment_fits() {
    let house = House::new();
    let server = house.start().await;
    let bad = server.call("bad").await;
    server.stop().await;
    let layout = Layout::new(house.path("interdict-audit"));
    let reader = LogReader::open(&layout, "acme").unwrap();
    let stored = reader.by_decision(bad.parse().unwrap()).unwrap().remove(0);
    let sealed = String::from_utf8(reader.open_sealed(stored.seq).unwrap().unwrap().split_off(32)).unwrap();
    let AnyBody::Decision(mut body) = Entry::read(&stored.record).unwrap().body().unwrap() else { panic!() };

    let facts = sealed.strip_prefix(r#"{"v":1,"facts":"#).unwrap().split_once(r#","decisions":["#).unwrap().0;
    let lie = r#"{"obligations":[],"reasons":[{"code":"policy.house_allow","kind":"allow","message":"allowed here","topic":"house"}],"verdict":"allow"}"#;
    let (id, salt) = (Uuid::now_v7(), [7; 32]);
    body.decision_id = id.to_string().into();
    body.input_commit = Some(commit(INPUT, &salt, facts.as_bytes()).into());
    let judged: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(facts).unwrap();
    let arguments = Facts::parse(judged[0].get().as_bytes()).unwrap().mcp.arguments.unwrap();
    body.action.args.as_mut().unwrap().commit = commit(ARGS, &salt, arguments.get().as_bytes()).into();
    body.verdict = Verdict::Allow;
    body.reason = "policy.house_allow".into();
    body.reasons = vec!["policy.house_allow".into()];
    let judgement = &mut body.judgements[0];
    judgement.decision_commit = commit(DECISION, &salt, lie.as_bytes()).into();
    judgement.verdict = Verdict::Allow;
    judgement.reasons.retain(|reason| reason.code == "policy.house_allow");
    let sealed = format!(r#"{{"v":1,"facts":{facts},"decisions":[{lie}]}}"#);
    let config = AuditConfig { directory: house.path("interdict-audit"), ..AuditConfig::default() };
    let log = AuditLog::open(&config, Arc::new(SystemClock), AuditMetrics::default()).unwrap();
    let entry = NewEntry {
        tenant: "acme".to_owned(),
        kind: Kind::Decision,
        decision_id: Some(id),
        body: body.to_bytes().unwrap(),
        sealed: Some([salt.as_slice(), sealed.as_bytes()].concat()),
        expects_outcome: false,
        at_once: true,
    };
    log.append(entry).await.unwrap();
    log.close();
    drop(log);

    house.run(&["audit", "verify"]).ends(0);
    house.run(&["replay", &bad]).ends(0);
    let words =
        ["DIFFERENT", "was", r#""verdict":"allow""#, "is", "policy.house_deny", r#""verdict":"deny""#];
    house.run(&["replay", &id.to_string()]).ends(1).says(&words);
    house.run(&["replay", "--since", "1h"]).ends(1).says(&["different            1", &id.to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_bundle_shows_what_would_flip_and_which_rule_does_it() {
    let house = House::new();
    let server = house.start().await;
    for tool in ["good", "good", "bad", "risky", "other"] {
        server.call(tool).await;
    }
    server.send(call(1, "good"), false).await;
    server.stop().await;

    // The same bundle flips nothing.
    let same = ["replay", "--since", "1h", "--bundle", "bundle"];
    let ran = house.run(&[&same[..], &["--format", "json", "--fail-on-flip"]].concat()).ends(0);
    assert_eq!((&ran.json()["unchanged"], &ran.json()["flipped"]), (&5.into(), &0.into()));

    for file in ["agents/a.yaml", "servers/s.yaml"] {
        house.write(
            &format!("new/{file}"),
            &std::fs::read_to_string(house.path(&format!("bundle/{file}"))).unwrap(),
        );
    }
    house.write("new/house/rules.rego", RULES);
    house.write(
        "new/careful/careful.rego",
        "package interdict.policy.careful\nimport rego.v1\n\n\
         deny contains {\"code\": \"no_good\", \"message\": \"not any more\"} if input.mcp.tool == \"good\"\n",
    );
    let new = ["replay", "--since", "1h", "--bundle", "new", "--explain"];
    house.run(&new).ends(0).says(&[
        "flips                2",
        "allow policy.house_allow -> deny policy.no_good",
        "bot -> tools good",
        "because careful/careful.rego (added)",
        "comes policy.no_good (careful/careful.rego:4)",
        "not testable         1",
        "replay.refused_before_policy (identity)",
    ]);
    let result = house.run(&[&new[..], &["--format", "json"]].concat()).ends(0).json();
    assert_eq!((&result["flipped"], &result["unchanged"]), (&2.into(), &3.into()));
    let change = &result["changes"][0];
    assert_eq!((&change["count"], &change["to"]["reason"]), (&2.into(), &"policy.no_good".into()));
    assert_eq!(change["explanation"]["added"][0]["places"][0]["line"], 4);
    assert_eq!(change["examples"].as_array().unwrap().len(), 2);
    let markdown = house.run(&[&new[..], &["--format", "markdown"]].concat()).ends(0);
    let digest = result["new_bundle"].as_str().unwrap();
    markdown.says(&[
        "### Policy replay: 2 of 5 judgements would flip",
        "| 2 | `allow policy.house_allow` | `deny policy.no_good` |",
        digest,
        "interdict replay --config interdict.yaml --since ",
        "--bundle new --explain",
    ]);
    house.run(&[&new[..], &["--fail-on-flip"]].concat()).ends(1);
    house.run(&[&new[..], &["--agent", "nobody", "--fail-on-flip"]].concat()).ends(0);
    // A kept bundle is one too.
    let old = result["old_bundles"].as_object().unwrap().keys().next().unwrap();
    let kept = format!("interdict-audit/bundles/{old}.json");
    house.run(&["replay", "--since", "1h", "--bundle", &kept, "--fail-on-flip"]).ends(0);
    house.write("broken/x.rego", "package interdict.policy.x\nallow if {");
    house.run(&["replay", "--since", "1h", "--bundle", "broken"]).ends(2);
}
