//! What the record costs: writing a body and its frame, and what a verifier does with every entry.
//!
//! `cargo bench -p interdict-audit --bench record`. A verifier has to get through 200 000 entries a second on one core:
//! 5 µs for everything here and its share of the tree.

#[path = "../tests/samples/mod.rs"]
#[allow(dead_code, reason = "only one of the samples is measured")]
mod samples;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use interdict_audit::canonical;
use interdict_audit::record::{Body, Entry, Kind, Moment, NO_PREV, wrap};
use sha2::{Digest, Sha256};

fn main() {
    divan::main();
}

fn body() -> Vec<u8> {
    samples::allowed().to_bytes().unwrap_or_default()
}

fn entry() -> Vec<u8> {
    wrap(Kind::Decision, NO_PREV, 123_456, "acme", Moment::from_unix_ms(1_795_271_400_123), &body())
}

#[divan::bench]
fn body_to_bytes(bencher: Bencher<'_, '_>) {
    let decision = samples::allowed();
    bencher.counter(BytesCount::new(body().len())).bench(|| black_box(&decision).to_bytes());
}

#[divan::bench]
fn frame(bencher: Bencher<'_, '_>) {
    let (body, ts) = (body(), Moment::from_unix_ms(1_795_271_400_123));
    bencher
        .counter(BytesCount::new(entry().len()))
        .bench(|| wrap(Kind::Decision, black_box(NO_PREV), 123_456, "acme", ts, black_box(&body)));
}

#[divan::bench]
fn canonical_check(bencher: Bencher<'_, '_>) {
    let entry = entry();
    assert_eq!(canonical::check(&entry), Ok(()));
    bencher.counter(BytesCount::new(entry.len())).bench(|| canonical::check(black_box(&entry)));
}

#[divan::bench]
fn leaf_hash(bencher: Bencher<'_, '_>) {
    let entry = entry();
    bencher
        .counter(BytesCount::new(entry.len()))
        .bench(|| Sha256::new().chain_update([0]).chain_update(black_box(&entry)).finalize());
}

#[divan::bench]
fn read_frame(bencher: Bencher<'_, '_>) {
    let entry = entry();
    bencher.counter(BytesCount::new(entry.len())).bench(|| Entry::read(black_box(&entry)).is_ok());
}

#[divan::bench]
fn read_frame_and_body(bencher: Bencher<'_, '_>) {
    let entry = entry();
    bencher
        .counter(BytesCount::new(entry.len()))
        .bench(|| Entry::read(black_box(&entry)).and_then(|entry| entry.body()).is_ok());
}
