//! A server that is listed without end: nobody else has to wait for it.

use std::sync::atomic::{AtomicU32, Ordering};

use super::inbox::Asker;
use super::worker::Done;
use super::*;

/// Reports of `files` that take a moment each, and how many of them were done.
fn flood(pins: &Pins, reports: u32) -> Arc<AtomicU32> {
    let count = Arc::new(AtomicU32::new(0));
    for _ in 0..reports {
        let (place, done) = (("acme".to_owned(), "files".to_owned()), Arc::clone(&count));
        pins.submit(Asker::Report(place.clone()), move |_| {
            std::thread::sleep(Duration::from_millis(100));
            done.fetch_add(1, Ordering::SeqCst);
            Done { changed: Some(place), ..Done::nothing() }
        });
    }
    count
}

/// Attack: an agent lists a server that shows new tools every time, so that nobody can take an approval back.
#[tokio::test]
async fn people_are_answered_while_reports_come_without_end() {
    let world = World::new();
    let pins = world.pins();
    let definition = tool("read", "Reads.");
    saw(&pins, "files", &[seen("read", &definition, SeenAs::ShownNew)]).await;
    let key = pins.find("files", EntryKind::Tool, "read").await.unwrap().key;
    let done = flood(&pins, 100);
    pins.revoke(&key, "ana").await.unwrap();
    assert_eq!(code(check(&pins, world.server("files"), "read", GOOD)), "tool.drift", "it holds at once");
    pins.saw("acme", "mail", &[seen("send", &tool("send", "x"), SeenAs::New)]);
    while pins.find("mail", EntryKind::Tool, "send").await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(done.load(Ordering::SeqCst) < 100, "nobody had to wait until all were done");
}

#[tokio::test]
async fn decisions_are_told_of_many_reports_at_once_and_servers_without_news_stay_as_they_are() {
    let world = World::new();
    let pins = world.pins();
    saw(&pins, "mail", &[seen("send", &tool("send", "x"), SeenAs::New)]).await;
    let before = Arc::clone(pins.snapshot.load().server("acme", "mail").unwrap());
    let first = *pins.changed.borrow();
    let started = Instant::now();
    for number in 0..30 {
        let name = format!("tool{number}");
        pins.saw("acme", "files", &[seen(&name, &tool(&name, "x"), SeenAs::ShownNew)]);
    }
    pins.settled("acme", "files").await;
    let most = started.elapsed().as_millis() as u64 / 100 + 2;
    let told = *pins.changed.borrow() - first;
    assert!(told <= most, "{told} of {most}");
    check(&pins, world.server("files"), "tool29", GOOD).unwrap();
    assert!(Arc::ptr_eq(&before, pins.snapshot.load().server("acme", "mail").unwrap()));
}

/// What is approved and was read once is not decrypted with every report; a row that is another's is found all the same.
#[tokio::test]
async fn a_row_that_was_put_into_the_place_of_another_does_not_come_into_force() {
    let world = World::new();
    let pins = world.pins();
    let (read, write) = (tool("read", "Reads."), tool("write", "Writes."));
    saw(&pins, "files", &[seen("read", &read, SeenAs::ShownNew), seen("write", &write, SeenAs::ShownNew)])
        .await;
    let file = rusqlite::Connection::open(world.file()).unwrap();
    let moved = "UPDATE pins SET (pin_digest, pin_definition) = \
                 (SELECT pin_digest, pin_definition FROM pins WHERE name = 'write') WHERE name = 'read'";
    assert_eq!(file.execute(moved, []).unwrap(), 1);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let rules = pins.list_rules(world.server("files"), Permissions::default()).unwrap();
    assert_eq!(rules.tools.unwrap()["read"], digest_text(&read));
}
