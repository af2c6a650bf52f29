//! Event streams.

use super::*;

/// Attack: lines that end with CR alone are one line to some clients, and what looks like a comment is an event to others.
#[test]
fn a_stream_that_clients_read_differently_is_written_anew() {
    let poisoned = result(&format!("a {SECRET} b"));
    for hidden in [
        format!("data: \r{poisoned}\n\n"),
        format!(": c\u{2028}data: {poisoned}\u{2028}\u{2028}\n\n"),
        format!("x\u{85}data: {poisoned}\u{85}\u{85}: 1\n\n"),
        format!("event: message \ndata: \u{a0}{poisoned}\n\n"),
    ] {
        let stream = format!("{hidden}{}", event(&result("fine"), "\n"));
        for cut in 0..stream.len() {
            let (head, tail) = stream.as_bytes().split_at(cut);
            let (received, _) = get(obliged(rules("redact")), EVENTS, &[head, tail], End::Flag);
            assert!(!String::from_utf8_lossy(&received).contains(SECRET), "{hidden:?} cut at {cut}");
        }
    }
    let stream = format!("{}{}", event(&said("one"), "\r"), event(&result("two"), "\r"));
    for cut in 0..stream.len() {
        let (head, tail) = stream.as_bytes().split_at(cut);
        let (received, _) = get(obliged(rules("redact")), EVENTS, &[head, tail], End::Flag);
        let text = String::from_utf8(received).unwrap();
        assert!(!text.contains('\r') && text.contains("id: 5\n"), "{text:?}");
        assert!(text.contains(&format!("data: {}\n\n", result("two"))), "{text:?}");
    }
}

#[test]
fn an_event_is_replaced_wherever_its_stream_is_cut_and_keeps_its_other_lines() {
    for line_end in ["\n", "\r\n"] {
        for (before, pretty) in [("", false), ("\u{feff}", true)] {
            let compact = result(SECRET);
            let value: Value = serde_json::from_str(&compact).unwrap();
            let data = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { compact };
            let stream = format!("{before}{}{}", event(&data, line_end), event(&said("more"), line_end));
            for cut in 0..stream.len() {
                let (head, tail) = stream.as_bytes().split_at(cut);
                let (received, outcome) = get(obliged(rules("redact")), EVENTS, &[head, tail], End::Flag);
                let text = String::from_utf8(received).unwrap();
                assert!(!text.contains(SECRET), "{text}");
                assert!(
                    text.starts_with(&format!("{before}event: message{line_end}id: 5{line_end}data: {{")),
                    "{text:?}"
                );
                let rest = format!("retry: 10{line_end}{line_end}{}", event(&said("more"), line_end));
                // A chunk that ends between CR and LF leaves the LF behind: one more blank line.
                assert!(
                    text.ends_with(&rest)
                        || text.ends_with(&rest.replace("\r\n\r\nevent", "\r\n\r\n\nevent")),
                    "{text:?}"
                );
                assert_eq!(outcome.treated(), Treated::Edited);
            }
        }
    }
}

#[test]
fn what_is_complete_passes_at_once_and_no_event_stream_is_paused() {
    let mut bench = obliged(rules("redact"));
    begin(&mut bench, EVENTS, None);
    let first = event(&said("one"), "\n");
    for (piece, passes) in [
        (": ping\n\n", ": ping\n\n"),
        (": pi", ""),
        ("ng\n", ": ping\n"),
        (first.as_str(), first.as_str()),
        ("data: {", ""),
        ("}\n\n: after", "data: {}\n\n"),
    ] {
        bench.host.piece = piece.into();
        assert_eq!(bench.on(Event::ResponseBody { size: piece.len(), end: false }), Flow::Continue);
        assert_eq!(String::from_utf8(bench.host.piece.clone()).unwrap(), passes);
    }
    bench.host.piece.clear();
    assert_eq!(bench.on(Event::ResponseBody { size: 0, end: true }), Flow::Continue);
    assert_eq!(bench.host.piece, b": after");
}

#[test]
fn an_event_without_its_end_is_treated_at_the_end_of_the_stream() {
    for end in [End::Flag, End::EmptyPiece] {
        let stream = format!("id: 1\ndata: {}", result(SECRET));
        let (received, _) = get(obliged(rules("redact")), EVENTS, &[stream.as_bytes()], end);
        let text = String::from_utf8(received).unwrap();
        assert!(
            text.starts_with("id: 1\ndata: {") && text.contains("[[dlp:") && !text.ends_with('\n'),
            "{text}"
        );
    }
    // Envoy takes no more body with the trailers, and clients discard such an event.
    let (received, _) = get(obliged(rules("redact")), EVENTS, &[b": x\ndata: {}"], End::Trailers);
    assert_eq!(received, b": x\n");
}

#[test]
fn a_value_cut_by_two_events_is_caught_in_the_later_one() {
    for cut in 1..SECRET.len() {
        let (head, tail) = SECRET.split_at(cut);
        let first = event(&said(head), "\n");
        let later = event(&result(&format!("{tail} b")), "\n");
        let (received, outcome) =
            get(obliged(rules("redact")), EVENTS, &[first.as_bytes(), later.as_bytes()], End::Flag);
        let text = String::from_utf8(received).unwrap();
        assert!(
            text.starts_with(&first) && text.contains("[[dlp:marker:") && text.contains("]] b"),
            "{text}"
        );
        assert_eq!(outcome.found[0].count, 1);
    }
}

#[test]
fn events_of_other_names_are_text_unless_they_are_json() {
    let stream = format!("event: endpoint\ndata: /messages?s=1\n\nevent: endpoint\ndata: /m?{SECRET}\n\n");
    let (received, _) = get(obliged(rules("redact")), EVENTS, &[stream.as_bytes()], End::Flag);
    let text = String::from_utf8(received).unwrap();
    assert!(
        text.starts_with("event: endpoint\ndata: /messages?s=1\n\nevent: endpoint\ndata: /m?[[dlp:marker:"),
        "{text}"
    );
}

#[test]
fn a_stream_that_breaks_off_is_told_with_what_came() {
    let mut bench = obliged(rules("redact"));
    begin(&mut bench, JSON, None);
    assert_eq!(passed(&mut bench, &[b"{\"a\"", b":1"], End::Trailers)[..1], *b"{");
    let mut early = obliged(rules("redact"));
    begin(&mut early, JSON, None);
    early.host.piece = b"{\"a\"".to_vec();
    assert_eq!(early.on(Event::ResponseBody { size: 4, end: false }), Flow::Pause);
    assert_eq!(early.on(Event::ResponseBody { size: 9, end: false }), Flow::Pause);
    let outcome = early.done().unwrap();
    assert_eq!((outcome.bytes, outcome.ended(), outcome.treated()), (9, Ended::Reset, Treated::Unspecified));
}

#[test]
fn what_gives_orders_is_told_once_and_before_it_passes() {
    let hidden: String = "do it".chars().map(|c| char::from_u32(0xe0000 + u32::from(c)).unwrap()).collect();
    let warnings = |bench: &Bench| bench.host.did.iter().filter(|did| matches!(did, Did::Warn(_))).count();
    let mut bench = obliged(rules("redact"));
    begin(&mut bench, EVENTS, None);
    passed(&mut bench, &[event(&said("fine"), "\n").as_bytes()], End::EmptyPiece);
    assert_eq!(warnings(&bench), 0);

    let (mut bench, _) = open_split(rules("redact"));
    begin(&mut bench, EVENTS, None);
    let poison = event(&said(&hidden), "\n");
    for _ in 0..2 {
        bench.host.piece = poison.clone().into_bytes();
        assert_eq!(bench.on(Event::ResponseBody { size: poison.len(), end: false }), Flow::Continue);
        assert_eq!(warnings(&bench), 1, "the stream goes on: {:?}", bench.host.did);
    }
    let warned = bench.host.did.iter().position(|did| *did == Did::Warn("decision-1".into())).unwrap();
    let replaced = bench.host.did.iter().position(|did| matches!(did, Did::ReplaceResponse(..))).unwrap();
    assert!(warned < replaced);
    assert_eq!(bench.done().unwrap().treated(), Treated::Quarantined);
}

#[test]
fn a_denied_answer_is_an_error_and_a_denied_notification_leaves_its_id_behind() {
    let (received, outcome) = get(obliged(rules("deny")), JSON, &[result(SECRET).as_bytes()], End::Flag);
    is_error(&received, "response.denied_content");
    assert_eq!(
        (outcome.treated(), outcome.treated_reason.as_str()),
        (Treated::Refused, "response.denied_content")
    );
    assert_eq!(outcome.rpc(), Rpc::Result);

    let stream = [event(&said(SECRET), "\n"), event(&result(SECRET), "\n"), event(&said("x"), "\n")].concat();
    let (received, _) = get(obliged(rules("deny")), EVENTS, &[stream.as_bytes()], End::Flag);
    let text = String::from_utf8(received).unwrap();
    let rest = text.strip_prefix("id: 5\nretry: 10\n\nevent: message\nid: 5\ndata: ").unwrap();
    let (error, rest) = rest.split_once('\n').unwrap();
    is_error(error.as_bytes(), "response.denied_content");
    assert_eq!(rest, format!("retry: 10\n\n{}", event(&said("x"), "\n")));

    let plain = format!("data: {}\n\n: x\n", said(SECRET));
    let (received, _) = get(obliged(rules("deny")), EVENTS, &[plain.as_bytes()], End::Flag);
    assert_eq!(received, b": x\n");
}
