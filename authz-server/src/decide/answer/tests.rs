//! No record, no action; one record for every decision, whatever becomes of its caller.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use interdict_audit::commit::{ARGS, DECISION, INPUT, commit};
use interdict_audit::record::Kind;
use interdict_policy::{Bundle, EvalLimits, Facts};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::bundle::Freshness;
use crate::clock::{Clock, SystemClock};
use crate::decide::{Parts, Settings};
use crate::frontdoor::ext_authz::decode;
use crate::identity::Authenticator;
use crate::record::memory::MemoryLog;
use crate::record::outcomes::Outcomes;
use crate::record::{Recording, RecordingSettings};
use crate::request::{BodyState, Undecodable};
use crate::server::tests::House;
use crate::store::{ApprovalState, ApprovalStore, DryStore, HumanAnswer, ListFilter, SqliteStore};
use crate::telemetry::metrics::Metrics;
use crate::upstream_credential::UpstreamCredentials;

const COMMITMENT: RecordingSettings =
    RecordingSettings { show_arguments: false, allow_unrecorded_reads: false };

/// A decider over a house, and the log that it writes.
pub(crate) struct World {
    house: House,
    pub(crate) log: Arc<MemoryLog>,
    outcomes: Arc<Outcomes>,
    pub(crate) bundle: Arc<Bundle>,
    decider: Decider,
}

/// The limits are of real time and of the whole process, in which other tests run: here they are not the subject.
const GENEROUS: EvalLimits = EvalLimits { time: Duration::from_secs(60), memory_bytes: 4 << 30 };

impl World {
    pub(crate) async fn new(log: MemoryLog) -> Self {
        Self::of(log, COMMITMENT, Arc::new(SystemClock), Freshness::default()).await
    }

    async fn of(
        log: MemoryLog,
        settings: RecordingSettings,
        clock: Arc<dyn Clock>,
        freshness: Freshness,
    ) -> Self {
        let house = House::new();
        let config = house.config("address: '127.0.0.1:0'", "");
        let metrics = Arc::new(Metrics::new());
        let bundle = Arc::new(Bundle::load(&[house.folder.path().join("bundle")]).unwrap());
        let log = Arc::new(log);
        let outcomes = Arc::new(Outcomes::new(Duration::from_secs(300), &metrics));
        let recording = Recording::new(log.clone(), Arc::clone(&outcomes), settings);
        let decider = Decider::new(Parts {
            bundle: Arc::new(ArcSwap::from(Arc::clone(&bundle))),
            identity: Arc::new(Authenticator::start(&config.identity).await.unwrap()),
            upstream: Arc::new(UpstreamCredentials::start(&[]).unwrap()),
            approvals: Arc::new(DryStore::default()) as Arc<dyn ApprovalStore>,
            clock,
            metrics,
            freshness,
            pins: Arc::new(crate::content::pins::NoPins),
            totals: crate::totals::Totals::dry(),
            recording: Some(Arc::new(recording)),
            settings: Settings {
                limits: interdict_mcp::Limits::default(),
                evaluation: GENEROUS,
                hold: Duration::ZERO,
                approval_ttl: Duration::from_secs(1_800),
                page_url: None,
                request_state_key: [7; 32],
            },
        });
        Self { house, log, outcomes, bundle, decider: decider.unwrap() }
    }

    pub(crate) async fn decide(&self, tool: &str) {
        self.decider.decide(self.call(tool)).await;
    }

    fn call(&self, tool: &str) -> Request {
        let mut request = decode(self.house.check(tool), None).unwrap();
        request.enforcer.reports_outcomes = true;
        request
    }

    fn list(&self) -> Request {
        let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
        let mut request = self.call("good");
        request.http.headers.retain(|(name, _)| name != "content-length");
        request.http.body = BodyState::Raw(Bytes::from_static(body.as_bytes()));
        request
    }
}

fn told(answer: &Answer) -> (&'static str, &str) {
    let enforcement = answer.enforcement();
    (enforcement.verdict.as_str(), &enforcement.reason)
}

fn reply(answer: &Answer) -> (u16, Value) {
    match answer {
        Answer::Reply { reply, .. } => {
            (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
        }
        Answer::Pass { .. } => panic!("passed"),
    }
}

/// Polls once; the caller goes away when the future is dropped.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

// === no record, no action ===

#[tokio::test]
async fn an_allow_is_not_answered_before_its_record_is_committed() {
    let world = World::new(MemoryLog::allowing(0)).await;
    let mut deciding = pin!(world.decider.decide(world.call("good")));
    for _ in 0..10 {
        assert!(poll(deciding.as_mut()).is_pending());
    }
    let recorded = world.log.only().2;
    assert_eq!((&recorded["verdict"], &recorded["reason"]), (&"allow".into(), &"policy.house_allow".into()));
    world.log.commits.add_permits(1);
    let Poll::Ready(answer) = poll(deciding.as_mut()) else { panic!("still waiting") };
    assert_eq!(told(&answer), ("allow", "policy.house_allow"));
    assert_eq!(recorded["decision_id"], answer.enforcement().decision_id.as_str());
}

#[tokio::test]
async fn a_call_with_consequences_is_denied_with_the_logs_own_code_and_its_id_when_it_cannot_be_recorded() {
    let world = World::new(MemoryLog::default()).await;
    for code in ["audit.disk_full", "audit.locked", "audit.unavailable"] {
        world.log.fail(Some(code));
        for tool in ["good", "risky"] {
            let answer = world.decider.decide(world.call(tool)).await;
            assert_eq!(told(&answer), ("deny", code), "{tool}");
            let (status, body) = reply(&answer);
            assert_eq!((status, &body["id"], &body["error"]["code"]), (200, &7.into(), &(-31503).into()));
            assert_eq!(body["error"]["data"]["reason"], code);
        }
    }
    world.log.fail(None);
    assert_eq!(told(&world.decider.decide(world.call("good")).await).0, "allow");
    assert_eq!(world.log.unrecorded.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_read_that_cannot_be_recorded_is_denied_too_unless_the_operator_lets_it_go_on_and_that_is_counted()
{
    let world = World::new(MemoryLog::default()).await;
    world.log.fail(Some("audit.disk_full"));
    assert_eq!(told(&world.decider.decide(world.list()).await), ("deny", "audit.disk_full"));

    let lenient = RecordingSettings { allow_unrecorded_reads: true, ..COMMITMENT };
    let clock = Arc::new(SystemClock);
    let world = World::of(MemoryLog::default(), lenient, clock, Freshness::default()).await;
    world.log.fail(Some("audit.disk_full"));
    assert_eq!(told(&world.decider.decide(world.list()).await), ("allow", "policy.house_allow"));
    assert_eq!(world.log.unrecorded.load(Ordering::SeqCst), 1);
    assert_eq!(told(&world.decider.decide(world.call("good")).await), ("deny", "audit.disk_full"));
    assert_eq!(world.log.unrecorded.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_denial_that_cannot_be_recorded_stays_the_denial_that_it_is() {
    let world = World::new(MemoryLog::default()).await;
    world.log.fail(Some("audit.disk_full"));
    let answer = world.decider.decide(world.call("bad")).await;
    assert_eq!(told(&answer), ("deny", "policy.house_deny"));
}

#[tokio::test]
async fn what_has_consequences_is_safe_from_power_loss_at_once_and_denials_and_reads_need_not_be() {
    let world = World::new(MemoryLog::default()).await;
    for request in [world.call("good"), world.call("risky"), world.call("bad"), world.list()] {
        world.decider.decide(request).await;
    }
    let at_once: Vec<_> = world.log.entries.lock().unwrap().iter().map(|entry| entry.at_once).collect();
    assert_eq!(at_once, [true, true, false, false]);
}

#[tokio::test]
async fn an_approval_that_a_call_used_up_before_its_record_failed_stays_used_up() {
    let world = World::new(MemoryLog::default()).await;
    let mut parts = world.decider.parts.clone();
    let file = world.house.folder.path().join("a.db");
    let store = SqliteStore::open(&file, 10, Arc::new(SystemClock), Box::new(())).unwrap();
    parts.approvals = Arc::new(store.clone());
    let decider = Decider::new(parts).unwrap();
    assert_eq!(told(&decider.decide(world.call("risky")).await).0, "intercept");
    let asked = store.list(ListFilter::default(), Timestamp::now()).await.unwrap().pop().unwrap();
    store.decide(&asked.id, HumanAnswer::Approve, "vera", None, Timestamp::now()).await.unwrap();
    world.log.fail(Some("audit.disk_full"));
    assert_eq!(told(&decider.decide(world.call("risky")).await), ("deny", "audit.disk_full"));
    let after = store.get(&asked.id, Timestamp::now()).await.unwrap().unwrap();
    assert_eq!(after.state, ApprovalState::Consumed);
    world.log.fail(None);
    assert_eq!(told(&decider.decide(world.call("risky")).await).0, "intercept", "it is asked anew");
    let records = world.log.of(Kind::Decision);
    let by: Vec<_> = records.iter().map(|record| record["approval"].get("by")).collect();
    assert_eq!(by, [None, Some(&"vera".into()), None]);
    assert!(records.iter().all(|record| record["action"]["digest"] == asked.action_digest.as_str()));
}

// === one record for every decision ===

/// A caller may go away at any await. However far its decision has come, there is one record, and not two.
#[tokio::test]
async fn a_caller_that_goes_away_after_any_number_of_steps_leaves_exactly_one_record() {
    for commits in [0, 1] {
        for steps in 1..6 {
            for tool in ["good", "bad", "risky"] {
                let world = World::new(MemoryLog::allowing(commits)).await;
                let mut deciding = Box::pin(world.decider.decide(world.call(tool)));
                for _ in 0..steps {
                    if poll(deciding.as_mut()).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                drop(deciding);
                let (_, kind, body) = world.log.only();
                assert_eq!(kind, Kind::Decision);
                let said = body["verdict"].as_str().unwrap();
                assert!(["allow", "deny", "intercept"].contains(&said), "{body}");
            }
        }
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_while_its_record_is_committed_is_recorded_as_it_was_decided() {
    let world = World::new(MemoryLog::allowing(0)).await;
    let mut deciding = Box::pin(world.decider.decide(world.call("good")));
    assert!(poll(deciding.as_mut()).is_pending());
    drop(deciding);
    let body = world.log.only().2;
    assert_eq!((&body["verdict"], &body["reason"]), (&"allow".into(), &"policy.house_allow".into()));
    assert_eq!(body["expects_outcome"], true, "nobody will report it, and that will be recorded too");
    let id = body["decision_id"].as_str().unwrap().parse().unwrap();
    assert!(world.outcomes.take(id).is_some());
}

#[tokio::test]
async fn a_caller_that_goes_away_while_a_person_is_asked_is_recorded_with_the_question() {
    let world = World::new(MemoryLog::default()).await;
    let mut parts = world.decider.parts.clone();
    parts.settings.hold = Duration::from_secs(20);
    let file = world.house.folder.path().join("a.db");
    let store = SqliteStore::open(&file, 10, Arc::new(SystemClock), Box::new(())).unwrap();
    parts.approvals = Arc::new(store.clone());
    let decider = Decider::new(parts).unwrap();
    let is_asked = async {
        while store.list(ListFilter::default(), Timestamp::now()).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The store has answered the decider before it listed the question; here it is the decider's turn to hear of it.
        tokio::task::yield_now().await;
    };
    tokio::select! {
        biased;
        _ = decider.decide(world.call("risky")) => panic!("nobody was waited for"),
        () = is_asked => {}
    }
    let body = world.log.only().2;
    assert_eq!((&body["verdict"], &body["reason"]), (&"deny".into(), &"internal.caller_gone".into()));
    let asked = store.list(ListFilter::default(), Timestamp::now()).await.unwrap();
    assert_eq!((&body["stage"], &body["approval"]["id"]), (&"approval".into(), &asked[0].id.as_str().into()));
    assert_eq!(body["judgements"][0]["verdict"], "intercept");
}

#[tokio::test]
async fn a_panic_and_an_undecodable_check_are_recorded() {
    struct Broken;
    impl Clock for Broken {
        fn now(&self) -> Timestamp {
            panic!("a test")
        }
    }
    let world = World::of(MemoryLog::default(), COMMITMENT, Arc::new(Broken), Freshness::default()).await;
    assert_eq!(told(&world.decider.decide(world.call("good")).await), ("deny", "internal.panic"));
    let undecodable = Undecodable { code: "enforcer.undecodable", message: "not a Check" };
    assert_eq!(told(&world.decider.refuse(&undecodable).await), ("deny", "enforcer.undecodable"));
    let all = world.log.all();
    let said: Vec<_> = all.iter().map(|(tenant, _, body)| (tenant.as_str(), &body["stage"])).collect();
    // The panic happened after the server was known, so the record is in the log of its tenant.
    assert_eq!(said, [("acme", &"internal".into()), ("_system", &"body".into())]);
}

// === what is in it ===

#[tokio::test]
async fn a_record_says_who_asked_for_what_and_why_it_was_decided_so_and_its_commitments_hold() {
    let world = World::new(MemoryLog::default()).await;
    let mut request = world.call("good");
    request.http.path.push_str("?token=secret");
    world.decider.decide(request).await;
    let entry = world.log.entries.lock().unwrap()[0].clone();
    let body = world.log.only().2;
    assert_eq!(entry.tenant, "acme");
    assert_eq!(body["agent"], json!({ "assurance": 1, "id": "bot", "owner": "olga" }));
    assert_eq!(body["action"]["path"], "/mcp");
    assert_eq!(
        (&body["action"]["method"], &body["action"]["target"]),
        (&"tools/call".into(), &"good".into())
    );
    assert_eq!((&body["stage"], &body["expects_outcome"]), (&"record".into(), &true.into()));
    assert_eq!(body["policy"]["bundle"], world.bundle.digest());
    assert!(!String::from_utf8(entry.body).unwrap().contains("1.50"), "arguments are only committed to");

    let plain = entry.sealed.unwrap();
    let (salt, text) = plain.split_first_chunk::<32>().unwrap();
    let sealed: Value = serde_json::from_slice(text).unwrap();
    let text = std::str::from_utf8(text).unwrap();
    let facts = text.strip_prefix(r#"{"v":1,"facts":"#).unwrap().split_once(r#","decisions":"#).unwrap().0;
    assert_eq!(body["input_commit"], commit(INPUT, salt, facts.as_bytes()).as_str());
    assert_eq!(body["action"]["args"]["commit"], commit(ARGS, salt, br#"{"n":1.50}"#).as_str());
    assert_eq!(sealed["decisions"].as_array().unwrap().len(), 1);

    // The sealed facts lead to the committed decision again.
    let fact = facts.strip_prefix('[').unwrap().strip_suffix(']').unwrap();
    let facts = Facts::parse(fact.as_bytes()).unwrap();
    let mut evaluator = world.bundle.evaluator(GENEROUS);
    let again = facts.with_ref(|facts| evaluator.judge(facts)).unwrap().decision.canonical();
    assert_eq!(body["judgements"][0]["decision_commit"], commit(DECISION, salt, &again).as_str());
}

#[tokio::test]
async fn arguments_are_shown_in_canonical_form_where_the_operator_wants_it_and_they_are_short() {
    let shown = || RecordingSettings { show_arguments: true, ..COMMITMENT };
    let clock = Arc::new(SystemClock);
    let world = World::of(MemoryLog::default(), shown(), clock, Freshness::default()).await;
    world.decider.decide(world.call("good")).await;
    assert_eq!(world.log.only().2["action"]["args"]["shown"], r#"{"n":1.5}"#);

    let clock = Arc::new(SystemClock);
    let world = World::of(MemoryLog::default(), shown(), clock, Freshness::default()).await;
    let mut long = world.call("good");
    long.http.headers.retain(|(name, _)| name != "content-length");
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "good", "arguments": { "text": "x".repeat(5_000) } } });
    long.http.body = BodyState::Raw(Bytes::from(body.to_string()));
    world.decider.decide(long).await;
    let args = &world.log.only().2["action"]["args"];
    assert!(args.get("shown").is_none() && args["commit"].is_string(), "{args}");
}

#[tokio::test]
async fn a_second_check_of_one_request_names_the_first_decision() {
    let world = World::new(MemoryLog::default()).await;
    for _ in 0..2 {
        world.decider.decide(world.call("good")).await;
    }
    let mut other = world.call("good");
    other.id = "request-2".to_owned();
    world.decider.decide(other).await;
    let records = world.log.of(Kind::Decision);
    let named: Vec<_> = records.iter().map(|record| record.get("repeat_of")).collect();
    assert_eq!(named, [None, Some(&records[0]["decision_id"]), None]);
}

#[tokio::test]
async fn an_outcome_is_awaited_only_for_what_was_allowed_and_recorded_and_will_be_reported() {
    let world = World::new(MemoryLog::default()).await;
    let awaited = async |request: Request| {
        let answer = world.decider.decide(request).await;
        let id = answer.enforcement().decision_id.parse().unwrap();
        let body = world.log.of(Kind::Decision).pop().unwrap();
        (body["expects_outcome"].as_bool().unwrap(), world.outcomes.take(id).is_some())
    };
    assert_eq!(awaited(world.call("good")).await, (true, true));
    assert_eq!(awaited(world.call("bad")).await, (false, false));
    assert_eq!(awaited(world.call("risky")).await, (false, false));
    let mut silent = world.call("good");
    silent.enforcer.reports_outcomes = false;
    assert_eq!(awaited(silent).await, (false, false));
    let mut stream = world.call("good");
    stream.http.method = "GET".to_owned();
    stream.http.body = BodyState::Raw(Bytes::new());
    stream.http.headers.retain(|(name, _)| !name.starts_with("content-"));
    stream.http.headers.push(("accept".to_owned(), Bytes::from_static(b"text/event-stream")));
    assert_eq!(awaited(stream).await, (false, true), "a stream may report its end, whenever that is");
    world.log.fail(Some("audit.disk_full"));
    assert_eq!(awaited(world.call("good")).await, (true, false));
}

#[tokio::test]
async fn a_stale_bundle_denies_calls_with_consequences_and_lets_reads_go_on() {
    let freshness = Freshness::new(Some(60));
    freshness.confirm("2026-07-28T12:00:00Z".parse().unwrap());
    let world = World::of(MemoryLog::default(), COMMITMENT, Arc::new(SystemClock), freshness).await;
    assert_eq!(told(&world.decider.decide(world.call("good")).await), ("deny", "bundle.stale"));
    assert_eq!(told(&world.decider.decide(world.call("risky")).await), ("deny", "bundle.stale"));
    assert_eq!(told(&world.decider.decide(world.call("bad")).await), ("deny", "policy.house_deny"));
    assert_eq!(told(&world.decider.decide(world.list()).await), ("allow", "policy.house_allow"));
}
