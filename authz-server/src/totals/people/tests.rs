use interdict_policy::{Consume, Principal, Quantity};
use tempfile::TempDir;

use super::super::tests::{amount, at, count, of, open, owner, things};
use super::super::{Owner, TotalsFile};
use super::*;

fn one_of(agent: &str) -> Which {
    Which { agent: Some(agent.to_owned()), ..Which::default() }
}

fn recipients(all: &[&str]) -> Vec<Consume> {
    things(all).into_iter().map(|one| Consume { counter: "recipients".into(), ..one }).collect()
}

#[tokio::test]
async fn what_stands_is_shown_with_whose_it_is_and_when_it_frees() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    let mia = Principal { id: "mia".into(), issuer: "i".into() };
    count(&totals, &bot, &amount(5), at(0)).await;
    count(&totals, &bot, &amount(7), at(3_600)).await;
    count(&totals, &Owner { principal: Some(&mia), ..bot }, &amount(1), at(0)).await;
    count(&totals, &owner("bob"), &recipients(&["a", "b"]), at(0)).await;

    let found = totals.find(Which::default(), 10, at(3_601)).await.unwrap();
    let shown: Vec<_> = found
        .totals
        .iter()
        .map(|one| (one.name.agent.as_str(), one.name.counter.as_str(), one.stands))
        .collect();
    assert_eq!(shown, [("bob", "recipients", 2), ("bot", "value", 12), ("bot", "value", 1)]);
    assert_eq!((found.more, found.unnamed), (false, 0));
    let total = &found.totals[1];
    assert_eq!((total.name.window.as_str(), total.name.things, total.name.each), ("24h", false, false));
    assert!(at(86_400) <= total.frees_from && total.frees_from < at(86_400 + 1_441));
    assert!(at(90_000) <= total.frees_until && total.frees_until < at(90_000 + 1_441));
    assert_eq!(found.totals[2].name.principal, Some(mia));

    let subject = |subject: &str| Which { subject: Some(subject.to_owned()), ..one_of("bot") };
    assert_eq!(totals.find(subject("mia"), 10, at(3_601)).await.unwrap().totals[0].stands, 1);
    assert!(totals.find(subject("other"), 10, at(3_601)).await.unwrap().totals.is_empty());
    let first = totals.find(one_of("bot"), 1, at(3_601)).await.unwrap();
    assert_eq!((first.totals.len(), first.more), (1, true));
    assert!(totals.find(Which::default(), 10, at(200_000)).await.unwrap().totals.is_empty());
}

/// Attack: whoever may look at totals learns whom somebody pays.
#[tokio::test]
async fn a_payee_is_found_by_whoever_knows_it_and_shown_to_nobody() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    let pays = |whom: &str, sum| of(payee(whom).as_deref(), Quantity::Amount(sum));
    count(&totals, &bot, &pays("DE89 3704", 5), at(0)).await;
    count(&totals, &bot, &pays("NL1", 7), at(0)).await;
    let all = totals.find(Which::default(), 10, at(1)).await.unwrap();
    assert!(all.totals.iter().all(|one| one.name.each));
    assert!(!format!("{all:?}").to_lowercase().contains("de89"));
    let known = Which { payee: Some("de-893704".into()), ..Which::default() };
    let found = totals.find(known, 10, at(1)).await.unwrap().totals;
    assert_eq!(found.iter().map(|one| one.stands).collect::<Vec<_>>(), [5]);
    let nobody = Which { payee: Some(" - ".into()), ..Which::default() };
    assert!(totals.find(nobody, 10, at(1)).await.unwrap().totals.is_empty());
}

#[tokio::test]
async fn what_is_reset_begins_at_zero_and_nothing_else_does() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    count(&totals, &bot, &amount(5), at(0)).await;
    count(&totals, &owner("bob"), &amount(7), at(0)).await;
    let seen = totals.standing(&bot, &amount(1), at(1)).await.unwrap();
    let found = totals.find(one_of("bot"), 10, at(1)).await.unwrap().totals;
    let id = Which { id: Some(found[0].id()), ..Which::default() };
    assert_eq!(totals.find(id, 10, at(1)).await.unwrap().totals, found);
    assert!(totals.reset(&found).await.unwrap());
    assert!(totals.find(one_of("bot"), 10, at(1)).await.unwrap().totals.is_empty());
    // A call that was judged by what stood before is judged again.
    let added = totals.add(&bot, &amount(1), &seen, at(1)).await.unwrap();
    assert!(matches!(added, super::super::Added::Moved(now) if now[0].before == 0));
    assert_eq!(count(&totals, &bot, &amount(2), at(2)).await, (0, None));
    assert_eq!(totals.find(one_of("bot"), 10, at(2)).await.unwrap().totals[0].stands, 2);
    assert_eq!(totals.find(one_of("bob"), 10, at(2)).await.unwrap().totals[0].stands, 7);
}

/// Attack: an agent that pays between the look of a person and the reset gets that for nothing, and no record says so.
#[tokio::test]
async fn what_was_counted_since_the_look_is_not_reset_with_it() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    count(&totals, &bot, &amount(5), at(0)).await;
    count(&totals, &bot, &recipients(&["a"]), at(0)).await;
    let found = totals.find(one_of("bot"), 10, at(1)).await.unwrap().totals;
    for more in [amount(1), recipients(&["b"])] {
        let before = totals.find(one_of("bot"), 10, at(2)).await.unwrap().totals;
        count(&totals, &bot, &more, at(2)).await;
        let stands = totals.find(one_of("bot"), 10, at(2)).await.unwrap().totals;
        assert!(!totals.reset(&before).await.unwrap());
        assert_eq!(totals.find(one_of("bot"), 10, at(2)).await.unwrap().totals, stands, "all or none");
    }
    assert!(!totals.reset(&found).await.unwrap());
    // As it stands it goes.
    let now = totals.find(one_of("bot"), 10, at(3)).await.unwrap().totals;
    assert!(totals.reset(&now).await.unwrap());
    assert!(totals.find(one_of("bot"), 10, at(3)).await.unwrap().totals.is_empty());
}

#[tokio::test]
async fn what_another_key_or_an_older_server_counted_is_told_without_a_name() {
    let folder = TempDir::new().unwrap();
    let (totals, bot) = (open(&folder), owner("bot"));
    count(&totals, &bot, &amount(5), at(0)).await;
    let file = folder.path().join(super::super::DATABASE);
    let other = Totals::open(&file, &[8; 32], std::sync::Arc::new(crate::clock::SystemClock)).unwrap();
    let found = other.find(Which::default(), 10, at(1)).await.unwrap();
    assert_eq!((found.totals.len(), found.unnamed), (0, 1));
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch("DELETE FROM names").unwrap();
    assert_eq!(totals.find(Which::default(), 10, at(1)).await.unwrap().unnamed, 1);
    // The next call brings the name back, and it goes with what it names.
    count(&totals, &bot, &amount(1), at(2)).await;
    assert_eq!(totals.find(Which::default(), 10, at(2)).await.unwrap().totals[0].stands, 6);
    TotalsFile::open(&file).unwrap().sweep(at(3 * 86_400).as_millisecond()).unwrap();
    let names: i64 = connection.query_row("SELECT count(*) FROM names", [], |row| row.get(0)).unwrap();
    assert_eq!(names, 0);
}

#[tokio::test]
async fn a_file_that_is_not_at_its_place_any_more_is_an_error_and_not_nothing() {
    let folder = TempDir::new().unwrap();
    let totals = open(&folder);
    count(&totals, &owner("bot"), &amount(5), at(0)).await;
    let found = totals.find(Which::default(), 10, at(1)).await.unwrap().totals;
    std::fs::rename(folder.path().join(super::super::DATABASE), folder.path().join("away")).unwrap();
    assert_eq!(totals.find(Which::default(), 10, at(1)).await.unwrap_err().code(), "totals.unavailable");
    assert_eq!(totals.reset(&found).await.unwrap_err().code(), "totals.unavailable");
}
