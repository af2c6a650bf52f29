//! A server with a log, in a folder of its own, and the `interdict` command beside it.

use std::path::Path;

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

use crate::house::{AUDIENCE, CONFIG, ISSUER, SECRET};

/// A house with the key of its issuer.
pub(crate) struct House {
    house: crate::house::House,
    key: SigningKey,
}

impl std::ops::Deref for House {
    type Target = crate::house::House;

    fn deref(&self) -> &Self::Target {
        &self.house
    }
}

impl House {
    pub(crate) fn new() -> Self {
        let house = crate::house::House::new();
        let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
        write_jwks(&[&key], &house.path("jwks.json")).unwrap();
        house.configure(&format!("{CONFIG}approvals: {{hold_seconds: 0}}\n"));
        Self { house, key }
    }

    pub(crate) async fn start(&self) -> Server<'_> {
        let config = Config::load(&self.path("interdict.yaml")).unwrap();
        Server { house: self, running: Running::start(config).await.unwrap() }
    }

    fn token(&self) -> String {
        let request = TokenRequest {
            issuer: ISSUER,
            subject: "bot",
            audience: AUDIENCE,
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

    /// The day under whose key the last input of a tenant was sealed: yesterday's, if it is midnight meanwhile.
    pub(crate) fn sealed_on(&self, tenant: &str) -> String {
        let keys = std::fs::read_dir(self.path(&format!("interdict-audit/keys/{tenant}"))).unwrap();
        keys.map(|key| text(key.unwrap().path().file_stem().unwrap().as_ref())).max().unwrap()
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
        self.ended_with(decision_id, Outcome::default()).await;
    }

    /// As `ended`, with what was done to the answer.
    pub(crate) async fn ended_with(&self, decision_id: &str, treated: Outcome) {
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
            ..treated
        };
        let codec = tonic_prost::ProstCodec::<ReportRequest, ReportResponse>::default();
        let report =
            tonic::Request::new(ReportRequest { outcomes: vec![outcome], ..ReportRequest::default() });
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

    /// Somebody approves a question that waits and may not.
    pub(crate) fn approve_in_vain(&self, id: &str, by: &str) {
        let admin = format!("http://{}", self.running.addresses().admin.unwrap());
        let options = ["approvals", "--admin", &admin, "--token-file", "admin.token"];
        self.house.run(&[&options[..], &["approve", id, "--by", by]].concat()).ends(1);
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
