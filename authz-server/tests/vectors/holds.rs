//! What happens while a call waits for a person, and what a failing store, a panic and the log make of a call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use authz_server::clock::{Clock, FixedClock, SystemClock};
use authz_server::request::{Answer, Request as Asked};
use authz_server::store::{
    Approval, ApprovalState, ApprovalStore, HumanAnswer, ListFilter, NewApproval, StoreError, StoreFuture,
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::format::Request;
use crate::log;
use crate::stage::{Run, Stage, load};

const LONG: Duration = Duration::from_secs(60);

fn call(run: &mut Run<'_>) -> Asked {
    let message = serde_json::json!({
        "id": 41, "method": "tools/call",
        "params": { "name": "delete_file", "arguments": { "path": "the-secret-path" } },
    });
    let step = Request { message: message.as_object().cloned(), ..Request::default() };
    run.http(&step)
}

async fn begin(stage: &Stage, hold: Duration) -> Run<'_> {
    stage.begin_with("call", Arc::new(SystemClock), hold, None).await
}

/// Waits until somebody is asked.
async fn asked(run: &Run<'_>) -> Approval {
    loop {
        let all = run.store.list(ListFilter::default(), run.clock.now()).await.unwrap();
        if let Some(newest) = all.into_iter().find(|approval| approval.state == ApprovalState::Pending) {
            return newest;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn decide(run: &Run<'_>, id: &str, answer: HumanAnswer) {
    run.store.decide(id, answer, "vera", None, run.clock.now()).await.unwrap();
}

async fn state(run: &Run<'_>, id: &str) -> ApprovalState {
    run.store.get(id, run.clock.now()).await.unwrap().unwrap().state
}

/// Verdict and reason.
fn told(answer: &Answer) -> (&str, &str) {
    (answer.enforcement().verdict.as_str(), &answer.enforcement().reason)
}

/// Starts a call that will wait.
fn start(run: &mut Run<'_>) -> tokio::task::JoinHandle<Answer> {
    let (decider, request) = (Arc::clone(&run.decider), call(run));
    tokio::spawn(async move { decider.decide(request).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_approved_while_it_waits_goes_on_at_once_and_uses_the_approval_up() {
    let stage = Stage::set_up();
    let mut run = begin(&stage, LONG).await;
    let (since, waiting) = (Instant::now(), start(&mut run));
    let approval = asked(&run).await;
    decide(&run, &approval.id, HumanAnswer::Approve).await;
    assert_eq!(told(&waiting.await.unwrap()), ("allow", "policy.destructive_tool"));
    assert!(since.elapsed() < LONG);
    assert_eq!(state(&run, &approval.id).await, ApprovalState::Consumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_refused_while_it_waits_is_denied() {
    let stage = Stage::set_up();
    let mut run = begin(&stage, LONG).await;
    let waiting = start(&mut run);
    let approval = asked(&run).await;
    decide(&run, &approval.id, HumanAnswer::Deny).await;
    assert_eq!(told(&waiting.await.unwrap()), ("deny", "approval.denied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ends_half_a_second_before_the_enforcement_point_gives_up() {
    let stage = Stage::set_up();
    let mut run = begin(&stage, LONG).await;
    let request = Asked { deadline: Some(Instant::now() + Duration::from_millis(1_500)), ..call(&mut run) };
    let since = Instant::now();
    assert_eq!(told(&run.decider.decide(request).await), ("intercept", "policy.destructive_tool"));
    // By the enforcement point's time and not by its own.
    assert!(since.elapsed() < LONG, "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_caller_went_away_uses_nothing_up_and_is_recorded() {
    let stage = Stage::set_up();
    let mut run = begin(&stage, LONG).await;
    let waiting = start(&mut run);
    let approval = asked(&run).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    decide(&run, &approval.id, HumanAnswer::Approve).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(state(&run, &approval.id).await, ApprovalState::Approved);
    let metrics = run.metrics.render().unwrap();
    assert!(metrics.contains(r#"reason="internal.caller_gone""#), "{metrics}");
    assert!(metrics.contains("interdict_checks_in_flight 0"));
    let again = call(&mut run);
    assert_eq!(told(&run.decider.decide(again).await), ("allow", "policy.destructive_tool"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_identical_calls_that_wait_for_one_approval_one_goes_on() {
    let stage = Stage::set_up();
    let mut run = begin(&stage, Duration::from_secs(10)).await;
    let both = [start(&mut run), start(&mut run)];
    let approval = asked(&run).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    decide(&run, &approval.id, HumanAnswer::Approve).await;
    let mut verdicts = Vec::new();
    for waiting in both {
        verdicts.push(told(&waiting.await.unwrap()).0.to_owned());
    }
    verdicts.sort();
    assert_eq!(verdicts, ["allow", "intercept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_ends_while_its_call_waits_is_over() {
    let stage = Stage::set_up();
    let clock = Arc::new(FixedClock::new(Timestamp::now()));
    let mut run = stage.begin_with("call", Arc::clone(&clock) as Arc<dyn Clock>, LONG, None).await;
    let waiting = start(&mut run);
    let approval = asked(&run).await;
    clock.advance(SignedDuration::from_secs(601));
    decide(&run, &approval.id, HumanAnswer::Approve).await;
    assert_eq!(told(&waiting.await.unwrap()), ("deny", "identity.token_expired"));
    assert_eq!(state(&run, &approval.id).await, ApprovalState::Approved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_denies_by_the_time_of_the_approval_wins_over_it() {
    let stage = Stage::set_up();
    let mut run = begin(&stage, LONG).await;
    let stricter = tempfile::tempdir().unwrap();
    let rule = "package interdict.policy.frozen\n\ndeny contains {\"code\": \"frozen\", \"message\": \"Frozen.\"} if \
                input.mcp.tool == \"delete_file\"\n";
    std::fs::write(stricter.path().join("frozen.rego"), rule).unwrap();
    // Which takes a busy machine longer than the call would wait.
    let stricter = Arc::new(load(&[stricter.path().to_owned()]));
    let waiting = start(&mut run);
    let approval = asked(&run).await;
    run.bundle.store(stricter);
    decide(&run, &approval.id, HumanAnswer::Approve).await;
    assert_eq!(told(&waiting.await.unwrap()), ("deny", "policy.frozen"));
    assert_eq!(state(&run, &approval.id).await, ApprovalState::Approved);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_under_another_bundle_is_not_one_under_this() {
    let stage = Stage::set_up();
    let mut run = begin(&stage, Duration::ZERO).await;
    let first = call(&mut run);
    assert_eq!(told(&run.decider.decide(first).await).0, "intercept");
    let approval = asked(&run).await;
    decide(&run, &approval.id, HumanAnswer::Approve).await;
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("more.rego"), "package interdict.policy.more\n\nx := 1\n").unwrap();
    run.bundle.store(Arc::new(load(&[other.path().to_owned()])));
    let second = call(&mut run);
    assert_eq!(told(&run.decider.decide(second).await).0, "intercept");
}

/// A store that fails, or panics, whatever it is asked.
struct BrokenStore {
    panics: bool,
}

impl BrokenStore {
    fn fail<T: Send + 'static>(&self) -> StoreFuture<T> {
        assert!(!self.panics, "a broken store");
        Box::pin(std::future::ready(Err(StoreError::Unavailable("a test".to_owned()))))
    }
}

impl ApprovalStore for BrokenStore {
    fn open_or_get(&self, _: NewApproval) -> StoreFuture<Approval> {
        self.fail()
    }
    fn get(&self, _: &str, _: Timestamp) -> StoreFuture<Option<Approval>> {
        self.fail()
    }
    fn list(&self, _: ListFilter, _: Timestamp) -> StoreFuture<Vec<Approval>> {
        self.fail()
    }
    fn decide(
        &self,
        _: &str,
        _: HumanAnswer,
        _: &str,
        _: Option<&str>,
        _: Timestamp,
    ) -> StoreFuture<Approval> {
        self.fail()
    }
    fn consume(&self, _: &str, _: &str, _: Timestamp) -> StoreFuture<Approval> {
        self.fail()
    }
    fn cancel(&self, _: &str, _: &str, _: Timestamp) -> StoreFuture<Approval> {
        self.fail()
    }
    fn supersede(&self, _: &str, _: &str, _: Timestamp) -> StoreFuture<Approval> {
        self.fail()
    }
    fn expire_due(&self, _: Timestamp) -> StoreFuture<u64> {
        self.fail()
    }
    fn watch(&self, _: &str) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_or_panics_denies_and_the_client_gets_its_id_back() {
    let stage = Stage::set_up();
    for (panics, reason) in [(false, "approval.store_unavailable"), (true, "internal.panic")] {
        let store: Arc<dyn ApprovalStore> = Arc::new(BrokenStore { panics });
        let mut run = stage.begin_with("call", Arc::new(SystemClock), LONG, Some(store)).await;
        let request = call(&mut run);
        let answer = run.decider.decide(request).await;
        assert_eq!(told(&answer), ("deny", reason));
        let Answer::Reply { reply, .. } = answer else { panic!("it went on") };
        assert_eq!(reply.status, 200);
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body["id"], 41);
    }
}

#[tokio::test]
async fn the_event_of_a_decision_names_what_it_was_about_and_holds_neither_token_nor_arguments() {
    let stage = Stage::set_up();
    let mut run = begin(&stage, Duration::ZERO).await;
    let request = call(&mut run);
    let token = request.http.headers.iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
    let token = String::from_utf8(token.to_vec()).unwrap();
    let answer = run.decider.decide(request).await;
    let text = log::written();
    let line = text.lines().find(|line| line.contains(&answer.enforcement().decision_id)).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    let fields = &event["fields"];
    for (name, value) in [
        ("decision_id", answer.enforcement().decision_id.as_str()),
        ("verdict", "intercept"),
        ("reason", "policy.destructive_tool"),
        ("agent", "reporter"),
        ("server", "files"),
        ("method", "tools/call"),
        ("tool", "delete_file"),
        ("era", "2025-11-25"),
        ("enforcer", "call"),
    ] {
        assert_eq!(fields[name], value, "{name} in {line}");
    }
    assert!(fields["approval_id"].is_string());
    assert!(!text.contains("the-secret-path") && !text.contains(token.trim_start_matches("Bearer ")));
}
