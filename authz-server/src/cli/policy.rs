//! `interdict policy test` and `interdict policy eval`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use interdict_policy::{FileCoverage, TestOutcome, TestReport, run_tests};

use super::{Failure, configuration, plain, policy_eval};

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Run the Rego tests (`test_*` rules in `*_test.rego`) and show what they cover. Exit code 1 when one fails.
    #[command(after_help = HELP)]
    Test(TestArgs),
    /// Show what every set of every topic says about an input document. Decides nothing and records nothing.
    #[command(after_help = policy_eval::HELP)]
    Eval(policy_eval::EvalArgs),
}

const HELP: &str = "\
Examples:
  interdict policy test                      the folders of interdict.yaml, or `policies` without one
  interdict policy test policies my-policies
  interdict policy test policies --filter amounts --format json

Exit codes: 0 all passed, 1 one failed, none was found or too little is covered, 2 usage error or a bundle that does not load.";

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Root folders of the bundle, merged as the server merges them.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Take the root folders from this configuration file.
    #[arg(long, short, env = "INTERDICT_CONFIG", value_name = "FILE", conflicts_with = "paths")]
    config: Option<PathBuf>,
    /// Only tests whose path contains this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// How to print the results.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Fail when fewer lines than this are covered, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(command: PolicyCommand) -> Result<u8, Failure> {
    match command {
        PolicyCommand::Test(args) => test(&args),
        PolicyCommand::Eval(args) => policy_eval::run(&args),
    }
}

fn test(args: &TestArgs) -> Result<u8, Failure> {
    let roots = roots(&args.paths, args.config.as_deref())?;
    let report =
        run_tests(&roots, args.filter.as_deref()).map_err(|error| Failure::usage(error.to_string()))?;
    let percent = coverage(&report);
    match args.format {
        Format::Text => print_text(&report, percent),
        Format::Json => print_json(&report, percent)?,
    }
    if report.results.is_empty() {
        return Err(Failure::failed("no test was found: rules named test_… in files named …_test.rego"));
    }
    if let Some(least) = args.min_coverage.filter(|least| percent < usize::from(*least)) {
        return Err(Failure::failed(format!(
            "{percent} % of the lines are covered, {least} % are asked for"
        )));
    }
    if args.min_coverage.is_some_and(|least| least > 0)
        && let Some(file) = report.coverage.iter().find(|file| is_unreached(file))
    {
        return Err(Failure::failed(format!("{}: not reached by any test", file.file.display())));
    }
    Ok(u8::from(!report.is_success()))
}

/// The engine counts lines of what it evaluated; of a file that no test reaches it knows nothing at all.
fn is_unreached(file: &FileCoverage) -> bool {
    file.covered.is_empty() && file.not_covered.is_empty()
}

/// The folders that were named, else those of the configuration, else `policies`.
pub(super) fn roots(paths: &[PathBuf], config: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    if !paths.is_empty() {
        return Ok(paths.to_vec());
    }
    let default = Path::new("interdict.yaml");
    match config {
        Some(file) => Ok(configuration(file)?.bundle.paths),
        None if default.is_file() => Ok(configuration(default)?.bundle.paths),
        None if Path::new("policies").is_dir() => Ok(vec![PathBuf::from("policies")]),
        None => Err(Failure::usage(
            "there is neither interdict.yaml nor a folder policies here; name the folders of the bundle, or the \
             configuration with --config FILE",
        )),
    }
}

/// Whole percent of all lines of reached files, rounded down; 0 when none was reached.
fn coverage(report: &TestReport) -> usize {
    let covered: usize = report.coverage.iter().map(|file| file.covered.len()).sum();
    let missed: usize = report.coverage.iter().map(|file| file.not_covered.len()).sum();
    (covered * 100).checked_div(covered + missed).unwrap_or(0)
}

fn print_text(report: &TestReport, percent: usize) {
    for result in &report.results {
        let name = plain::line(&result.name);
        match &result.outcome {
            TestOutcome::Pass => println!("PASS  {name} ({} µs)", result.micros),
            TestOutcome::Fail => println!("FAIL  {name} in {}", result.file.display()),
            TestOutcome::Error { message } => {
                println!("ERROR {name} in {}: {}", result.file.display(), plain::text(message));
            }
        }
        if !matches!(result.outcome, TestOutcome::Pass) {
            for print in &result.prints {
                println!("      {}", plain::text(print));
            }
        }
    }
    println!();
    for file in &report.coverage {
        let lines = file.covered.len() + file.not_covered.len();
        match (file.covered.len() * 100).checked_div(lines) {
            None => println!("  0 % {}  not reached by any test", file.file.display()),
            Some(100) => println!("100 % {}", file.file.display()),
            Some(share) => {
                println!("{share:>3} % {}  not covered: {}", file.file.display(), ranges(&file.not_covered));
            }
        }
    }
    println!("\n{} passed, {} failed, {percent} % of the policy lines covered", report.passed, report.failed);
}

fn print_json(report: &TestReport, percent: usize) -> Result<(), Failure> {
    let document = serde_json::json!({
        "passed": report.passed,
        "failed": report.failed,
        "coverage_percent": percent,
        "results": report.results,
        "coverage": report.coverage,
    });
    let text = serde_json::to_string_pretty(&document).map_err(|error| Failure::failed(error.to_string()))?;
    println!("{}", plain::json(&text));
    Ok(())
}

/// `3-5, 9` for 3, 4, 5, 9.
fn ranges(lines: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for &line in lines {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(line) => *last = line,
            _ => parts.push((line, line)),
        }
    }
    let parts: Vec<String> = parts
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_lines_are_shown_as_a_range() {
        assert_eq!(ranges(&[3, 4, 5, 9, 11, 12]), "3-5, 9, 11-12");
        assert_eq!(ranges(&[]), "");
    }
}
