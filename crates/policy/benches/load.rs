//! What it takes until a bundle may decide: the default policies with the bundle of the decision vectors.

#![allow(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::path::{Path, PathBuf};

use divan::Bencher;
use interdict_policy::{Bundle, Candidate, KeptBundle, Source};

fn main() {
    divan::main();
}

fn source() -> Source {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let paths: [PathBuf; 2] = [project.join("policies"), project.join("tests/vectors/bundle")];
    Source::read(&paths, true).unwrap()
}

#[divan::bench(max_time = 3)]
fn load(bencher: Bencher<'_, '_>) {
    let source = source();
    bencher.bench_local(|| Bundle::from_source(&source).unwrap());
}

#[divan::bench(max_time = 5)]
fn load_and_run_its_tests(bencher: Bencher<'_, '_>) {
    let source = source();
    bencher.bench_local(|| {
        let candidate = Candidate::load(&source).unwrap();
        candidate.run_tests(None, Some(Default::default())).unwrap()
    });
}

#[divan::bench]
fn read_kept_without_loading(bencher: Bencher<'_, '_>) {
    let kept = Bundle::from_source(&source()).unwrap().keep(&[]);
    bencher.bench_local(|| KeptBundle::read(&kept).unwrap());
}
