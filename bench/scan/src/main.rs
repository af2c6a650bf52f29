//! Reads a JSON document from standard input, and writes how fast it is looked through. The argument is the milliseconds
//! of one measurement. `interdict-bench content` runs it as WebAssembly.

use std::io::Read;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let milliseconds = std::env::args().nth(1).ok_or("how many milliseconds?")?.parse()?;
    let mut json = Vec::new();
    std::io::stdin().lock().read_to_end(&mut json)?;
    let speeds = interdict_bench_scan::measure(&json, Duration::from_millis(milliseconds))?;
    println!("{}", serde_json::to_string(&speeds)?);
    Ok(())
}
