//! Attacks: a value in pieces, with something in front of the first one.

#![allow(clippy::string_slice, reason = "the value is ASCII")]

use super::*;
use crate::profile::{Action, Profile};

const KEY: SessionKey = SessionKey::new([3; 32]);
const CARD: &str = "4929128849912034";

fn engine() -> Engine {
    let classes = ["secret", "card", "account", "contact"].map(|class| (class.to_owned(), Action::Redact));
    let (patterns, exact) = (vec![], vec![]);
    Engine::new(&Profile { v: 1, classes: classes.into(), regions: vec![], patterns, exact, injection: None })
        .unwrap()
}

/// What is found when the texts come one after another: which of them, the class, and what is taken out of it.
fn found(texts: &[&str]) -> Vec<(usize, String, String)> {
    let (engine, mut tail, mut told) = (engine(), Tail::default(), Vec::new());
    for (at, text) in texts.iter().enumerate() {
        let mut room = Room::default();
        let border = Border::new(&tail, text, MOST_PARTS, engine.tail(), &mut room);
        let mut borders: Vec<_> = border.into_iter().collect();
        read(&mut borders, &mut room, &engine, &KEY);
        let scan = borders.pop().map(|border| border.scan).unwrap_or_default();
        assert!(!scan.incomplete);
        for finding in scan.findings {
            told.push((at, finding.class.to_string(), text.get(finding.span.unwrap()).unwrap().to_owned()));
        }
        tail = tail.with(text, engine.tail());
    }
    told
}

#[test]
fn a_value_is_found_whatever_came_before_its_first_part() {
    for before in ["9", "12345678901234567890", "a", "4111", "x ", "card", "4929 1288"] {
        for cuts in [vec![8], vec![4, 8, 12], vec![1, 2, 15]] {
            let bounds: Vec<usize> = [0].into_iter().chain(cuts).chain([CARD.len()]).collect();
            let parts = bounds.windows(2).map(|pair| &CARD[pair[0]..pair[1]]);
            let texts: Vec<&str> = [before].into_iter().chain(parts).collect();
            let last = *texts.last().unwrap();
            assert_eq!(found(&texts), [(texts.len() - 1, "pan".to_owned(), last.to_owned())], "{texts:?}");
        }
    }
    let key = ["sk_live_", "q7Rk2ZpX9vLm4TcN8bWj5HsD"].concat();
    let (first, second) = key.split_at(12);
    assert_eq!(found(&["a", first, second]).len(), 1);
    assert_eq!(found(&["9", "\u{200b}4929", "12884991", "2034"]).len(), 1);
    assert_eq!(found(&["a", first, &format!("{second} and more")])[0].2, second);
}

#[test]
fn a_value_that_comes_one_character_at_a_time_is_found_also_where_one_repeats() {
    let texts: Vec<String> = "7".chars().chain(CARD.chars()).map(String::from).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(found(&texts).last().map(|(at, ..)| *at), Some(16));
    let iban: Vec<String> = "xNL91ABNA0417164300".chars().map(String::from).collect();
    assert_eq!(found(&iban.iter().map(String::as_str).collect::<Vec<_>>()).len(), 1);
}

#[test]
fn a_part_that_is_sent_twice_hides_nothing() {
    let (first, second) = CARD.split_at(8);
    for texts in [
        vec![first, first, second],
        vec!["9", first, first, first, second],
        vec![&CARD[..4], &CARD[4..9], &CARD[4..9], &CARD[9..]],
    ] {
        let last = *texts.last().unwrap();
        assert_eq!(
            found(&texts).last().map(|(at, _, part)| (*at, part.as_str())),
            Some((texts.len() - 1, last)),
            "{texts:?}"
        );
    }
    let many = [&["9", &CARD[..4]], vec![&CARD[4..9]; 40].as_slice(), &[&CARD[9..]]].concat();
    assert_eq!(found(&many).len(), 1);
}

/// A call that is made again and again, as one that asks how far a job is.
#[test]
fn one_text_again_and_again_is_no_value() {
    for text in ["42424242", "4242", "42", "41111111"] {
        assert_eq!(found(&vec![text; 20]), [], "{text}");
    }
}

#[test]
fn what_is_whole_in_one_text_is_not_split() {
    assert_eq!(found(&["me@example.org", "of 7", "me@example.org", "you@example.org"]), []);
    assert_eq!(found(&["see chapter", "12 of", "2024", "please"]), []);
    assert_eq!(found(&[&format!("it is {CARD}"), "5", "6"]), []);
}

/// Attack: a number in groups that is cut between two of them.
#[test]
fn a_value_cut_where_a_separator_was_is_found() {
    for texts in [
        &["4929 1288", "4991 2034"][..],
        &["4929-1288", "4991-2034"],
        &["4929", "1288 4991 2034"],
        &["4929 1288 4991", "2034"],
        &["9", "4929 1288", "4991", "2034"],
        &["card 4929 1288", "4991 2034 ok"],
        &["4929", "1288 4991", "2034"],
    ] {
        let last = texts.len() - 1;
        let part = texts[last].trim_end_matches(" ok").to_owned();
        assert_eq!(found(texts), [(last, "pan".to_owned(), part)], "{texts:?}");
    }
    assert_eq!(found(&["NL91 ABNA", "0417 1643 00"]).len(), 1);
    assert_eq!(found(&["row 12", "13 of 2026-11-21", "08:15 UTC", "4 5"]), []);
}

/// Attack: streams and calls of many short texts, each of which could begin at many places.
#[test]
fn what_is_read_for_joins_is_bounded_by_what_comes() {
    let engine = engine();
    let (mut room, mut came) = (Room::default(), 0);
    let mut tails = vec![Tail::default(); 16];
    SCANNED.set(0);
    for event in 0..300 {
        let texts: Vec<String> = (0..16).map(|at| format!("41 11 {}", (event * 7 + at) % 10)).collect();
        let bytes = texts.iter().map(String::len).sum();
        room.came(bytes);
        came += bytes;
        let borders = tails.iter().zip(&texts);
        let mut borders: Vec<_> = borders
            .filter_map(|(tail, text)| Border::new(tail, text, MOST_PARTS, engine.tail(), &mut room))
            .collect();
        read(&mut borders, &mut room, &engine, &KEY);
        tails = tails.iter().zip(&texts).map(|(tail, text)| tail.with(text, engine.tail())).collect();
    }
    let most = 2 * MOST_SAVED + PER_BYTE * came;
    assert!(SCANNED.get() <= most, "{} of {most}", SCANNED.get());
    // A text alone, like those of a model that speaks, is read from everywhere.
    assert!(SCANNED.get() > MOST_SAVED);
}

#[test]
fn a_tail_is_bounded_and_shows_nothing() {
    let mut tail = Tail::default();
    for at in 0..1000 {
        tail = tail.with(&format!("é{at}"), 256);
        assert!(tail.text.len() <= 256 && tail.parts.len() <= MOST_PARTS);
        assert!(tail.parts.iter().all(|part| tail.text.is_char_boundary(part.start)));
    }
    assert!(!format!("{tail:?}").contains("é"));
    let long = Tail::default().with(&"x".repeat(1000), 256);
    assert_eq!((long.text.len(), long.parts.len(), long.parts[0].start), (256, 1, 0));
}
