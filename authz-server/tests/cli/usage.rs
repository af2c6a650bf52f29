//! Wrong use, help, version.

use crate::house::House;

#[test]
fn wrong_use_and_wrong_files_end_with_2_and_say_where() {
    let house = House::new();
    house.token();
    house.write("request.json", r#"{"path": "/mcp", "pat": 1}"#);
    house.write("typo.yaml", "listen: {grcp: {}}");
    house.write("broken/policy.rego", "package interdict.policy.x\nallow contains {");
    let text = house.configuration();
    house.write("broken.yaml", &text.replace("[bundle]", "[bundle, broken]"));
    house.write("nokeys.yaml", &text.replace("jwks.json", "nokeys.json"));
    house.write(
        "notls.yaml",
        &text.replace("drain_seconds: 1", "tls: {cert: request.json, key: request.json}"),
    );
    for (arguments, hint) in [
        (&["chekc"][..], "chekc"),
        (&["config", "check", "--config", "nokeys.yaml"], "nokeys.json"),
        (&["config", "check", "--config", "notls.yaml"], "listen.grpc.tls"),
        (&["check"], "--request"),
        (&["check", "--request", "request.json"], "pat"),
        (&["check", "--request", "nowhere.json"], "nowhere.json"),
        (&["check", "--request", "request.json", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (&["config", "check", "--config", "typo.yaml"], "listen.grcp"),
        (&["config", "check", "--config", "broken.yaml"], "policy.rego"),
        (&["serve", "--config", "typo.yaml"], "listen.grcp"),
        (&["serve", "--config", "broken.yaml"], "policy.rego"),
        (&["policy", "test", "broken"], "policy.rego"),
        (&["approvals", "list"], "--token-file"),
        (
            &["token", "--key", "interdict.yaml", "--issuer", "i", "--agent", "a", "--audience", "b"],
            "interdict.yaml",
        ),
    ] {
        let ran = house.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {} {}", ran.out, ran.err);
        assert!(ran.err.contains(hint), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn config_check_and_version_end_with_0_and_help_has_examples() {
    let house = House::new();
    house.token();
    let ran = house.run(&["config", "check"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("correct"));
    assert!(house.run(&["version"]).out.starts_with("interdict "));
    for command in [
        &["--help"][..],
        &["config", "check", "--help"],
        &["pins", "--help"],
        &["quarantine", "--help"],
        &["contracts", "draft", "--help"],
        &["witness", "--help"],
        &["audit", "query", "--help"],
        &["replay", "--help"],
        &["bundle", "build", "--help"],
        &["bundle", "sign", "--help"],
        &["bundle", "verify", "--help"],
        &["policy", "eval", "--help"],
        &["serve", "--help"],
        &["check", "--help"],
        &["approvals", "--help"],
        &["token", "--help"],
        &["policy", "test", "--help"],
    ] {
        let ran = house.run(command);
        assert_eq!(ran.code, 0);
        let is_whole = ran.out.contains("Example") && ran.out.contains("Exit codes: ");
        assert!(is_whole, "{command:?}: {}", ran.out);
    }
}

#[test]
fn where_something_has_to_be_named_the_message_says_by_which_option() {
    let house = House::new();
    std::fs::remove_file(house.path("interdict.yaml")).unwrap();
    for command in ["serve", "config check", "check --request r.json"] {
        house.run(&command.split(' ').collect::<Vec<_>>()).ends(2).says(&["interdict.yaml", "--config FILE"]);
    }
    for command in ["audit tail", "audit verify", "replay --since 1h"] {
        let ran = house.run(&command.split(' ').collect::<Vec<_>>()).ends(2);
        ran.says(&["--config FILE", "--directory FOLDER"]);
    }
    house.run(&["audit", "tail", "--directory", "."]).ends(2).says(&["--directory FOLDER"]);
    house.run(&["policy", "test"]).ends(2).says(&["--config FILE"]);
    for command in ["pins list", "approvals list", "quarantine list"] {
        let ran = house.run(&command.split(' ').collect::<Vec<_>>()).ends(2);
        ran.says(&["--token-file FILE", "INTERDICT_ADMIN_TOKEN_FILE=FILE"]);
    }
}

/// A tenant is a folder of the log.
#[test]
fn a_tenant_that_is_a_path_is_refused() {
    let house = House::new();
    std::fs::create_dir_all(house.path("log/tenants")).unwrap();
    for command in ["tail", "query", "verify"] {
        for tenant in ["..", "../..", "a/b", ".hidden", ""] {
            let ran = house.run(&["audit", command, "--directory", "log", "--tenant", tenant]).ends(1);
            ran.says(&["[audit.bad_tenant]"]);
        }
    }
}

#[test]
fn a_command_whose_reader_goes_away_ends_as_it_would_have_without_a_panic() {
    let house = House::new();
    house.token();
    let mut child = house
        .command(&["policy", "test", "bundle"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(said, house.run(&["policy", "test", "bundle"]).err);
    assert_eq!((ended.status.code(), said.contains("no test was found")), (Some(1), true), "{said}");
}

/// Attack: an id that somebody pastes shows something else than it is, or more lines than it has.
#[test]
fn what_was_typed_is_repeated_as_it_is() {
    let house = House::new();
    for command in [&["approvals", "show"][..], &["quarantine", "show"], &["pins", "approve", "--server"]] {
        let ran = house.run(&[command, &["a\u{202e}b\nOK: approved"]].concat());
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(!ran.err.contains('\u{202e}') && !ran.err.contains("\nOK"), "{}", ran.err);
    }
    let ran = house.run(&["approvals", "show", "a\u{202e}b"]);
    assert!(ran.err.contains("a\\u{202e}b"), "{}", ran.err);
}
