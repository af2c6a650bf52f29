use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::SignedDuration;

use super::*;
use crate::clock::FixedClock;
use crate::store::{ApprovalReason, ApprovalTotal, Arguments};

const TTL: SignedDuration = SignedDuration::from_secs(600);

fn start() -> Timestamp {
    "2026-07-28T12:00:00Z".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

fn question(binding: &str, action: &str) -> NewApproval {
    NewApproval {
        binding: binding.to_owned(),
        tenant: "acme".to_owned(),
        agent: "report-bot".to_owned(),
        agent_owner: "Olga".to_owned(),
        principal: Some("paul@example.com".to_owned()),
        server: "payments".to_owned(),
        method: "tools/call".to_owned(),
        tool: Some("transfer".to_owned()),
        action_digest: action.to_owned(),
        policy_digest: "p1".to_owned(),
        reasons: vec![ApprovalReason { code: "policy.amount".to_owned(), message: "above 100".to_owned() }],
        totals: Vec::new(),
        arguments_json: r#"{"amount":100.50}"#.to_owned(),
        era: "2025-11-25".to_owned(),
        created_at: start(),
        expires_at: start() + TTL,
    }
}

struct Place {
    _folder: tempfile::TempDir,
    file: PathBuf,
    clock: Arc<FixedClock>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("approvals.db");
        Self { _folder: folder, file, clock: Arc::new(FixedClock::new(start())) }
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.file, 3, self.clock.clone(), Box::new(())).unwrap()
    }

    fn refused(&self) -> String {
        SqliteStore::open(&self.file, 3, self.clock.clone(), Box::new(())).unwrap_err().to_string()
    }
}

#[tokio::test]
async fn an_approval_is_asked_given_and_used_exactly_once() {
    let place = Place::new();
    let store = place.open();
    let asked = store.open_or_get(question("b1", "a1")).await.unwrap();
    assert_eq!(asked.state, ApprovalState::Pending);
    assert_eq!(asked.arguments_json, r#"{"amount":100.50}"#);
    let given = store.decide(&asked.id, HumanAnswer::Approve, "ana", Some("fine"), after(10)).await.unwrap();
    assert_eq!((given.state, given.decided_by.as_deref()), (ApprovalState::Approved, Some("ana")));
    assert_eq!((given.decided_at, given.note.as_deref()), (Some(after(10)), Some("fine")));
    let used = store.consume(&asked.id, "b1", after(20)).await.unwrap();
    assert_eq!((used.state, used.consumed_at), (ApprovalState::Consumed, Some(after(20))));
    let again = store.consume(&asked.id, "b1", after(20)).await.unwrap_err();
    assert_eq!(again, StoreError::NotApproved(ApprovalState::Consumed));
}

#[tokio::test]
async fn the_same_binding_gets_the_same_open_approval_and_a_new_one_after_its_use() {
    let store = Place::new().open();
    let first = store.open_or_get(question("b1", "a1")).await.unwrap();
    assert_eq!(store.open_or_get(question("b1", "a1")).await.unwrap().id, first.id);
    store.decide(&first.id, HumanAnswer::Approve, "ana", None, start()).await.unwrap();
    assert_eq!(store.open_or_get(question("b1", "a1")).await.unwrap().state, ApprovalState::Approved);
    store.consume(&first.id, "b1", start()).await.unwrap();
    let second = store.open_or_get(question("b1", "a1")).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(second.state, ApprovalState::Pending);
}

#[tokio::test]
async fn a_persons_no_holds_until_it_expires_and_then_the_same_call_is_asked_anew() {
    let store = Place::new().open();
    let asked = store.open_or_get(question("b1", "a1")).await.unwrap();
    store.decide(&asked.id, HumanAnswer::Deny, "ana", None, after(1)).await.unwrap();
    let mut again = question("b1", "a1");
    again.created_at = after(2);
    let found = store.open_or_get(again.clone()).await.unwrap();
    assert_eq!((found.id.as_str(), found.state), (asked.id.as_str(), ApprovalState::Denied));
    again.created_at = asked.expires_at;
    again.expires_at = asked.expires_at + TTL;
    let anew = store.open_or_get(again).await.unwrap();
    assert_eq!(anew.state, ApprovalState::Pending);
    assert_ne!(anew.id, asked.id);
}

#[tokio::test]
async fn the_same_action_under_another_binding_supersedes_the_open_question() {
    let store = Place::new().open();
    let old = store.open_or_get(question("b1", "a1")).await.unwrap();
    let mut watch = store.watch(&old.id);
    let new = store.open_or_get(question("b2", "a1")).await.unwrap();
    let old = store.get(&old.id, start()).await.unwrap().unwrap();
    assert_eq!((old.state, old.superseded_by), (ApprovalState::Superseded, Some(new.id)));
    watch.changed().await.unwrap();
    let late = store.decide(&old.id, HumanAnswer::Approve, "ana", None, start()).await.unwrap_err();
    assert_eq!(late, StoreError::AlreadyDecided(ApprovalState::Superseded));
}

#[tokio::test]
async fn a_denied_cancelled_or_superseded_approval_cannot_be_used_or_answered_again() {
    let store = Place::new().open();
    let close = |index: usize, id: String| {
        let store = store.clone();
        async move {
            match index {
                0 => store.decide(&id, HumanAnswer::Deny, "ana", None, start()).await,
                1 => store.cancel(&id, "ana", start()).await,
                _ => store.supersede(&id, "other", start()).await,
            }
        }
    };
    for index in 0..3 {
        let asked = store.open_or_get(question(&format!("b{index}"), &format!("a{index}"))).await.unwrap();
        let closed = close(index, asked.id.clone()).await.unwrap();
        assert!(!closed.state.is_open());
        let used = store.consume(&asked.id, &closed.binding, start()).await.unwrap_err();
        assert_eq!(used, StoreError::NotApproved(closed.state));
        let answered = store.decide(&asked.id, HumanAnswer::Approve, "ana", None, start()).await.unwrap_err();
        assert_eq!(answered, StoreError::AlreadyDecided(closed.state));
    }
}

#[tokio::test]
async fn an_approval_does_not_fit_another_action() {
    let store = Place::new().open();
    let asked = store.open_or_get(question("b1", "a1")).await.unwrap();
    store.decide(&asked.id, HumanAnswer::Approve, "ana", None, start()).await.unwrap();
    assert_eq!(store.consume(&asked.id, "b2", start()).await.unwrap_err(), StoreError::BindingMismatch);
    assert_eq!(store.consume("nobody", "b1", start()).await.unwrap_err(), StoreError::NotFound);
}

#[tokio::test]
async fn time_ends_an_approval_whether_it_was_given_or_not() {
    let place = Place::new();
    let store = place.open();
    let waiting = store.open_or_get(question("b1", "a1")).await.unwrap();
    let given = store.open_or_get(question("b2", "a2")).await.unwrap();
    store.decide(&given.id, HumanAnswer::Approve, "ana", None, after(599)).await.unwrap();
    let shown = store.get(&waiting.id, after(600)).await.unwrap().unwrap();
    assert_eq!(shown.state, ApprovalState::Expired);
    let answered =
        store.decide(&waiting.id, HumanAnswer::Approve, "ana", None, after(600)).await.unwrap_err();
    assert_eq!(answered, StoreError::Expired);
    assert_eq!(store.consume(&given.id, "b2", after(600)).await.unwrap_err(), StoreError::Expired);
    assert_eq!(store.expire_due(after(600)).await.unwrap(), 2);
    assert_eq!(store.expire_due(after(600)).await.unwrap(), 0);
    let mut later = question("b1", "a1");
    (later.created_at, later.expires_at) = (after(700), after(700) + TTL);
    assert_ne!(store.open_or_get(later).await.unwrap().id, waiting.id);
}

#[tokio::test]
async fn nobody_who_gains_can_approve_but_anybody_can_deny() {
    let store = Place::new().open();
    let asked = store.open_or_get(question("b1", "a1")).await.unwrap();
    for name in [
        "olga",
        "Olga",
        " OLGA ",
        "olga\u{200b}",
        "\u{2066}olga",
        "ｏｌｇａ",
        "report-bot",
        "paul@example.com",
        "PAUL@EXAMPLE.COM",
        "paul＠example.com",
    ] {
        let refused = store.decide(&asked.id, HumanAnswer::Approve, name, None, start()).await.unwrap_err();
        assert_eq!(refused, StoreError::SelfApproval, "{name}");
    }
    assert_eq!(store.get(&asked.id, start()).await.unwrap().unwrap().state, ApprovalState::Pending);
    let denied = store.decide(&asked.id, HumanAnswer::Deny, "Olga", None, start()).await.unwrap();
    assert_eq!(denied.state, ApprovalState::Denied);
}

#[tokio::test]
async fn an_agent_cannot_flood_the_approvers() {
    let store = Place::new().open();
    for index in 0..3 {
        store.open_or_get(question(&format!("b{index}"), &format!("a{index}"))).await.unwrap();
    }
    let refused = store.open_or_get(question("b9", "a9")).await.unwrap_err();
    assert_eq!(
        (refused.clone(), refused.code()),
        (StoreError::TooManyPending(3), "approval.too_many_pending")
    );
    let mut other = question("b10", "a10");
    other.agent = "other-bot".to_owned();
    store.open_or_get(other).await.unwrap();
    // The same question again is not a new one, and the same action for other reasons takes the old one's place.
    store.open_or_get(question("b1", "a1")).await.unwrap();
    store.open_or_get(question("b1x", "a1")).await.unwrap();
}

#[tokio::test]
async fn a_list_can_be_narrowed_and_shows_the_newest_in_the_order_of_asking() {
    let store = Place::new().open();
    let mut ids = Vec::new();
    for index in 0..3 {
        let mut new = question(&format!("b{index}"), &format!("a{index}"));
        new.created_at = after(index);
        ids.push(store.open_or_get(new).await.unwrap().id);
    }
    store.decide(&ids[0], HumanAnswer::Deny, "ana", None, after(5)).await.unwrap();
    let listed = |filter: ListFilter| {
        let store = store.clone();
        async move {
            let found = store.list(filter, after(5)).await.unwrap();
            found.into_iter().map(|approval| approval.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(ListFilter::default()).await, ids);
    assert_eq!(listed(ListFilter { limit: 1, ..ListFilter::default() }).await, ids[2..]);
    let pending = ListFilter { state: Some(ApprovalState::Pending), ..ListFilter::default() };
    assert_eq!(listed(pending).await, ids[1..]);
    let nobody = ListFilter { agent: Some("nobody".to_owned()), ..ListFilter::default() };
    assert!(listed(nobody).await.is_empty());
}

#[tokio::test]
async fn a_watcher_hears_of_an_answer_given_through_another_connection() {
    let place = Place::new();
    let (here, there) = (place.open(), place.open());
    let asked = here.open_or_get(question("b1", "a1")).await.unwrap();
    let mut watch = here.watch(&asked.id);
    there.decide(&asked.id, HumanAnswer::Approve, "ana", None, start()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), watch.changed()).await.unwrap().unwrap();
    assert_eq!(here.get(&asked.id, start()).await.unwrap().unwrap().state, ApprovalState::Approved);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_use_one_approval_over_two_connections_one_succeeds() {
    let place = Place::new();
    let stores = [place.open(), place.open()];
    for round in 0..20 {
        let binding = format!("b{round}");
        let asked = stores[0].open_or_get(question(&binding, &format!("a{round}"))).await.unwrap();
        stores[1].decide(&asked.id, HumanAnswer::Approve, "ana", None, start()).await.unwrap();
        let uses: Vec<_> =
            (0..6).map(|n| tokio::spawn(stores[n % 2].consume(&asked.id, &binding, start()))).collect();
        let mut succeeded = 0;
        for used in uses {
            match used.await.unwrap() {
                Ok(_) => succeeded += 1,
                Err(error) => assert_eq!(error, StoreError::NotApproved(ApprovalState::Consumed)),
            }
        }
        assert_eq!(succeeded, 1);
    }
}

#[tokio::test]
async fn the_sweeper_expires_by_itself_and_tells() {
    struct Told(Arc<AtomicU64>);
    impl StoreEvents for Told {
        fn moved(&self, moved: Move, _: &Approval) {
            self.0.fetch_add(u64::from(moved == Move::Expired), Ordering::SeqCst);
        }
    }
    let place = Place::new();
    let count = Arc::new(AtomicU64::new(0));
    let store =
        SqliteStore::open(&place.file, 3, place.clock.clone(), Box::new(Told(count.clone()))).unwrap();
    store.open_or_get(question("b1", "a1")).await.unwrap();
    place.clock.advance(TTL);
    for _ in 0..600 {
        if count.load(Ordering::SeqCst) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the sweeper did nothing for a minute");
}

#[tokio::test]
async fn a_closed_approval_is_deleted_when_its_days_are_over_and_an_open_one_is_not() {
    let place = Place::new();
    let store = place.open();
    let mut closed = Vec::new();
    for index in 0..3 {
        let asked = store.open_or_get(question(&format!("b{index}"), &format!("a{index}"))).await.unwrap();
        store.decide(&asked.id, HumanAnswer::Deny, "ana", None, start()).await.unwrap();
        closed.push(asked.id);
    }
    let mut open = question("open", "open");
    open.expires_at = after(10_000);
    let open = store.open_or_get(open).await.unwrap();
    let connection = Connection::open(&place.file).unwrap();
    let lapsed = start() + TTL;
    assert_eq!(rows::delete_closed(&connection, lapsed - SignedDuration::from_secs(1)).unwrap(), 0);
    assert_eq!(rows::delete_closed(&connection, lapsed).unwrap(), 3);
    assert_eq!(rows::delete_closed(&connection, after(20_000)).unwrap(), 0, "an open row is expired first");
    for id in closed {
        assert_eq!(store.get(&id, start()).await.unwrap(), None);
    }
    assert_eq!(store.get(&open.id, start()).await.unwrap().unwrap().state, ApprovalState::Pending);
}

#[tokio::test]
async fn the_sweeper_deletes_by_itself_and_tells() {
    struct Told(Arc<AtomicU64>);
    impl StoreEvents for Told {
        fn moved(&self, _: Move, _: &Approval) {}
        fn deleted(&self, count: u64) {
            self.0.fetch_add(count, Ordering::SeqCst);
        }
    }
    let place = Place::new();
    let count = Arc::new(AtomicU64::new(0));
    let day = SignedDuration::from_hours(24);
    let told = Box::new(Told(count.clone()));
    let store = SqliteStore::open_keeping(&place.file, 3, day, place.clock.clone(), told).unwrap();
    let asked = store.open_or_get(question("b1", "a1")).await.unwrap();
    place.clock.advance(TTL + day);
    for _ in 0..600 {
        if count.load(Ordering::SeqCst) == 1 {
            assert_eq!(store.get(&asked.id, start()).await.unwrap(), None);
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the sweeper did nothing for a minute");
}

#[tokio::test]
async fn a_file_of_a_server_without_deletion_gets_its_index() {
    let place = Place::new();
    drop(place.open());
    let other = Connection::open(&place.file).unwrap();
    other.execute_batch("DROP INDEX closed_by_expiry").unwrap();
    let _store = place.open();
    let found: i64 = other
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'closed_by_expiry'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, 1);
}

#[tokio::test]
async fn arguments_that_nobody_would_read_are_kept_as_size_and_digest() {
    let store = Place::new().open();
    let mut long = question("b1", "a1");
    long.arguments_json = format!("\"{}\"", "x".repeat(Arguments::MAX_SHOWN - 2));
    let kept = store.open_or_get(long.clone()).await.unwrap();
    assert_eq!(kept.arguments(), Arguments::Shown(&long.arguments_json));
    let mut longer = question("b2", "a2");
    longer.arguments_json = format!("\"{}\"", "x".repeat(Arguments::MAX_SHOWN - 1));
    let kept = store.open_or_get(longer).await.unwrap();
    // printf '"%s"' "$(head -c 65535 /dev/zero | tr '\0' x)" | sha256sum
    let sha256 = "0f90b01cf9c38ff5bc73e80fcbd202ca4db7e60a6d7c81f493674c88e106831f";
    assert_eq!(kept.arguments(), Arguments::NotShown { bytes: 65_537, sha256 });
    assert!(kept.arguments_json.len() < 100);
}

#[tokio::test]
async fn what_an_approver_is_told_of_totals_lives_as_long_as_its_question() {
    let place = Place::new();
    let store = place.open();
    let total = ApprovalTotal {
        counter: "value".to_owned(),
        window: "24h".to_owned(),
        unit: "amount".to_owned(),
        stood: 15,
        adds: 10,
        ask_above: Some(20),
        max: None,
        currency: Some("EUR".to_owned()),
    };
    let totals = vec![total];
    let asked =
        store.open_or_get(NewApproval { totals: totals.clone(), ..question("b1", "a1") }).await.unwrap();
    store.open_or_get(question("b2", "a2")).await.unwrap();
    assert_eq!(store.get(&asked.id, start()).await.unwrap().unwrap().totals, totals);
    assert!(
        store.list(ListFilter::default(), start()).await.unwrap().iter().all(|one| one.totals.is_empty())
    );
    let other = Connection::open(&place.file).unwrap();
    let kept =
        || -> i64 { other.query_row("SELECT count(*) FROM approval_totals", [], |row| row.get(0)).unwrap() };
    assert_eq!(kept(), 1);
    other.execute("DELETE FROM approvals WHERE id = ?1", [&asked.id]).unwrap();
    assert_eq!(kept(), 0);
}

#[tokio::test]
async fn a_list_holds_no_arguments() {
    let store = Place::new().open();
    store.open_or_get(question("b1", "a1")).await.unwrap();
    let found = store.list(ListFilter::default(), start()).await.unwrap();
    assert_eq!((found.len(), found[0].arguments_json.as_str()), (1, ""));
}

/// The child of the next test: asks, approves, says so, and waits to be killed.
#[tokio::test]
async fn child_that_is_killed() {
    let Some(file) = std::env::var_os("INTERDICT_TEST_KILLED_STORE") else { return };
    let store =
        SqliteStore::open(Path::new(&file), 3, Arc::new(FixedClock::new(start())), Box::new(())).unwrap();
    let asked = store.open_or_get(question("b1", "a1")).await.unwrap();
    store.decide(&asked.id, HumanAnswer::Approve, "ana", None, start()).await.unwrap();
    println!("answered {}", asked.id);
    std::thread::sleep(Duration::from_secs(60));
}

#[tokio::test]
async fn an_answer_that_was_given_survives_kill_9() {
    use std::io::{BufRead, BufReader};
    let place = Place::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::sqlite::tests::child_that_is_killed", "--nocapture"])
        .env("INTERDICT_TEST_KILLED_STORE", &place.file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let id = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("answered ").map(|(_, id)| id.trim().to_owned()))
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let store = place.open();
    let found = store.get(&id, start()).await.unwrap().unwrap();
    assert_eq!((found.state, found.decided_by.as_deref()), (ApprovalState::Approved, Some("ana")));
    store.consume(&id, "b1", start()).await.unwrap();
}

#[test]
fn a_file_that_is_no_database_stops_the_start_with_its_name() {
    let place = Place::new();
    std::fs::write(&place.file, "this is a shopping list, not a database; ".repeat(200)).unwrap();
    let message = place.refused();
    assert!(message.contains("approvals.db") && message.contains("not an SQLite database"), "{message}");
}

#[test]
fn the_database_of_another_program_or_a_newer_version_is_not_touched() {
    let place = Place::new();
    let other = Connection::open(&place.file).unwrap();
    other.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    assert!(place.refused().contains("another program"));
    other.execute_batch("PRAGMA application_id = 1229209936; PRAGMA user_version = 7").unwrap();
    assert!(place.refused().contains("schema version 7"), "{}", place.refused());
}

#[tokio::test]
async fn a_damaged_file_stops_the_start() {
    let place = Place::new();
    let store = place.open();
    for index in 0..3 {
        let mut new = question(&format!("b{index}"), &format!("a{index}"));
        new.arguments_json = format!("\"{}\"", "x".repeat(20_000));
        store.open_or_get(new).await.unwrap();
    }
    drop(store);
    // The thread folds the log into the file and removes it when it ends.
    let log = place.file.with_extension("db-wal");
    for _ in 0..1_200 {
        if !log.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut bytes = std::fs::read(&place.file).unwrap();
    assert!(bytes.len() > 60_000);
    for byte in bytes.iter_mut().skip(4_096).take(12_000) {
        *byte ^= 0xA5;
    }
    std::fs::write(&place.file, bytes).unwrap();
    let message = place.refused();
    assert!(message.contains("is damaged"), "{message}");
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_questions() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let _store = place.open();
    for entry in std::fs::read_dir(place.file.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}
