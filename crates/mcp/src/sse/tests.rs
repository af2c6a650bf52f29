use proptest::prelude::*;

use super::*;

/// Pushes `stream` in pieces cut at `cuts` and checks what has to hold after every piece.
fn decode(stream: &[u8], cuts: &[usize]) -> (Vec<Event>, u64) {
    let mut decoder = Decoder::new(SseLimits::default());
    let mut events = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        decoder.push(&stream[start..end], &mut events).unwrap();
        assert!(decoder.settled() <= end as u64);
        if let Some(last) = events.last() {
            assert!(last.span.end <= decoder.settled());
        }
        start = end;
    }
    for pair in events.windows(2) {
        assert!(pair[0].span.end <= pair[1].span.start);
    }
    (events, decoder.finish())
}

fn without_spans(events: Vec<Event>) -> Vec<Event> {
    events.into_iter().map(|event| Event { span: 0..0, ..event }).collect()
}

fn datas(stream: &str) -> Vec<Option<String>> {
    decode(stream.as_bytes(), &[]).0.into_iter().map(|event| event.data).collect()
}

#[test]
fn fields_are_read_as_the_standard_says() {
    let stream = "event: message\nid: 7\nretry: 1500\ndata: {\"a\":\ndata:1}\ndata\n\n";
    let (events, open) = decode(stream.as_bytes(), &[]);
    assert_eq!(open, 0);
    assert_eq!(
        events,
        [Event {
            id: Some("7".into()),
            event: Some("message".into()),
            data: Some("{\"a\":\n1}\n".into()),
            retry: Some(1500),
            span: 0..stream.len() as u64
        }]
    );
    assert_eq!(datas("data:  two blanks\n\n"), [Some(" two blanks".to_owned())]);
    assert_eq!(datas("data: a\u{2028}b\u{85}c\n\n"), [Some("a\u{2028}b\u{85}c".to_owned())]);
    let (events, _) = decode(b"id: a\0b\nretry: 1x\nretry: 99999999999999999999\nDATA: x\ndata: y\n\n", &[]);
    assert_eq!(
        (events[0].id.as_deref(), events[0].retry, events[0].data.as_deref()),
        (None, None, Some("y"))
    );
}

#[test]
fn every_line_end_works_in_every_mix() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = format!("data: a{end}data: b{end}{end}data: c{end}{end}");
        assert_eq!(datas(&stream), [Some("a\nb".to_owned()), Some("c".to_owned())], "{end:?}");
    }
    assert_eq!(datas("data: a\r\rdata: b\n\r\n"), [Some("a".to_owned()), Some("b".to_owned())]);
}

#[test]
fn a_priming_event_has_an_id_and_empty_data() {
    let (events, _) = decode(b"id: 1\nretry: 5\ndata: \n\n", &[]);
    assert_eq!((events[0].id.as_deref(), events[0].data.as_deref()), (Some("1"), Some("")));
    let (events, _) = decode(b"id: 2\n\n", &[]);
    assert_eq!((events[0].id.as_deref(), events[0].data.as_deref()), (Some("2"), None));
}

#[test]
fn a_byte_order_mark_is_skipped_at_the_start_only() {
    for cut in 0..3 {
        let (events, _) = decode("\u{feff}data: a\n\n\u{feff}data: b\n\n".as_bytes(), &[cut]);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].data.as_deref(), Some("a"));
    }
}

#[test]
fn comments_settle_at_once_and_make_no_event() {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    decoder.push(b": ping\r\n", &mut events).unwrap();
    assert_eq!((decoder.settled(), events.len()), (8, 0));
    decoder.push(b"\r\n", &mut events).unwrap();
    assert_eq!((decoder.settled(), events.len()), (10, 0));
    decoder.push(b"data: x\n: inside\n", &mut events).unwrap();
    assert_eq!(decoder.settled(), 10);
    decoder.push(b"\n", &mut events).unwrap();
    assert_eq!((decoder.settled(), events[0].span.clone()), (28, 10..28));
}

#[test]
fn the_line_feed_of_a_split_line_end_settles_at_once() {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    decoder.push(b"data: x\r\n\r", &mut events).unwrap();
    assert_eq!((events.len(), decoder.settled()), (1, 10));
    decoder.push(b"\n", &mut events).unwrap();
    assert_eq!((events.len(), decoder.settled()), (1, 11));
    decoder.push(b"\n", &mut events).unwrap();
    assert_eq!((events.len(), decoder.settled()), (1, 12));
    // Inside a block the line feed stays with its block.
    decoder.push(b"data: y\r", &mut events).unwrap();
    decoder.push(b"\n", &mut events).unwrap();
    assert_eq!(decoder.settled(), 12);
    decoder.push(b"\r\n", &mut events).unwrap();
    assert_eq!((events.len(), decoder.settled(), events[1].span.clone()), (2, 23, 12..23));
}

#[test]
fn an_empty_chunk_inside_a_line_end_changes_nothing() {
    let (events, open) = decode(b"data: a\r\ndata: b\r\n\r\n", &[8, 8]);
    assert_eq!((events.len(), events[0].data.as_deref(), open), (1, Some("a\nb"), 0));
}

#[test]
fn a_block_without_its_blank_line_is_no_event() {
    let (events, open) = decode(b"data: a\n\ndata: b\n", &[]);
    assert_eq!((events.len(), open), (1, 8));
}

#[test]
fn limits_and_encoding_errors_are_final_and_keep_earlier_events() {
    let mut decoder = Decoder::new(SseLimits { max_event_bytes: 16 });
    let mut events = Vec::new();
    assert_eq!(
        decoder.push(b"data: 12345678\n\ndata: 123456789\n\ndata: c\n\n", &mut events),
        Err(SseError::TooLarge)
    );
    assert_eq!(events.len(), 1);
    assert_eq!(decoder.push(b"data: x\n\n", &mut events), Err(SseError::TooLarge));
    assert_eq!(events.len(), 1);

    let mut decoder = Decoder::default();
    assert_eq!(decoder.push(b"data: a\n\ndata: \xff\n\n", &mut events), Err(SseError::InvalidUtf8));
    assert_eq!(events.len(), 2);
}

#[test]
fn the_limit_is_the_same_wherever_a_line_end_is_cut() {
    let limits = SseLimits { max_event_bytes: 8 };
    for (stream, fits) in [
        (&b"data: x\r\n\r\n"[..], false),
        (b": 23456\r\n\r\n", true),
        (b": 234567\r\n", false),
        (b": 234567\n", false),
    ] {
        for cut in 0..=stream.len() {
            let mut decoder = Decoder::new(limits);
            let (first, second) = stream.split_at(cut);
            let mut events = Vec::new();
            let outcome = decoder.push(first, &mut events).and_then(|()| decoder.push(second, &mut events));
            assert_eq!(outcome.is_ok(), fits, "{stream:?} cut at {cut}");
        }
    }
}

#[test]
fn an_endless_line_is_refused_at_the_limit_not_kept() {
    let mut decoder = Decoder::new(SseLimits { max_event_bytes: 1024 });
    let mut events = Vec::new();
    let outcome = (0..100).try_for_each(|_| decoder.push(&[b'a'; 64], &mut events));
    assert_eq!(outcome, Err(SseError::TooLarge));
    assert!(decoder.partial.len() <= 1024);
}

fn any_stream() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n".to_owned()),
        Just(":".to_owned()),
        Just("data: é€😀".to_owned()),
        Just("\u{feff}".to_owned()),
        "(data|id|event|retry|x|: c)(: ?[a-z0-9]{0,4})?",
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn chunk_borders_change_nothing(stream in any_stream(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let (whole, whole_open) = decode(stream.as_bytes(), &[]);
        let (cut, cut_open) = decode(stream.as_bytes(), &cuts);
        let every: Vec<usize> = (0..stream.len()).collect();
        let (single, single_open) = decode(stream.as_bytes(), &every);
        prop_assert_eq!((whole_open, whole_open), (cut_open, single_open));
        let whole = without_spans(whole);
        prop_assert_eq!(&whole, &without_spans(cut));
        prop_assert_eq!(&whole, &without_spans(single));
    }

    #[test]
    fn what_is_encoded_is_decoded(id in proptest::option::of("[a-z]{0,3}"), data in proptest::option::of("[a-z\n]{0,8}"), retry in proptest::option::of(any::<u64>())) {
        let event = Event { id, event: Some("message".into()), data, retry, span: 0..0 };
        let (events, open) = decode(&encode(&event), &[]);
        prop_assert_eq!(open, 0);
        prop_assert_eq!(without_spans(events), [event]);
    }
}
