use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn first_use() -> Trust {
    Trust::FirstUse { image: None }
}

fn key() -> Key {
    let word = |text: &str| text.to_owned();
    Key { tenant: word("acme"), server: word("files"), kind: EntryKind::Tool, name: word("read") }
}

fn seen(digest: &str, seen_as: SeenAs, second: i64) -> Sighting {
    let definition = Some(format!("{{\"name\":\"{digest}\"}}"));
    Sighting { digest: digest.to_owned(), definition, seen_as, at: at(second) }
}

#[test]
fn what_is_seen_first_is_pinned_where_that_is_trusted_and_waits_elsewhere() {
    let (entry, happened) = Entry::first(key(), seen("a", SeenAs::ShownNew, 0), &first_use());
    assert_eq!((entry.state, happened.event), (PinState::Pinned, Event::Approved));
    assert_eq!(happened.by.as_deref(), Some(FIRST_USE));
    let (entry, happened) = Entry::first(key(), seen("a", SeenAs::ShownNew, 0), &Trust::None);
    assert_eq!((entry.state, happened.event), (PinState::Review, Event::Seen));
    for worse in [SeenAs::Poisoned, SeenAs::Confusable, SeenAs::New] {
        let (entry, _) = Entry::first(key(), seen("a", worse, 0), &first_use());
        assert_eq!(entry.state, PinState::Review, "{worse:?}");
    }
    let unread = Sighting { definition: None, ..seen("a", SeenAs::ShownNew, 0) };
    let (mut entry, _) = Entry::first(key(), unread, &first_use());
    assert_eq!(entry.state, PinState::Review, "nobody can check calls against what is not there");
    entry.see(seen("a", SeenAs::ShownNew, 5), &first_use()).unwrap().unwrap();
    assert_eq!(entry.state, PinState::Pinned, "the definition came with a later list");
}

#[test]
fn a_change_waits_for_a_person_also_where_first_use_is_trusted_and_even_if_it_goes_away_again() {
    let (mut entry, _) = Entry::first(key(), seen("a", SeenAs::ShownNew, 0), &first_use());
    assert_eq!(entry.see(seen("a", SeenAs::ShownNew, 1), &first_use()), None);
    let drift = entry.see(seen("b", SeenAs::Changed, 2), &first_use()).unwrap().unwrap();
    assert_eq!((drift.event, drift.digest.as_str()), (Event::Drift, "b"));
    assert_eq!(drift.previous.as_deref(), Some("a"));
    entry.see(seen("a", SeenAs::Changed, 3), &first_use());
    assert_eq!(entry.state, PinState::Review);
    assert_eq!(entry.approve("b", None, "ana", at(4)), Err(PinError::Changed), "b is not what is there now");
    entry.approve("a", None, "ana", at(5)).unwrap();
    assert_eq!((entry.state, entry.seen), (PinState::Pinned, None));
}

#[test]
fn only_what_was_shown_is_approved() {
    let (mut entry, _) = Entry::first(key(), seen("a", SeenAs::New, 0), &Trust::None);
    entry.see(seen("b", SeenAs::New, 1), &Trust::None);
    assert_eq!(entry.approve("a", None, "ana", at(2)), Err(PinError::Changed));
    let unread = Sighting { definition: None, ..seen("c", SeenAs::New, 3) };
    entry.see(unread, &Trust::None);
    assert_eq!(entry.approve("c", None, "ana", at(4)), Err(PinError::Unread));
    entry.see(seen("c", SeenAs::New, 5), &Trust::None);
    let approved = entry.approve("c", None, "ana", at(6)).unwrap();
    assert_eq!((approved.previous, approved.by.as_deref()), (None, Some("ana")));
    assert_eq!(entry.approve("c", None, "ana", at(7)), Err(PinError::Settled));
}

#[test]
fn a_refusal_holds_until_somebody_approves() {
    let (mut entry, _) = Entry::first(key(), seen("a", SeenAs::New, 0), &Trust::None);
    entry.revoke("ana", at(1)).unwrap();
    assert_eq!(entry.revoke("ana", at(1)), Err(PinError::Settled));
    assert_eq!(entry.see(seen("a", SeenAs::ShownNew, 100), &first_use()), None);
    entry.see(seen("b", SeenAs::ShownNew, 200), &first_use());
    assert_eq!((entry.state, entry.pin.is_none()), (PinState::Revoked, true));
    entry.approve("b", None, "ana", at(201)).unwrap();
    assert_eq!(entry.state, PinState::Pinned);
}

/// Attack: a server changes with every list, to fill the log.
#[test]
fn changes_in_quick_succession_are_told_once() {
    let (mut entry, _) = Entry::first(key(), seen("a", SeenAs::ShownNew, 0), &first_use());
    let told =
        (1..100).filter_map(|n| entry.see(seen(&format!("d{n}"), SeenAs::Changed, n), &first_use())?);
    assert_eq!(told.count(), 1);
    assert_eq!(entry.seen.unwrap().digest, "d99", "the last one is what is reviewed");
}

#[test]
fn a_replaced_image_takes_an_approval_out_of_force_until_somebody_approves_again() {
    let first_use = Trust::FirstUse { image: Some("one".to_owned()) };
    let (mut entry, _) = Entry::first(key(), seen("a", SeenAs::ShownNew, 0), &first_use);
    assert_eq!(entry.served_from(Some("one")), None);
    let stale = entry.served_from(Some("two")).unwrap();
    assert_eq!((stale.event, stale.digest.as_str(), entry.state), (Event::Stale, "a", PinState::Stale));
    assert_eq!(entry.served_from(Some("three")), None, "it is told once");
    assert_eq!(entry.served_from(Some("one")), None, "what came between ran: going back approves nothing");
    assert_eq!(entry.state, PinState::Stale);
    assert_eq!(entry.see(seen("a", SeenAs::ShownNew, 1), &first_use), None);
    assert_eq!(entry.waits_for(), Some("a"));
    entry.approve("a", Some("two"), "ana", at(2)).unwrap();
    assert_eq!((entry.state, entry.served_from(Some("two"))), (PinState::Pinned, None));
    assert!(entry.served_from(None).is_some(), "to say no more what stands there is a change");
    entry.approve("a", None, "ana", at(4)).unwrap();
    assert!(entry.served_from(Some("two")).is_some(), "and so is to say it");
}

#[test]
fn a_change_of_a_stale_definition_waits_like_any_other() {
    let (mut entry, _) = Entry::first(key(), seen("a", SeenAs::ShownNew, 0), &first_use());
    entry.served_from(Some("two"));
    let drift = entry.see(seen("b", SeenAs::Changed, 1), &first_use()).unwrap().unwrap();
    assert_eq!((drift.event, entry.state, entry.waits_for()), (Event::Drift, PinState::Review, Some("b")));
}

#[test]
fn who_revoked_is_known_until_somebody_approves() {
    let (mut entry, _) = Entry::first(key(), seen("a", SeenAs::New, 0), &Trust::None);
    entry.revoke("ana", at(1)).unwrap();
    assert_eq!(entry.revoked, Some(Answered { by: "ana".to_owned(), at: at(1) }));
    entry.approve("a", None, "sam", at(2)).unwrap();
    assert_eq!(entry.revoked, None);
}

#[test]
fn what_has_no_name_of_its_own_can_be_refused_and_not_approved() {
    let key = Key { name: "[[misshapen:0123456789ab]]".to_owned(), ..key() };
    let (mut entry, _) = Entry::first(key, seen("a", SeenAs::Misshapen, 0), &first_use());
    assert_eq!(
        (entry.state, entry.approve("a", None, "ana", at(1))),
        (PinState::Review, Err(PinError::NoName))
    );
    entry.revoke("ana", at(2)).unwrap();
}
