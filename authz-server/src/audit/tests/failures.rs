//! What goes wrong while the log is written, and how it comes back.

use super::*;
use crate::audit::Health;

fn trouble(log: &AuditLog, tenant: &str) -> Trouble {
    log.sequencer(tenant).writer().as_ref().unwrap().trouble.clone()
}

fn is_down(log: &AuditLog) -> Option<&'static str> {
    match *log.health().borrow() {
        Health::Down { code, .. } => Some(code),
        Health::Serving => None,
    }
}

/// An entry that needs pages of its own.
fn large(number: u64) -> NewEntry {
    let id = "x".repeat(20_000);
    let body = format!(r#"{{"deadline_seconds":{number},"decision_id":"{id}"}}"#);
    NewEntry { body: body.into_bytes(), ..entry("acme", number) }
}

#[tokio::test]
async fn a_full_disk_refuses_entries_and_the_log_comes_back_when_there_is_room() {
    let place = Place::new();
    let log = place.open();
    log.append(entry("acme", 0)).await.unwrap();
    let trouble = trouble(&log, "acme");
    trouble.max_pages.store(20, Ordering::SeqCst);
    let mut refused = 0;
    for number in 1..200 {
        if let Err(error) = log.append(large(number)).await {
            assert_eq!(error.code, "audit.disk_full", "{error}");
            assert_eq!(is_down(&log), Some("audit.disk_full"));
            refused = number;
            break;
        }
    }
    assert!(refused > 1);
    // Nobody waits for these: they are kept. Calls that went on without are counted.
    log.submit(entry("acme", 900));
    log.unrecorded("acme");
    log.unrecorded("acme");
    assert_eq!(log.append(large(901)).await.unwrap_err().code, "audit.disk_full");
    trouble.max_pages.store(0, Ordering::SeqCst);
    eventually("the log comes back by itself", || is_down(&log).is_none()).await;
    log.append(entry("acme", 902)).await.unwrap();
    log.close();
    let entries = place.verified("acme");
    let expected: Vec<u64> = (0..refused).chain([900, 902]).collect();
    assert_eq!(numbers(&entries), expected, "what was refused never appears");
    let text = |kind| -> Vec<String> {
        let of_kind = entries.iter().filter(|entry| Entry::read(entry).unwrap().kind == kind);
        of_kind.map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
    };
    assert!(text(Kind::Health)[0].contains(r#""code":"audit.disk_full","event":"up""#));
    let missing = |reason: &str| -> u64 {
        let gaps = text(Kind::Gap).into_iter().filter(|gap| gap.contains(reason));
        let count =
            |gap: String| serde_json::from_str::<serde_json::Value>(&gap).unwrap()["body"]["count"].as_u64();
        gaps.filter_map(count).sum()
    };
    assert_eq!((missing("audit.unrecorded"), missing("audit.disk_full")), (2, 2));
}

#[tokio::test]
async fn another_programs_transaction_is_waited_for_a_second_and_then_refused() {
    let place = Place::new();
    let log = place.open();
    log.append(entry("acme", 0)).await.unwrap();
    let file = place.layout().database("acme").unwrap();
    let mut other = rusqlite::Connection::open(file).unwrap();
    let held = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let started = std::time::Instant::now();
    assert_eq!(log.append(entry("acme", 1)).await.unwrap_err().code, "audit.locked");
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    // Known to be locked: none of these waits for a second of its own.
    let started = std::time::Instant::now();
    for number in 2..22 {
        assert_eq!(log.append(entry("acme", number)).await.unwrap_err().code, "audit.locked");
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    drop(held);
    eventually("the lock is gone", || is_down(&log).is_none()).await;
    log.append(entry("acme", 22)).await.unwrap();
    log.close();
    assert_eq!(numbers(&place.verified("acme")), [0, 22]);
}

#[tokio::test]
async fn a_short_lock_of_another_program_costs_nothing_but_time() {
    let place = Place::new();
    let log = place.open();
    log.append(entry("acme", 0)).await.unwrap();
    let file = place.layout().database("acme").unwrap();
    let mut other = rusqlite::Connection::open(file).unwrap();
    let held = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let waiting = log.append(entry("acme", 1));
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(held);
    waiting.await.unwrap();
    assert_eq!(is_down(&log), None);
}

#[tokio::test]
async fn a_disk_that_fails_is_one_tenants_matter_and_every_append_is_a_try() {
    let place = Place::new();
    let log = place.open();
    for tenant in ["acme", "globex"] {
        log.append(entry(tenant, 0)).await.unwrap();
    }
    let trouble = trouble(&log, "acme");
    trouble.broken.store(1, Ordering::SeqCst);
    assert_eq!(log.append(entry("acme", 1)).await.unwrap_err().code, "audit.unavailable");
    log.append(entry("globex", 1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    trouble.broken.store(0, Ordering::SeqCst);
    log.append(entry("acme", 2)).await.unwrap();
    assert_eq!(is_down(&log), None);
    log.close();
    assert_eq!(numbers(&place.verified("acme")), [0, 2]);
    assert_eq!(numbers(&place.verified("globex")), [0, 1]);
}

/// A system tells of a sync that failed once. The next one succeeds and says nothing of what the first left out.
#[tokio::test]
async fn what_cannot_be_synced_is_refused_although_the_next_sync_would_succeed() {
    let place = Place::new();
    let log = place.open();
    let synced = |number| log.append(NewEntry { at_once: true, ..entry("acme", number) });
    synced(0).await.unwrap();
    trouble(&log, "acme").unsynced.store(1, Ordering::SeqCst);
    assert_eq!(synced(1).await.unwrap_err().code, "audit.unavailable");
    synced(2).await.unwrap();
    assert_eq!(is_down(&log), None);
    log.close();
    let entries = place.verified("acme");
    assert_eq!(numbers(&entries), [0, 2]);
    assert_eq!(kinds(&entries)[1], Kind::Health, "that it was down is on record");
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_written_until_everything_could_be_written_again() {
    let place = Place::new();
    let log = place.open();
    let synced = |number| log.append(NewEntry { at_once: true, ..entry("acme", number) });
    synced(0).await.unwrap();
    let trouble = trouble(&log, "acme");
    trouble.not_again.store(1, Ordering::SeqCst);
    trouble.unsynced.store(1, Ordering::SeqCst);
    for number in 1..5 {
        assert_eq!(synced(number).await.unwrap_err().code, "audit.unavailable");
    }
    assert_eq!(is_down(&log), Some("audit.unavailable"));
    trouble.not_again.store(0, Ordering::SeqCst);
    eventually("the log comes back by itself", || is_down(&log).is_none()).await;
    synced(5).await.unwrap();
    log.close();
    assert_eq!(numbers(&place.verified("acme")), [0, 5]);
}

/// A commit can fail and be in the database all the same. Whoever asked was told that it failed.
#[tokio::test]
async fn what_a_failed_commit_left_behind_is_taken_out_before_the_log_goes_on() {
    let place = Place::new();
    let log = place.open();
    log.append(entry("acme", 0)).await.unwrap();
    let sequencer = log.sequencer("acme");
    {
        let mut slot = sequencer.writer();
        slot.as_mut().unwrap().close();
        let database = rusqlite::Connection::open(place.layout().database("acme").unwrap()).unwrap();
        database.execute("INSERT INTO entries VALUES (1, 1, 0, NULL, x'00', NULL)", []).unwrap();
    }
    log.append(entry("acme", 2)).await.unwrap();
    log.close();
    assert_eq!(numbers(&place.verified("acme")), [0, 2]);
}

/// Attack: the database is exchanged under a running server.
#[tokio::test]
async fn a_database_that_does_not_end_where_the_server_left_it_is_not_written() {
    let place = Place::new();
    let log = place.open();
    log.append(entry("acme", 0)).await.unwrap();
    log.append(entry("acme", 1)).await.unwrap();
    let sequencer = log.sequencer("acme");
    {
        let mut slot = sequencer.writer();
        slot.as_mut().unwrap().close();
        let database = rusqlite::Connection::open(place.layout().database("acme").unwrap()).unwrap();
        database.execute("DELETE FROM entries WHERE seq = 1", []).unwrap();
    }
    assert_eq!(log.append(entry("acme", 2)).await.unwrap_err().code, "audit.corrupt");
    assert_eq!(is_down(&log), Some("audit.corrupt"));
}

/// Attack: the folder of a tenant, or a file in it, is moved away under a running server.
#[tokio::test]
async fn a_log_that_is_moved_away_is_not_written_and_goes_on_when_it_is_back() {
    let place = Place::new();
    let log = place.open();
    log.append(entry("acme", 0)).await.unwrap();
    let folder = place.layout().tenant("acme").unwrap();
    let aside = folder.with_extension("aside");
    std::fs::rename(&folder, &aside).unwrap();
    assert_eq!(log.append(entry("acme", 1)).await.unwrap_err().code, "audit.corrupt");
    assert_eq!(is_down(&log), Some("audit.corrupt"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::rename(&aside, &folder).unwrap();
    eventually("the log goes on", || is_down(&log).is_none()).await;
    log.append(entry("acme", 2)).await.unwrap();
    log.close();
    let kept = numbers(&place.verified("acme"));
    assert!(kept.contains(&0) && kept.contains(&2) && !kept.contains(&1), "{kept:?}");
}

#[tokio::test]
async fn more_entries_than_may_wait_are_refused_and_counted() {
    let place = Place::new();
    let log = place.open();
    log.append(entry("acme", 0)).await.unwrap();
    let sequencer = log.sequencer("acme");
    let held = sequencer.writer();
    let waiting: Vec<_> = (0..8_800).map(|number| log.append(entry("acme", number))).collect();
    drop(held);
    sequencer.queue.nudge();
    let mut refused = 0;
    for waiting in waiting {
        if let Err(error) = waiting.await {
            assert_eq!(error.code, "audit.overloaded");
            refused += 1;
        }
    }
    assert!(refused > 0);
    log.close();
    let entries = place.verified("acme");
    let gaps = kinds(&entries).iter().filter(|kind| **kind == Kind::Gap).count();
    assert!(gaps >= 1);
}

#[tokio::test]
async fn a_log_that_contradicts_a_witness_is_not_written_any_more() {
    let place = Place::new();
    let log = place.open();
    log.append(entry("acme", 0)).await.unwrap();
    log.sequencer("acme").halt(AuditError::new("audit.rolled_back", "the witness has seen 5"));
    assert_eq!(is_down(&log), Some("audit.rolled_back"));
    for number in 1..4 {
        assert_eq!(log.append(entry("acme", number)).await.unwrap_err().code, "audit.rolled_back");
    }
    log.close();
    assert_eq!(numbers(&place.entries("acme")), [0]);
}

#[tokio::test]
async fn a_cosignature_joins_its_checkpoint_and_head_note() {
    use interdict_audit::note::{Cosigner, Note};
    let place = Place::new();
    let log = place.open();
    log.append(entry("acme", 0)).await.unwrap();
    let sequencer = log.sequencer("acme");
    crate::audit::checkpoints::make(&sequencer).unwrap();
    let text = place.reader("acme").last_checkpoint(None).unwrap().unwrap().note;
    let witness = Cosigner::new("witness.test", &[9; 32]).unwrap();
    let note = Note::parse(text.as_bytes()).unwrap();
    sequencer.cosigned(1, witness.cosign(note.text(), 1_800_000_000).unwrap()).unwrap();
    let cosigned = place.reader("acme").last_checkpoint(None).unwrap().unwrap().note;
    let note = Note::parse(cosigned.as_bytes()).unwrap();
    assert_eq!(note.verified(&[witness.verifier().clone()]).unwrap().len(), 1);
    assert_eq!(std::fs::read_to_string(place.layout().head("acme").unwrap()).unwrap(), cosigned);
    log.close();
    drop(log);
    place.open();
}
