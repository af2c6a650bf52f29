//! What a vector about content cannot say: where a value is not to be found afterwards, what tokens turn back into, and
//! what the enforcement point is told to do with responses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use authz_server::audit::{Appended, Appending, Health, NewEntry, Recorder};
use authz_server::content::pins::{Origin, Pins};
use authz_server::frontdoor::outcomes::OutcomesDoor;
use authz_server::record::outcomes::Outcomes;
use authz_server::record::{Recording, RecordingSettings};
use authz_server::request::{Answer, Request as Asked};
use authz_server::telemetry::metrics::Metrics;
use interdict_content::rules::{ListRules, Over, ResponseRules, RowRule, Undeclared};
use interdict_policy::Bundle;
use interdict_proto::enforcement::apply;
use interdict_proto::outcome::{Ended, Found, Outcome, Quarantined, ReportRequest, Rpc, Seen, Treated};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::MODES;
use crate::format::{Request, folder, read_all, steps_of};
use crate::log;
use crate::stage::{Door, Run, Stage};

const AGENTS: &str = "agents:
  - {id: reporter, owner: olga, tenant: acme, roles: [r], servers: [files, vault],
     identities: [{issuer: \"https://issuer.vectors.test\", subject: reporter}]}
";
const SERVERS: &str = "servers:
  - {id: files, owner: sam, tenant: acme, resource: \"https://vectors.test/files/mcp\", hosts: [\"*\"], paths: [/files/mcp]}
  - {id: vault, owner: sam, tenant: acme, resource: \"https://vectors.test/vault/mcp\", hosts: [\"*\"], paths: [/vault/mcp]}
";
const DATA: &str = "roles: {r: {tools: {files: [\"*\"], vault: [\"*\"]}, effects: [read, send]}}
content:
  rules:
    - {classes: [badge], direction: request, action: tokenise}
    - {classes: [badge], servers: [vault], direction: request, action: allow}
    - {classes: [email], direction: request, action: tokenise}
    - {classes: [email], servers: [vault], direction: request, action: allow}
    - {classes: [pan], servers: [vault], direction: request, action: deny}
    - {classes: [card], servers: [files], direction: response, action: redact}
    - {classes: [secret], servers: [files], tools: [special], direction: response, action: deny}
  patterns:
    - {class: badge, pattern: \"BDG-[0-9]{12}\"}
";
const CONTRACTS: &str = "contracts:
  - {server: files, tool: rows, signed_by: vera, effects: [read], rows: {path: [items], max: 5, over: cut}}
";
const BADGE: &str = "BDG-123456789012";

/// A bundle of its own, with the default policies.
fn bundle() -> Bundle {
    let own = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = own.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    write("agents/a.yaml", AGENTS);
    write("servers/s.yaml", SERVERS);
    write("contracts/c.yaml", CONTRACTS);
    write("interdict/data.yaml", DATA);
    let policies = folder().join("../../policies");
    Bundle::load(&[policies, Path::new(own.path()).to_owned()]).unwrap_or_else(|error| panic!("{error}"))
}

async fn begin(stage: &Stage) -> Run<'_> {
    let run = stage.begin("call", None).await;
    run.bundle.store(Arc::new(bundle()));
    run
}

fn post(run: &mut Run<'_>, path: &str, message: &Value) -> Asked {
    let message = message.as_object().cloned();
    run.http(&Request { message, path: Some(path.to_owned()), ..Request::default() })
}

fn call(run: &mut Run<'_>, path: &str, tool: &str, arguments: &Value) -> Asked {
    let message =
        json!({ "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": arguments } });
    post(run, path, &message)
}

/// The same from an enforcement point that looks into responses.
fn inspecting(mut request: Asked) -> Asked {
    request.enforcer.profiles = Some(Vec::new());
    request
}

fn told(answer: &Answer) -> (&str, &str) {
    (answer.enforcement().verdict.as_str(), &answer.enforcement().reason)
}

fn arrives(run: &Run<'_>, answer: &Answer) -> Value {
    let sent = run.bodies.last().unwrap();
    let body = match answer.enforcement().body_edit() {
        Some((length, edits)) => apply(sent, length, edits).unwrap(),
        None => sent.clone(),
    };
    serde_json::from_slice(&body).unwrap()
}

fn rules(answer: &Answer) -> Option<&ResponseRules> {
    answer.enforcement().response_rules()
}

// === requests ===

#[tokio::test]
async fn a_token_is_turned_back_for_the_server_that_may_see_its_value_and_for_no_other() {
    let stage = Stage::set_up();
    let mut run = begin(&stage).await;
    let text = |message: &Value| message["params"]["arguments"]["x"].as_str().unwrap().to_owned();
    let said = json!({ "x": format!("who \"is\" {BADGE}?") });
    let request = inspecting(call(&mut run, "/files/mcp", "find", &said));
    let answer = run.decider.decide(request).await;
    let sealed = text(&arrives(&run, &answer));
    assert!(sealed.starts_with("who \"is\" [[tok:badge:") && !sealed.contains("BDG-"), "{sealed}");
    let again = inspecting(call(&mut run, "/files/mcp", "find", &json!({ "x": sealed })));
    let answer = run.decider.decide(again).await;
    assert_eq!(text(&arrives(&run, &answer)), sealed);
    let there = call(&mut run, "/vault/mcp", "find", &json!({ "x": sealed, "y": "[[tok:badge:AAAA]]" }));
    let answer = run.decider.decide(there).await;
    assert_eq!(told(&answer).0, "allow", "{answer:?}");
    let got = arrives(&run, &answer);
    assert_eq!(got["params"]["arguments"], json!({ "x": said["x"], "y": "[[tok:badge:AAAA]]" }));
}

/// Attack: a value of one class carries one of another through a server that may see the one, as a token.
#[tokio::test]
async fn a_token_stays_closed_where_something_that_is_held_back_there_would_come_to_light() {
    let stage = Stage::set_up();
    let mut run = begin(&stage).await;
    let text = |message: &Value| message["params"]["arguments"]["x"].as_str().unwrap().to_owned();
    let carried = "4111111111111111@acme.example";
    let request = inspecting(call(&mut run, "/files/mcp", "find", &json!({ "x": carried })));
    let sealed = text(&arrives(&run, &run.decider.decide(request).await));
    assert!(sealed.starts_with("[[tok:email:"), "{sealed}");
    let both = format!("{sealed} and mia@acme.example");
    for said in [sealed, both] {
        let there = inspecting(call(&mut run, "/vault/mcp", "find", &json!({ "x": said })));
        let answer = run.decider.decide(there).await;
        assert_eq!(told(&answer).0, "allow", "{answer:?}");
        assert_eq!(text(&arrives(&run, &answer)), said);
    }
    let request = inspecting(call(&mut run, "/files/mcp", "find", &json!({ "x": "1111@acme.example" })));
    let sealed = text(&arrives(&run, &run.decider.decide(request).await));
    assert!(sealed.starts_with("[[tok:email:"), "{sealed}");
    for (said, closed) in [(format!("{sealed} ok"), false), (format!("4111 1111 1111 {sealed}"), true)] {
        let there = inspecting(call(&mut run, "/vault/mcp", "find", &json!({ "x": said })));
        let answer = run.decider.decide(there).await;
        assert_eq!(text(&arrives(&run, &answer)).contains("[[tok:"), closed, "{said}");
    }
}

/// Attack: the name of a tool is judged as a token and arrives as what it stands for.
#[tokio::test]
async fn a_token_is_turned_back_in_arguments_only() {
    let stage = Stage::set_up();
    let mut run = begin(&stage).await;
    let request = inspecting(call(&mut run, "/files/mcp", "find", &json!({ "x": BADGE })));
    let answer = run.decider.decide(request).await;
    let sealed = arrives(&run, &answer)["params"]["arguments"]["x"].clone();
    let name = sealed.as_str().unwrap();
    let message = json!({ "id": 1, "method": "tools/call",
        "params": { "name": name, "arguments": { name: 1 }, "_meta": { "note": name } } });
    let request = post(&mut run, "/vault/mcp", &message);
    let answer = run.decider.decide(request).await;
    if told(&answer).0 == "allow" {
        let got = arrives(&run, &answer);
        assert!(!got.to_string().contains("BDG-"), "{got}");
    }
}

/// Keeps everything that was to be written.
#[derive(Default)]
struct Kept(Mutex<Vec<NewEntry>>);

impl Recorder for Kept {
    fn append(&self, entry: NewEntry) -> Appending {
        self.submit(entry);
        Box::pin(std::future::ready(Ok(Appended { seq: 0 })))
    }

    fn submit(&self, entry: NewEntry) {
        self.0.lock().unwrap().push(entry);
    }

    fn health(&self) -> watch::Receiver<Health> {
        watch::channel(Health::Serving).1
    }

    fn unrecorded(&self, _: &str) {}
}

fn recording(kept: &Arc<Kept>) -> Arc<Recording> {
    let outcomes = Arc::new(Outcomes::new(Duration::from_secs(60), &Metrics::new()));
    // The worst that an operator can ask for.
    let settings = RecordingSettings { show_arguments: true, allow_unrecorded_reads: false };
    Arc::new(Recording::new(Arc::clone(kept) as Arc<dyn Recorder>, outcomes, settings))
}

/// Card numbers, accounts and secrets that the vectors plant; made up.
const PLANTED: [&str; 6] = [
    "4014414068383099",
    "4366070074205413",
    "NDAxNDQxNDA2ODM4MzA5",
    "DE10170941686317850614",
    "DE55473082042608477125",
    "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",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_that_is_more_than_counted_is_in_any_record_sealed_input_question_metric_or_line() {
    let kept = Arc::new(Kept::default());
    let mut stage = Stage::set_up();
    stage.recording = Some(recording(&kept));
    let mut written = Vec::new();
    let vault = |path: &Option<String>| path.as_deref() == Some("/vault/mcp");
    for vector in &read_all() {
        for mode in MODES.into_iter().filter(|mode| vector.is_about(mode)) {
            let mut run = stage.begin(mode, vector.time()).await;
            for step in steps_of(vector) {
                match &step.answer {
                    Some(answer) => run.answer(answer).await,
                    None if vault(&step.path) => {
                        let sent = run.http(&step);
                        run.send(sent, Door::Decision).await;
                    }
                    None => break,
                }
            }
            let now = run.clock.now();
            for question in run.store.list(Default::default(), now).await.unwrap() {
                let whole = run.store.get(&question.id, now).await.unwrap();
                written.push(format!("{whole:?}").into_bytes());
            }
            written.push(run.metrics.render().unwrap().into_bytes());
        }
    }
    let entries = std::mem::take(&mut *kept.0.lock().unwrap());
    assert!(entries.len() > 30, "{} entries", entries.len());
    let found =
        entries.iter().filter(|entry| String::from_utf8_lossy(&entry.body).contains("\"class\":\"pan\""));
    assert!(found.count() > 10);
    for entry in entries {
        written.push(entry.body);
        written.extend(entry.sealed);
    }
    written.push(log::written().into_bytes());
    for text in &written {
        let text = String::from_utf8_lossy(text);
        for value in PLANTED {
            // What stands before it says where it is; the value itself is in no message of this test.
            let place = text.split_once(value).map(|(before, _)| before.len());
            assert_eq!(place, None, "in a text of {} bytes", text.len());
        }
    }
}

/// A rule that is stricter than the one under which the call was looked into came into force while a person was asked.
#[tokio::test]
async fn a_call_that_waited_while_its_content_rules_changed_is_sent_again() {
    let stage = Stage::set_up();
    let stricter = Arc::new(bundle());
    let mut run = stage
        .begin_with("call", Arc::new(authz_server::clock::SystemClock), Duration::from_secs(30), None)
        .await;
    let message = json!({ "id": 1, "method": "tools/call",
        "params": { "name": "note", "arguments": { "to": "DE10170941686317850614" } } });
    let request = post(&mut run, "/vault/mcp", &message);
    let decider = Arc::clone(&run.decider);
    let waiting = tokio::spawn(async move { decider.decide(request).await });
    while run.store.list(Default::default(), run.clock.now()).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    run.bundle.store(stricter);
    run.answer("approve").await;
    assert_eq!(told(&waiting.await.unwrap()), ("deny", "content.rules_changed"));
}

// === responses ===

#[tokio::test]
async fn rules_for_the_response_travel_with_the_allow() {
    let stage = Stage::set_up();
    let mut run = begin(&stage).await;
    let request = inspecting(call(&mut run, "/files/mcp", "rows", &json!({})));
    let answer = run.decider.decide(request.clone()).await;
    let first = rules(&answer).unwrap().clone();
    assert_eq!(first.answers["1"].rows, [RowRule { path: vec!["items".into()], max: 5, over: Over::Cut }]);
    assert_eq!(first.session_key.len(), 64);
    let text = first.profile_text.as_ref().unwrap();
    assert!(text.contains("\"pan\":\"redact\"") && !text.contains("badge"), "{text}");
    // Whoever has the profile is not sent it again.
    let mut knowing = request;
    knowing.enforcer.profiles = first.profile.clone().map(|digest| vec![digest]);
    let answer = run.decider.decide(knowing).await;
    assert_eq!(rules(&answer).unwrap(), &ResponseRules { profile_text: None, ..first });
    // A server without rules costs nothing.
    let there = inspecting(call(&mut run, "/vault/mcp", "find", &json!({})));
    let answer = run.decider.decide(there).await;
    assert_eq!((told(&answer).0, rules(&answer)), ("allow", None));
}

#[tokio::test]
async fn an_enforcement_point_that_does_not_look_into_responses_gets_a_deny() {
    let stage = Stage::set_up();
    let mut run = begin(&stage).await;
    let request = call(&mut run, "/files/mcp", "find", &json!({}));
    let answer = run.decider.decide(request).await;
    assert_eq!(told(&answer), ("deny", "enforcer.cannot_inspect_response"));
}

/// Attack: the answer to a call is fetched where nobody knows which call it answers.
#[tokio::test]
async fn the_ceiling_of_a_tool_holds_for_tasks_and_streams_too_and_streams_are_not_resumed() {
    let stage = Stage::set_up();
    let mut run = begin(&stage).await;
    let message = json!({ "id": 7, "method": "tasks/result", "params": { "taskId": "t" } });
    let request = inspecting(post(&mut run, "/files/mcp", &message));
    let answer = run.decider.decide(request).await;
    if let Some(rules) = rules(&answer) {
        assert_eq!(rules.answers["7"].rows.len(), 1);
    } else {
        assert_eq!(told(&answer).0, "deny");
    }
    let mut end = inspecting(run.http(&Request { method: Some("DELETE".into()), ..Request::default() }));
    end.http.headers.retain(|(name, _)| name != "content-type");
    let answer = run.decider.decide(end).await;
    assert!(rules(&answer).is_some_and(|rules| rules.answers.len() == 1), "{answer:?}");
    let mut get = inspecting(run.http(&Request { method: Some("GET".into()), ..Request::default() }));
    get.http.headers.retain(|(name, _)| name != "content-type");
    let answer = run.decider.decide(get.clone()).await;
    if let Some(rules) = rules(&answer) {
        assert_eq!(rules.answers.values().map(|one| one.rows.len()).sum::<usize>(), 1);
        get.http.headers.push(("last-event-id".into(), "7".into()));
        let answer = run.decider.decide(get).await;
        assert_eq!(told(&answer), ("deny", "content.resumption_refused"));
    } else {
        panic!("{answer:?}");
    }
}

/// What an enforcement point reports of a response that gives orders.
#[tokio::test]
async fn an_agent_that_was_given_orders_is_hostile_whichever_session_it_names() {
    use interdict_proto::outcome::server::Outcomes as _;
    let stage = Stage::set_up();
    let mut run = begin(&stage).await;
    let in_session = |mut request: Asked, session: &'static str| {
        request.http.headers.push(("mcp-session-id".into(), session.into()));
        inspecting(request)
    };
    let request = call(&mut run, "/files/mcp", "find", &json!({}));
    let answer = run.decider.decide(in_session(request.clone(), "a")).await;
    assert_eq!(told(&answer).0, "allow", "{answer:?}");
    let outcome = Outcome {
        decision_id: answer.enforcement().decision_id.clone(),
        http_status: 200,
        ended: Ended::Complete.into(),
        rpc: Rpc::Result.into(),
        found: vec![Found { class: "injection.structural".into(), count: 1, action: "quarantine".into() }],
        treated: Treated::Quarantined.into(),
        ..Outcome::default()
    };
    let door = OutcomesDoor::new(None, Arc::clone(run.decider.content()));
    let report =
        || tonic::Request::new(ReportRequest { outcomes: vec![outcome.clone()], ..Default::default() });
    assert_eq!(door.report(report()).await.unwrap().into_inner().taken, 1);
    for session in ["a", "b"] {
        let answer = run.decider.decide(in_session(request.clone(), session)).await;
        assert_eq!(told(&answer), ("intercept", "policy.content_hostile"), "{session}");
    }
    let metrics = run.metrics.render().unwrap();
    let counted = r#"interdict_content_findings_total{direction="response",class="injection.structural",action="quarantine"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}

/// The stream of the answer may go on for hours.
#[tokio::test]
async fn a_warning_holds_at_once_and_its_outcome_may_still_come() {
    use interdict_proto::outcome::server::Outcomes as _;
    let stage = Stage::set_up();
    let mut run = begin(&stage).await;
    let request = inspecting(call(&mut run, "/files/mcp", "find", &json!({})));
    let answer = run.decider.decide(request.clone()).await;
    let known = answer.enforcement().decision_id.clone();
    let door = OutcomesDoor::new(None, Arc::clone(run.decider.content()));
    let warning =
        |id: &str| tonic::Request::new(ReportRequest { hostile: vec![id.into()], ..Default::default() });
    for (id, verdict) in [("another", "allow"), (known.as_str(), "intercept"), (known.as_str(), "intercept")]
    {
        assert_eq!(door.report(warning(id)).await.unwrap().into_inner().taken, 0);
        assert_eq!(told(&run.decider.decide(request.clone()).await).0, verdict, "{id}");
    }
    let many = ReportRequest { hostile: vec![known; 513], ..Default::default() };
    assert!(door.report(tonic::Request::new(many)).await.is_err());
}

/// One tool with a schema for its results; remembers what it was told.
#[derive(Default)]
struct Pinned(Mutex<Vec<(Origin, usize, usize)>>);

impl Pins for Pinned {
    fn list_rules(&self, _: &str, _: &str) -> Option<ListRules> {
        let tools = BTreeMap::from([("find".to_owned(), "0".repeat(64))]);
        Some(ListRules { tools: Some(tools), trust_first: true, ..ListRules::default() })
    }

    fn output_schema(&self, tenant: &str, server: &str, tool: &str) -> Option<String> {
        (tenant == "acme" && server == "files" && tool == "find").then(|| "{}".to_owned())
    }

    fn tools(&self, _: &str) -> BTreeSet<String> {
        BTreeSet::from(["send".to_owned()])
    }

    fn learn(&self, origin: &Origin, seen: &[Seen], quarantined: &[Quarantined]) {
        self.0.lock().unwrap().push((origin.clone(), seen.len(), quarantined.len()));
    }
}

/// Attack: a server puts its list into the stream of a call, where nobody expects one; clients go by the id alone.
#[tokio::test]
async fn what_is_pinned_travels_with_lists_and_elsewhere_there_is_nothing_to_be_shown() {
    let mut stage = Stage::set_up();
    stage.pins = Arc::new(Pinned::default());
    let mut run = begin(&stage).await;
    let list = json!({ "id": 1, "method": "tools/list" });
    let request = inspecting(post(&mut run, "/files/mcp", &list));
    let answer = run.decider.decide(request).await;
    let first = rules(&answer).unwrap();
    let lists = first.lists.as_ref().unwrap();
    assert_eq!((lists.tools.as_ref().unwrap().len(), lists.trust_first), (1, true));
    assert_eq!(lists.permitted_tools.as_deref(), Some(&["*".to_owned()][..]));
    assert!(first.answers.contains_key("1") && first.tools.contains("send"));
    let request = inspecting(call(&mut run, "/files/mcp", "find", &json!({})));
    let answer = run.decider.decide(request).await;
    let first = rules(&answer).unwrap();
    let lists = first.lists.as_ref().unwrap();
    assert_eq!((lists.tools.as_ref().unwrap().len(), lists.trust_first), (0, false));
    let output = first.answers["1"].output.as_ref().unwrap();
    assert_eq!((output.schema.as_str(), output.undeclared), ("{}", Undeclared::Schema));
}

#[tokio::test]
async fn entries_and_quarantined_texts_are_handed_on_once_with_where_they_came_from() {
    use interdict_proto::outcome::server::Outcomes as _;
    let pins = Arc::new(Pinned::default());
    let mut stage = Stage::set_up();
    stage.pins = Arc::clone(&pins) as Arc<dyn Pins>;
    let mut run = begin(&stage).await;
    let request = inspecting(call(&mut run, "/files/mcp", "find", &json!({})));
    let decision_id = run.decider.decide(request).await.enforcement().decision_id.clone();
    let seen = Seen {
        kind: "tool".into(),
        name: "x".into(),
        digest: "0".repeat(64),
        state: "new".into(),
        definition: String::new(),
    };
    let text =
        Quarantined { handle: "0".repeat(32), reason: "injection.lexical".into(), original: b"{}".to_vec() };
    let outcome = Outcome {
        decision_id: decision_id.clone(),
        ended: Ended::Complete.into(),
        rpc: Rpc::Result.into(),
        seen: vec![seen],
        quarantined: vec![text],
        ..Outcome::default()
    };
    let door = OutcomesDoor::new(None, Arc::clone(run.decider.content()));
    for _ in 0..2 {
        let report = ReportRequest { outcomes: vec![outcome.clone()], ..Default::default() };
        door.report(tonic::Request::new(report)).await.unwrap();
    }
    let origin = Origin {
        decision_id,
        tenant: "acme".into(),
        agent: "reporter".into(),
        server: "files".into(),
        tool: Some("find".into()),
    };
    assert_eq!(*pins.0.lock().unwrap(), [(origin, 1, 1)]);
}
