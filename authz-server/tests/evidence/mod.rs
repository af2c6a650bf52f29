//! A server with a log, in a folder of its own, and the `interdict` command beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use authz_server::config::Config;
use authz_server::identity::config::SignatureAlgorithm;
use authz_server::identity::mint::{SigningKey, TokenRequest, write_jwks};
use authz_server::request::{Answer, BodyState, Enforcer, Http, Peer, Request};
use authz_server::server::Running;
use bytes::Bytes;
use interdict_proto::enforcement::EnforcerKind;
use interdict_proto::outcome::{Ended, Outcome, ReportRequest, ReportResponse, Rpc};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "hunter2";
pub(crate) const RULES: &str = "package interdict.policy.house\n\
    import rego.v1\n\
    allow contains {\"code\": \"house_allow\", \"message\": \"allowed here\"}\n\
    deny contains {\"code\": \"house_deny\", \"message\": \"denied here\"} if input.mcp.tool == \"bad\"\n\
    intercept contains {\"code\": \"house_ask\", \"message\": \"a person decides\"} if input.mcp.tool == \"risky\"\n";

pub(crate) struct House {
    folder: tempfile::TempDir,
    key: SigningKey,
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// The one JSON text that was printed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }

    /// The JSON texts that were printed, one per line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        assert!(!self.out.contains(SECRET) && !self.err.contains(SECRET), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.out.contains(word) || self.err.contains(word), "{word}: {}{}", self.out, self.err);
        }
        self
    }
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
        write_jwks(&[&key], &folder.path().join("jwks.json")).unwrap();
        let house = Self { folder, key };
        house.write(
            "bundle/agents/a.yaml",
            "agents: [{id: bot, owner: olga, tenant: acme, roles: [tester], servers: [tools], \
             identities: [{issuer: 'https://dev.test', subject: bot}]}]",
        );
        house.write(
            "bundle/servers/s.yaml",
            "servers: [{id: tools, owner: sam, tenant: acme, resource: 'https://tools.test/mcp', hosts: ['*'], \
             paths: [/mcp]}]",
        );
        house.write("bundle/house/rules.rego", RULES);
        house.write("admin.token", "a-token-for-tests-only\n");
        house.write(
            "interdict.yaml",
            "listen:\n  grpc: {address: '127.0.0.1:0', drain_seconds: 1}\n  \
             admin: {address: '127.0.0.1:0', token_file: admin.token}\n  metrics: {address: '127.0.0.1:0'}\n\
             bundle: {paths: [bundle], reload_seconds: 0}\n\
             identity: {issuers: [{issuer: 'https://dev.test', algorithm: ES256, jwks: {file: jwks.json}}]}\n\
             approvals: {hold_seconds: 0}\ndecision: {timeout_ms: 10000}\n",
        );
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.path(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    pub(crate) async fn start(&self) -> Server<'_> {
        let config = Config::load(&self.path("interdict.yaml")).unwrap();
        Server { house: self, running: Running::start(config).await.unwrap() }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interdict"));
        command.current_dir(self.folder.path()).args(arguments).env_remove("INTERDICT_CONFIG");
        command.env_remove("INTERDICT_ADMIN_URL").env_remove("INTERDICT_ADMIN_TOKEN_FILE");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs it until it ends well; a checkpoint may take a second.
    #[track_caller]
    pub(crate) fn until(&self, arguments: &[&str], fits: impl Fn(&Ran) -> bool) -> Ran {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let ran = self.run(arguments);
            if fits(&ran) {
                return ran;
            }
            assert!(Instant::now() < end, "{}{}", ran.out, ran.err);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn token(&self) -> String {
        let request = TokenRequest {
            issuer: "https://dev.test",
            subject: "bot",
            audience: "https://tools.test/mcp",
            lifetime_seconds: 600,
            principal: Some("ana@example.com"),
            typ: None,
        };
        self.key.mint(&request, Timestamp::now()).unwrap()
    }

    /// The database of a tenant's log, with every right that its administrator has.
    pub(crate) fn database(&self, tenant: &str) -> rusqlite::Connection {
        let file = self.path(&format!("interdict-audit/tenants/{tenant}/log.db"));
        rusqlite::Connection::open(file).unwrap()
    }
}

pub(crate) struct Server<'h> {
    house: &'h House,
    running: Running,
}

impl Server<'_> {
    /// Decides a call of a tool; the id of the decision.
    pub(crate) async fn call(&self, tool: &str) -> String {
        self.send(call(7, tool), true).await
    }

    /// Decides a body; the id of the decision.
    pub(crate) async fn send(&self, body: Value, with_token: bool) -> String {
        let mut headers = vec![
            ("content-type".to_owned(), Bytes::from("application/json")),
            ("accept".to_owned(), Bytes::from("application/json, text/event-stream")),
        ];
        if with_token {
            let token = format!("Bearer {}", self.house.token());
            headers.push(("authorization".to_owned(), Bytes::from(token)));
        }
        let request = Request {
            enforcer: Enforcer {
                kind: EnforcerKind::Native,
                version: String::new(),
                reports_outcomes: true,
                profiles: None,
            },
            id: uuid::Uuid::new_v4().to_string(),
            http: Http {
                method: "POST".to_owned(),
                path: "/mcp?key=hunter2".to_owned(),
                host: "tools.test".to_owned(),
                scheme: "https".to_owned(),
                headers,
                body: BodyState::Raw(Bytes::from(body.to_string())),
            },
            peer: Peer { address: "10.0.0.7".to_owned(), ..Peer::default() },
            server_hint: None,
            route: Some("mcp".to_owned()),
            deadline: None,
        };
        let answer: Answer = self.running.decider().decide(request).await;
        answer.enforcement().decision_id.to_string()
    }

    /// Says how an allowed call ended.
    pub(crate) async fn ended(&self, decision_id: &str) {
        let authz_server::config::ListenAddress::Tcp(address) = self.running.addresses().grpc else {
            panic!()
        };
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
        let mut client = tonic::client::Grpc::new(channel.connect().await.unwrap());
        client.ready().await.unwrap();
        let outcome = Outcome {
            decision_id: decision_id.to_owned(),
            http_status: 200,
            bytes: 9,
            duration_us: 12_300,
            ended: Ended::Complete.into(),
            rpc: Rpc::Result.into(),
            rpc_code: None,
            grpc_status: None,
            ..Outcome::default()
        };
        let codec = tonic_prost::ProstCodec::<ReportRequest, ReportResponse>::default();
        let report = tonic::Request::new(ReportRequest { outcomes: vec![outcome] });
        let path = http::uri::PathAndQuery::from_static("/interdict.v1.Outcomes/Report");
        let answer: tonic::Response<ReportResponse> = client.unary(report, path, codec).await.unwrap();
        assert_eq!(answer.into_inner().taken, 1);
    }

    /// A person approves what waits.
    pub(crate) fn approve(&self) -> String {
        let admin = format!("http://{}", self.running.addresses().admin.unwrap());
        let ask = |more: &[&str]| {
            let mut arguments = vec!["approvals", "--admin", &admin, "--token-file", "admin.token", "--json"];
            arguments.extend(more);
            let ran = self.house.run(&arguments);
            assert_eq!(ran.code, 0, "{}", ran.err);
            ran.json()
        };
        let id = ask(&["list", "--state", "pending"])["approvals"][0]["id"].as_str().unwrap().to_owned();
        ask(&["approve", &id, "--by", "vera@example.com"]);
        id
    }

    pub(crate) async fn stop(self) {
        self.running.shutdown().await;
    }
}

pub(crate) fn call(id: u64, tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
           "params": {"name": tool, "arguments": {"secret": SECRET, "n": 1}}})
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
