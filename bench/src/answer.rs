//! What the MCP server of a run answers: a fixed text by default, others when a request asks for them in a header.

use crate::random::Random;

/// Name of the header with which a request asks for an answer.
pub(crate) const HEADER: &str = "bench-answer";

/// Stands where an answer gets the id of its request; ids have ten digits.
const ID: &[u8] = b"1000000000";

/// Stands in every answer that has something to be found, and may not arrive at the client.
pub(crate) const PLANTED: &str = "4111 1111 1111 1111";

/// One kind of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// The same few words for every request.
    Short,
    /// 10 KB of JSON without anything to be found.
    Clean,
    /// 10 KB of JSON with a card number, an address or a key in every tenth record.
    Dirty,
    /// 256 KB of JSON without anything to be found.
    Long,
    /// Two events: a notification of 1 KB at once, and after a pause the result.
    Stream,
}

/// The bytes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    /// Everything.
    pub(crate) bytes: Vec<u8>,
    /// Where the id of the request belongs.
    id_at: Option<usize>,
    /// After how many bytes the MCP server pauses.
    pub(crate) pause_at: Option<usize>,
}

/// The body of every short answer. The load generator compares what it gets with it, byte for byte.
pub(crate) const SHORT: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"12 rows appended to \
                                the report; 3 were already there and stayed as they were.\"}],\"isError\":false,\
                                \"resultType\":\"complete\"}}";

impl Answer {
    const ASKED_FOR: [Self; 4] = [Self::Clean, Self::Dirty, Self::Long, Self::Stream];

    /// As the header says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Clean => "clean",
            Self::Dirty => "dirty",
            Self::Long => "long",
            Self::Stream => "stream",
        }
    }

    /// The answer of this name; the short one when there is none.
    pub(crate) fn named(name: &[u8]) -> Self {
        Self::ASKED_FOR.into_iter().find(|answer| answer.name().as_bytes() == name).unwrap_or(Self::Short)
    }

    /// Its bytes, without the id of a request.
    pub(crate) fn body(self) -> Body {
        match self {
            Self::Short => Body { bytes: SHORT.as_bytes().to_vec(), id_at: None, pause_at: None },
            Self::Clean => Body::of(result(&records(10 << 10, false)), None),
            Self::Dirty => Body::of(result(&records(10 << 10, true)), None),
            Self::Long => Body::of(result(&records(256 << 10, false)), None),
            Self::Stream => {
                let first = format!(
                    "event: message\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"level\":\"info\",\
                     \"data\":{}}}}}\n\n",
                    records(1 << 10, false)
                );
                let second = format!("event: message\ndata: {}\n\n", result(&records(1 << 10, false)));
                Body::of(first.clone() + &second, Some(first.len()))
            }
        }
    }
}

impl Body {
    fn of(text: String, pause_at: Option<usize>) -> Self {
        let bytes = text.into_bytes();
        let id_at = bytes.windows(ID.len()).position(|window| window == ID);
        Self { bytes, id_at, pause_at }
    }

    /// Writes the id of the request that is answered.
    pub(crate) fn set_id(&mut self, id: &[u8]) {
        let place = self.id_at.and_then(|at| self.bytes.get_mut(at..at + ID.len()));
        if let Some(place) = place
            && place.len() == id.len()
        {
            place.copy_from_slice(id);
        }
    }
}

fn result(records: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"See the records.\"}}],\
         \"structuredContent\":{{\"records\":{records}}},\"isError\":false,\"resultType\":\"complete\"}}}}",
        String::from_utf8_lossy(ID)
    )
}

/// An array of about `size` bytes of records as databases give them: ids, dates, amounts, an address of a page, prose.
pub(crate) fn records(size: usize, dirty: bool) -> String {
    let mut random = Random::new(size as u64);
    let mut text = String::from("[");
    for at in 0.. {
        let note = match at % 30 {
            5 if dirty => format!("Paid with {PLANTED} at the front desk."),
            15 if dirty => "Write to a.user@mail.example.org when it is there.".to_owned(),
            25 if dirty => "It came from 203.0.113.7 through the gate.".to_owned(),
            _ => "Delivered to the front desk; the customer was out and asked us to call back later."
                .to_owned(),
        };
        let record = format!(
            "{}{{\"id\":{at},\"sku\":\"A-{:04}-XL\",\"name\":\"Widget, large\",\"created\":\"2026-07-{:02}T10:{:02}:00Z\",\
             \"price\":{}.95,\"in_stock\":{},\"url\":\"https://shop.bench.example/items/{at}?ref=list\",\
             \"tags\":[\"tools\",\"garden\"],\"note\":\"{note}\"}}",
            if at == 0 { "" } else { "," },
            random.below(10_000),
            at % 28 + 1,
            at % 60,
            random.below(1_000),
            at % 3 == 0,
        );
        if text.len() + record.len() >= size && at > 0 {
            break;
        }
        text.push_str(&record);
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_by_its_name_and_has_the_size_that_it_promises() {
        for (answer, least, most) in [
            (Answer::Short, 100, 300),
            (Answer::Clean, 9_900, 10_600),
            (Answer::Dirty, 9_900, 10_600),
            (Answer::Long, 255 << 10, 257 << 10),
            (Answer::Stream, 1_500, 2_600),
        ] {
            assert_eq!(Answer::named(answer.name().as_bytes()), answer);
            let length = answer.body().bytes.len();
            assert!(least < length && length < most, "{answer:?}: {length}");
        }
        assert_eq!(Answer::named(b"other"), Answer::Short);
    }

    #[test]
    fn an_answer_has_the_id_of_its_request() {
        let mut body = Answer::Clean.body();
        body.set_id(b"1234567890");
        let read: serde_json::Value = serde_json::from_slice(&body.bytes).unwrap();
        assert_eq!(read["id"], 1_234_567_890);
        let mut short = Answer::Short.body();
        short.set_id(b"1234567890");
        assert_eq!(short.bytes, SHORT.as_bytes());
    }

    #[test]
    fn only_the_dirty_answer_has_the_planted_value() {
        let has = |answer: Answer| String::from_utf8(answer.body().bytes).unwrap().contains(PLANTED);
        assert!(has(Answer::Dirty));
        assert!(!has(Answer::Clean) && !has(Answer::Long) && !has(Answer::Stream));
    }

    #[test]
    fn the_first_event_is_whole_when_the_server_pauses() {
        let body = Answer::Stream.body();
        let (first, second) = body.bytes.split_at(body.pause_at.unwrap());
        assert!(first.ends_with(b"}\n\n") && second.starts_with(b"event: message\n"));
    }
}
