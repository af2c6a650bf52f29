//! What one decision costs: the default bundle with the quickstart's data.
//!
//! `cargo bench -p interdict-policy`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench stops at the first surprise"
)]
use std::path::Path;

use interdict_mcp::json;
use interdict_policy::replay::{Exact, Judge};
use interdict_policy::{
    Agent, AgentFact, Bundle, EnforcerFact, EvalLimits, Evaluator, Facts, HttpFact, Input, McpFact,
    MessageKind, Server,
};

fn main() {
    divan::main();
}

struct Setup {
    bundle: Bundle,
    evaluator: Evaluator,
}

fn setup() -> Setup {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let roots = [project.join("policies"), project.join("examples/quickstart/bundle")];
    let bundle = Bundle::load(&roots).unwrap();
    let evaluator = bundle.evaluator(EvalLimits::default());
    Setup { bundle, evaluator }
}

fn input<'a>(agent: &'a Agent, server: &'a Server, method: &'a str, tool: Option<&'a str>) -> Input<'a> {
    Input {
        time: "2026-11-19T10:30:00Z".parse().unwrap(),
        enforcer: EnforcerFact { kind: "call", version: "0.1.0" },
        agent: AgentFact { agent, assurance: 1, instance: None },
        principal: None,
        server,
        http: HttpFact { method: "POST", path: "/mcp", host: "mcp.example", source_address: "10.0.0.7:4711" },
        mcp: McpFact {
            era: "2025-06-18",
            kind: MessageKind::Request,
            method: Some(method),
            tool,
            name: None,
            uri: None,
            uris: &[],
            task_ids: &[],
            arguments: None,
        },
        approval: None,
        contract: None,
        content: None,
        totals: &[],
    }
}

const CASES: [(&str, &str, Option<&str>, &str); 7] = [
    ("everything", "ping", None, ""),
    ("everything", "tools/list", None, ""),
    ("everything", "tools/call", Some("echo"), r#"{"message":"hello"}"#),
    ("files", "tools/call", Some("read_file"), r#"{"path":"/srv/data/report.txt","head":20}"#),
    ("files", "tools/call", Some("write_file"), r#"{"path":"/srv/data/report.txt","content":"x"}"#),
    (
        "payments",
        "tools/call",
        Some("transfer"),
        r#"{"amount":500,"currency":"EUR","iban":"DE02120300000000202051","reference":"invoice 4711"}"#,
    ),
    (
        "payments",
        "tools/call",
        Some("send_receipt"),
        r#"{"to":["a@mail.demo.example"],"link":"https://demo.example/r/1"}"#,
    ),
];

#[divan::bench(args = 0..CASES.len())]
fn decide(bencher: divan::Bencher<'_, '_>, case: usize) {
    let (server, method, tool, arguments) = CASES[case];
    let Setup { bundle, mut evaluator } = setup();
    let agent = bundle.registry().agent("analyst").unwrap();
    let server = bundle.registry().server(server).unwrap();
    let limits = interdict_mcp::Limits::default();
    let document =
        (!arguments.is_empty()).then(|| json::Document::parse(arguments.as_bytes(), &limits).unwrap());
    let mut input = input(agent, server, method, tool);
    input.mcp.arguments = document.as_ref().map(|document| document.root().into());
    println!("{method} {tool:?}: {:?}", evaluator.decide(&input).verdict);
    bencher.bench_local(|| evaluator.decide(&input));
}

/// 1 KB of arguments in one string.
#[divan::bench]
fn decide_1kb(bencher: divan::Bencher<'_, '_>) {
    let Setup { bundle, mut evaluator } = setup();
    let agent = bundle.registry().agent("analyst").unwrap();
    let server = bundle.registry().server("everything").unwrap();
    let text = format!("{{\"message\":\"{}\"}}", "x".repeat(1000));
    let document = json::Document::parse(text.as_bytes(), &interdict_mcp::Limits::default()).unwrap();
    let mut input = input(agent, server, "tools/call", Some("echo"));
    input.mcp.arguments = Some(document.root().into());
    bencher.bench_local(|| evaluator.decide(&input));
}

/// The call of `bench/`: a role, three limits, a destination and hours, all of which allow.
#[divan::bench]
fn decide_bench_bundle(bencher: divan::Bencher<'_, '_>) {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bundle = Bundle::load(&[project.join("policies"), project.join("bench/bundle")]).unwrap();
    let mut evaluator = bundle.evaluator(EvalLimits::default());
    let agent = bundle.registry().agents().next().unwrap();
    let server = bundle.registry().server("bench").unwrap();
    let text = format!(
        r#"{{"report":"q1/0123456789abcdef.csv","total_cents":5,"note":"{}","callback":"https://a.bench.example/x"}}"#,
        "x".repeat(700)
    );
    let document = json::Document::parse(text.as_bytes(), &interdict_mcp::Limits::default()).unwrap();
    let mut input = input(agent, server, "tools/call", Some("append_report"));
    input.mcp.arguments = Some(document.root().into());
    println!("{:?} {:?}", evaluator.decide(&input).verdict, evaluator.fast_sets());
    bencher.bench_local(|| evaluator.decide(&input));
}

/// A kept decision, read and judged again, with the comparison of its bytes.
#[divan::bench]
fn replay_exact(bencher: divan::Bencher<'_, '_>) {
    let (bundle, text) = (setup().bundle, kept());
    let facts = Facts::parse(text.as_bytes()).unwrap();
    let mut judge = Judge::new(&bundle);
    let recorded = judge.judge(&facts).unwrap().canonical();
    println!("{:?}", judge.judge(&facts).unwrap().verdict);
    bencher.bench_local(|| assert_eq!(judge.exact(text.as_bytes(), &recorded), Exact::Same));
}

/// What keeping the facts costs the live path.
#[divan::bench]
fn facts_to_json(bencher: divan::Bencher<'_, '_>) {
    let facts = Facts::parse(kept().as_bytes()).unwrap();
    facts.with_ref(|facts| bencher.bench_local(|| facts.to_json())).unwrap();
}

fn kept() -> String {
    let arguments = CASES[5].3;
    format!(
        r#"{{"time_ms":1795084200000,"enforcer":{{"kind":"call","version":"0.1.0"}},"agent_id":"analyst","assurance":1,"server_id":"payments","http":{{"method":"POST","path":"/mcp","host":"mcp.example","source_address":"10.0.0.7"}},"mcp":{{"era":"2025-06-18","kind":"request","method":"tools/call","tool":"transfer","arguments":{arguments}}}}}"#
    )
}

#[divan::bench]
fn document_only(bencher: divan::Bencher<'_, '_>) {
    let Setup { bundle, .. } = setup();
    let agent = bundle.registry().agent("analyst").unwrap();
    let server = bundle.registry().server("everything").unwrap();
    let text = r#"{"message":"hello"}"#;
    let document = json::Document::parse(text.as_bytes(), &interdict_mcp::Limits::default()).unwrap();
    let mut input = input(agent, server, "tools/call", Some("echo"));
    input.mcp.arguments = Some(document.root().into());
    bencher.bench_local(|| input.to_json());
}

#[divan::bench]
fn load_bundle() -> Setup {
    setup()
}
