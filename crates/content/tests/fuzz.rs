//! Runs what the fuzz target checks over seeded changes of a few documents, on stable Rust.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[expect(unreachable_pub, reason = "shared with the fuzz crate, where it is public")]
#[path = "../../../fuzz/src/content.rs"]
mod content;

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
    fn changed(&mut self, data: &[u8], pieces: &[&str]) -> Vec<u8> {
        let mut data = data.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(data.len() + 1);
            match self.below(4) {
                0 | 1 => {
                    let piece = pieces[self.below(pieces.len())];
                    data.splice(at..at, piece.bytes());
                }
                2 => drop(data.drain(at..(at + self.below(4)).min(data.len()))),
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
fn the_content_target_holds_over_changed_documents() {
    let pieces = [
        "4111 1111 1111 1111",
        "NL91 ABNA 0417 1643 00",
        "536-90-4399",
        "a.user@example.org",
        "+31 6 12345678",
        "10.0.0.7",
        "EMP-00123",
        "canary 7F3A 99",
        "password=q7Rk2ZpX9vLm4TcN8",
        "postgres://app:s3cr3t-Pw@db/x",
        "NDExMSAxMTExIDExMTEgMTExMQ==",
        "34313131203131313120313131312031313131",
        "%34%31",
        "&#52;",
        "\\u0034",
        "\\\\u0034",
        "\u{200b}",
        "４",
        "\\n",
        "\\\"",
        "[[dlp:pan:0a1b2c]]",
        "<<",
        "::",
        "-----BEGIN RSA PRIVATE KEY-----",
        " ",
        "-",
        ":",
        "\"",
        ",",
        "\\u0000",
        "4111,1111,1111,1111",
        "4111\\n1111\\n1111\\n1111",
        "0x34313131203131313120313131312031313131",
        "34 31 31 31 31 31 31 31 31 31 31 31 31 31 31 31",
        "aNDExMSAxMTExIDExMTEgMTExMQ",
        "NDEx\\nMSAx\\nMTEx\\nIDEx\\nMTEg\\nMTEx\\nMQ==",
        "\u{e0034}",
        "\u{301}",
    ];
    let seeds = [
        r#"{"content":[{"type":"text","text":"Order 4111111111111111 of a.user@example.org, see 10.0.0.7"}],"n":4111111111111111}"#,
        r#"{"a":{"password":"q7Rk2ZpX9vLm4TcN8bWj5","text":"{\"card\":\"4111 1111 1111 1111\"}"},"4111111111111111":[]}"#,
        r#"["NDExMSAxMTExIDExMTEgMTExMQ==","%34111%20111111111111","４１１１ １１１１ １１１１ １１１１","call (555) 234-5678 now"]"#,
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for seed in seeds {
        content::content(seed.as_bytes());
    }
    for _ in 0..6000 {
        let seed = seeds[random.below(seeds.len())];
        let data = random.changed(seed.as_bytes(), &pieces);
        content::content(&data);
    }
}
