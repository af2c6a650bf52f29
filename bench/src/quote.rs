//! The README's numbers: taken from `bench/results/summary.json`, never typed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::{Context, Failure, Result};

const START: &str = "<!-- from bench/results/summary.json by `interdict-bench quote` -->\n";
const END: &str = "<!-- end -->";

/// Scenarios in the order of the table, and what a reader calls them.
const ROWS: [(&str, &str); 5] = [
    ("bare", "Envoy alone"),
    ("floor", "native ext_authz, a server that answers OK without looking"),
    ("call", "Interdict, mode `call`"),
    ("split", "Interdict, mode `split`"),
    ("native", "Interdict, native ext_authz alone"),
];

/// Replaces the block between the marks of `readme` by what `summary` says.
pub(crate) fn write(summary: &Path, readme: &Path) -> Result<()> {
    let text = fs::read_to_string(readme).context(format!("read {}", readme.display()))?;
    let found = fs::read_to_string(summary).context(format!("read {}", summary.display()))?;
    let summary: Value = serde_json::from_str(&found).context("summary.json")?;
    let (before, rest) =
        text.split_once(START).ok_or_else(|| Failure::new("the README has no start mark"))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| Failure::new("the README has no end mark"))?;
    fs::write(readme, format!("{before}{START}{}{END}{after}", block(&summary))).context("write the README")
}

fn block(summary: &Value) -> String {
    let mut text = String::from(
        "\n| 1 KB arguments | p50 µs | p99 µs | added p50, floor = 1 | added p99, floor = 1 | requests/s, 32 connections |\n\
         |---|---|---|---|---|---|\n",
    );
    for (scenario, title) in ROWS {
        let cell = |connections: u64, key: &str| {
            summary.get("cells")?.as_array()?.iter().find_map(|cell| {
                let same = cell.get("scenario")? == scenario && cell.get("payload")? == "1KB";
                (same && *cell.get("connections")? == connections).then(|| cell.get(key)?.as_f64()).flatten()
            })
        };
        let ratio = |key: &str| {
            summary.pointer(&format!("/ratios/{scenario}/1KB_1c/{key}/value")).and_then(Value::as_f64)
        };
        let whole = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.0}"));
        let share = |value: Option<f64>| value.map_or_else(String::new, |v| format!("{v:.2}"));
        let _ = writeln!(
            text,
            "| {title} | {} | {} | {} | {} | {} |",
            whole(cell(1, "p50_us")),
            whole(cell(1, "p99_us")),
            share(ratio("added_p50_ratio")),
            share(ratio("added_p99_ratio")),
            whole(cell(32, "requests_per_second")),
        );
    }
    let told = |path: &str| match summary.pointer(path) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let _ = writeln!(
        text,
        "\n{} cores ({}), Envoy {}, {} rounds, {}.",
        told("/environment/cores"),
        told("/environment/cpu"),
        told("/environment/envoy"),
        told("/rounds"),
        told("/environment/date"),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_quotes_the_last_recorded_run() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("README.md");
        let readme = project.join("README.md");
        fs::copy(&readme, &copy).unwrap();
        write(&project.join("bench/results/summary.json"), &copy).unwrap();
        let (is, should) = (fs::read_to_string(&readme).unwrap(), fs::read_to_string(&copy).unwrap());
        assert!(is == should, "run `cargo run -p interdict-bench -- quote`; it should say:\n{should}");
    }
}
