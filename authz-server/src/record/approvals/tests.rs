use std::time::Duration;

use interdict_audit::record::Kind;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;
use crate::clock::{Clock, FixedClock};
use crate::record::RecordingSettings;
use crate::record::memory::MemoryLog;
use crate::record::outcomes::Outcomes;
use crate::store::{ApprovalReason, NewApproval, SqliteStore};

fn start() -> Timestamp {
    "2026-07-28T12:00:00Z".parse().unwrap()
}

fn question(binding: &str) -> NewApproval {
    NewApproval {
        binding: binding.to_owned(),
        tenant: "acme".to_owned(),
        agent: "bot".to_owned(),
        agent_owner: "olga".to_owned(),
        principal: None,
        server: "payments".to_owned(),
        method: "tools/call".to_owned(),
        tool: Some("transfer".to_owned()),
        action_digest: "a1".to_owned(),
        policy_digest: "p1".to_owned(),
        reasons: vec![ApprovalReason { code: "policy.amount".to_owned(), message: "above 100".to_owned() }],
        totals: Vec::new(),
        arguments_json: "{}".to_owned(),
        era: "2025-11-25".to_owned(),
        created_at: start(),
        expires_at: start() + SignedDuration::from_secs(600),
    }
}

struct Place {
    _folder: tempfile::TempDir,
    log: Arc<MemoryLog>,
    store: SqliteStore,
    recording: Recording,
    clock: Arc<FixedClock>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, metrics) = (Arc::new(MemoryLog::default()), Arc::new(Metrics::new()));
        let outcomes = Arc::new(Outcomes::new(Duration::from_secs(300), &metrics));
        let settings = RecordingSettings { show_arguments: false, allow_unrecorded_reads: false };
        let recording = Recording::new(log.clone(), outcomes, settings);
        let clock = Arc::new(FixedClock::new(start()));
        let records = ApprovalRecords::new(metrics, Some(log.clone()));
        let file = folder.path().join("a.db");
        let store = SqliteStore::open(&file, 10, clock.clone(), Box::new(records)).unwrap();
        Self { _folder: folder, log, store, recording, clock }
    }

    async fn answer(&self, id: &str, given: HumanAnswer, by: &str) -> Result<Approval, AnswerError> {
        record_answer(Some(&self.recording), &self.store, id, given, by, None, start()).await
    }

    /// What was recorded of which approval.
    fn events(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let records = self.log.of(Kind::Approval);
        records.iter().map(|record| (text(&record["event"]), text(&record["approval_id"]))).collect()
    }
}

fn said(events: &[(String, String)]) -> Vec<&str> {
    events.iter().map(|(event, _)| event.as_str()).collect()
}

#[tokio::test]
async fn the_life_of_an_approval_is_recorded_in_its_tenants_log_and_finding_it_again_is_not() {
    let place = Place::new();
    let asked = place.store.open_or_get(question("b1")).await.unwrap();
    place.store.open_or_get(question("b1")).await.unwrap();
    place.answer(&asked.id, HumanAnswer::Approve, "vera").await.unwrap();
    place.store.consume(&asked.id, "b1", start()).await.unwrap();
    assert_eq!(said(&place.events()), ["opened", "approved", "consumed"]);
    let all = place.log.all();
    assert!(all.iter().all(|(tenant, ..)| tenant == "acme"));
    let approved = &all[1].2;
    assert_eq!(
        (&approved["by"], &approved["binding"], &approved["tool"]),
        (&"vera".into(), &"b1".into(), &"transfer".into())
    );
    assert!(all[0].2.get("by").is_none());
}

#[tokio::test]
async fn what_expires_is_replaced_or_withdrawn_is_recorded_with_its_id() {
    let place = Place::new();
    let first = place.store.open_or_get(question("b1")).await.unwrap();
    let second = place.store.open_or_get(question("b2")).await.unwrap();
    place.store.cancel(&second.id, "vera", start()).await.unwrap();
    let third = place.store.open_or_get(question("b3")).await.unwrap();
    place.clock.advance(SignedDuration::from_secs(600));
    assert_eq!(place.store.expire_due(place.clock.now()).await.unwrap(), 1);
    let right = [
        ("opened", &first.id),
        ("superseded", &first.id),
        ("opened", &second.id),
        ("cancelled", &second.id),
        ("opened", &third.id),
        ("expired", &third.id),
    ];
    assert_eq!(place.events(), right.map(|(event, id)| (event.to_owned(), id.clone())));
    assert_eq!(place.log.of(Kind::Approval)[3]["by"], "vera");
}

/// Attack: fill the disk, then have a call approved of which nothing is on record.
#[tokio::test]
async fn an_answer_that_cannot_be_recorded_is_not_given() {
    let place = Place::new();
    let asked = place.store.open_or_get(question("b1")).await.unwrap();
    place.log.fail(Some("audit.disk_full"));
    for given in [HumanAnswer::Approve, HumanAnswer::Deny] {
        let refused = place.answer(&asked.id, given, "vera").await.unwrap_err();
        assert!(matches!(refused, AnswerError::Audit(error) if error.code == "audit.disk_full"));
    }
    let still = place.store.get(&asked.id, start()).await.unwrap().unwrap();
    assert_eq!(still.state, ApprovalState::Pending);
    place.log.fail(None);
    place.answer(&asked.id, HumanAnswer::Approve, "vera").await.unwrap();
}

#[tokio::test]
async fn an_answer_that_was_recorded_and_does_not_apply_is_recorded_as_not_applied() {
    let place = Place::new();
    let asked = place.store.open_or_get(question("b1")).await.unwrap();
    let refused = place.answer(&asked.id, HumanAnswer::Approve, "Olga").await.unwrap_err();
    assert!(matches!(refused, AnswerError::Store(StoreError::SelfApproval)));
    assert_eq!(said(&place.events()), ["opened", "approved", "not_applied"]);
}

#[tokio::test]
async fn an_answer_to_what_is_over_or_never_was_is_refused_and_leaves_no_record() {
    let place = Place::new();
    let asked = place.store.open_or_get(question("b1")).await.unwrap();
    place.answer(&asked.id, HumanAnswer::Deny, "vera").await.unwrap();
    for id in [asked.id.as_str(), "none"] {
        assert!(place.answer(id, HumanAnswer::Approve, "vera").await.is_err());
    }
    assert_eq!(said(&place.events()), ["opened", "denied"]);
}

#[tokio::test]
async fn the_answer_of_a_person_is_safe_from_power_loss_at_once() {
    let place = Place::new();
    let asked = place.store.open_or_get(question("b1")).await.unwrap();
    place.answer(&asked.id, HumanAnswer::Approve, "vera").await.unwrap();
    let at_once: Vec<_> = place.log.entries.lock().unwrap().iter().map(|entry| entry.at_once).collect();
    assert_eq!(at_once, [false, true]);
}

#[tokio::test]
async fn the_note_of_a_person_is_committed_to_and_lies_sealed_beside_the_record() {
    let place = Place::new();
    let asked = place.store.open_or_get(question("b1")).await.unwrap();
    let (given, note) = (HumanAnswer::Deny, Some("ask Paul \u{201c}first\u{201d}"));
    let recording = Some(&place.recording);
    record_answer(recording, &place.store, &asked.id, given, "vera", note, start()).await.unwrap();
    let entry = place.log.entries.lock().unwrap()[1].clone();
    assert!(!String::from_utf8(entry.body.clone()).unwrap().contains("Paul"));
    let body: Value = serde_json::from_slice(&entry.body).unwrap();
    let plain = entry.sealed.unwrap();
    let (salt, text) = plain.split_first_chunk::<32>().unwrap();
    let text: Value = serde_json::from_slice(text).unwrap();
    assert_eq!(text["note"], note.unwrap());
    assert_eq!(body["note_commit"], commit(NOTE, salt, note.unwrap().as_bytes()).as_str());
}
