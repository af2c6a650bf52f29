//! What the log promises while nothing goes wrong.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_appends_get_one_order_without_gaps() {
    let place = Place::new();
    let log = place.open();
    let tasks: Vec<_> = (0..16_u64)
        .map(|task| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut seqs = Vec::new();
                for number in 0..50 {
                    let mut entry = entry("acme", task * 1_000 + number);
                    entry.at_once = number % 10 == 0;
                    seqs.push((task * 1_000 + number, log.append(entry).await.unwrap().seq));
                }
                seqs
            })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        let seqs = task.await.unwrap();
        assert!(seqs.is_sorted_by_key(|(_, seq)| *seq), "one caller's entries keep their order");
        told.extend(seqs);
    }
    log.close();
    let entries = place.verified("acme");
    assert_eq!(entries.len(), 800);
    for (number, seq) in told {
        assert_eq!(number_of(&entries[seq as usize]), Some(number));
    }
}

#[tokio::test]
async fn an_entry_whose_caller_goes_away_lands_all_the_same() {
    let place = Place::new();
    let log = place.open();
    for number in 0..20 {
        drop(log.append(entry("acme", number)));
        log.submit(entry("acme", 100 + number));
    }
    log.close();
    assert_eq!(place.verified("acme").len(), 40);
}

#[tokio::test]
async fn outcomes_keep_their_order_and_are_in_a_log_that_is_closed_right_after_them() {
    let place = Place::new();
    let log = place.open();
    let outcome = |number| NewEntry { kind: Kind::Outcome, ..entry("acme", number) };
    for awaited in 0..100 {
        drop(log.append(outcome(awaited)));
    }
    let last = log.append(outcome(100));
    log.append(entry("acme", 500)).await.unwrap();
    assert!(last.await.unwrap().seq >= 100);
    for submitted in 101..200 {
        log.submit(outcome(submitted));
    }
    log.close();
    let outcomes: Vec<u64> =
        numbers(&place.verified("acme")).into_iter().filter(|number| *number != 500).collect();
    assert_eq!(outcomes, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn two_tenants_never_share_a_tree() {
    let place = Place::new();
    let log = place.open();
    for number in 0..10 {
        let tenant = if number % 3 == 0 { "acme" } else { "globex" };
        log.append(entry(tenant, number)).await.unwrap();
    }
    log.close();
    assert_eq!(numbers(&place.verified("acme")), [0, 3, 6, 9]);
    assert_eq!(numbers(&place.verified("globex")), [1, 2, 4, 5, 7, 8]);
    let origin = |tenant: &str| {
        let note = place.reader(tenant).last_checkpoint(None).unwrap().unwrap().note;
        note.lines().next().unwrap().to_owned()
    };
    assert!(origin("acme").ends_with("/acme") && origin("globex").ends_with("/globex"));
}

#[tokio::test]
async fn a_tenant_that_is_no_name_is_refused() {
    let place = Place::new();
    let log = place.open();
    for tenant in ["..", "a/b", "", ".x"] {
        assert_eq!(log.append(entry(tenant, 1)).await.unwrap_err().code, "audit.bad_tenant", "{tenant}");
    }
}

#[tokio::test]
async fn checkpoints_come_by_time_and_by_count() {
    for (seconds, entries) in [(1, 100_000), (3_600, 20)] {
        let mut place = Place::new();
        place.config.checkpoint_seconds = seconds;
        place.config.checkpoint_entries = entries;
        let log = place.open();
        for number in 0..20 {
            log.append(entry("acme", number)).await.unwrap();
        }
        eventually("a checkpoint over everything", || {
            let rows = place.reader("acme").checkpoints(None, 100).unwrap();
            rows.iter().any(|row| row.size == 20)
        })
        .await;
        log.close();
        let head = std::fs::read_to_string(place.layout().head("acme").unwrap()).unwrap();
        assert_eq!(head, place.reader("acme").last_checkpoint(None).unwrap().unwrap().note);
    }
}

#[tokio::test]
async fn a_clock_that_goes_backwards_stands_still_for_the_log() {
    let mut place = Place::new();
    let clock = Arc::new(FixedClock::new("2026-11-21T14:30:00.123Z".parse().unwrap()));
    place.clock = clock.clone();
    let log = place.open();
    let times = |place: &Place| -> Vec<String> {
        place.entries("acme").iter().map(|entry| Entry::read(entry).unwrap().ts.to_string()).collect()
    };
    log.append(entry("acme", 0)).await.unwrap();
    clock.set("2026-11-21T14:29:00Z".parse().unwrap());
    log.append(entry("acme", 1)).await.unwrap();
    assert_eq!(times(&place), ["2026-11-21T14:30:00.123Z"; 2]);
    log.close();
    drop(log);
    let log = place.open();
    log.append(entry("acme", 2)).await.unwrap();
    assert_eq!(times(&place), ["2026-11-21T14:30:00.123Z"; 3], "after a restart as well");
}

#[tokio::test]
async fn erasing_the_inputs_of_a_day_leaves_a_log_that_verifies() {
    let mut place = Place::new();
    let clock = Arc::new(FixedClock::new("2026-11-20T12:00:00Z".parse().unwrap()));
    place.clock = clock.clone();
    place.config.inputs_keep_days = 1;
    let log = place.open();
    let sealed = |text: &str| NewEntry {
        decision_id: Some(Uuid::now_v7()),
        sealed: Some(text.as_bytes().to_vec()),
        ..entry("acme", 1)
    };
    log.append(sealed("old")).await.unwrap();
    clock.set("2026-11-21T12:00:00Z".parse().unwrap());
    log.append(sealed("new")).await.unwrap();
    assert_eq!(place.reader("acme").open_sealed(0).unwrap().unwrap(), b"old");
    assert_eq!(log.destroy_old_days().unwrap(), 0);
    clock.set("2026-11-22T00:00:00Z".parse().unwrap());
    // On record first: what cannot be recorded is not destroyed.
    let broken = Arc::clone(&log.sequencer("acme").writer().as_ref().unwrap().trouble.broken);
    broken.store(1, Ordering::SeqCst);
    assert_eq!(log.destroy_old_days().unwrap_err().code, "audit.unavailable");
    assert_eq!(place.reader("acme").open_sealed(0).unwrap().unwrap(), b"old");
    broken.store(0, Ordering::SeqCst);
    assert_eq!(log.destroy_old_days().unwrap(), 1);
    log.close();
    let entries = place.verified("acme");
    let missing = Kind::OutcomeMissing;
    assert_eq!(kinds(&entries), [missing, missing, Kind::Health, Kind::Gap, Kind::Key]);
    assert!(
        String::from_utf8_lossy(&entries[4]).contains(r#""day":"2026-11-20","event":"inputs_destroyed""#)
    );
    assert_eq!(place.reader("acme").open_sealed(0).unwrap_err().code, "audit.inputs_erased");
    assert_eq!(place.reader("acme").open_sealed(1).unwrap().unwrap(), b"new");
    assert_eq!(place.reader("acme").open_sealed(4).unwrap(), None);
}

#[tokio::test]
async fn allowed_calls_without_an_outcome_are_found_without_reading_entries() {
    let place = Place::new();
    let log = place.open();
    let since = jiff::Timestamp::now();
    let ids: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    let about = |id: Uuid, kind, expects_outcome| NewEntry {
        kind,
        decision_id: Some(id),
        expects_outcome,
        ..entry("acme", 1)
    };
    for id in &ids[..3] {
        log.append(about(*id, Kind::Decision, true)).await.unwrap();
    }
    log.append(about(ids[3], Kind::Decision, false)).await.unwrap();
    log.append(about(ids[0], Kind::Outcome, false)).await.unwrap();
    log.append(about(ids[1], Kind::OutcomeMissing, false)).await.unwrap();
    let found = log.unanswered(since).unwrap();
    let found: Vec<_> = found.iter().map(|open| (open.decision_id, open.missing)).collect();
    assert_eq!(found, [(ids[1], true), (ids[2], false)]);
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    assert!(log.unanswered(later).unwrap().is_empty());
    // The bodies of this test are about no decision, as if somebody had changed the index: it is not believed.
    assert_eq!(place.reader("acme").by_decision(ids[0]).unwrap_err().code, "audit.corrupt");
}

#[tokio::test]
async fn a_reader_sees_what_is_committed_beside_the_server_and_after_it() {
    let place = Place::new();
    let log = place.open();
    log.append(entry("acme", 1)).await.unwrap();
    let reader = place.reader("acme");
    let before = reader.data_version().unwrap();
    assert_eq!(reader.size().unwrap(), 1);
    log.append(entry("acme", 2)).await.unwrap();
    assert_ne!(reader.data_version().unwrap(), before);
    let mut newest = Vec::new();
    reader
        .newest_first(None, |entry| {
            newest.push(entry.seq);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(newest, [1, 0]);
    drop(reader);
    log.close();
    drop(log);
    assert_eq!(place.reader("acme").size().unwrap(), 2);
    assert_eq!(LogReader::open(&place.layout(), "nobody").unwrap_err().code, "audit.not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn proofs_between_checkpoints_verify() {
    use interdict_audit::merkle::{consistency_proof, range_proof, root_of_range, verify_consistency};
    let mut place = Place::new();
    place.config.checkpoint_entries = 70;
    let log = place.open();
    for number in 0..600 {
        log.append(entry("acme", number)).await.unwrap();
        // Entries can come faster than checkpoints over them can be synced.
        if number % 100 == 99 {
            let covered = || log.sequencer("acme").metrics.checkpointed.get().unsigned_abs() > number - 70;
            eventually("a checkpoint over most of them", covered).await;
        }
    }
    log.close();
    let leaves: Vec<_> = place.verified("acme").iter().map(|entry| leaf_hash(entry)).collect();
    let reader = place.reader("acme");
    let sizes: Vec<u64> = reader.checkpoints(None, 100).unwrap().iter().map(|row| row.size).collect();
    assert!(sizes.len() > 3, "{sizes:?}");
    let root_at = |size: u64| root(&Leaves(&leaves[..size as usize]), size).unwrap();
    for pair in sizes.windows(2) {
        let proof = consistency_proof(&reader, pair[0], pair[1]).unwrap();
        verify_consistency(pair[0], pair[1], &proof, &root_at(pair[0]), &root_at(pair[1])).unwrap();
    }
    let proof = range_proof(&reader, 100, 130, 600).unwrap();
    let found = root_of_range(&proof.left, &leaves[100..130], 100, &proof.right, 600).unwrap();
    assert_eq!(found, root_at(600));
}
