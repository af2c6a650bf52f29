//! The bytes of a request: one `tools/call` of revision 2026-07-28, different in every request, equal in every scenario.

use crate::answer::{Answer, HEADER};
use crate::cell::Payload;
use crate::random::{Random, mix};

/// A tool that the bench bundle allows. The two differ in nothing but in what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Tool {
    /// It has consequences: what is recorded of it is synced before it is called.
    Append,
    /// The registry says that it only reads.
    Read,
}

impl Tool {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Append => "append_report",
            Self::Read => "read_report",
        }
    }
}

/// The path of the MCP endpoint in every scenario.
pub(crate) const PATH: &str = "/mcp";

/// The host of the MCP server in the bench bundle.
const HOST: &str = "bench.example";
/// Stands where a request gets its own 16 hexadecimal digits.
const NONCE: &[u8; 16] = b"~~~~~~~~~~~~~~~~";
/// Stands where a request gets its own id; ids have ten digits, so every request of a template is equally long.
const FIRST_ID: u64 = 1_000_000_000;
const ID_DIGITS: usize = 10;

/// A complete HTTP/1.1 request that is made new in place for each sending.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    id_at: usize,
    nonces_at: Vec<usize>,
    /// What it asks the MCP server for.
    pub(crate) answer: Answer,
}

impl Request {
    /// Builds the template; `token` goes into the head as it is.
    pub(crate) fn new(payload: Payload, tool: Tool, token: &str) -> Self {
        Self::asking(payload, tool, token, Answer::Short)
    }

    /// The same for another answer of the MCP server.
    pub(crate) fn asking(payload: Payload, tool: Tool, token: &str, answer: Answer) -> Self {
        let asked = match answer {
            Answer::Short => String::new(),
            other => format!("{HEADER}: {}\r\n", other.name()),
        };
        let (body, name) = (body(payload, tool), tool.name());
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
             mcp-name: {name}\r\n{asked}user-agent: interdict-bench\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let id_in_body = id_at(&body).unwrap_or_default();
        let nonces = body.windows(NONCE.len()).enumerate().filter(|(_, w)| w == NONCE);
        let nonces_at = nonces.map(|(at, _)| head.len() + at).collect();
        let id_at = head.len() + id_in_body;
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&body);
        Self { bytes, id_at, nonces_at, answer }
    }

    /// Writes the id and the varying arguments of request number `sequence` and returns the whole request.
    pub(crate) fn fill(&mut self, sequence: u64) -> &[u8] {
        put(&mut self.bytes, self.id_at, id(sequence).as_bytes());
        for (index, &at) in self.nonces_at.iter().enumerate() {
            put(&mut self.bytes, at, nonce(sequence ^ (index as u64) << 48).as_bytes());
        }
        &self.bytes
    }
}

/// The id of request number `sequence`.
pub(crate) fn id(sequence: u64) -> String {
    format!("{}", FIRST_ID + sequence % (9 * FIRST_ID))
}

/// The digits of the id in the body of a request.
pub(crate) fn id_of(body: &[u8]) -> &[u8] {
    let id = id_at(body).and_then(|at| body.get(at..at + ID_DIGITS));
    id.unwrap_or_default()
}

fn id_at(body: &[u8]) -> Option<usize> {
    body.windows(5).position(|w| w == b"\"id\":").map(|at| at + 5)
}

/// Sixteen hexadecimal digits. A letter in every fourth place: else one in some thousands would be a card number.
fn nonce(number: u64) -> String {
    format!("{:016x}", mix(number) & !0x000f_000f_000f_000f | 0x000b_000b_000b_000b)
}

fn put(bytes: &mut [u8], at: usize, text: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + text.len()) {
        place.copy_from_slice(text);
    }
}

fn body(payload: Payload, tool: Tool) -> Vec<u8> {
    let name = tool.name();
    let arguments = arguments(payload.argument_bytes());
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{FIRST_ID},\"method\":\"tools/call\",\"params\":{{\"name\":\"{name}\",\"arguments\":{arguments},\
         \"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
         \"io.modelcontextprotocol/clientCapabilities\":{{}},\
         \"io.modelcontextprotocol/clientInfo\":{{\"name\":\"interdict-bench\",\"version\":\"1\"}}}}}}}}"
    )
    .into_bytes()
}

/// Arguments of exactly `size` bytes: half records of small values, half prose with escapes, as reports have them.
fn arguments(size: usize) -> String {
    let nonce = String::from_utf8_lossy(NONCE);
    let mut random = Random::new(size as u64);
    let mut text = format!(
        "{{\"report\":\"q4/{nonce}.csv\",\"callback\":\"https://hooks.bench.example/{nonce}\",\"total_cents\":4711,\"rows\":["
    );
    let mut separator = "";
    while text.len() < size / 2 {
        let row = random.below(100_000);
        let mark = if row.is_multiple_of(4) { nonce.as_ref() } else { "b2c4d6e8f0a1b3c5" };
        let (count, cents) = (random.below(500), random.below(1_000_000));
        text.push_str(&format!(
            "{separator}{{\"sku\":\"A-{row:05}\",\"mark\":\"{mark}\",\"count\":{count},\"price_cents\":{cents},\"tags\":[\"eu\",\"bulk\"]}}"
        ));
        separator = ",";
    }
    text.push_str(&format!("],\"note\":\"{nonce} "));
    const WORDS: [&str; 12] = [
        "delivery",
        "of",
        "the",
        "second",
        "quarter",
        "was",
        "late;",
        "\\\"Zürich\\\"",
        "asked",
        "for",
        "a",
        "refund\\n",
    ];
    const END: &str = "\"}";
    loop {
        let word = WORDS.get(random.below(WORDS.len())).copied().unwrap_or_default();
        if text.len() + word.len() + 1 + END.len() > size {
            break;
        }
        text.push_str(word);
        text.push(' ');
    }
    let missing = size.saturating_sub(text.len() + END.len());
    text.push_str(&"x".repeat(missing));
    text.push_str(END);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(request: &[u8]) -> serde_json::Value {
        let start = request.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        serde_json::from_slice(&request[start..]).unwrap()
    }

    #[test]
    fn arguments_have_exactly_the_promised_length() {
        for payload in Payload::ALL {
            let request =
                String::from_utf8(Request::new(payload, Tool::Append, "t").fill(7).to_vec()).unwrap();
            let from = request.find("\"arguments\":").unwrap() + "\"arguments\":".len();
            let to = request.find(",\"_meta\"").unwrap();
            assert_eq!(to - from, payload.argument_bytes());
        }
    }

    #[test]
    fn two_requests_differ_in_id_and_arguments_and_the_same_number_gives_the_same_bytes() {
        let mut request = Request::new(Payload::Large, Tool::Append, "t");
        let first = request.fill(1).to_vec();
        let second = request.fill(2).to_vec();
        assert_eq!(first.len(), second.len());
        assert_ne!(body_of(&first)["id"], body_of(&second)["id"]);
        assert_ne!(body_of(&first)["params"]["arguments"], body_of(&second)["params"]["arguments"]);
        assert_eq!(request.fill(1), first);
        assert!(!String::from_utf8(first).unwrap().contains("~~~"));
    }
}
