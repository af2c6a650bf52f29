//! Contracts: read strictly, seen by the policy, part of the bundle's address.

use crate::common::{Folder, agent, call, codes, limits, project};
use interdict_content::rules::{Over, Undeclared};
use interdict_policy::{Bundle, BundleError, ContentFact, Decision, PolicyObligation};
use interdict_proto::enforcement::Verdict;
use serde_json::{Value, json};

const SERVERS: &str = "servers: [{id: bank, owner: o, tenant: demo, resource: \"https://bank/mcp\", hosts: [\"*\"], paths: [/mcp]}]\n";
const DATA: &str =
    "interdict: {roles: {payer: {tools: {bank: [\"*\"]}}}, destinations: {hosts: [example.com]}}\n";
const TRANSFER: &str = "contracts:
  - server: bank
    tool: transfer
    signed_by: treasury@example.com
    effects: [pay]
    reversible: false
    sensitivity: high
    value: {path: [amount], currency: EUR, currency_path: [currency], minor_units: 2, ask_above: 1000, max: 5000}
    rows: {path: [rows, \"*\", inner], max: 10, over: cut}
    recipients: {paths: [[to]], max: 1, optional: true}
    cardinality: {paths: [[id]], filters: [[where]], ask_above: 1, max: 2}
    destinations: [{path: [url], kind: url, optional: true}]
    path_depth: {path: [folder], min: 1, optional: true}
    output: {undeclared: drop}
";

fn folder(contracts: &str) -> Folder {
    Folder::new(&[("servers/s.yaml", SERVERS), ("data.yaml", DATA), ("contracts/c.yaml", contracts)])
}

fn load(contracts: &str) -> Result<Bundle, BundleError> {
    let folder = folder(contracts);
    Bundle::load(&[project("policies"), folder.root()])
}

/// Decides a call of the bank's tool as the server does: by facts.
fn decide(bundle: &Bundle, tool: &str, arguments: &Value) -> Decision {
    let mut agent = agent();
    agent.roles = vec!["payer".into()];
    let server = bundle.registry().server("bank").unwrap();
    let mut input = call(&agent, server, tool, arguments);
    input.contract = bundle.contract("bank", tool);
    bundle.evaluator(limits()).decide(&input)
}

#[test]
fn a_contract_bounds_the_calls_of_its_tool_and_no_other() {
    let bundle = load(TRANSFER).unwrap();
    let fine = json!({"amount": 9.99, "currency": "EUR", "id": "a"});
    let decision = decide(&bundle, "transfer", &fine);
    assert_eq!(decision.verdict, Verdict::Allow, "{decision:?}");
    let path = ["rows", "*", "inner"].map(str::to_owned).to_vec();
    assert_eq!(
        decision.obligations,
        [
            PolicyObligation::CapRows { path, max: 10, over: Over::Cut },
            PolicyObligation::UndeclaredOutput { action: Undeclared::Drop }
        ]
    );
    let ask = decide(&bundle, "transfer", &json!({"amount": 10.01, "currency": "EUR", "id": "a"}));
    assert_eq!((ask.verdict, codes(&ask)[0]), (Verdict::Intercept, "policy.contract_value_ask"));
    let deny = decide(
        &bundle,
        "transfer",
        &json!({"amount": 1, "currency": "USD", "id": "*", "url": "https://u@example.com"}),
    );
    let denied = ["policy.contract_unbounded", "policy.contract_value_currency", "policy.destination_form"];
    assert_eq!((deny.verdict, &codes(&deny)[..3]), (Verdict::Deny, &denied[..]));
    assert!(deny.obligations.is_empty());
    assert_eq!(decide(&bundle, "other", &json!({"amount": 1e9})).verdict, Verdict::Allow);
}

#[test]
fn every_set_about_contracts_and_content_is_fast() {
    let bundle = load(TRANSFER).unwrap();
    let fast = bundle.evaluator(limits()).fast_sets();
    for set in
        ["contracts.deny", "contracts.intercept", "contracts.obligation", "content.deny", "content.intercept"]
    {
        assert!(fast.iter().any(|name| name == set), "{set}: {:?}", bundle.notes());
    }
}

#[test]
fn a_contract_is_part_of_what_the_digest_is_over_and_of_what_is_kept() {
    let bundle = load(TRANSFER).unwrap();
    let other = load(&TRANSFER.replace("max: 5000", "max: 5001")).unwrap();
    assert_ne!(bundle.digest(), other.digest());
    let kept = Bundle::from_kept(&bundle.keep(&[])).unwrap();
    assert_eq!(
        (kept.digest(), kept.contract("bank", "transfer")),
        (bundle.digest(), bundle.contract("bank", "transfer"))
    );
    assert_eq!(bundle.contracts().count(), 1);
}

#[test]
fn what_is_wrong_with_a_contract_is_said_with_file_and_line() {
    let change = |from: &str, to: &str| {
        assert!(TRANSFER.contains(from), "{from}");
        TRANSFER.replace(from, to)
    };
    for (text, code, line) in [
        (change("tool: transfer", "tool: \"\""), "bundle.contract", 2),
        (change("server: bank", "server: shop"), "bundle.unknown_server", 2),
        (change("signed_by: treasury@example.com", "signed_by: \" \""), "bundle.contract", 2),
        (change("    signed_by: treasury@example.com\n", ""), "bundle.yaml", 13),
        (change("effects: [pay]", "effects: []"), "bundle.contract", 2),
        (change("effects: [pay]", "effects: [pay, pay]"), "bundle.contract", 2),
        (change("effects: [pay]", "effects: [steal]"), "bundle.yaml", 5),
        (change("reversible: false", "reversibel: false"), "bundle.yaml", 6),
        (change("max: 5000", "max: 500"), "bundle.contract", 2),
        (change("max: 5000", "maximum: 5000"), "bundle.yaml", 8),
        (change(", ask_above: 1000, max: 5000", ""), "bundle.contract", 2),
        (change("currency: EUR, ", ""), "bundle.contract", 2),
        (change("currency: EUR", "currency: euro"), "bundle.contract", 2),
        (change("minor_units: 2", "minor_units: 5"), "bundle.contract", 2),
        (change("path: [amount]", "path: []"), "bundle.contract", 2),
        (change("path: [amount]", "path: [\"*\", \"*\"]"), "bundle.contract", 2),
        (change("max: 10,", "max: 9007199254740992,"), "bundle.contract", 2),
        (change("over: cut", "over: drop"), "bundle.yaml", 9),
        (change("paths: [[to]], max: 1", "paths: [], max: 1"), "bundle.contract", 2),
        (change("paths: [[to]], max: 1, ", "paths: [[to]], "), "bundle.contract", 2),
        (change("paths: [[id]], filters: [[where]], ", ""), "bundle.contract", 2),
        (change("kind: url", "kind: uri"), "bundle.yaml", 12),
        (change("min: 1", "min: 0"), "bundle.contract", 2),
        (change("undeclared: drop", "undeclared: cut"), "bundle.yaml", 14),
        (change("contracts:", "contract:"), "bundle.yaml", 1),
        (
            format!("{TRANSFER}  - {{server: bank, tool: transfer, signed_by: x, effects: [pay]}}\n"),
            "bundle.duplicate_contract",
            15,
        ),
    ] {
        let error = load(&text).unwrap_err();
        assert_eq!((error.code, error.line), (code, Some(line)), "{error}\n{text}");
        assert!(error.file.as_ref().unwrap().ends_with("contracts/c.yaml"), "{error}");
    }
}

#[test]
fn destinations_of_a_contract_need_hosts_in_the_data() {
    let folder = folder(TRANSFER);
    folder.write("data.yaml", "interdict: {roles: {payer: {tools: {bank: [\"*\"]}}}}\n");
    let error = Bundle::load(&[project("policies"), folder.root()]).unwrap_err();
    assert_eq!(error.code, "bundle.contract", "{error}");
}

#[test]
fn contracts_lie_at_the_top_of_a_bundle() {
    let folder = folder(TRANSFER);
    folder.write("deep/contracts/c.yaml", TRANSFER);
    assert_eq!(folder.load().unwrap_err().code, "bundle.unread_file");
}

#[test]
fn both_engines_and_no_guards_say_the_same_under_contracts_and_with_content() {
    let folder = folder(TRANSFER);
    let accumulate =
        "{classes: [card], distinct: 3, action: deny}, {classes: [identity], distinct: 3, action: ask}";
    let content = format!(
        "regions: [nl]\nrules: [{{classes: [card, identity], action: count}}]\naccumulate: [{accumulate}]\n"
    );
    folder.write("interdict/content/data.yaml", &content);
    folder.write("interdict/contracts/data.yaml", "bank: {required: true}\n");
    let bundle = Bundle::load(&[project("policies"), folder.root()]).unwrap();
    let mut evaluators = [
        bundle.evaluator(limits()),
        bundle.evaluator(limits()).interpreted(),
        bundle.evaluator(limits()).without_guards(),
    ];
    let finding =
        |action: &str| json!({"class": "pan", "action": action, "path": "/a", "place": "text", "count": 1});
    let sent = |pan: u64, bsn: u64| json!([{"class": "pan", "family": "card", "distinct": pan}, {"class": "nl_bsn", "family": "national_id", "distinct": bsn}]);
    let contents = [
        json!({"findings": [finding("deny")]}),
        json!({"findings": [finding("ask"), finding("redact")], "incomplete": true}),
        json!({"findings": [finding("count")], "accumulated": sent(4, 9)}),
        json!({"findings": [finding("count")], "accumulated": sent(3, 9), "labels": ["hostile"]}),
        json!({"accumulated": sent(4, 4), "labels": ["other"]}),
    ]
    .map(|content| serde_json::from_value::<ContentFact>(content).unwrap());
    let base = json!({"amount": 5, "currency": "EUR", "id": "a", "to": "b", "url": "https://example.com", "folder": "a/b"});
    let others = [
        json!(null),
        json!("x"),
        json!("*"),
        json!(9.995),
        json!(100),
        json!(["a"]),
        json!({"b": "%"}),
        json!("/.."),
    ];
    let mut arguments = vec![base.clone(), json!({})];
    for name in ["amount", "currency", "id", "where", "to", "url", "folder"] {
        arguments.extend(others.iter().map(|other| {
            let mut changed = base.clone();
            changed[name] = other.clone();
            changed
        }));
    }
    let mut agent = agent();
    agent.roles = vec!["payer".into()];
    let server = bundle.registry().server("bank").unwrap();
    for (number, arguments) in arguments.iter().enumerate() {
        for tool in ["transfer", "other"] {
            let mut input = call(&agent, server, tool, arguments);
            input.contract = bundle.contract("bank", tool);
            input.content = contents.get(number % 6);
            let [fast, strict, unguarded] = evaluators.each_mut().map(|evaluator| evaluator.decide(&input));
            assert_eq!((&fast, &fast), (&strict, &unguarded), "{tool} {arguments}");
        }
    }
}

/// The code blocks of a page that begin with one of these words.
fn blocks(page: &str, start: &str) -> Vec<String> {
    let text = std::fs::read_to_string(project(page)).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.starts_with(start)).map(str::to_owned).collect()
}

#[test]
fn the_examples_of_the_manual_load() {
    let names = ["payments", "mail", "files"];
    let servers = names.map(|id| {
        format!("  - {{id: {id}, owner: o, tenant: t, resource: \"https://{id}/mcp\", hosts: [{id}], paths: [/mcp]}}\n")
    });
    let contracts = blocks("policies/README.md", "# contracts/");
    let content = blocks("policies/README.md", "interdict:\n  content:");
    let (key, hash) = ("0".repeat(64), "AAAAAAAAAAA=");
    let content = content[0].replace("<64 hex digits>", &key).replace("<base64>", hash);
    let folder = Folder::new(&[
        ("servers/s.yaml", &format!("servers:\n{}", servers.concat())),
        ("contracts/c.yaml", &contracts[0]),
        ("data.yaml", &content),
        ("interdict/destinations/data.yaml", "hosts: [example.com]\n"),
    ]);
    let bundle = Bundle::load(&[project("policies"), folder.root()]).unwrap();
    assert!(bundle.contract("payments", "transfer").unwrap().path_depth.is_some());
    assert!(bundle.content().accumulates() && !bundle.content().is_silent());
}
