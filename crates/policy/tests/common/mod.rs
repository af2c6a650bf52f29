//! Bundles in temporary folders and short inputs, for all tests of this crate.
#![allow(dead_code, unreachable_pub)]

pub mod facts;

use std::path::{Path, PathBuf};

use interdict_policy::{
    Agent, AgentFact, AgentIdentity, Bundle, BundleError, Decision, EnforcerFact, EvalLimits, HttpFact,
    Input, McpFact, MessageKind, Server,
};
use serde_json::Value;

pub const TIME: &str = "2026-11-19T10:30:00Z";

/// Generous: a busy machine must not make a test fail.
pub fn limits() -> EvalLimits {
    EvalLimits { time: std::time::Duration::from_secs(60), memory_bytes: 4 << 30 }
}

/// A folder of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn root(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub fn load(&self) -> Result<Bundle, BundleError> {
        Bundle::load(&[self.root()])
    }
}

pub fn agent() -> Agent {
    Agent {
        id: "analyst".into(),
        owner: "ana@demo.example".into(),
        tenant: "demo".into(),
        roles: vec!["reader".into(), "payer".into()],
        servers: vec!["everything".into(), "files".into(), "payments".into()],
        identities: vec![AgentIdentity::Spiffe { spiffe: "spiffe://demo.example/a".into() }],
    }
}

pub fn server(id: &str) -> Server {
    Server {
        id: id.into(),
        owner: "platform@demo.example".into(),
        tenant: "demo".into(),
        resource: format!("https://{id}.example/mcp"),
        hosts: vec!["*".into()],
        paths: vec!["/mcp".into()],
        numbers: Default::default(),
        enforcement: Default::default(),
        deny_form: Default::default(),
        read_only_tools: Vec::new(),
        tool_pinning: Default::default(),
        undeclared_arguments: Default::default(),
        undeclared_output: Default::default(),
        image_digest: None,
    }
}

/// A `tools/call` of the test agent.
pub fn call<'a>(agent: &'a Agent, server: &'a Server, tool: &'a str, arguments: &'a Value) -> Input<'a> {
    Input {
        time: TIME.parse().unwrap(),
        enforcer: EnforcerFact { kind: "call", version: "0.1.0" },
        agent: AgentFact { agent, assurance: 1, instance: None },
        principal: None,
        server,
        http: HttpFact { method: "POST", path: "/mcp", host: "mcp.example", source_address: "10.0.0.7:4711" },
        mcp: McpFact {
            era: "2025-06-18",
            kind: MessageKind::Request,
            method: Some("tools/call"),
            tool: Some(tool),
            name: None,
            uri: None,
            uris: &[],
            task_ids: &[],
            arguments: Some(arguments.into()),
        },
        approval: None,
        contract: None,
        content: None,
        totals: &[],
    }
}

/// Decides one call with a bundle of one policy file.
pub fn decide(policy: &str, arguments: &Value) -> Decision {
    let bundle = Folder::new(&[("p.rego", policy)]).load().unwrap();
    let (agent, server) = (agent(), server("payments"));
    bundle.evaluator(limits()).decide(&call(&agent, &server, "transfer", arguments))
}

pub fn codes(decision: &Decision) -> Vec<&str> {
    decision.reasons.iter().map(|reason| reason.code.as_str()).collect()
}
