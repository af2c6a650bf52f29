//! A small bundle and facts about a call, for the tests of facts and of replay.
#![allow(dead_code, unreachable_pub)]

use interdict_mcp::json;
use interdict_policy::{Bundle, Decision, FactsRef, HttpFact, McpFact, MessageKind};
use interdict_proto::enforcement::EnforcerKind;

use super::{Folder, TIME, limits};

pub const AGENTS: &str = "agents: [{id: a, owner: o, tenant: t, servers: [s, n], identities: [{issuer: i, subject: a}]}, \
                      {id: b, owner: o, tenant: u, identities: [{issuer: i, subject: b}]}, \
                      {id: c, owner: o, tenant: t, identities: [{issuer: i, subject: c}]}]";
pub const SERVERS: &str = "servers: [{id: s, owner: o, tenant: t, resource: \"https://s/mcp\", hosts: [\"s\"], paths: [/mcp]}, \
                       {id: n, owner: o, tenant: t, resource: \"https://n/mcp\", hosts: [\"n\"], paths: [/mcp], numbers: exact, enforcement: split}]";
/// Looks at everything, so that a difference anywhere in the input is one of the decision.
pub const ECHO: &str = r#"package interdict.policy.own
allow contains {"code": "ok", "message": substring(base64.encode(json.marshal(input)), 0, 480)} if input.server.id
deny contains {"code": "error", "message": "x"} if regex.match("(", input.mcp.arguments.broken)
intercept contains {"code": "ask", "message": "Ask."} if input.mcp.arguments.ask
"#;

pub fn bundle_of(policy: &str) -> Bundle {
    files(&[("p.rego", policy)]).load().unwrap()
}

pub fn files(more: &[(&str, &str)]) -> Folder {
    let folder = Folder::new(&[("agents/a.yaml", AGENTS), ("servers/s.yaml", SERVERS)]);
    more.iter().for_each(|(name, text)| folder.write(name, text));
    folder
}

pub fn facts<'a>(arguments: Option<json::Value<'a>>) -> FactsRef<'a> {
    let now: jiff::Timestamp = TIME.parse().unwrap();
    FactsRef {
        time: now.into(),
        enforcer: EnforcerKind::Native,
        enforcer_version: "",
        agent_id: "a",
        assurance: 1,
        instance: None,
        principal: None,
        identity_expires: None,
        server_id: "s",
        http: HttpFact { method: "POST", path: "/mcp", host: "s", source_address: "10.0.0.7" },
        mcp: McpFact {
            era: "2025-06-18",
            kind: MessageKind::Request,
            method: Some("tools/call"),
            tool: Some("t"),
            name: None,
            uri: None,
            uris: &[],
            task_ids: &[],
            arguments: arguments.map(Into::into),
        },
        approval: None,
        content: None,
        totals: &[],
    }
}

pub fn exact_numbers() -> json::Limits {
    json::Limits { numbers: json::Numbers::Exact, ..json::Limits::default() }
}

/// Judges as the server does; what it would keep.
pub fn judged(bundle: &Bundle, arguments: &str) -> (Vec<u8>, Decision) {
    let document = json::Document::parse(arguments.as_bytes(), &exact_numbers()).unwrap();
    let facts = facts(Some(document.root()));
    (facts.to_json(), bundle.evaluator(limits()).judge(&facts).decision)
}
