//! How fast a document is looked through with every built-in class on.
//!
//! `cargo bench -p interdict-content --bench scan`. The goal on clean JSON is 300 MB/s for the scan. `rows` are records as
//! databases and APIs give them (numbers, dates, ids, addresses of pages), `text` is prose in a few long strings, `dirty`
//! has a value to be found in every tenth record.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use interdict_content::engine::Engine;
use interdict_content::finding::SessionKey;
use interdict_content::profile::{Action, Profile};
use interdict_mcp::json::{Document, Limits};

fn main() {
    divan::main();
}

const SIZES: [usize; 2] = [10 << 10, 1 << 20];
const KEY: SessionKey = SessionKey::new([7; 32]);

fn engine() -> Result<Engine, Box<dyn std::error::Error>> {
    let families = ["secret", "card", "account", "identity", "contact", "network"];
    let classes = families.map(|family| (family.to_owned(), Action::Redact)).into();
    let regions = vec!["us".to_owned(), "nl".to_owned()];
    Ok(Engine::new(&Profile { v: 1, classes, regions, patterns: vec![], exact: vec![], injection: None })?)
}

fn row(at: usize, dirty: bool) -> String {
    let note = if dirty && at.is_multiple_of(10) {
        "paid with 4111 1111 1111 1111 by a.user@example.org"
    } else {
        "Delivered to the front desk; the customer was not at home and asked us to call back later."
    };
    format!(
        r#"{{"id":{at},"uuid":"{:08x}-7c1f-4e5d-9a3b-{:012x}","name":"Widget, large ({at})","created_at":"2026-07-{:02}T10:{:02}:00Z","price":{}.95,"in_stock":true,"url":"https://shop.example.org/items/{at}?ref=list","tags":["tools","garden"],"note":"{note}"}}"#,
        at * 2_654_435_761 % 4_294_967_296,
        at * 40_503,
        at % 28 + 1,
        at % 60,
        at % 1000,
    )
}

fn rows(size: usize, dirty: bool) -> String {
    let rows: Vec<String> = (0..size / row(1, false).len()).map(|at| row(at, dirty)).collect();
    format!(r#"{{"structuredContent":{{"rows":[{}]}},"isError":false}}"#, rows.join(","))
}

fn text(size: usize) -> String {
    let paragraph = "## Results\\n\\nThe quick brown fox jumps over the lazy dog. It said: \\\"never mind\\\", and went on (see \
                     chapter 12) to the river, where nobody had been since the bridge fell in 1987.\\n";
    let texts: Vec<String> = (0..size.div_ceil(16 << 10))
        .map(|_| {
            format!(
                r#"{{"type":"text","text":"{}"}}"#,
                paragraph.repeat(size.min(16 << 10) / paragraph.len())
            )
        })
        .collect();
    format!(r#"{{"content":[{}]}}"#, texts.join(","))
}

fn scan(bencher: Bencher<'_, '_>, json: &str, parse: bool, clean: bool) {
    let limits = Limits { max_bytes: 8 << 20, max_tokens: 1 << 20, ..Limits::default() };
    let read = || Document::parse(black_box(json.as_bytes()), &limits);
    let (Ok(engine), Ok(document)) = (engine(), read()) else { return };
    let scan = engine.scan(document.root(), &KEY);
    assert!(!scan.incomplete && scan.findings.is_empty() == clean, "{:?}", scan.findings.first());
    let bencher = bencher.counter(BytesCount::new(json.len()));
    if parse {
        bencher.bench(|| read().map(|document| engine.scan(document.root(), &KEY)).is_ok());
    } else {
        bencher.bench(|| engine.scan(black_box(document.root()), &KEY));
    }
}

#[divan::bench(args = SIZES)]
fn clean_rows(bencher: Bencher<'_, '_>, size: usize) {
    scan(bencher, &rows(size, false), false, true);
}

#[divan::bench(args = SIZES)]
fn clean_rows_with_parsing(bencher: Bencher<'_, '_>, size: usize) {
    scan(bencher, &rows(size, false), true, true);
}

#[divan::bench(args = SIZES)]
fn clean_text(bencher: Bencher<'_, '_>, size: usize) {
    scan(bencher, &text(size), false, true);
}

#[divan::bench(args = SIZES)]
fn clean_text_with_parsing(bencher: Bencher<'_, '_>, size: usize) {
    scan(bencher, &text(size), true, true);
}

#[divan::bench(args = SIZES)]
fn dirty_rows(bencher: Bencher<'_, '_>, size: usize) {
    scan(bencher, &rows(size, true), false, false);
}
