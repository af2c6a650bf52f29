//! Runs what the fuzz targets check over the corpus and seeded changes of it, on stable Rust.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[expect(unreachable_pub, reason = "shared with the fuzz crate, where it is public")]
#[path = "../../../fuzz/src/bodies.rs"]
mod bodies;
#[expect(dead_code, reason = "only the bodies are needed here")]
mod support;

use support::corpus;

/// A small generator (xorshift); the same inputs on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// `data` with a few bytes changed, taken out, doubled or put in.
    fn changed(&mut self, data: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
        let mut data = data.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(data.len() + 1);
            match self.below(4) {
                0 => {
                    let piece = pieces[self.below(pieces.len())];
                    data.splice(at..at, piece.iter().copied());
                }
                1 => drop(data.drain(at..(at + self.below(4)).min(data.len()))),
                2 if at < data.len() => data[at] = u8::try_from(self.below(256)).unwrap(),
                _ => {
                    let end = (at + self.below(24)).min(data.len());
                    let doubled = data[at..end].to_vec();
                    data.splice(end..end, doubled);
                }
            }
        }
        data
    }
}

#[test]
fn the_message_target_holds_over_the_corpus_and_changes_of_it() {
    let pieces: Vec<&[u8]> = vec![
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\\u0061",
        b"\\ud83d\\ude00",
        b"\\udc00",
        b"1e5",
        b"-0",
        b"null",
        b"\xff",
        b"\xc3",
        b"\"_meta\":{},",
        b"\"id\":1,",
        b"\"method\":\"ping\",",
        b"\"result\":{},",
        b"\"requestState\":\"x\",",
        b" ",
        b"\0",
    ];
    let mut seeds: Vec<Vec<u8>> =
        corpus().into_iter().map(|case| case.body).filter(|body| body.len() < 1 << 14).collect();
    seeds.push(br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1},"requestState":"s","inputResponses":{"x":{}},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}}}}}"#.to_vec());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for seed in &seeds {
        for choice in 0..32 {
            bodies::message(&[&[choice], seed.as_slice()].concat());
        }
        for _ in 0..60 {
            let choice = u8::try_from(random.below(32)).unwrap();
            let body = random.changed(seed, &pieces);
            bodies::message(&[&[choice], body.as_slice()].concat());
        }
    }
}

#[test]
fn the_sse_target_holds_over_changed_streams() {
    let pieces: Vec<&[u8]> = vec![
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"data: x\n",
        b"id: 1\n",
        b"id: \0\n",
        b"event: e\n",
        b"retry: 5\n",
        b": c\n",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xf0\x9f",
    ];
    let seeds: [&[u8]; 4] = [
        b"event: message\nid: 1\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n",
        b": ping\r\n\r\nid: 2\r\nretry: 100\r\ndata: \r\n\r\ndata: a\r\ndata: b\r\n\r\n",
        "\u{feff}data: \u{1f600}\rdata\r\rid\r\r".as_bytes(),
        b"data: without end",
    ];
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..20_000 {
        let seed = seeds[random.below(seeds.len())];
        let stream = random.changed(seed, &pieces);
        let choice = u8::try_from(random.below(256)).unwrap();
        bodies::sse(&[&[choice], stream.as_slice()].concat());
    }
}
