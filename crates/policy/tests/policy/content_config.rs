//! `interdict.content`: from rules to one profile per server, tool and direction.

use std::sync::Arc;

use crate::common::Folder;
use interdict_content::profile::{Action, InjectionAction};
use interdict_content::rules::Unreadable;
use interdict_policy::{Bundle, BundleError, ContentConfig, Direction};
use sha2::Digest as _;

const SERVERS: &str = "servers:
  - {id: mail, owner: o, tenant: t, resource: \"https://mail/mcp\", hosts: [mail], paths: [/mcp]}
  - {id: bank, owner: o, tenant: t, resource: \"https://bank/mcp\", hosts: [bank], paths: [/mcp]}
";
const RULES: &str = "package interdict.policy.own\nallow contains {\"code\": \"a\", \"message\": \"m\"}\n";

fn load(content: &str) -> Result<Bundle, BundleError> {
    Folder::new(&[("a.rego", RULES), ("servers/s.yaml", SERVERS), ("interdict/content/data.yaml", content)])
        .load()
}

fn config(content: &str) -> ContentConfig {
    load(content).unwrap().content().clone()
}

/// What happens to a class in arguments of the tool.
fn action(config: &ContentConfig, server: &str, tool: Option<&str>, class: &str) -> Option<Action> {
    let profile = config.profile(server, tool, Direction::Request)?;
    profile.profile().classes.get(class).copied()
}

#[test]
fn without_data_nothing_is_looked_for() {
    let bundle = Folder::new(&[("a.rego", RULES), ("servers/s.yaml", SERVERS)]).load().unwrap();
    let config = bundle.content();
    assert!(config.is_silent() && config.profile("mail", Some("send"), Direction::Request).is_none());
    let settings = config.settings("mail");
    assert_eq!((settings.unreadable, settings.injection), (Unreadable::Pass, None));
    assert!(load("{}\n").unwrap().content().is_silent());
}

#[test]
fn the_strictest_of_the_rules_that_fit_holds() {
    let config = config(
        "rules:
  - {classes: [pan], action: count}
  - {classes: [pan], servers: [bank], action: redact}
  - {classes: [card], tools: [\"pay_*\"], action: deny}
  - {classes: [pan], direction: response, action: ask}
",
    );
    let action = |server, tool| action(&config, server, tool, "pan");
    assert_eq!(action("mail", Some("send")), Some(Action::Count));
    assert_eq!(action("mail", None), Some(Action::Count));
    assert_eq!(action("bank", Some("list")), Some(Action::Redact));
    assert_eq!(action("bank", Some("pay_bill")), Some(Action::Deny));
    assert_eq!(action("mail", Some("pay_")), Some(Action::Deny));
    assert_eq!(action("mail", Some("pay")), Some(Action::Count));
    assert_eq!(action("unknown", Some("x")), Some(Action::Count));
    let answer = config.profile("mail", None, Direction::Response).unwrap();
    assert_eq!(answer.profile().classes["pan"], Action::Ask);
}

#[test]
fn allow_for_a_server_or_tool_clears_what_rules_for_all_say_and_nothing_else() {
    let config = config(
        "rules:
  - {classes: [contact], action: deny}
  - {classes: [pan], action: allow}
  - {classes: [email], servers: [mail], tools: [send], action: allow}
  - {classes: [email], servers: [bank], tools: [send], action: allow}
  - {classes: [email], servers: [bank], action: redact}
",
    );
    let action = |server, tool, class| action(&config, server, Some(tool), class);
    assert_eq!(action("mail", "send", "email"), None, "cleared here");
    assert_eq!(action("mail", "send", "phone"), Some(Action::Deny), "another class");
    assert_eq!(action("mail", "read", "email"), Some(Action::Deny), "another tool");
    assert_eq!(
        action("bank", "send", "email"),
        Some(Action::Redact),
        "a rule as near as the one that clears"
    );
    assert_eq!(action("bank", "list", "email"), Some(Action::Deny));
    assert_eq!(action("mail", "send", "pan"), None, "allow alone is nothing to look for");
}

#[test]
fn a_tool_has_the_rules_of_every_prefix_that_it_begins_with() {
    let config = config(
        "rules:
  - {classes: [pan], tools: [\"a*\"], action: count}
  - {classes: [iban], tools: [\"abc*\"], action: redact}
  - {classes: [email], tools: [abcd], action: deny}
  - {classes: [ip], tools: [\"*\"], action: count}
",
    );
    let classes = |tool| -> Vec<String> {
        let profile = config.profile("mail", tool, Direction::Request);
        profile.map(|profile| profile.profile().classes.keys().cloned().collect()).unwrap_or_default()
    };
    assert_eq!(classes(Some("abcd")), ["email", "iban", "ip", "pan"]);
    assert_eq!(classes(Some("abcde")), ["iban", "ip", "pan"]);
    assert_eq!(classes(Some("abc")), ["iban", "ip", "pan"]);
    assert_eq!(classes(Some("ab")), ["ip", "pan"]);
    assert_eq!(classes(Some("x")), ["ip"]);
    assert!(classes(None).is_empty());
}

#[test]
fn families_are_their_classes_and_national_numbers_are_those_of_the_regions() {
    let config = config("regions: [nl]\nrules: [{classes: [secret, identity], action: redact}]\n");
    let profile = config.profile("mail", None, Direction::Request).unwrap();
    let classes = &profile.profile().classes;
    for class in ["github_token", "jwt", "private_key", "mrz", "nl_bsn"] {
        assert_eq!(classes.get(class), Some(&Action::Redact), "{class}");
    }
    for class in ["us_ssn", "pan", "secret", "identity", "national_id"] {
        assert!(!classes.contains_key(class), "{class}");
    }
    assert_eq!(profile.profile().regions, ["nl"]);
    assert_eq!(
        (config.family("nl_bsn"), config.family("jwt"), config.family("x")),
        ("national_id", "secret", "own")
    );
}

#[test]
fn the_digest_is_over_the_text_that_travels_and_equal_profiles_are_one() {
    let config =
        config("rules: [{classes: [pan], action: redact}, {classes: [iban], tools: [x], action: deny}]\n");
    let profile = config.profile("mail", Some("y"), Direction::Request).unwrap();
    assert_eq!(profile.text(), serde_json::to_string(profile.profile()).unwrap());
    let digest: String =
        sha2::Sha256::digest(profile.text()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(profile.digest(), digest);
    assert!(Arc::ptr_eq(profile, config.profile("bank", None, Direction::Request).unwrap()));
    assert_eq!(config.profiles().filter(|other| other.digest() == digest).count(), 2, "one per direction");
}

#[test]
fn injection_is_looked_for_in_answers_only_and_settings_can_be_those_of_a_server() {
    let config = config(
        "injection: {structural: quarantine, contextual: quarantine, lexical: note}
servers: {bank: {injection: {structural: off, contextual: off, lexical: off}, max_bytes: 65536, unreadable: pass}}
",
    );
    assert!(config.profile("mail", Some("x"), Direction::Request).is_none());
    let answers = config.profile("mail", Some("x"), Direction::Response).unwrap();
    assert_eq!(answers.profile().injection.unwrap().structural, InjectionAction::Quarantine);
    assert!(config.profile("bank", Some("x"), Direction::Response).is_none());
    let (mail, bank) = (config.settings("mail"), config.settings("bank"));
    assert_eq!((mail.unreadable, mail.max_bytes), (Unreadable::Deny, 3 << 19));
    assert_eq!((bank.unreadable, bank.max_bytes, bank.injection), (Unreadable::Pass, 65536, None));
}

#[test]
fn what_cannot_be_read_is_refused_where_something_is_kept_from_the_agent() {
    let unreadable = |rules: &str| {
        let config = config(rules);
        ["mail", "bank", "other"].map(|server| config.settings(server).unreadable)
    };
    use Unreadable::{Deny, Pass};
    assert_eq!(unreadable("rules: [{classes: [pan], action: count}]\n"), [Pass, Pass, Pass]);
    assert_eq!(
        unreadable("rules: [{classes: [pan], direction: request, action: deny}]\n"),
        [Pass, Pass, Pass]
    );
    assert_eq!(unreadable("rules: [{classes: [pan], action: redact}]\n"), [Deny, Deny, Deny]);
    assert_eq!(
        unreadable("rules: [{classes: [pan], servers: [mail], tools: [x], action: redact}]\n"),
        [Deny, Pass, Pass]
    );
    assert_eq!(
        unreadable("unreadable: pass\nrules: [{classes: [pan], action: redact}]\n"),
        [Pass, Pass, Pass]
    );
    assert_eq!(unreadable("unreadable: deny\n"), [Deny, Deny, Deny]);
}

#[test]
fn classes_of_the_operator_have_their_patterns_where_they_are_looked_for() {
    let config = config(
        "patterns: [{class: employee_id, pattern: \"EMP-[0-9]{6}\"}]
rules:
  - {classes: [employee_id], servers: [mail], action: redact}
  - {classes: [pan], action: count}
",
    );
    let patterns =
        |server| config.profile(server, None, Direction::Request).unwrap().profile().patterns.len();
    assert_eq!((patterns("mail"), patterns("bank")), (1, 0));
}

#[test]
fn what_is_wrong_is_refused_at_load_with_the_file() {
    for content in [
        "rule: []",
        "rules: [{classes: [pan], action: erase}]",
        "rules: [{classes: [pan], actions: deny}]",
        "rules: [{classes: [], action: deny}]",
        "rules: [{classes: [card_number], action: deny}]",
        "rules: [{classes: [us_ssn], action: deny}]",
        "rules: [{classes: [national_id], action: deny}]",
        "rules: [{classes: [pan], servers: [shop], action: deny}]",
        "rules: [{classes: [pan], servers: [], action: deny}]",
        "rules: [{classes: [pan], tools: [], action: deny}]",
        "rules: [{classes: [pan], tools: [\"a*b\"], action: deny}]",
        "rules: [{classes: [pan], tools: [\"\"], action: deny}]",
        "rules: [{classes: [pan], direction: both, action: deny}]",
        "regions: [NL]",
        "regions: [nld]",
        "patterns: [{class: employee_id, pattern: \"EMP\"}]",
        "accumulate: [{classes: [pan], distinct: 5, action: ask}]",
        "rules: [{classes: [pan], direction: response, action: deny}]\naccumulate: [{classes: [pan], distinct: 5, action: ask}]",
        "rules: [{classes: [pan], action: count}]\naccumulate: [{classes: [pan], distinct: 5, action: redact}]",
        "rules: [{classes: [pan], action: count}]\naccumulate: [{classes: [pan], distinct: 0, action: ask}]",
        "servers: {shop: {unreadable: deny}}",
        "servers: {bank: {unreadable: maybe}}",
        "max_bytes: 1",
        "unreadable: no",
        "injection: {structural: quarantine}",
    ] {
        let error = load(content).unwrap_err();
        assert_eq!(error.code, "bundle.content", "{content}: {error}");
        assert!(error.file.unwrap().ends_with("interdict/content/data.yaml"), "{content}");
    }
}

#[test]
fn a_rule_that_counts_is_enough_for_values_that_add_up() {
    let content = "regions: [us]
rules: [{classes: [card, national_id], action: count}]
accumulate: [{classes: [pan, identity], distinct: 5, action: ask}]
";
    assert!(config(content).accumulates());
}

#[test]
fn a_class_may_go_where_a_rule_that_names_the_place_says_so_and_nothing_takes_it_back() {
    let config = config(
        "rules:
  - {classes: [card], action: redact}
  - {classes: [email], action: allow}
  - {classes: [card], servers: [bank], action: allow}
  - {classes: [card], servers: [bank], tools: [\"export_*\"], action: deny}
  - {classes: [iban], tools: [pay], direction: response, action: allow}
",
    );
    assert!(config.clears("bank", Some("pay"), "pan") && config.clears("bank", None, "pan"));
    assert!(!config.clears("bank", Some("export_all"), "pan"));
    assert!(!config.clears("mail", Some("pay"), "pan"));
    assert!(!config.clears("mail", None, "email"), "a rule for all says nothing of one");
    assert!(!config.clears("bank", Some("pay"), "iban"));
}

#[test]
fn a_server_whose_tools_have_rules_of_their_own_tells_them_apart() {
    let config = config(
        "rules:
  - {classes: [card], direction: response, action: redact}
  - {classes: [secret], servers: [bank], tools: [show], direction: response, action: deny}
",
    );
    assert!(config.tells_tools_apart("bank") && !config.tells_tools_apart("mail"));
}

#[test]
fn roles_grant_what_their_data_names_where_no_topic_allows_more() {
    let agents = "agents:
  - {id: mia, owner: o, tenant: t, roles: [clerk, none], servers: [mail], identities: [{issuer: \"https://i\", subject: mia}]}
";
    let roles = "roles:
  clerk: {tools: {mail: [send, \"read_*\"], \"*\": [help]}, prompts: {mail: [letter]}, methods: [tasks/get]}
  boss: {tools: {mail: [\"*\"]}}
";
    let grants = |topic: &str| {
        let rules = RULES.replace("policy.own", &format!("policy.{topic}"));
        let files = [
            ("a.rego", rules.as_str()),
            ("agents/a.yaml", agents),
            ("servers/s.yaml", SERVERS),
            ("interdict/data.yaml", roles),
        ];
        Folder::new(&files).load().unwrap().grants("mia", "mail")
    };
    let granted = grants("tools").unwrap();
    assert_eq!(granted.tools, ["help", "read_*", "send"]);
    assert_eq!((granted.prompts, granted.resources), (vec!["letter".to_owned()], Vec::new()));
    assert_eq!(grants("own"), None, "a topic of the house may allow anything");
}
