use std::time::Duration;

use interdict_audit::record::Kind;
use serde_json::json;

use super::*;
use crate::content::pins::NoPins;
use crate::record::RecordingSettings;
use crate::record::memory::MemoryLog;
use crate::record::outcomes::Outcomes;
use crate::telemetry::metrics::Metrics;

struct Place {
    log: Arc<MemoryLog>,
    outcomes: Arc<Outcomes>,
    metrics: Metrics,
    door: OutcomesDoor,
}

impl Place {
    fn new() -> Self {
        Self::of(Arc::default())
    }

    fn of(log: Arc<MemoryLog>) -> Self {
        let metrics = Metrics::new();
        let outcomes = Arc::new(Outcomes::new(Duration::from_secs(300), &metrics));
        let settings = RecordingSettings { show_arguments: false, allow_unrecorded_reads: false };
        let recording = Recording::new(log.clone(), Arc::clone(&outcomes), settings);
        let door = OutcomesDoor { recording: Some(Arc::new(recording)), content: content(&metrics) };
        Self { log, outcomes, metrics, door }
    }

    fn awaited(&self) -> Outcome {
        let id = Uuid::now_v7();
        self.outcomes.expect(id, "acme", true);
        outcome(id)
    }

    async fn report(&self, outcomes: &[Outcome]) -> u32 {
        let request = Request::new(ReportRequest { outcomes: outcomes.to_vec(), ..Default::default() });
        self.door.report(request).await.unwrap().into_inner().taken
    }

    fn counted(&self, result: &str) -> bool {
        let text = self.metrics.render().unwrap();
        text.contains(&format!(r#"interdict_outcome_reports_total{{result="{result}"}}"#))
    }
}

fn content(metrics: &Metrics) -> Arc<ContentStage> {
    Arc::new(ContentStage::new(&[7; 32], Arc::new(NoPins), metrics).unwrap())
}

fn outcome(id: Uuid) -> Outcome {
    Outcome {
        decision_id: id.to_string(),
        http_status: 200,
        bytes: 120,
        duration_us: 3_500,
        ended: Ended::Complete.into(),
        rpc: Rpc::Result.into(),
        rpc_code: None,
        grpc_status: None,
        ..Outcome::default()
    }
}

#[tokio::test]
async fn an_outcome_is_recorded_in_the_log_of_its_decisions_tenant() {
    let place = Place::new();
    let mut told = place.awaited();
    told.rpc = Rpc::Error.into();
    told.rpc_code = Some(-32_602);
    told.http_status = 0;
    assert_eq!(place.report(std::slice::from_ref(&told)).await, 1);
    let (tenant, kind, body) = place.log.only();
    assert_eq!((tenant.as_str(), kind), ("acme", Kind::Outcome));
    let right = json!({
        "bytes": 120, "decision_id": told.decision_id, "duration_us": 3500, "ended": "complete", "late": false,
        "rpc": "error", "rpc_code": -32602,
    });
    assert_eq!(body, right);
    assert!(place.counted("recorded"));
}

/// Attack: whoever can reach the service reports outcomes for decisions that were never made, or twice.
#[tokio::test]
async fn unknown_and_second_outcomes_are_taken_counted_and_not_recorded() {
    let place = Place::new();
    let told = place.awaited();
    let mut contradiction = told.clone();
    contradiction.http_status = 500;
    let all = [told.clone(), contradiction, outcome(Uuid::now_v7()), told.clone()];
    assert_eq!(place.report(&all).await, 4);
    assert_eq!(place.report(&[told]).await, 1);
    assert_eq!(place.log.all().len(), 1);
    assert!(place.counted("unknown"));
}

#[tokio::test]
async fn what_no_enforcement_point_of_ours_says_is_counted_and_not_recorded() {
    let place = Place::new();
    let right = place.awaited();
    let change = |change: &dyn Fn(&mut Outcome)| {
        let mut outcome = right.clone();
        change(&mut outcome);
        outcome
    };
    let wrong = [
        change(&|outcome| outcome.decision_id = "7".to_owned()),
        change(&|outcome| outcome.decision_id = outcome.decision_id.to_uppercase()),
        change(&|outcome| outcome.decision_id = outcome.decision_id.replace('-', "")),
        change(&|outcome| outcome.http_status = 99),
        change(&|outcome| outcome.http_status = 600),
        change(&|outcome| outcome.ended = 0),
        change(&|outcome| outcome.ended = 77),
        change(&|outcome| outcome.rpc = 0),
        change(&|outcome| outcome.rpc = -1),
        change(&|outcome| outcome.rpc_code = Some(1)),
    ];
    assert_eq!(place.report(&wrong).await, 10);
    assert!(place.log.all().is_empty(), "{:?}", place.log.all());
    assert!(place.counted("invalid"));
    assert_eq!(place.report(&[right]).await, 1);
    assert_eq!(place.log.all().len(), 1);
    let many = Request::new(ReportRequest {
        outcomes: vec![outcome(Uuid::now_v7()); MAX_BATCH + 1],
        ..Default::default()
    });
    assert_eq!(place.door.report(many).await.unwrap_err().code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_sent_again_and_then_recorded_once() {
    let place = Place::new();
    let all = [place.awaited(), outcome(Uuid::now_v7()), place.awaited()];
    place.log.fail(Some("audit.disk_full"));
    assert_eq!(place.report(&all).await, 0);
    assert!(place.counted("unrecorded"));
    place.log.fail(None);
    place.log.entries.lock().unwrap().clear();
    assert_eq!(place.report(&all).await, 3);
    assert_eq!(place.log.all().len(), 2);
    assert_eq!(place.report(&all).await, 3);
    assert_eq!(place.log.all().len(), 2);
}

/// On a slow disk an enforcement point may lose patience and tell it again: only what is in the log need not come again.
#[tokio::test]
async fn an_outcome_that_is_told_again_while_the_first_is_on_its_way_is_not_taken_yet() {
    let log = Arc::new(MemoryLog::allowing(0));
    let place = Place::of(Arc::clone(&log));
    let told = place.awaited();
    let place = Arc::new(place);
    let (first, again) = (Arc::clone(&place), told.clone());
    let first = tokio::spawn(async move { first.report(&[again]).await });
    while log.entries.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(place.report(std::slice::from_ref(&told)).await, 0);
    log.commits.add_permits(1);
    assert_eq!(first.await.unwrap(), 1);
    assert_eq!(place.report(&[told]).await, 1);
    assert_eq!(log.all().len(), 1);
}

#[tokio::test]
async fn an_outcome_that_comes_after_its_absence_was_recorded_is_recorded_as_late() {
    let place = Place::new();
    let told = place.awaited();
    let overdue = place.outcomes.overdue(std::time::Instant::now() + Duration::from_secs(300));
    assert_eq!(overdue.len(), 1);
    assert_eq!(place.report(&[told]).await, 1);
    assert_eq!(place.log.only().2["late"], true);
}

#[tokio::test]
async fn without_recording_reports_are_taken_and_forgotten() {
    let door = OutcomesDoor { recording: None, content: content(&Metrics::new()) };
    let request =
        Request::new(ReportRequest { outcomes: vec![outcome(Uuid::now_v7()); 3], ..Default::default() });
    assert_eq!(door.report(request).await.unwrap().into_inner().taken, 3);
}

#[tokio::test]
async fn the_watch_records_what_is_missing() {
    let place = Place::new();
    let id = Uuid::now_v7();
    place.outcomes.remember(id, "acme", Duration::from_secs(300), false);
    let watching = tokio::spawn(Arc::clone(&place.outcomes).watch(place.log.clone()));
    while place.log.all().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    watching.abort();
    let (tenant, kind, body) = place.log.only();
    assert_eq!((tenant.as_str(), kind), ("acme", Kind::OutcomeMissing));
    assert_eq!(body, json!({ "deadline_seconds": 300, "decision_id": id.to_string() }));
}
