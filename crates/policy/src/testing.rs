//! `interdict policy test`: runs the Rego tests of a bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Instant;

use regorus::Value;
use serde::Serialize;

use crate::bundle::{self, Source, TestRule};
use crate::{BundleError, quiet};

/// How one test rule ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TestOutcome {
    /// The rule is true.
    Pass,
    /// The rule is undefined, false or anything but true.
    Fail,
    /// Evaluation failed.
    Error {
        /// What the engine said. Tests hold no secrets, so here it is whole.
        message: String,
    },
}

/// One test rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestResult {
    /// `data.…` path of the rule.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: TestOutcome,
    /// What it printed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prints: Vec<String>,
    /// Time that it took, in microseconds, loading included.
    pub micros: u64,
}

/// Which lines of one policy file the tests reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileCoverage {
    /// The file.
    pub file: PathBuf,
    /// Lines that were evaluated.
    pub covered: Vec<u32>,
    /// Lines that were not.
    pub not_covered: Vec<u32>,
}

impl FileCoverage {
    /// Covered lines in percent of all lines that can be evaluated; 100 for a file without such lines.
    #[must_use]
    pub fn percent(&self) -> f64 {
        percent(self.covered.len(), self.not_covered.len())
    }
}

/// All results of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TestReport {
    /// Every test rule, by file and name.
    pub results: Vec<TestResult>,
    /// Number of tests that passed.
    pub passed: usize,
    /// Number of tests that failed or broke.
    pub failed: usize,
    /// Coverage of every policy file (tests left out).
    pub coverage: Vec<FileCoverage>,
}

impl TestReport {
    /// True when at least one test ran and all passed.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// Covered lines of all files in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let covered = self.coverage.iter().map(|file| file.covered.len()).sum();
        percent(covered, self.coverage.iter().map(|file| file.not_covered.len()).sum())
    }
}

fn percent(covered: usize, not_covered: usize) -> f64 {
    let all = covered + not_covered;
    if all == 0 { 100.0 } else { covered as f64 * 100.0 / all as f64 }
}

/// For a terminal: failures first and in full, then one line per file.
impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for result in &self.results {
            let word = match &result.outcome {
                TestOutcome::Pass => continue,
                TestOutcome::Fail => "FAIL",
                TestOutcome::Error { .. } => "ERROR",
            };
            writeln!(f, "{word} {} ({})", result.name, result.file.display())?;
            if let TestOutcome::Error { message } = &result.outcome {
                for line in message.lines().filter(|line| !line.trim().is_empty()) {
                    writeln!(f, "    {line}")?;
                }
            }
            for line in &result.prints {
                writeln!(f, "    printed: {line}")?;
            }
        }
        if !self.coverage.is_empty() {
            writeln!(f, "coverage")?;
        }
        for file in &self.coverage {
            write!(f, "  {:5.1} %  {}", file.percent(), file.file.display())?;
            if !file.not_covered.is_empty() {
                write!(f, "  (not reached: {})", ranges(&file.not_covered))?;
            }
            writeln!(f)?;
        }
        let total = self.passed + self.failed;
        match total {
            0 => write!(f, "no tests found"),
            _ => {
                write!(f, "{} of {total} tests passed, {:.1} % of lines covered", self.passed, self.percent())
            }
        }
    }
}

/// `3-5, 9`.
fn ranges(lines: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for line in lines {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *line => *last = *line,
            _ => parts.push((*line, *line)),
        }
    }
    let text = |(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Runs every rule named `test_…` in `*_test.rego` whose path contains `filter`, each on a fresh engine of the same
/// kind and mode that decides.
///
/// # Errors
/// The bundle itself is wrong.
pub fn run_tests(roots: &[PathBuf], filter: Option<&str>) -> Result<TestReport, BundleError> {
    let loaded = bundle::load_with_tests(&Source::read(roots, false)?)?;
    let mut report = TestReport::default();
    let mut lines: BTreeMap<PathBuf, (BTreeSet<u32>, BTreeSet<u32>)> = BTreeMap::new();
    for file in &loaded.policy_files {
        lines.insert(file.clone(), Default::default());
    }
    let broken = |error: String| BundleError::new("bundle.rego", error);
    let mut base = loaded.with_tests.engine(None).map_err(broken)?;
    base.add_data(loaded.with_tests.data()).map_err(|error| broken(error.to_string()))?;
    base.set_gather_prints(true);
    base.set_enable_coverage(true);
    // Compiled once; every test runs on a clone. What is wrong shows in the tests.
    if let Some(first) = loaded.tests.first() {
        let _ = base.compile_with_entrypoint(&first.path.as_str().into());
    }
    for test in loaded.tests {
        if filter.is_some_and(|filter| !test.path.contains(filter)) {
            continue;
        }
        let mut engine = base.clone();
        let start = Instant::now();
        let outcome = run_one(&mut engine, &test);
        match outcome {
            TestOutcome::Pass => report.passed += 1,
            _ => report.failed += 1,
        }
        if let Ok(coverage) = engine.get_coverage_report() {
            for file in coverage.files {
                if let Some((covered, not_covered)) = lines.get_mut(&PathBuf::from(&file.path)) {
                    covered.extend(file.covered);
                    not_covered.extend(file.not_covered);
                }
            }
        }
        report.results.push(TestResult {
            name: test.path,
            file: test.file,
            outcome,
            prints: engine.take_prints().unwrap_or_default(),
            micros: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
        });
    }
    report.results.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
    report.coverage = lines
        .into_iter()
        .map(|(file, (covered, not_covered))| FileCoverage {
            file,
            not_covered: not_covered.difference(&covered).copied().collect(),
            covered: covered.into_iter().collect(),
        })
        .collect();
    Ok(report)
}

fn run_one(engine: &mut regorus::Engine, test: &TestRule) -> TestOutcome {
    let result = quiet::during(|| catch_unwind(AssertUnwindSafe(|| engine.eval_rule(test.path.clone()))));
    match result {
        Ok(Ok(Value::Bool(true))) => TestOutcome::Pass,
        Ok(Ok(_)) => TestOutcome::Fail,
        Ok(Err(error)) => TestOutcome::Error { message: error.to_string() },
        Err(_) => TestOutcome::Error { message: "the engine panicked".into() },
    }
}
