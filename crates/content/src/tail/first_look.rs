//! The first look leaves nothing out that reading would find.

use proptest::prelude::*;

use super::*;
use crate::engine::CLASSES;
use crate::profile::{Action, Profile};

const KEY: SessionKey = SessionKey::new([5; 32]);

/// Looks for everything, in every country.
fn engine() -> Engine {
    let classes = CLASSES.iter().map(|class| (class.name.to_owned(), Action::Redact)).collect();
    let regions = CLASSES.iter().map(|class| class.country.to_owned()).filter(|country| !country.is_empty());
    let regions = regions.chain(["nl", "us", "dk", "sg"].map(str::to_owned)).collect();
    Engine::new(&Profile { v: 1, classes, regions, patterns: vec![], exact: vec![], injection: None })
        .unwrap()
}

/// Values of every kind, as people and attackers write them, and what looks a little like them.
const PIECES: &[&str] = &[
    "4929 1288 4991 2034",
    "4929128849912034",
    "4929,1288,4991,2034",
    "4929 | 1288 | 4991 | 2034",
    "4\n9\n2\n9\n1\n2\n8\n8\n4\n9\n9\n1\n2\n0\n3\n4",
    "NL91 ABNA 0417 1643 00",
    "GB82 WEST 1234 5698 7654 32",
    "MT84MALT011000012345MTLCAST001S",
    "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
    "AB 12 34 56 C",
    "AB123456---- C",
    "S1234567D",
    "MRTMTT91D08F205J",
    "someone.else@mail.example.org",
    "\"quoted\"@mail.example.org",
    "postgres://app:s(cr,t!Pw@db/x",
    "password: q!w?e-r(t)z_u=i~o+p*a",
    "password is q7Rk2ZpX9vLm4TcN8bWj5HsD",
    "api_key = aZbYcXdWeVfUgThSiRjQkPlO",
    "Bearer aZbYcXdWeVfUgThSiRjQkPlO.x",
    "--token aZbYcXdWeVfUgThSiRjQkPlO",
    "SG.abcdefGHIJKLmnopqrstuv.ABCDEFghijklMNOPQRstuvwxyzabcdefGHIJKLmnopq",
    "https://hooks.slack.com/services/TABC DEF/BGHI/aBcDeFgHiJkLmNoPqRsTuVwX",
    "AccountKey=abcdEFGHijklMNOPqrstUVWXyzABcdefGHIJklmnOPQRstuvWXYZabcd==",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
    "-----BEGIN RSA PRIVATE KEY-----\nabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\nabc",
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "NDkyOSAxMjg4IDQ5OTEgMjAzNA==",
    "NDky\nOSAx\nMjg4\nIDQ5\nOTEg\nMjAz\nNA==",
    "c29t\nZW9u\nZUBt\nYWls\nLmV4\nYW1w\nbGUu\nb3Jn",
    "c29tZW9uZUBtYWlsLmV4YW1wbGUub3Jn",
    "73 6f 6d 65 6f 6e 65 40 6d 61 69 6c 2e 65 78 2e 6f 72 67",
    "0x73, 0x6f, 0x6d, 0x65, 0x6f, 0x6e, 0x65, 0x40, 0x6d, 0x61, 0x69, 0x6c, 0x2e, 0x6f, 0x72, 0x67",
    "some%6fne%40mail.example.org",
    "some&#64;mail.example.org",
    "someone\u{200b}@mail\u{ad}.example.org",
    "４９２９ 1288 4991 2034",
    "+31 (0)6 12345678",
    "(555) 234-5678",
    "10.0.0.7",
    "fe80::a0b1:c2d3",
    "2001:db8:abcd::beef:cafe",
    "123.456.789-09",
    "536-90-4399",
    "the customer. Delivered",
    "café",
    "a note: nobody was at home, (see below)",
    "eu",
    "Amsterdam",
    "be ad fa",
    "x",
    " ",
    "-",
    "\n",
    "card ",
    "call ",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(PIECES).prop_map(str::to_owned),
        2 => "[a-zA-Z ,.]{1,12}",
        1 => "[ -~\n]{1,6}",
    ];
    prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

/// What is found behind some texts that came before.
fn found(engine: &Engine, texts: &[&str], reads_all: bool) -> Vec<(String, Range<usize>)> {
    READS_ALL.set(reads_all);
    let (mut tail, mut told) = (Tail::default(), Vec::new());
    for text in texts {
        let mut room = Room(usize::MAX / 2);
        let mut borders: Vec<_> =
            Border::new(&tail, text, MOST_PARTS, engine.tail(), &mut room).into_iter().collect();
        read(&mut borders, &mut room, engine, &KEY);
        let scan = borders.pop().map(|border| border.scan).unwrap_or_default();
        told.extend(scan.findings.into_iter().map(|found| (found.class.to_string(), found.span.unwrap())));
        told.extend(scan.incomplete.then(|| ("incomplete".to_owned(), 0..0)));
        tail = tail.with(text, engine.tail());
    }
    READS_ALL.set(false);
    told
}

/// A text in parts, at characters.
fn cut<'t>(text: &'t str, at: &[prop::sample::Index]) -> Vec<&'t str> {
    let mut bounds: Vec<usize> = at.iter().map(|at| text.floor_char_boundary(at.index(text.len()))).collect();
    bounds.extend([0, text.len()]);
    bounds.sort_unstable();
    let parts = bounds.windows(2).filter_map(|pair| text.get(pair[0]..pair[1]));
    parts.filter(|part| !part.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn whatever_is_cut_wherever_nothing_is_left_out(
        text in text(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
    ) {
        let (engine, parts) = (engine(), cut(&text, &cuts));
        prop_assert_eq!(found(&engine, &parts, false), found(&engine, &parts, true), "{:?}", parts);
    }
}

/// Every value at every place, behind something else and before it.
#[test]
fn no_place_to_cut_a_value_is_left_out() {
    let engine = engine();
    let (mut crossing, mut looked) = (0, 0);
    for piece in PIECES {
        for (before, behind) in [("", ""), ("so ", " and"), ("x\n", ".")] {
            let text = format!("{before}{piece}{behind}");
            for (at, _) in text.char_indices().skip(1) {
                let (first, second) = text.split_at(at);
                let whole = engine.scan_text(&text, &KEY).findings;
                let crosses = |found: &Finding| {
                    found.span.as_ref().is_some_and(|span| span.start < at && at < span.end)
                };
                crossing += usize::from(whole.iter().any(crosses));
                looked += usize::from(engine.nothing_crosses(&text, at));
                let clean = engine.nothing_crosses(&text, at);
                assert!(!(clean && whole.iter().any(crosses)), "{first:?} {second:?}");
                if clean {
                    let texts = [first, second];
                    assert_eq!(found(&engine, &texts, false), found(&engine, &texts, true));
                }
            }
        }
    }
    assert!(crossing > 1000 && looked > 100, "{crossing} {looked}");
}

#[test]
fn texts_of_words_are_not_read_again() {
    let engine = engine();
    let said = "the customer was not at home: please call back, thank you";
    for (before, head) in
        [("eu", "bulk"), ("Amsterdam", "Utrecht"), (said, said), ("in 1987 it", "was"), ("see", said)]
    {
        assert!(engine.nothing_crosses(&format!("{before} {head}"), before.len() + 1), "{before} {head}");
    }
    assert!(engine.nothing_crosses("eubulk", 2));
    assert!(!engine.nothing_crosses("4929128849912034", 8));
    SCANNED.set(0);
    found(&engine, &["bulk"; 20], false);
    found(&engine, &["A-01234"; 20], false);
    assert_eq!(SCANNED.get(), 0);
}

/// Calls with a few small values and a sentence each, as agents make them.
#[test]
fn of_calls_that_repeat_their_words_little_is_read() {
    let engine = engine();
    let read_by = |reads_all: bool| {
        SCANNED.set(0);
        let (words, notes) =
            (["eu", "bulk", "A-01234", "urgent"], ["It was late;", "nobody asked", "for a refund"]);
        for word in words {
            found(&engine, &[word; 30], reads_all);
        }
        let turns: Vec<&str> = notes.iter().chain(&words).copied().cycle().take(60).collect();
        assert_eq!(found(&engine, &turns, reads_all), []);
        SCANNED.get()
    };
    let (all, few) = (read_by(true), read_by(false));
    assert!(few * 2 < all, "{few} of {all}");
}

/// What an operator looks for may be anything.
#[test]
fn where_there_are_patterns_everything_is_read() {
    let classes = [("own".to_owned(), Action::Redact)].into();
    let pattern =
        crate::profile::Pattern { class: "own".to_owned(), pattern: "a b".to_owned(), near: vec![] };
    let patterns = vec![pattern];
    let profile = Profile { v: 1, classes, regions: vec![], patterns, exact: vec![], injection: None };
    assert!(!Engine::new(&profile).unwrap().nothing_crosses("a b", 1));
}
