//! How fast a document is looked through with every built-in class on.
//!
//! `cargo bench -p interdict-content --bench scan`. The goal on clean JSON is 300 MB/s for the scan. `rows` are records as
//! databases and APIs give them (numbers, dates, ids, addresses of pages), `text` is prose in a few long strings, `dirty`
//! has a value to be found in every tenth record.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use interdict_mcp::json::{Document, Limits};

mod support;

use support::{KEY, SIZES, engine, rows, text};

fn main() {
    divan::main();
}

/// In one of ten records.
const CARD: &str = "paid with 4111 1111 1111 1111 by a.user@example.org";

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
    scan(bencher, &rows(size, None), false, true);
}

#[divan::bench(args = SIZES)]
fn clean_rows_with_parsing(bencher: Bencher<'_, '_>, size: usize) {
    scan(bencher, &rows(size, None), true, true);
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
    scan(bencher, &rows(size, Some(CARD)), false, false);
}
