use envoy_types::ext_authz::v3::pb::{CheckRequest, CheckResponse};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Request as AttributeRequest,
};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use jiff::Timestamp;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::bundle::Look;
use crate::identity::config::SignatureAlgorithm;
use crate::identity::mint::{SigningKey, TokenRequest, write_jwks};
use crate::store::{ApprovalStore, ListFilter, SqliteStore};

const RULES: &str = "package interdict.policy.house\n\
    import rego.v1\n\
    allow contains {\"code\": \"house_allow\", \"message\": \"allowed here\"}\n\
    deny contains {\"code\": \"house_deny\", \"message\": \"denied here\"} if input.mcp.tool == \"bad\"\n\
    intercept contains {\"code\": \"house_ask\", \"message\": \"a person decides\"} if input.mcp.tool == \"risky\"\n";

/// A folder with everything that a server needs.
pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    key: SigningKey,
}

impl House {
    pub(crate) const ADMIN_TOKEN: &str = "a-token-for-tests-only";

    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
        write_jwks(&[&key], &path.join("jwks.json")).unwrap();
        for (file, text) in [
            (
                "bundle/agents/a.yaml",
                "agents: [{id: bot, owner: olga, tenant: acme, roles: [tester], servers: [tools], \
                identities: [{issuer: 'https://dev.test', subject: bot}]}]",
            ),
            (
                "bundle/servers/s.yaml",
                "servers: [{id: tools, owner: sam, tenant: acme, resource: 'https://tools.test/mcp', \
                hosts: ['*'], paths: [/mcp]}]",
            ),
            ("bundle/house/rules.rego", RULES),
            ("admin.token", Self::ADMIN_TOKEN),
        ] {
            let file = path.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        Self { folder, key }
    }

    /// A configuration on free loopback ports; `more` is laid over it as further YAML.
    pub(crate) fn config(&self, grpc: &str, more: &str) -> Config {
        let text = format!(
            "listen:\n  grpc: {{{grpc}}}\n  admin: {{address: '127.0.0.1:0', token_file: admin.token}}\n  \
             metrics: {{address: '127.0.0.1:0'}}\nbundle: {{paths: [bundle], reload_seconds: 0}}\n\
             identity: {{issuers: [{{issuer: 'https://dev.test', algorithm: ES256, jwks: {{file: jwks.json}}}}]}}\n\
             decision: {{timeout_ms: 10000, memory_bytes: 4294967296}}\n{more}"
        );
        Config::parse(&text, self.folder.path()).unwrap()
    }

    pub(crate) async fn start(&self, more: &str) -> Running {
        Running::start(self.config("address: '127.0.0.1:0', drain_seconds: 60", more)).await.unwrap()
    }

    pub(crate) fn token(&self) -> String {
        let request = TokenRequest {
            issuer: "https://dev.test",
            subject: "bot",
            audience: "https://tools.test/mcp",
            lifetime_seconds: 600,
            principal: None,
            typ: None,
        };
        self.key.mint(&request, Timestamp::now()).unwrap()
    }

    /// A Check for a call of this tool, as Envoy's native filter sends it.
    pub(crate) fn check(&self, tool: &str) -> CheckRequest {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"n":1.50}}}}}}"#
        );
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("authorization", format!("Bearer {}", self.token())),
            ("content-length", body.len().to_string()),
        ];
        let http = HttpRequest {
            id: "request-1".to_owned(),
            method: "POST".to_owned(),
            path: "/mcp".to_owned(),
            host: "tools.test".to_owned(),
            scheme: "https".to_owned(),
            size: i64::try_from(body.len()).unwrap(),
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            raw_body: body.into_bytes(),
            ..HttpRequest::default()
        };
        CheckRequest {
            attributes: Some(AttributeContext {
                request: Some(AttributeRequest { http: Some(http), ..AttributeRequest::default() }),
                ..AttributeContext::default()
            }),
        }
    }
}

fn tcp(running: &Running) -> SocketAddr {
    match running.addresses().grpc {
        ListenAddress::Tcp(address) => address,
        ListenAddress::Unix(_) => panic!("not TCP"),
    }
}

async fn connect(running: &Running) -> Channel {
    Endpoint::from_shared(format!("http://{}", tcp(running))).unwrap().connect().await.unwrap()
}

fn status_of(response: &CheckResponse) -> i32 {
    response.status.as_ref().unwrap().code
}

async fn ask(channel: Channel, check: CheckRequest) -> CheckResponse {
    AuthorizationClient::new(channel).check(check).await.unwrap().into_inner()
}

async fn health(channel: Channel, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(channel).check(request).await.unwrap().into_inner().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_is_answered_health_is_told_and_metrics_count() {
    let house = House::new();
    let running = house.start("").await;
    let channel = connect(&running).await;
    assert_eq!(health(channel.clone(), "").await, ServingStatus::Serving);
    assert_eq!(health(channel.clone(), "envoy.service.auth.v3.Authorization").await, ServingStatus::Serving);
    assert_eq!(status_of(&ask(channel.clone(), house.check("good")).await), 0);
    assert_ne!(status_of(&ask(channel.clone(), house.check("bad")).await), 0);
    let metrics = running.metrics().render().unwrap();
    for (verdict, reason) in [("allow", "policy.house_allow"), ("deny", "policy.house_deny")] {
        let line = format!(
            r#"interdict_decisions_total{{verdict="{verdict}",reason="{reason}",method="tools/call"}} 1"#
        );
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert!(
        metrics.contains(&format!("interdict_bundle{{digest=\"{}\"}} 1", running.bundle().status().digest))
    );
    assert_eq!(running.shutdown().await, Drained::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_limit_is_refused_and_the_connection_lives_on() {
    let house = House::new();
    let grpc = "address: '127.0.0.1:0', max_message_bytes: 131072";
    let running = Running::start(house.config(grpc, "limits: {max_body_bytes: 65536}")).await.unwrap();
    let channel = connect(&running).await;
    let mut large = house.check("good");
    large.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap().raw_body =
        vec![b' '; 200_000];
    let refused = AuthorizationClient::new(channel.clone()).check(large).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::OutOfRange);
    assert_eq!(status_of(&ask(channel, house.check("good")).await), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_serves_and_a_dead_servers_socket_is_replaced_but_not_a_living_ones() {
    let house = House::new();
    let socket = house.folder.path().join("i.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let config = || house.config("address: 'unix:i.sock', drain_seconds: 1", "");
    let running = Running::start(config()).await.unwrap();
    assert_eq!(running.addresses().grpc, ListenAddress::Unix(socket.clone()));
    let locked = Running::start(config()).await.unwrap_err().to_string();
    assert!(locked.contains("audit.locked"), "one folder, one server: {locked}");
    let twin = house.config("address: 'unix:i.sock', drain_seconds: 1", "audit: {directory: twin}");
    let twin = Running::start(twin).await.unwrap_err().to_string();
    assert!(twin.contains("listen.grpc.address") && twin.contains("i.sock"), "{twin}");

    let channel =
        Endpoint::from_shared(format!("unix:{}", socket.display())).unwrap().connect().await.unwrap();
    assert_eq!(status_of(&ask(channel, house.check("good")).await), 0);
    running.shutdown().await;
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_client_authority_only_its_clients_are_served() {
    let house = House::new();
    let pem = |name: &str, text: String| std::fs::write(house.folder.path().join(name), text).unwrap();
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(params, authority_key);
    let leaf = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    };
    let (server, server_key) = leaf("interdict");
    let (client, client_key) = leaf("envoy");
    pem("ca.pem", authority.pem());
    pem("cert.pem", server);
    pem("key.pem", server_key);
    let grpc = "address: '127.0.0.1:0', tls: {cert: cert.pem, key: key.pem, client_ca: ca.pem}";
    let running = Running::start(house.config(grpc, "")).await.unwrap();
    let endpoint = |tls: ClientTlsConfig| {
        let tls = tls.ca_certificate(Certificate::from_pem(authority.pem())).domain_name("interdict");
        Endpoint::from_shared(format!("https://{}", tcp(&running)))
            .unwrap()
            .tls_config(tls)
            .unwrap()
            .connect_lazy()
    };
    let known = endpoint(ClientTlsConfig::new().identity(Identity::from_pem(client, client_key)));
    assert_eq!(status_of(&ask(known, house.check("good")).await), 0);
    let stranger = endpoint(ClientTlsConfig::new());
    assert!(AuthorizationClient::new(stranger).check(house.check("good")).await.is_err());
    let plain = Endpoint::from_shared(format!("http://{}", tcp(&running))).unwrap().connect_lazy();
    assert!(AuthorizationClient::new(plain).check(house.check("good")).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_call_is_approved_while_the_server_drains_and_health_says_not_serving() {
    let house = House::new();
    let running = house.start("approvals: {hold_seconds: 20}").await;
    let channel = connect(&running).await;
    let watcher = connect(&running).await;
    let mut news = HealthClient::new(watcher)
        .watch(HealthCheckRequest { service: String::new() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(news.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let held = tokio::spawn(ask(channel, house.check("risky")));
    let store = SqliteStore::open(
        &house.folder.path().join("interdict-approvals.db"),
        10,
        Arc::new(SystemClock),
        Box::new(()),
    )
    .unwrap();
    let waiting = loop {
        let found = store.list(ListFilter::default(), Timestamp::now()).await.unwrap();
        if let Some(waiting) = found.into_iter().next() {
            break waiting;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let admin = running.addresses().admin.unwrap();
    let draining = tokio::spawn(running.shutdown());
    assert_eq!(news.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    drop(news);
    let answered = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("http://{admin}/v1/approvals/{}/approve", waiting.id))
        .bearer_auth(House::ADMIN_TOKEN)
        .json(&serde_json::json!({ "by": "ana" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answered.status(), 200, "the admin API closes after the last call");
    assert_eq!(status_of(&held.await.unwrap()), 0);
    assert_eq!(draining.await.unwrap(), Drained::Clean);
    let used = store.get(&waiting.id, Timestamp::now()).await.unwrap().unwrap();
    assert_eq!(used.state, crate::store::ApprovalState::Consumed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_takes_longer_than_the_drain_time_does_not_hold_up_the_end() {
    let house = House::new();
    let config = house.config("address: '127.0.0.1:0', drain_seconds: 1", "approvals: {hold_seconds: 20}");
    let running = Running::start(config).await.unwrap();
    let channel = connect(&running).await;
    let check = house.check("risky");
    let held = tokio::spawn(async move { AuthorizationClient::new(channel).check(check).await });
    while !running.metrics().render().unwrap().contains("interdict_checks_in_flight 1") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(running.shutdown().await, Drained::Cut);
    held.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_says_nothing_or_only_half_a_head_is_closed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let house = House::new();
    let running = house.start("").await;
    let addresses = running.addresses();
    let mut open = Vec::new();
    for (address, text) in [
        (addresses.admin, ""),
        (addresses.admin, "GET /healthz HTTP/1.1\r\nhost:"),
        (addresses.metrics, "GET /"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(address.unwrap()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        open.push(stream);
    }
    for mut stream in open {
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(120), stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "still open after two minutes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_bundle_replaces_the_old_one_and_a_bad_one_does_not() {
    let house = House::new();
    let running = house.start("").await;
    let channel = connect(&running).await;
    let rules = house.folder.path().join("bundle/house/rules.rego");
    let keeper = Arc::clone(running.bundle());
    let look = || {
        let keeper = Arc::clone(&keeper);
        async move { tokio::task::spawn_blocking(move || keeper.look()).await.unwrap() }
    };
    let first = keeper.status().digest;
    assert_eq!(look().await, Look::Unchanged);
    std::fs::write(&rules, RULES.replace("\"bad\"", "\"good\"")).unwrap();
    assert_eq!(look().await, Look::Loaded);
    let second = keeper.status().digest;
    assert_ne!(second, first);
    assert_ne!(status_of(&ask(channel.clone(), house.check("good")).await), 0);

    std::fs::write(&rules, "package interdict.policy.house\nallow contains {").unwrap();
    assert_eq!(look().await, Look::Refused);
    assert_eq!(look().await, Look::Unchanged, "a bad bundle is reported once");
    let status = keeper.status();
    assert_eq!(status.digest, second);
    assert!(status.refused.unwrap().message.contains("rules.rego"));
    assert_ne!(status_of(&ask(channel.clone(), house.check("good")).await), 0);
    assert!(running.metrics().render().unwrap().contains("interdict_bundle_stale 1"));

    std::fs::write(&rules, RULES.replace("\"bad\"", "\"good\"")).unwrap();
    assert_eq!(look().await, Look::Restored);
    assert_eq!(keeper.status().refused, None);
    let metrics = running.metrics().render().unwrap();
    assert!(metrics.contains("interdict_bundle_stale 0"), "{metrics}");
    assert!(metrics.contains("interdict_bundle_load_failures_total 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_cannot_be_had_stops_the_start_with_its_key() {
    let house = House::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("address: '{}'", taken.local_addr().unwrap());
    let why = |config: Config| async move { Running::start(config).await.unwrap_err().to_string() };
    assert!(why(house.config(&address, "")).await.contains("listen.grpc.address"));
    let tls = "address: '127.0.0.1:0', tls: {cert: none.pem, key: none.pem}";
    assert!(why(house.config(tls, "")).await.contains("listen.grpc.tls.cert"));
    let free = "address: '127.0.0.1:0'";
    assert!(
        why(house.config(free, "approvals: {database: no/such/folder/a.db}"))
            .await
            .contains("approvals.database")
    );
    std::fs::write(house.folder.path().join("admin.token"), "short").unwrap();
    assert!(why(house.config(free, "")).await.contains("listen.admin.token_file"));
    std::fs::remove_dir_all(house.folder.path().join("bundle")).unwrap();
    assert!(why(house.config(free, "")).await.contains("bundle"));
}

/// Kinds and bodies of a tenant's log, in order.
fn log_of(house: &House, tenant: &str) -> Vec<(String, serde_json::Value)> {
    let layout = crate::audit::Layout::new(house.folder.path().join("interdict-audit"));
    let reader = crate::audit::LogReader::open(&layout, tenant).unwrap();
    let mut found = Vec::new();
    let each = |stored: crate::audit::StoredEntry| {
        let entry = interdict_audit::record::Entry::read(&stored.record).unwrap();
        found.push((entry.kind.label().to_owned(), serde_json::from_str(entry.body).unwrap()));
        std::ops::ControlFlow::Continue(())
    };
    reader.range(0, u64::MAX, each).unwrap();
    found
}

fn kinds(log: &[(String, serde_json::Value)]) -> Vec<&str> {
    log.iter().map(|(kind, _)| kind.as_str()).filter(|kind| *kind != "key").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_tells_of_start_bundle_decision_outcome_and_stop() {
    use interdict_proto::outcome::{Ended, Outcome, ReportRequest, ReportResponse, Rpc};
    let house = House::new();
    let running = house.start("").await;
    let channel = connect(&running).await;
    let mut check = house.check("good");
    let attributes = check.attributes.as_mut().unwrap();
    attributes.context_extensions.insert("interdict.outcomes".to_owned(), "1".to_owned());
    assert_eq!(status_of(&ask(channel.clone(), check).await), 0);
    let decided = log_of(&house, "acme");
    assert_eq!(kinds(&decided), ["decision"], "committed before it was answered, and read beside the server");
    let id = decided[0].1["decision_id"].as_str().unwrap().to_owned();

    let outcome = Outcome {
        decision_id: id.clone(),
        http_status: 200,
        bytes: 9,
        duration_us: 1_000,
        ended: Ended::Complete.into(),
        rpc: Rpc::Result.into(),
        rpc_code: None,
        grpc_status: None,
        ..Outcome::default()
    };
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<ReportRequest, ReportResponse>::default();
    let report = tonic::Request::new(ReportRequest { outcomes: vec![outcome], ..Default::default() });
    let path = http::uri::PathAndQuery::from_static("/interdict.v1.Outcomes/Report");
    let answer: tonic::Response<ReportResponse> = client.unary(report, path, codec).await.unwrap();
    assert_eq!(answer.into_inner().taken, 1);
    assert_eq!(running.shutdown().await, Drained::Clean);

    let log = log_of(&house, "acme");
    assert_eq!(kinds(&log), ["decision", "outcome"]);
    assert_eq!((&log[1].1["decision_id"], &log[1].1["rpc"]), (&id.into(), &"result".into()));
    let system = log_of(&house, "_system");
    assert_eq!(kinds(&system), ["start", "bundle", "stop"]);
    assert_eq!(system.last().unwrap().1["clean"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowed_call_of_an_earlier_run_without_an_outcome_is_recorded_as_missing_after_a_restart() {
    let house = House::new();
    let mut check = house.check("good");
    let attributes = check.attributes.as_mut().unwrap();
    attributes.context_extensions.insert("interdict.outcomes".to_owned(), "1".to_owned());
    let running = house.start("audit: {outcome_deadline_seconds: 1}").await;
    assert_eq!(status_of(&ask(connect(&running).await, check).await), 0);
    drop(running);
    // Its tasks end at their own pace, and the folder is theirs until then.
    let grpc = "address: '127.0.0.1:0', drain_seconds: 60";
    let running = loop {
        match Running::start(house.config(grpc, "audit: {outcome_deadline_seconds: 1}")).await {
            Ok(running) => break running,
            Err(error) => assert!(error.to_string().contains("audit.locked"), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for _ in 0..1_200 {
        if kinds(&log_of(&house, "acme")).contains(&"outcome_missing") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.shutdown().await;
    assert_eq!(kinds(&log_of(&house, "acme")), ["decision", "outcome_missing"]);
    let system = log_of(&house, "_system");
    assert_eq!(kinds(&system), ["start", "bundle", "start", "bundle", "stop"], "the first run has no stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_recording_decisions_are_made_and_nothing_is_written() {
    let house = House::new();
    let running = house.start("audit: {enabled: false}").await;
    assert_eq!(status_of(&ask(connect(&running).await, house.check("good")).await), 0);
    assert!(running.metrics().render().unwrap().contains("interdict_audit_enabled 0"));
    running.shutdown().await;
    assert!(!house.folder.path().join("interdict-audit").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_tells_whether_decisions_are_recorded_and_by_what() {
    let house = House::new();
    for (more, audit) in [("", "serving"), ("audit: {enabled: false}", "off")] {
        let running = house.start(more).await;
        let url = format!("http://{}/v1/health", running.addresses().admin.unwrap());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
        let answer = client.get(&url).bearer_auth(House::ADMIN_TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert_eq!((&answer["status"], &answer["audit"]["status"]), (&"ok".into(), &audit.into()));
        assert_eq!(answer["bundle"]["digest"], running.bundle().status().digest);
        running.shutdown().await;
    }
}
