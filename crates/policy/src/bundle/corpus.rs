//! Inputs made from a bundle, on which both engines must say the same before the faster one is used.
//!
//! This is the second line: the first is that a program in which something fails is never believed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Bundle;
use crate::{
    AgentFact, ContentFact, Contract, EnforcerFact, EvalLimits, HttpFact, Input, McpFact, MessageKind,
    TotalFact,
};

/// Members that hold a path, or several.
const PATHS: [&str; 5] = ["path", "currency_path", "paths", "filters", "per"];

/// Most inputs; each costs well under a millisecond.
const MOST: usize = 240;

/// The sets for which the engines differ.
pub(super) fn compare(bundle: &Bundle) -> BTreeSet<usize> {
    let mut different = BTreeSet::new();
    if bundle.fast().is_empty() {
        return different;
    }
    let limits = EvalLimits { time: std::time::Duration::from_millis(500), ..EvalLimits::default() };
    let mut evaluator = bundle.evaluator(limits);
    let registry = bundle.registry();
    let (mut names, mut members) = (BTreeSet::new(), BTreeSet::new());
    gather(bundle.program().raw_data(), &mut names, &mut members);
    names.insert("other".to_owned());
    for contract in bundle.contracts() {
        names.insert(contract.tool.clone());
        gather(&serde_json::to_value(contract).unwrap_or_default(), &mut BTreeSet::new(), &mut members);
    }
    let (shapes, contents, totals) = (shapes(&members), contents(), totals(bundle));
    let agents: Vec<_> = registry.agents().take(4).collect();
    let servers: Vec<_> = registry.servers().take(8).collect();
    let mut cases = Vec::new();
    for server in &servers {
        for tool in names.iter().take(64) {
            for arguments in &shapes {
                cases.extend(agents.iter().map(|agent| (*agent, *server, tool, arguments)));
            }
        }
    }
    // Evenly spread when there are too many.
    let step = (cases.len() / MOST).max(1);
    let times = ["2026-11-19T10:30:00Z", "2026-11-21T23:59:59Z"];
    for (number, (agent, server, tool, arguments)) in cases.into_iter().step_by(step).enumerate() {
        let call = number % 8 != 7;
        let time = times.get(number % 2).and_then(|time| time.parse().ok()).unwrap_or_default();
        let uris = [tool.into()];
        let input = Input {
            time,
            enforcer: EnforcerFact { kind: "call", version: "0" },
            agent: AgentFact { agent, assurance: 1, instance: None },
            principal: None,
            server,
            http: HttpFact { method: "POST", path: "/", host: "host", source_address: "127.0.0.1:1" },
            mcp: McpFact {
                era: "2025-11-25",
                kind: MessageKind::Request,
                method: Some(if call { "tools/call" } else { "resources/read" }),
                tool: call.then_some(tool.as_str()),
                name: None,
                uri: (!call).then_some(tool.as_str()),
                uris: if call { &[] } else { &uris },
                task_ids: &[],
                arguments: Some(arguments.into()),
            },
            approval: None,
            contract: if call { bundle.contract(&server.id, tool) } else { None },
            content: contents.get(number % (2 * contents.len())),
            totals: if number % 3 == 0 { &[] } else { &totals },
        };
        different.extend(evaluator.compare(&input));
    }
    different
}

/// Member names and texts of lists, which name tools, and the texts of paths, which name arguments.
fn gather(data: &Value, names: &mut BTreeSet<String>, members: &mut BTreeSet<String>) {
    match data {
        Value::Object(object) => {
            for (key, value) in object {
                names.insert(key.clone());
                if PATHS.contains(&key.as_str()) {
                    members.extend(texts(value));
                    value.as_array().into_iter().flatten().for_each(|path| members.extend(texts(path)));
                } else {
                    names.extend(texts(value));
                }
                gather(value, names, members);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, names, members)),
        _ => {}
    }
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}

/// What content rules look at; every second input has none of it.
fn contents() -> Vec<ContentFact> {
    [
        json!({"findings": [{"class": "pan", "action": "ask", "path": "/a", "place": "text", "count": 2}], "labels": ["hostile"]}),
        json!({"findings": [{"class": "jwt", "action": "deny", "path": "", "place": "name", "count": 1}], "incomplete": true}),
        json!({
            "findings": [{"class": "pan", "action": "count", "path": "/a", "place": "number", "count": 1, "last_four": "1111"}],
            "accumulated": [
                {"class": "pan", "family": "card", "distinct": 100_000},
                {"class": "nl_bsn", "family": "national_id", "distinct": 1},
            ],
        }),
    ]
    .into_iter()
    .filter_map(|fact| serde_json::from_value(fact).ok())
    .collect()
}

/// Counters of every window that a contract names, near and far from a bound.
fn totals(bundle: &Bundle) -> Vec<TotalFact> {
    let terms = |contract: &Contract| {
        let value = contract.value.iter().flat_map(|term| &term.totals);
        let recipients = contract.recipients.iter().flat_map(|term| &term.totals);
        let things = contract.cardinality.iter().flat_map(|term| &term.totals);
        value.chain(recipients).chain(things).cloned().collect::<Vec<_>>()
    };
    let terms: BTreeMap<_, _> = bundle
        .contracts()
        .flat_map(terms)
        .map(|term| (term.window, term.max.or(term.ask_above).unwrap_or_default()))
        .collect();
    let fact = |counter: &str, window: &str, before, new| TotalFact {
        counter: counter.to_owned(),
        window: window.to_owned(),
        before,
        new,
    };
    let facts = terms.iter().flat_map(|(window, bound)| {
        [
            fact("value", window, bound.saturating_sub(1), None),
            fact("payee", window, *bound, None),
            fact("recipients", window, *bound, Some(1)),
            fact("cardinality", window, 0, Some(0)),
        ]
    });
    facts.collect()
}

/// Arguments of every type, for every member that some policy looks at.
fn shapes(members: &BTreeSet<String>) -> Vec<Value> {
    let values = [
        json!("a"),
        json!(5),
        json!(-1.5),
        json!(1_000_000_000_000_u64),
        json!(null),
        json!(["a@b.example", 1, null]),
        json!({"a": ["b"]}),
        json!("https://a.example/b"),
        json!("x".repeat(5000)),
    ];
    let all = |value: &Value| {
        let members = members.iter().map(|member| (member.clone(), value.clone()));
        Value::Object(members.collect())
    };
    std::iter::once(json!({})).chain(values.iter().map(all)).collect()
}
