use super::*;
use crate::audit::{AuditLog, AuditMetrics};
use crate::clock::SystemClock;
use crate::config::AuditConfig;
use crate::decide::answer_tests::World;
use crate::record::memory::MemoryLog;

/// A log on disk with what a decider recorded, changed by `change`; every entry is sampled.
async fn sampled(keep_bundle: bool, change: impl Fn(String) -> String) -> (Vec<Difference>, String) {
    sampled_after(keep_bundle, change, None).await
}

/// The same, after somebody ran a statement on the database.
async fn sampled_after(
    keep_bundle: bool,
    change: impl Fn(String) -> String,
    statement: Option<&str>,
) -> (Vec<Difference>, String) {
    let world = World::new(MemoryLog::default()).await;
    for tool in ["good", "bad", "risky"] {
        world.decide(tool).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = AuditConfig { directory: folder.path().join("audit"), ..AuditConfig::default() };
    let metrics = Metrics::new();
    let log = AuditLog::open(&config, Arc::new(SystemClock), metrics.register(AuditMetrics::new)).unwrap();
    let bundles = log.layout().bundles();
    std::fs::create_dir_all(&bundles).unwrap();
    if keep_bundle {
        let file = bundles.join(format!("{}.json", world.bundle.digest()));
        std::fs::write(file, world.bundle.keep(&[])).unwrap();
    }
    let entries = std::mem::take(&mut *world.log.entries.lock().unwrap());
    for mut entry in entries {
        entry.body = change(String::from_utf8(entry.body).unwrap()).into_bytes();
        log.append(entry).await.unwrap();
    }
    if let Some(statement) = statement {
        let database = rusqlite::Connection::open(log.layout().database("acme").unwrap()).unwrap();
        database.execute_batch(statement).unwrap();
    }
    let sampler = Sampler::new(log.layout().clone(), 1_000, &metrics);
    let mut next = HashMap::new();
    let round = |next: &mut _| sampler.round(next, Timestamp::now(), &AtomicBool::new(false));
    let found = round(&mut next);
    assert_eq!(round(&mut next), [], "nothing is looked at twice");
    (found, metrics.render().unwrap())
}

fn count(metrics: &str, result: &str) -> u64 {
    let start = format!(r#"interdict_replay_sampled_total{{result="{result}"}} "#);
    let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
    line.map_or(0, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_come_out_the_same_when_they_are_judged_again() {
    let (found, metrics) = sampled(true, |body| body).await;
    assert_eq!(found, []);
    assert_eq!((count(&metrics, "same"), count(&metrics, "different")), (3, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_is_recorded_otherwise_than_it_comes_out_is_found_and_told() {
    let other = "0".repeat(64);
    let change = |body: String| {
        let (before, after) = body.split_once(r#""decision_commit":""#).unwrap();
        format!(r#"{before}"decision_commit":"{other}{}"#, after.split_at(64).1)
    };
    let (found, metrics) = sampled(true, change).await;
    assert_eq!((found.len(), count(&metrics, "different")), (3, 3));
    assert!(found.iter().all(|one| one.tenant == "acme" && one.recorded == other && one.replayed != other));
    let log = MemoryLog::default();
    found[0].tell(&log);
    let (tenant, kind, body) = log.only();
    assert_eq!((tenant.as_str(), kind.label()), ("acme", "replay_difference"));
    assert_eq!(body["decision_id"], found[0].decision_id.as_str());
}

/// Attack: whoever has the database puts something else beside the records, so that nothing can be judged again. Nothing
/// but the log itself says that an input was erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_input_that_was_changed_is_told_like_a_difference() {
    for spoilt in [
        "CAST(sealed || x'00' AS BLOB)",
        "CAST(substr(sealed, 1, 4) || zeroblob(8) || substr(sealed, 13) AS BLOB)",
        "CAST(x'00000001' || substr(sealed, 5) AS BLOB)",
        "NULL",
    ] {
        let spoil = format!("UPDATE entries SET sealed = {spoilt} WHERE seq = 1");
        let (found, metrics) = sampled_after(true, |body| body, Some(&spoil)).await;
        assert_eq!((count(&metrics, "same"), count(&metrics, "different")), (2, 1), "{spoilt}");
        assert_eq!((found.len(), found[0].replayed.as_str()), (1, "replay.sealed_tampered"));
        assert_eq!(found[0].recorded.len(), 64, "the commitment to what was sealed");
        let log = MemoryLog::default();
        found[0].tell(&log);
        assert_eq!(log.only().2["replayed"], "replay.sealed_tampered");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_bundle_that_decided_nothing_is_claimed() {
    let (found, metrics) = sampled(false, |body| body).await;
    assert_eq!(found, []);
    assert_eq!((count(&metrics, "same"), count(&metrics, "not_testable")), (0, 3));
}
