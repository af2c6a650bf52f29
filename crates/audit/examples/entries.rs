//! Reads texts from standard input, one a line in hexadecimal, and prints what became of each: `canonical` or `not` and,
//! behind a space, the code of what is wrong with it as an entry, or `entry`.
//!
//! `tests/differential` compares the output with what Node writes and with the schema.

use std::io::{BufRead, Write};

use interdict_audit::canonical;
use interdict_audit::record::Entry;

fn main() -> std::io::Result<()> {
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let text = from_hex(&line?)?;
        let canonical = if canonical::check(&text).is_ok() { "canonical" } else { "not" };
        let entry = Entry::read(&text).and_then(|entry| entry.body());
        writeln!(output, "{canonical} {}", entry.map_or_else(|error| error.code(), |_| "entry"))?;
    }
    output.flush()
}

fn from_hex(line: &str) -> std::io::Result<Vec<u8>> {
    let digits: Option<Vec<u32>> = line.trim().chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits.unwrap_or_default();
    pairs
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high << 4 | low).map_err(std::io::Error::other),
            _ => Err(std::io::Error::other("an odd number of hexadecimal digits")),
        })
        .collect()
}
