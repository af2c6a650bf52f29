//! `interdict config check`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use authz_server::clock::SystemClock;
use authz_server::pins::{DATABASE, Pins};
use authz_server::telemetry::metrics::Metrics;
use interdict_content::definition::digest_text;
use interdict_policy::Bundle;
use interdict_proto::outcome;

use crate::house::House;
use crate::office::note;
use crate::serve::Server;

#[test]
fn config_check_and_serve_warn_of_a_token_file_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    house.token();
    let file = house.path("admin.token");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let ran = house.run(&["config", "check"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("listen.admin.token_file") && ran.err.contains("chmod 600"), "{}", ran.err);
    mode(0o600);
    let ran = house.run(&["config", "check"]);
    assert!(ran.code == 0 && !ran.err.contains("chmod"), "{}", ran.err);
}

#[test]
fn config_check_says_what_it_found_of_every_part_that_serve_reads_and_makes_nothing() {
    let house = House::new();
    house.token();
    house.write("bundle/data.yaml", "interdict: {content: {rules: [{classes: [pan], action: redact}]}}\n");
    let ran = house.run(&["config", "check"]).ends(0).says(&[
        "OK  bundle      agents: 1; servers: 1; digest ",
        "OK  content     requests to: tools; answers of: tools; text that gives orders of: none",
        "OK  contracts   tools with a contract: 0",
        "OK  pinning     approve_first: none; trust_first: none; off: tools",
        "OK  identity    issuers: 1",
        "OK  admin API",
        "interdict-approvals.db: not there yet",
        "interdict-pins.db: not there yet",
        "quarantine.key: not there yet",
        "OK  audit",
        "correct; bundle ",
    ]);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    assert!(!house.path("interdict-pins.db").exists() && !house.path("interdict-audit").exists());
}

#[test]
fn config_check_names_every_wrong_part_and_not_only_the_first() {
    let house = House::new();
    house.token();
    house.write("interdict-pins.db", "this is no database");
    house.write("quarantine.key", "too short");
    house.write("admin.token", "short");
    house.write("bundle/data.yaml", "interdict: {content: {rules: [{classes: [pam], action: redact}]}}\n");
    let ran = house.run(&["config", "check"]).ends(2).says(&[
        "NO  bundle",
        "data.yaml",
        "NO  admin API",
        "listen.admin.token_file",
        "NO  pins",
        "interdict-pins.db: is not an SQLite database",
        "quarantine.key: must hold 32 bytes",
        "OK  approvals",
    ]);
    assert!(!ran.out.contains("correct"), "{}", ran.out);
}

#[test]
fn config_check_looks_at_the_files_of_a_server_that_ran_and_of_one_that_runs() {
    let house = House::new();
    house.token();
    let server = Server::start(&house);
    house.run(&["config", "check"]).ends(0).says(&["interdict-pins.db: ", "OK  audit       "]);
    server.stop();
    let ran = house.run(&["config", "check"]).ends(0);
    assert!(!ran.out.contains("not there yet"), "{}", ran.out);
}

#[test]
fn data_that_nothing_reads_is_warned_of_with_the_nearest_name() {
    let house = House::new();
    house.token();
    house.write("bundle/data.yaml", "interdict: {contnet: {rules: []}}\n");
    let ran = house.run(&["config", "check"]).ends(0);
    ran.says(&[
        "warning",
        "data.yaml",
        "nothing in this bundle reads `interdict.contnet`",
        "`interdict.content`",
    ]);
    let log = std::fs::File::create(house.path("log")).unwrap();
    let mut server = house.command(&["serve"]).stderr(log).spawn().unwrap();
    let told = || std::fs::read_to_string(house.path("log")).unwrap().contains("reads `interdict.contnet`");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !told() && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(told(), "serve tells it, too");
}

#[test]
fn a_note_about_speed_is_no_error_and_says_what_to_do() {
    let house = House::new();
    house.token();
    let slow = "package interdict.policy.slow\nimport rego.v1\ndefault limit := 1\n\
                deny contains {\"code\": \"a\", \"message\": \"b\"} if limit > 1\n";
    house.write("bundle/slow/rules.rego", slow);
    let ran = house.run(&["config", "check"]).ends(0);
    ran.says(&["note: nothing is wrong", "the same answers", "policies/README.md", "slow.deny: "]);
}

#[tokio::test]
async fn config_check_reads_the_definitions_with_their_key_as_a_start_does() {
    let house = House::new();
    house.token();
    let bundle = Arc::new(ArcSwap::from_pointee(Bundle::load(&[house.path("bundle")]).unwrap()));
    let open = || {
        let (clock, metrics) = (Arc::new(SystemClock), Metrics::new());
        Pins::open(&house.path(DATABASE), Arc::clone(&bundle), None, clock, &metrics)
    };
    let definition = r#"{"name":"read"}"#.to_owned();
    let (digest, name) = (digest_text(&definition), "read".to_owned());
    let seen = outcome::Seen { kind: "tool".to_owned(), name, digest, state: "new".to_owned(), definition };
    {
        let pins = open().unwrap();
        note(&pins, seen).await;
        house.run(&["config", "check"]).ends(0);
    }
    house.run(&["config", "check"]).ends(0);
    let key = house.path("quarantine.key");
    let kept = std::fs::read_to_string(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let says = ["NO  key", "sealed with a key that is not there", "quarantine.key"];
    house.run(&["config", "check"]).ends(2).says(&says);
    assert!(!key.exists(), "to check makes nothing");
    house.write("quarantine.key", &"0f".repeat(32));
    house.run(&["config", "check"]).ends(2).says(&["NO  key", "is not its key"]);
    assert!(open().is_err());
    house.write("quarantine.key", &kept);
    house.run(&["config", "check"]).ends(0);
    let database = std::fs::read(house.path(DATABASE)).unwrap();
    for side in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(house.path(&format!("{DATABASE}{side}")));
    }
    std::fs::write(house.path(DATABASE), &database[..database.len() - 1000]).unwrap();
    house.run(&["config", "check"]).ends(2).says(&["NO  pins", "damaged"]);
}
