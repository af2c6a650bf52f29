//! Makes a set of exact values for `interdict.content.exact` from lines of text on standard input:
//! `cargo run --release -p interdict-content --example exact_set -- CLASS < values.txt`.

use std::fs::File;
use std::io::{self, Read as _};

use interdict_content::detect::exact::build;

fn main() -> io::Result<()> {
    let class = std::env::args().nth(1).ok_or_else(|| io::Error::other("say the class"))?;
    let mut key = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let (set, left_out) = build(&class, &key, text.lines().map(str::trim).filter(|line| !line.is_empty()));
    // JSON is YAML, too.
    println!("{}", serde_json::to_string(&set)?);
    if left_out > 0 {
        eprintln!(
            "{left_out} values are too short, too long or have more than four words: they are not in the set"
        );
    }
    Ok(())
}
