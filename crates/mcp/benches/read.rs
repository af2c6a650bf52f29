//! How long reading takes: a whole POST, from head and bytes to a message.
//!
//! `cargo bench -p interdict-mcp`. The hot path has to read 1 KB in less than 5 µs.

use divan::{Bencher, black_box};
use interdict_mcp::{Head, Limits, Reading, Refusal, read};

fn main() {
    divan::main();
}

const LEGACY: &[(&str, &[u8])] =
    &[("content-type", b"application/json"), ("mcp-protocol-version", b"2025-11-25")];
const MODERN: &[(&str, &[u8])] = &[
    ("content-type", b"application/json"),
    ("mcp-protocol-version", b"2026-07-28"),
    ("mcp-method", b"tools/call"),
    ("mcp-name", b"write_file"),
];

/// A `tools/call` of about `size` bytes: half one long text, half small members.
fn body(size: usize, modern: bool) -> Vec<u8> {
    let meta = if modern {
        r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#
    } else {
        ""
    };
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(size / 2 / 45);
    let rows: Vec<String> = (0..size / 2 / 58)
        .map(|row| format!(r#"{{"path":"/srv/data/{row:06}","size":{row},"flag":true}}"#))
        .collect();
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"write_file","arguments":{{"path":"/tmp/x","content":"{text}","rows":[{}]}}{meta}}}}}"#,
        rows.join(",")
    )
    .into_bytes()
}

fn run<'b>(headers: &[(&str, &[u8])], body: &'b [u8]) -> Result<Reading<'b>, Refusal> {
    read(&Head { method: "POST", path: "/mcp", headers }, body, &Limits::default())
}

#[divan::bench(args = [1024, 65536])]
fn legacy(bencher: Bencher<'_, '_>, size: usize) {
    let body = body(size, false);
    assert!(run(LEGACY, &body).is_ok());
    bencher
        .counter(divan::counter::BytesCount::new(body.len()))
        .bench(|| run(LEGACY, black_box(&body)).is_ok());
}

#[divan::bench(args = [1024, 65536])]
fn modern(bencher: Bencher<'_, '_>, size: usize) {
    let body = body(size, true);
    assert!(run(MODERN, &body).is_ok());
    bencher
        .counter(divan::counter::BytesCount::new(body.len()))
        .bench(|| run(MODERN, black_box(&body)).is_ok());
}
