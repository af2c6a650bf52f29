use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::clock::SystemClock;

const DAY: &str = "24h";

pub(super) fn owner(agent: &str) -> Owner<'_> {
    Owner { tenant: "acme", agent, principal: None, server: "bank", tool: "pay" }
}

pub(super) fn amount(amount: u64) -> Vec<Consume> {
    of(None, Quantity::Amount(amount))
}

pub(super) fn things(all: &[&str]) -> Vec<Consume> {
    of(None, Quantity::Things(all.iter().map(|one| (*one).to_owned()).collect()))
}

pub(super) fn of(whom: Option<&str>, quantity: Quantity) -> Vec<Consume> {
    let of = whom.map(str::to_owned);
    vec![Consume { counter: "value".into(), window: DAY.into(), seconds: 86_400, of, quantity }]
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(super) fn open(folder: &TempDir) -> Totals {
    Totals::open(&folder.path().join(DATABASE), &[7; 32], Arc::new(SystemClock)).unwrap()
}

/// What stands, and the call counted on top of it.
pub(super) async fn count(
    totals: &Totals,
    owner: &Owner<'_>,
    consumes: &[Consume],
    now: Timestamp,
) -> (u64, Option<u64>) {
    let seen = totals.standing(owner, consumes, now).await.unwrap();
    assert_eq!(totals.add(owner, consumes, &seen, now).await.unwrap(), Added::Yes);
    (seen[0].before, seen[0].new)
}

#[tokio::test]
async fn amounts_add_up_for_one_agent_person_server_tool_window_and_payee() {
    let folder = TempDir::new().unwrap();
    let totals = open(&folder);
    let bot = owner("bot");
    assert_eq!(count(&totals, &bot, &amount(5), at(0)).await, (0, None));
    assert_eq!(count(&totals, &bot, &amount(7), at(1)).await, (5, None));
    let before = async |owner: &Owner<'_>, consumes: Vec<Consume>| {
        totals.standing(owner, &consumes, at(2)).await.unwrap()[0].before
    };
    assert_eq!(before(&bot, amount(1)).await, 12);
    let mia = Principal { id: "mia".into(), issuer: "i".into() };
    for other in [
        owner("bob"),
        Owner { tenant: "other", ..bot },
        Owner { server: "shop", ..bot },
        Owner { tool: "payb", ..bot },
        Owner { principal: Some(&mia), ..bot },
        // Parts cannot be cut elsewhere.
        Owner { agent: "bo", principal: None, tenant: "acmet", ..bot },
    ] {
        assert_eq!(before(&other, amount(1)).await, 0, "{other:?}");
    }
    assert_eq!(before(&bot, of(Some("x"), Quantity::Amount(1))).await, 0);
    let hour = Consume { window: "1h".into(), seconds: 3_600, ..amount(1).remove(0) };
    assert_eq!(before(&bot, vec![hour]).await, 0);
}

#[tokio::test]
async fn a_thing_counts_once_however_often_it_is_named() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    assert_eq!(count(&totals, &bot, &things(&["a", "b", "a"]), at(0)).await, (0, Some(2)));
    assert_eq!(count(&totals, &bot, &things(&["b", "c"]), at(1)).await, (2, Some(1)));
    assert_eq!(count(&totals, &bot, &things(&["a", "b", "c"]), at(2)).await, (3, Some(0)));
}

#[tokio::test]
async fn what_was_counted_counts_for_its_window_and_at_most_a_sixtieth_longer() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    count(&totals, &bot, &amount(5), at(0)).await;
    let before = async |seconds| totals.standing(&bot, &amount(1), at(seconds)).await.unwrap()[0].before;
    assert_eq!(before(86_400).await, 5);
    assert_eq!(before(86_400 + 86_400 / 60).await, 0);
}

/// Attack: the clock is set back, and an agent may do everything again; or ahead and back.
#[tokio::test]
async fn a_clock_that_steps_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    count(&totals, &bot, &amount(5), at(0)).await;
    assert_eq!(count(&totals, &bot, &amount(1), at(-3_600)).await, (5, None));
    let file = &mut TotalsFile::open(&folder.path().join(DATABASE)).unwrap();
    // Ahead by less than a day.
    assert_eq!(file.sweep(at(86_400 + 80_000).as_millisecond()).unwrap(), 0);
    assert_eq!(totals.standing(&bot, &amount(1), at(10)).await.unwrap()[0].before, 6);
    assert_eq!(file.sweep(at(3 * 86_400).as_millisecond()).unwrap(), 2);
}

#[tokio::test]
async fn what_was_counted_is_still_counted_by_the_next_process_and_nothing_can_be_read_from_the_file() {
    let folder = TempDir::new().unwrap();
    let bot = owner("agent-with-a-name");
    count(&open(&folder), &bot, &of(Some("DE89370400440532013000"), Quantity::Amount(5)), at(0)).await;
    count(&open(&folder), &bot, &things(&["customer-4711"]), at(0)).await;
    let again = open(&folder);
    let payee = of(Some("DE89370400440532013000"), Quantity::Amount(1));
    assert_eq!(again.standing(&bot, &payee, at(1)).await.unwrap()[0].before, 5);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for text in ["DE8937", "customer", "agent-with", "bank"] {
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
        }
    }
}

/// Attack: many calls at once, each of which would fit alone; from two processes on one file.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_calls_at_once_as_many_are_counted_as_fit() {
    let folder = TempDir::new().unwrap();
    let processes = [open(&folder), open(&folder)];
    let passed = Arc::new(AtomicUsize::new(0));
    let calls: Vec<_> = (0..40)
        .map(|number: usize| {
            let (totals, passed) = (processes[number % 2].clone(), Arc::clone(&passed));
            tokio::spawn(async move {
                let (bot, call) = (owner("bot"), amount(10));
                let mut seen = totals.standing(&bot, &call, at(0)).await.unwrap();
                while seen[0].before + 10 <= 30 {
                    match totals.add(&bot, &call, &seen, at(0)).await {
                        Ok(Added::Yes) => return passed.fetch_add(1, Ordering::Relaxed),
                        Ok(Added::Moved(now)) => seen = now,
                        // A disk that is slow to sync: the other process had the lock for too long.
                        Err(error) => assert_eq!(error.code(), "totals.unavailable"),
                    }
                }
                0
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(passed.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_locked_or_damaged_file_is_an_error_and_never_a_zero() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    let seen = totals.standing(&bot, &amount(1), at(0)).await.unwrap();
    let other = Connection::open(folder.path().join(DATABASE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = totals.add(&bot, &amount(1), &seen, at(0)).await.unwrap_err();
    assert_eq!(error.code(), "totals.unavailable");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(totals.add(&bot, &amount(1), &seen, at(0)).await, Ok(Added::Yes));
    other.execute_batch("DROP TABLE spent").unwrap();
    assert_eq!(totals.standing(&bot, &amount(1), at(0)).await.unwrap_err().code(), "totals.unavailable");
    std::fs::write(folder.path().join("x"), "no database").unwrap();
    assert!(Totals::open(&folder.path().join("x"), &[7; 32], Arc::new(SystemClock)).is_err());
}

/// Attack: an agent names ever new things or payees until the disk is full.
#[tokio::test]
async fn an_agent_has_room_for_so_much_and_then_nothing_more_is_let_through() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    for call in 0..6_u64 {
        let all: Vec<_> = (0..10_000).map(|thing| format!("{call}-{thing}")).collect();
        let all = things(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let seen = totals.standing(&bot, &all, at(0)).await.unwrap();
        let added = totals.add(&bot, &all, &seen, at(0)).await;
        assert_eq!(added, if call < 5 { Ok(Added::Yes) } else { Err(TotalsError::Full) }, "{call}");
    }
    // Others, and what is known, go on.
    count(&totals, &owner("bob"), &things(&["x"]), at(0)).await;
    count(&totals, &bot, &things(&["0-1"]), at(0)).await;
    // A window later there is room again.
    let file = &mut TotalsFile::open(&folder.path().join(DATABASE)).unwrap();
    let later = at(3 * 86_400);
    while file.sweep(later.as_millisecond()).unwrap() > 0 {}
    assert_eq!(count(&totals, &bot, &things(&["new"]), later).await, (0, Some(1)));
}

#[tokio::test]
async fn a_rehearsal_counts_nothing() {
    let (totals, bot) = (Totals::dry(), owner("bot"));
    for _ in 0..2 {
        assert_eq!(count(&totals, &bot, &amount(5), at(0)).await, (0, None));
        assert_eq!(count(&totals, &bot, &things(&["a"]), at(0)).await, (0, Some(1)));
    }
}

/// Attack: whoever may remove the file has every counter at zero, and nobody notices.
#[tokio::test]
async fn a_file_that_is_not_at_its_place_any_more_counts_nothing() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    count(&totals, &bot, &amount(5), at(0)).await;
    let (file, away) = (folder.path().join(DATABASE), folder.path().join("away"));
    std::fs::rename(&file, &away).unwrap();
    let refused = async || {
        let standing = totals.standing(&bot, &amount(1), at(1)).await.unwrap_err();
        let seen = [TotalFact { counter: "value".into(), window: DAY.into(), before: 5, new: None }];
        let added = totals.add(&bot, &amount(1), &seen, at(1)).await.unwrap_err();
        (standing.code(), added.code()) == ("totals.unavailable", "totals.unavailable")
    };
    assert!(refused().await);
    std::fs::copy(&away, &file).unwrap();
    assert!(refused().await);
    std::fs::rename(&away, &file).unwrap();
    assert_eq!(totals.standing(&bot, &amount(1), at(1)).await.unwrap()[0].before, 5);
}

#[tokio::test]
async fn calls_that_wait_for_one_lock_wait_for_it_together() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    count(&totals, &bot, &amount(5), at(0)).await;
    let other = Connection::open(folder.path().join(DATABASE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let seen = [TotalFact { counter: "value".into(), window: DAY.into(), before: 5, new: None }];
    let one = amount(1);
    let add = || totals.add(&bot, &one, &seen, at(1));
    let mut took = Vec::new();
    // A machine that is busy elsewhere makes one try long, not all of them.
    while took.len() < 5 && took.last().is_none_or(|took| *took >= Duration::from_secs(3)) {
        let began = Instant::now();
        let (a, b, c, d, e, f) = tokio::join!(add(), add(), add(), add(), add(), add());
        assert!([a, b, c, d, e, f].iter().all(Result::is_err));
        took.push(began.elapsed());
    }
    // One after the other they would wait six times as long as one, which is half a second.
    assert!(took.last().is_some_and(|took| *took < Duration::from_secs(3)), "{took:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(add().await.unwrap(), Added::Yes);
}
