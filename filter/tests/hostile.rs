//! Bytes from outside: whatever they are, the filter answers instead of panicking, and does not let them pass.

mod support;

use interdict_filter::config::Config;
use interdict_filter::event::{Event, RequestHead};
use interdict_filter::{answer, pairs};
use proptest::prelude::*;
use support::*;

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name = prop_oneof![
        "[a-z0-9-]{0,12}",
        Just(":method".to_owned()),
        Just(":path".to_owned()),
        Just("content-type".to_owned()),
        Just("content-length".to_owned()),
        Just("mcp-protocol-version".to_owned()),
        Just("traceparent".to_owned()),
        ".{0,6}",
    ];
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        Just(b"POST".to_vec()),
        Just(b"GET".to_vec()),
        Just(b"application/json".to_vec()),
        Just(b"2026-07-28".to_vec()),
        Just(b"99999999999999999999999".to_vec()),
    ];
    (name, value)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn rule_09_no_answer_makes_the_filter_panic_or_pass(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bench = Bench::checking(CALL);
        bench.answer(&bytes);
        prop_assert_eq!(bench.host.resumes(), 0);
        prop_assert_eq!(bench.host.replies().len(), 1);
    }

    #[test]
    fn rule_09_no_damaged_allow_makes_the_filter_panic(at in 0_usize..400, byte in any::<u8>(), cut in prop::bool::ANY) {
        let mut bytes = allow();
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let _ = answer::read(0, Some(&bytes), &head());
    }

    #[test]
    fn rule_09_no_request_makes_the_filter_panic_or_pass_unasked(
        headers in prop::collection::vec(header(), 0..12),
        body in prop_oneof![prop::collection::vec(any::<u8>(), 0..80), Just(CALL.to_vec())],
        told in prop::collection::vec(any::<u8>(), 0..60),
        address in ".{0,30}",
    ) {
        let mut head = RequestHead { headers, enforcement: Some(told), ..head() };
        head.surroundings.source_address = Some(address);
        for mut bench in [Bench::call(), Bench::split()] {
            bench.on(Event::RequestHeaders { head: Box::new(head.clone()), end: body.is_empty() });
            if !body.is_empty() {
                bench.body(&body, true);
            }
            prop_assert_eq!(bench.host.resumes(), 0);
            prop_assert_eq!(bench.host.replies().len() + bench.host.sent.len(), 1);
        }
    }

    #[test]
    fn rule_09_no_configuration_makes_the_filter_panic(text in ".{0,80}") {
        let _ = Config::parse(text.as_bytes());
    }

    #[test]
    fn rule_09_no_header_list_makes_the_filter_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = pairs::decode(&bytes);
    }

    #[test]
    fn header_lists_are_read_as_they_were_written(list in prop::collection::vec(header(), 0..8)) {
        let bytes = pairs::encode(&list).unwrap();
        prop_assert_eq!(pairs::decode(&bytes), Some(list));
        if bytes.len() > 4 {
            prop_assert_eq!(pairs::decode(&bytes[..bytes.len() - 1]), None);
        }
    }
}

#[test]
fn a_header_list_has_the_form_of_the_abi() {
    let bytes = pairs::encode(&[("a".into(), b"bc".to_vec())]).unwrap();
    assert_eq!(bytes, [1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, b'a', 0, b'b', b'c', 0]);
    assert_eq!(pairs::decode(&[]), Some(Vec::new()));
    assert_eq!(pairs::decode(&[255, 255, 255, 255]), None);
}
