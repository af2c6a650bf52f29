//! `interdict policy`.

use serde_json::json;

use crate::house::House;

const TESTS: &str = "package interdict.policy.house_test\n\
    import rego.v1\n\
    import data.interdict.policy.house\n\
    test_bad_is_denied if count(house.deny) == 1 with input as {\"mcp\": {\"tool\": \"bad\"}}\n";

#[test]
fn policy_test_ends_with_0_when_all_pass_and_1_when_one_fails_or_none_runs() {
    let house = House::new();
    house.write("bundle/house/rules_test.rego", TESTS);
    let ran = house.run(&["policy", "test"]);
    assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
    assert!(
        ran.out.contains("PASS") && ran.out.contains("rules.rego") && ran.out.contains("1 passed, 0 failed")
    );
    let ran = house.run(&["policy", "test", "bundle", "--format", "json"]);
    assert_eq!((ran.code, &ran.json()["passed"]), (0, &json!(1)));
    house.write(
        "bundle/more/rules.rego",
        "package interdict.policy.more\nimport rego.v1\n\ndeny contains {\"code\": \"m\", \"message\": \"m\"} if {\n\t\
         input.mcp.tool == \"odd\"\n\tinput.mcp.method == \"tools/call\"\n}\n",
    );
    let ran = house.run(&["policy", "test", "bundle", "--min-coverage", "100"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.out.contains("not reached") && ran.err.contains("bundle/more/rules.rego"), "{}", ran.out);
    assert_eq!(house.run(&["policy", "test", "bundle", "--filter", "no-such-test"]).code, 1);
    house.write("bundle/house/rules_test.rego", &TESTS.replace("== 1", "== 2"));
    let ran = house.run(&["policy", "test", "bundle"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.out.contains("FAIL") && ran.out.contains("0 passed, 1 failed"), "{}", ran.out);
}
