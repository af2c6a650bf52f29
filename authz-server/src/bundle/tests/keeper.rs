//! What comes into force, what does not, and what is told of it.

use super::*;

#[track_caller]
fn refusal(keeper: &BundleKeeper) -> String {
    assert_eq!(keeper.look(), Look::Refused);
    keeper.status().refused.unwrap().code
}

fn kept(house: &House) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(house.path("audit/bundles"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "state.json")
        .collect();
    names.sort();
    names
}

#[test]
fn every_bundle_that_comes_into_force_is_kept_and_loads_again() {
    let house = House::new();
    let keeper = house.open(&house.config()).unwrap();
    let first = keeper.status().digest;
    house.write("bundle/house.rego", &rules("second"));
    assert_eq!(keeper.look(), Look::Loaded);
    let second = keeper.status().digest;
    let mut expected = [format!("{first}.json"), format!("{second}.json")];
    expected.sort();
    assert_eq!(kept(&house), expected);
    let bytes = std::fs::read(house.path("audit/bundles").join(format!("{first}.json"))).unwrap();
    assert_eq!(Bundle::from_kept(&bytes).unwrap().digest(), first);
    assert_eq!(house.events(), [(EventKind::Loaded, None), (EventKind::Loaded, None)]);
    assert_eq!(house.events.0.lock().unwrap()[1].previous, Some(first));
}

#[test]
fn a_bundle_that_cannot_be_kept_does_not_come_into_force_until_it_can() {
    let house = House::new();
    let keeper = house.open(&house.config()).unwrap();
    let (folder, away) = (house.path("audit/bundles"), house.path("audit/away"));
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    house.write("bundle/house.rego", &rules("second"));
    assert_eq!(refusal(&keeper), "bundle.not_kept");
    assert_eq!(keeper.look(), Look::Unchanged, "told once");
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(keeper.look(), Look::Loaded);
    assert!(house.open(&house.config()).is_ok());
}

#[test]
fn a_bundle_that_fails_its_own_tests_is_refused_and_the_old_one_stays() {
    let house = House::new();
    let keeper = house.open(&house.config()).unwrap();
    let before = keeper.status().digest;
    let test = |body: &str| format!("package house_test\n\ntest_it if {body}\n");
    house.write("bundle/house_test.rego", &test("1 == 2"));
    house.write("bundle/house.rego", &rules("second"));
    assert_eq!(refusal(&keeper), "bundle.tests_failed");
    let status = keeper.status();
    assert_eq!(status.digest, before);
    assert!(status.refused.unwrap().message.contains("data.house_test.test_it"));
    house.write("bundle/house_test.rego", &test("1 == 1"));
    assert_eq!(keeper.look(), Look::Loaded);

    house.write("bundle/house_test.rego", &test("1 == 2"));
    assert_eq!(house.open(&house.config()).unwrap_err().code, "bundle.tests_failed");
    assert!(house.open(&BundleConfig { run_tests: false, ..house.config() }).is_ok());
}

#[test]
fn a_bundle_without_entry_points_or_with_an_error_is_refused() {
    let house = House::new();
    let keeper = house.open(&house.config()).unwrap();
    house.write("bundle/house.rego", "package house\n\nx := 1\n");
    assert_eq!(refusal(&keeper), "bundle.no_entry_point");
    house.write("bundle/house.rego", "package house\n\nx :=\n");
    assert_eq!(refusal(&keeper), "bundle.rego");
    house.write("bundle/more.yaml", "x: 1\n");
    assert_eq!(refusal(&keeper), "bundle.unread_file");
    std::fs::remove_file(house.path("bundle/more.yaml")).unwrap();
    house.write("bundle/house.rego", RULES);
    assert_eq!(keeper.look(), Look::Restored);
    assert_eq!(house.events().last().unwrap().0, EventKind::Restored);
    assert!(house.metrics.render().unwrap().contains("interdict_bundle_load_failures_total 3"));
}

#[test]
fn a_signed_bundle_needs_a_term() {
    let house = House::new();
    house.sign_as_it_is();
    assert_eq!(house.open(&house.signed_config()).unwrap_err().code, "bundle.no_term");
    house.sign(1);
    let keeper = house.open(&house.signed_config()).unwrap();
    let status = keeper.status();
    assert_eq!((status.sequence, status.revision.as_deref()), (Some(1), Some("r1")));
    assert!(status.signed_by.unwrap().starts_with("sha256:"));
}

#[test]
fn an_older_bundle_does_not_come_back_not_even_after_a_restart() {
    let house = House::new();
    house.sign(5);
    let old = house.archive();
    let keeper = house.open(&house.signed_config()).unwrap();
    house.write("bundle/house.rego", &rules("second"));
    house.sign(6);
    assert_eq!(keeper.look(), Look::Loaded);

    house.write("bundle/house.rego", RULES);
    house.sign(5);
    assert_eq!(refusal(&keeper), "bundle.rolled_back");
    assert_eq!(house.open(&house.signed_config()).unwrap_err().code, "bundle.rolled_back");
    house.write("replayed.tar.gz", "");
    std::fs::write(house.path("replayed.tar.gz"), old).unwrap();
    let replayed = BundleConfig { paths: vec![house.path("replayed.tar.gz")], ..house.signed_config() };
    assert_eq!(house.open(&replayed).unwrap_err().code, "bundle.rolled_back");

    house.write("bundle/house.rego", &rules("third"));
    house.sign(6);
    assert_eq!(refusal(&keeper), "bundle.sequence_reused");
    house.sign(7);
    assert_eq!(keeper.look(), Look::Loaded);
}

#[test]
fn a_state_that_cannot_be_read_stops_the_start() {
    let house = House::new();
    house.open(&house.config()).unwrap();
    for text in ["", "{}", "{\"v\": 2}", "{\"v\": 1, \"highest\": 5}"] {
        house.write("audit/bundles/state.json", text);
        assert_eq!(house.open(&house.config()).unwrap_err().code, "bundle.state", "{text}");
    }
}

#[test]
fn a_bundle_has_its_time() {
    let house = House::new();
    let hours = |hours| now() + SignedDuration::from_hours(hours);
    house.sign_until(1, None, hours(24));
    let keeper = house.open(&house.signed_config()).unwrap();
    house.write("bundle/house.rego", &rules("second"));
    house.sign_until(2, Some(hours(1)), hours(2));
    assert_eq!(refusal(&keeper), "bundle.not_yet_valid");
    assert_eq!(keeper.look(), Look::Unchanged);
    house.advance(3_600);
    assert_eq!(keeper.look(), Look::Loaded, "its time has come, without any change");
    house.advance(3_599);
    assert!(!keeper.is_stale(house.clock.now()));
    house.advance(1);
    assert_eq!(keeper.freshness().stale_code(house.clock.now()), Some("bundle.expired"));
    keeper.look_at_age();
    keeper.look_at_age();
    assert_eq!(house.events().last().unwrap(), &(EventKind::Stale, Some("bundle.expired".into())));
    assert_eq!(house.events().iter().filter(|event| event.0 == EventKind::Stale).count(), 1);
    assert!(house.metrics.render().unwrap().contains("interdict_bundle_too_old 1"));
    assert_eq!(house.open(&house.signed_config()).unwrap_err().code, "bundle.expired");

    house.sign_until(3, None, hours(24));
    assert_eq!(keeper.look(), Look::Loaded);
    keeper.look_at_age();
    assert_eq!(house.events().last().unwrap().0, EventKind::Fresh);
    assert!(house.metrics.render().unwrap().contains("interdict_bundle_too_old 0"));
}

#[test]
fn a_bundle_that_its_source_does_not_confirm_becomes_stale() {
    let house = House::new();
    let keeper = house.open(&BundleConfig { max_age_seconds: Some(60), ..house.config() }).unwrap();
    house.advance(50);
    assert_eq!(keeper.look(), Look::Unchanged);
    house.advance(50);
    assert!(!keeper.is_stale(house.clock.now()), "the folder was read and had the same");
    house.write("bundle/house.rego", "package");
    assert_eq!(keeper.look(), Look::Refused);
    house.advance(11);
    assert_eq!(keeper.freshness().stale_code(house.clock.now()), Some("bundle.too_old"));
    keeper.look_at_age();
    assert_eq!(keeper.status().stale.as_deref(), Some("bundle.too_old"));
    house.write("bundle/house.rego", RULES);
    assert_eq!(keeper.look(), Look::Restored);
    assert!(!keeper.is_stale(house.clock.now()));
}

#[test]
fn a_stripped_bundle_does_not_replace_a_signed_one() {
    let house = House::new();
    house.sign(1);
    let keeper = house.open(&house.signed_config()).unwrap();
    std::fs::remove_file(house.path("bundle/.signatures.json")).unwrap();
    house.write("bundle/house.rego", &rules("mine"));
    assert_eq!(refusal(&keeper), "bundle.unsigned");
    let archive = interdict_policy::write_tarball(&house.files()).unwrap();
    std::fs::write(house.path("b.tar.gz"), archive).unwrap();
    let config = BundleConfig { paths: vec![house.path("b.tar.gz")], ..house.signed_config() };
    assert_eq!(house.open(&config).unwrap_err().code, "bundle.unsigned");
}
