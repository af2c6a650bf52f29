//! `interdict bundle`, as a publisher uses it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const RULES: &str =
    "package interdict.policy.house\n\nallow contains {\"code\": \"fine\", \"message\": \"Fine.\"}\n";
/// Made for this test.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

struct House(tempfile::TempDir);

impl House {
    fn new() -> Self {
        let house = Self(tempfile::tempdir().unwrap());
        for (name, text) in [
            ("rules/house.rego", RULES),
            ("rules/README.md", "notes"),
            ("own/data.yaml", "a: 1\n"),
            ("own/README.md", "other notes"),
            ("private.pem", PRIVATE),
            ("public.pem", PUBLIC),
        ] {
            house.write(name, text);
        }
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interdict"));
        command.arg("bundle").args(arguments).current_dir(self.0.path()).env_clear().output().unwrap()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], why: &str) {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(why), "{said}");
    }
}

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim()
}

#[test]
fn folders_become_one_archive_that_is_signed_and_verified() {
    let house = House::new();
    let built = house.done(&["build", "rules", "own", "-o", "b.tar.gz"]);
    let digest = house.done(&["digest", "rules", "own"]);
    assert!(built.starts_with(digest.trim()), "{built} {digest}");
    assert!(house.done(&["digest", "--list", "b.tar.gz"]).starts_with("{\"files\":[{\"name\":\"data.yaml\""));
    house.refused(&["verify", "--key", "public.pem", "b.tar.gz"], "bundle.unsigned");

    let sign = [
        "sign",
        "--key",
        "private.pem",
        "--revision",
        "r1",
        "--key-id",
        "team",
        "--scope",
        "prod",
        "b.tar.gz",
    ];
    let signed = house.done(&sign);
    assert_eq!((line(&signed, "sequence"), line(&signed, "revision")), ("1", "r1"));
    let verify = ["verify", "--key", "public.pem", "--key-id", "team", "--scope", "prod", "b.tar.gz"];
    let verified = house.done(&verify);
    assert_eq!(line(&verified, "digest"), line(&signed, "digest"));
    assert_eq!(line(&verified, "signed by"), "team");
    house.refused(&["verify", "--key", "public.pem", "b.tar.gz"], "bundle.signature_scope");

    assert_eq!(line(&house.done(&sign), "sequence"), "2", "one more than before");
    let days =
        line(&house.done(&[&sign[..], &["--sequence", "9", "--expires-in-days", "1"]].concat()), "sequence")
            .to_owned();
    assert_eq!(days, "9");
}

#[test]
fn a_folder_is_signed_where_it_is_and_a_change_shows() {
    let house = House::new();
    house.done(&["sign", "--key", "private.pem", "rules"]);
    house.done(&["verify", "--key", "public.pem", "rules"]);
    house.write("rules/README.md", "changed");
    house.refused(&["verify", "--key", "public.pem", "rules"], "bundle.changed_file");
    house.write("config.yaml", "bundle: {paths: [rules], signature: {key_file: public.pem}}\nidentity: {issuers: [{issuer: i, algorithm: ES256, jwks: {file: k.json}}]}\n");
    house.refused(&["verify", "--config", "config.yaml"], "bundle.changed_file");
    assert!(!Path::new(&house.path("rules/.signatures.json.new")).exists());
}

#[test]
fn what_no_server_would_take_is_neither_built_nor_signed() {
    let house = House::new();
    house.write("own/house_test.rego", "package house_test\n\ntest_it if 1 == 2\n");
    house.refused(&["build", "rules", "own", "-o", "b.tar.gz"], "bundle.tests_failed");
    assert!(!house.path("b.tar.gz").exists());
    house.write("own/house_test.rego", "package house_test\n\ntest_it if 1 == 1\n");
    house.write("own/house.rego", RULES);
    house.refused(&["build", "rules", "own", "-o", "b.tar.gz"], "house.rego");
    house.refused(
        &["sign", "--key", "private.pem", "--expires-at", "2020-01-01T00:00:00Z", "rules"],
        "bundle.expired",
    );
    assert!(!house.path("rules/.manifest").exists());
    assert_eq!(house.run(&["sign", "--key", "public.pem", "rules"]).status.code(), Some(2));
}
