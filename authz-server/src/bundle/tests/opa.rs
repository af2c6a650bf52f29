//! The real `opa sign` and `opa build`. Run when INTERDICT_OPA names the program.

use std::process::Command;

use super::*;
use crate::bundle::signature::Verifier;

fn run(house: &House, opa: &Path, arguments: &[&str]) {
    let ran = Command::new(opa).args(arguments).current_dir(house.path("bundle")).output().unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn what_opa_signs_is_accepted_and_what_we_sign_opa_accepts() {
    let Some(opa) = opa() else { return };
    for algorithm in [SignatureAlgorithm::EdDsa, SignatureAlgorithm::Es256, SignatureAlgorithm::Rs256] {
        let house = House::with_key(algorithm);
        house.write("bundle/sub/data.json", "{\"b\": 1.0, \"a\": [\"<é\u{2028}\\u0001>\", 1e3, null, {}]}");
        house.write(
            "bundle/data.yaml",
            "x: 1.50\ny: [a, \"b\", true, ~, 10000000000000000000000.0, 0.0000001]\n# note\n",
        );
        house.write("bundle/README.md", "notes");
        house.write("bundle/empty/data.yaml", "# nothing\n");
        house.sign(1);
        let private = house.path("private.pem");
        let (private, public) = (private.to_str().unwrap(), house.path("key.pem"));
        let verifier = Verifier::open(&house.signed_config().signature.unwrap()).unwrap();
        verifier.verify(&house.source()).unwrap();

        // OPA reads the archive only when the signature holds.
        std::fs::write(house.path("ours.tar.gz"), house.archive()).unwrap();
        let (ours, out) = (house.path("ours.tar.gz"), house.path("out.tar.gz"));
        let (ours, out, key) = (ours.to_str().unwrap(), out.to_str().unwrap(), public.to_str().unwrap());
        let name = algorithm.name();
        let verify =
            ["build", "--verification-key", key, "--verification-key-id", "k", "--signing-alg", name];
        let sign = ["--signing-key", private, "--bundle", ours, "-o", out];
        run(&house, &opa, &[&verify[..], &sign[..]].concat());

        std::fs::remove_file(house.path("bundle/.signatures.json")).unwrap();
        run(&house, &opa, &["sign", "--signing-key", private, "--signing-alg", name, "--bundle", "."]);
        verifier.verify(&house.source()).unwrap_or_else(|error| panic!("{name}: {error}"));
        house.write("bundle/README.md", "other");
        assert_eq!(verifier.verify(&house.source()).unwrap_err().code, "bundle.changed_file");
    }
}

#[test]
fn an_archive_that_opa_built_and_signed_comes_into_force() {
    let Some(opa) = opa() else { return };
    let house = House::with_key(SignatureAlgorithm::Es256);
    let expires = now() + SignedDuration::from_hours(1);
    let manifest = serde_json::json!({
        "revision": "r", "roots": ["interdict"], "metadata": {"interdict": {"sequence": 1, "expires_at": expires}},
    });
    house.write("bundle/.manifest", &manifest.to_string());
    let (private, out) = (house.path("private.pem"), house.path("built.tar.gz"));
    let (private, out) = (private.to_str().unwrap(), out.to_str().unwrap());
    let sign = ["--signing-key", private, "--signing-alg", "ES256"];
    run(&house, &opa, &[&["build", "--bundle", ".", "-o", out], &sign[..]].concat());
    let config = BundleConfig { paths: vec![house.path("built.tar.gz")], ..house.signed_config() };
    let keeper = house.open(&config).unwrap();
    assert_eq!(keeper.status().sequence, Some(1));
}
