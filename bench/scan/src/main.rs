//! Reads a JSON document from standard input, and writes how fast it is looked through. The argument is the milliseconds
//! of one measurement; with `any` behind it the document need not be clean. `interdict-bench content` runs it as WebAssembly.

use std::io::Read;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let milliseconds = arguments.next().ok_or("how many milliseconds?")?.parse()?;
    let is_any = arguments.next().is_some_and(|argument| argument == "any");
    let mut json = Vec::new();
    std::io::stdin().lock().read_to_end(&mut json)?;
    let measure = if is_any { interdict_bench_scan::measure_any } else { interdict_bench_scan::measure };
    let speeds = measure(&json, Duration::from_millis(milliseconds))?;
    println!("{}", serde_json::to_string(&speeds)?);
    Ok(())
}
