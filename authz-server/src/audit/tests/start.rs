//! Starts: after an end, after a kill, with files that somebody changed.

use super::*;

fn refused(place: &Place) -> AuditError {
    place.try_open().unwrap_err()
}

async fn fill(log: &AuditLog, from: u64, to: u64) {
    for number in from..to {
        log.append(entry("acme", number)).await.unwrap();
    }
}

#[tokio::test]
async fn a_log_goes_on_after_every_number_of_entries() {
    let mut place = Place::new();
    place.config.checkpoint_entries = 100;
    for round in 0..12_u64 {
        let log = place.open();
        // Whoever watches how far the checkpoints are behind sees it from the start on.
        let metrics = &log.sequencer("acme").metrics;
        assert_eq!(metrics.checkpointed.get(), metrics.entries.get());
        assert_eq!(metrics.entries.get().unsigned_abs(), round * 45);
        fill(&log, round * 45, (round + 1) * 45).await;
        log.close();
    }
    assert_eq!(numbers(&place.verified("acme")), (0..540).collect::<Vec<_>>());
}

/// What was acknowledged is there, with a checkpoint before it or without.
#[tokio::test]
async fn a_kill_at_any_moment_loses_no_acknowledged_entry() {
    let mut place = Place::new();
    place.config.checkpoint_entries = 7;
    let log = place.open();
    for number in 0..40 {
        fill(&log, number, number + 1).await;
        let killed = place.killed();
        let again = killed.open();
        fill(&again, 1_000, 1_001).await;
        again.close();
        let found = numbers(&killed.verified("acme"));
        assert_eq!(found, (0..=number).chain([1_000]).collect::<Vec<_>>());
    }
}

/// Loss of power cuts the write-ahead log off somewhere: what is left is a beginning of the log, and nothing else.
#[tokio::test]
async fn a_cut_write_ahead_log_leaves_a_beginning_of_the_log() {
    let place = Place::new();
    let log = place.open();
    fill(&log, 0, 30).await;
    let wal = "log/tenants/acme/log.db-wal";
    let mut lengths = std::collections::BTreeSet::new();
    for cut in (40_000..400_000).step_by(24_000) {
        let killed = place.killed();
        let file = std::fs::OpenOptions::new().write(true).open(killed.folder.path().join(wal)).unwrap();
        file.set_len(cut).unwrap();
        let again = killed.open();
        again.append(entry("acme", 1_000)).await.unwrap();
        again.close();
        let found = numbers(&killed.verified("acme"));
        let (last, before) = found.split_last().unwrap();
        assert_eq!((*last, before), (1_000, (0..before.len() as u64).collect::<Vec<_>>().as_slice()));
        lengths.insert(before.len());
    }
    assert!(lengths.len() > 3, "{lengths:?}");
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_does_not_start() {
    let place = Place::new();
    let _log = place.open();
    assert_eq!(refused(&place).code, "audit.locked");
}

/// Attack: an old copy of the database in the place of the newer one.
#[tokio::test]
async fn an_older_database_is_refused_as_rolled_back() {
    let place = Place::new();
    let log = place.open();
    fill(&log, 0, 10).await;
    log.close();
    drop(log);
    let old = place.killed();
    let log = place.open();
    fill(&log, 10, 20).await;
    log.close();
    drop(log);
    let name = "log/tenants/acme/log.db";
    std::fs::copy(old.folder.path().join(name), place.folder.path().join(name)).unwrap();
    let error = refused(&place);
    assert_eq!(error.code, "audit.rolled_back", "{error}");
    assert!(error.message.contains("entry 10") && error.message.contains("over 20"), "{error}");
    std::fs::remove_file(place.folder.path().join(name)).unwrap();
    assert_eq!(refused(&place).code, "audit.rolled_back", "an empty one is as old as can be");
}

/// Attack: another history of the same length, made with the key.
#[tokio::test]
async fn another_history_is_refused_as_rolled_back() {
    let place = Place::new();
    let log = place.open();
    fill(&log, 0, 10).await;
    log.close();
    drop(log);
    let fork = place.killed();
    for (place, from) in [(&place, 10), (&fork, 500)] {
        let log = place.open();
        fill(&log, from, from + 10).await;
        log.close();
    }
    let name = "log/tenants/acme/log.db";
    std::fs::copy(fork.folder.path().join(name), place.folder.path().join(name)).unwrap();
    assert_eq!(refused(&place).code, "audit.rolled_back");
}

#[tokio::test]
async fn what_the_checkpoint_does_not_cover_is_checked_at_start() {
    let place = Place::new();
    let log = place.open();
    fill(&log, 0, 10).await;
    log.close();
    drop(log);
    for change in [
        "UPDATE entries SET record = replace(record, 'x', 'y') WHERE seq = 9",
        "DELETE FROM entries WHERE seq = 9",
        "UPDATE tiles SET hashes = zeroblob(320)",
        "UPDATE tiles SET hashes = x'00'",
        "DELETE FROM tiles",
        "UPDATE checkpoints SET note = 'n'",
        "INSERT INTO entries SELECT 10, ts, 0, NULL, record, NULL FROM entries WHERE seq = 9",
        "INSERT INTO entries SELECT 11, ts, 0, NULL, record, NULL FROM entries WHERE seq = 9",
        "INSERT INTO entries VALUES (10, 1, 0, NULL, 'no entry', NULL)",
    ] {
        let changed = place.killed();
        let file = changed.folder.path().join("log/tenants/acme/log.db");
        let database = rusqlite::Connection::open(file).unwrap();
        let strict = change.replace("'no entry'", "x'00'").replace("replace(record, 'x', 'y')", "x'7b7d'");
        database.execute_batch(&strict).unwrap();
        drop(database);
        assert_eq!(refused(&changed).code, "audit.corrupt", "{change}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_named() {
    let place = Place::new();
    let log = place.open();
    fill(&log, 0, 200).await;
    log.close();
    drop(log);
    let file = place.folder.path().join("log/tenants/acme/log.db");
    let mut bytes = std::fs::read(&file).unwrap();
    for byte in &mut bytes[8_192..] {
        *byte = 0x55;
    }
    std::fs::write(&file, bytes).unwrap();
    let error = refused(&place);
    assert_eq!(error.code, "audit.corrupt");
    assert!(error.message.contains("log.db"), "{error}");
}

#[tokio::test]
async fn another_key_stops_the_start_and_a_rotation_is_followed_by_both_keys() {
    let mut place = Place::new();
    let log = place.open();
    let old = log.verifier_key();
    fill(&log, 0, 5).await;
    assert_eq!(rotate_key(&place.config, Arc::clone(&place.clock), None).unwrap_err().code, "audit.locked");
    log.close();
    drop(log);
    let other = place.folder.path().join("other.key");
    std::fs::write(&other, "0f".repeat(32)).unwrap();
    place.config.signing_key_file = Some(other);
    assert_eq!(refused(&place).code, "audit.key_changed");
    place.config.signing_key_file = None;
    let new = rotate_key(&place.config, Arc::clone(&place.clock), None).unwrap();
    assert_ne!(new, old);
    let reader = place.reader("acme");
    let note = reader.last_checkpoint(None).unwrap().unwrap().note;
    for key in [&old, &new] {
        let (checkpoint, _) = Checkpoint::open(note.as_bytes(), &[key.parse().unwrap()]).unwrap();
        assert_eq!(checkpoint.size, 6);
    }
    let log = place.open();
    assert_eq!(log.verifier_key(), new);
    fill(&log, 5, 7).await;
    log.close();
    let entries = place.verified("acme");
    assert_eq!(kinds(&entries)[5], Kind::Key);
}

#[tokio::test]
async fn the_work_of_a_start_does_not_grow_with_the_log() {
    let mut place = Place::new();
    place.config.checkpoint_entries = 500;
    let log = place.open();
    for number in 0..5_000 {
        log.submit(entry("acme", number));
        if number % 500 == 0 {
            log.append(entry("acme", number)).await.unwrap();
        }
    }
    log.close();
    drop(log);
    // What a checkpoint covers is not read again: a start does not even see that it is damaged.
    let database = rusqlite::Connection::open(place.layout().database("acme").unwrap()).unwrap();
    let damaged = "UPDATE entries SET record = x'00' WHERE seq < 4000";
    assert_eq!(database.execute(damaged, []).unwrap(), 4_000);
    drop(database);
    let log = place.open();
    log.append(entry("acme", 5_000)).await.unwrap();
}
