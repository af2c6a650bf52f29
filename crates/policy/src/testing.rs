//! `interdict policy test`: runs the Rego tests of a bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use regorus::Value;
use regorus::utils::limits::ExecutionTimerConfig;
use serde::Serialize;

use crate::bundle::{self, Bundle, Loaded, Source, TestRule};
use crate::limits::{MemoryFuse, undisturbed};
use crate::{BundleError, EvalLimits, quiet};

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

/// What the tests of a bundle may take when a server runs them before the bundle comes into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestLimits {
    /// Longest single test.
    pub each: Duration,
    /// All of them together.
    pub all: Duration,
    /// Bytes that the process may grow by.
    pub memory_bytes: u64,
}

impl Default for TestLimits {
    fn default() -> Self {
        Self { each: Duration::from_secs(10), all: Duration::from_secs(60), memory_bytes: 512 << 20 }
    }
}

/// A bundle that loads, with its tests: what is looked at before it comes into force.
#[derive(Debug)]
pub struct Candidate {
    loaded: Loaded,
}

impl Candidate {
    /// Checks what was read, its tests included.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(source: &Source) -> Result<Self, BundleError> {
        Ok(Self { loaded: bundle::load_with_tests(source)? })
    }

    /// The bundle without its tests.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.loaded.bundle
    }

    /// Runs every rule named `test_…` in `*_test.rego` whose path contains `filter`, each on a fresh engine of the same
    /// kind and mode that decides.
    ///
    /// # Errors
    /// The tests together take longer than the limits say.
    pub fn run_tests(
        &self,
        filter: Option<&str>,
        limits: Option<TestLimits>,
    ) -> Result<TestReport, BundleError> {
        let mut run = undisturbed(|| Run::new(&self.loaded))?;
        let start = Instant::now();
        let _fuse = limits.map(|limits| {
            MemoryFuse::arm(EvalLimits { time: limits.all, memory_bytes: limits.memory_bytes })
        });
        for test in &self.loaded.tests {
            if filter.is_some_and(|filter| !test.path.contains(filter)) {
                continue;
            }
            run.one(test, limits);
            if limits.is_some_and(|limits| start.elapsed() > limits.all) {
                let message = "The tests of the bundle together take longer than they may.";
                return Err(BundleError::new("bundle.tests_too_slow", message).at(&test.file, None));
            }
        }
        Ok(run.report())
    }
}

/// Runs the tests of these roots without limits, for people.
///
/// # Errors
/// The bundle itself is wrong.
pub fn run_tests(roots: &[PathBuf], filter: Option<&str>) -> Result<TestReport, BundleError> {
    Candidate::load(&Source::read(roots, false)?)?.run_tests(filter, None)
}

/// Tests being run.
struct Run {
    /// Compiled once; every test runs on a clone.
    base: regorus::Engine,
    report: TestReport,
    /// Covered and other lines of each policy file.
    lines: BTreeMap<PathBuf, (BTreeSet<u32>, BTreeSet<u32>)>,
}

impl Run {
    fn new(loaded: &Loaded) -> Result<Self, BundleError> {
        let broken = |error: String| BundleError::new("bundle.rego", error);
        let mut base = loaded.with_tests.engine(None).map_err(broken)?;
        base.add_data(loaded.with_tests.data()).map_err(|error| broken(error.to_string()))?;
        base.set_gather_prints(true);
        base.set_enable_coverage(true);
        // What is wrong shows in the tests.
        if let Some(first) = loaded.tests.first() {
            let _ = base.compile_with_entrypoint(&first.path.as_str().into());
        }
        let lines = loaded.policy_files.iter().map(|file| (file.clone(), Default::default())).collect();
        Ok(Self { base, report: TestReport::default(), lines })
    }

    fn one(&mut self, test: &TestRule, limits: Option<TestLimits>) {
        let mut engine = self.base.clone();
        if let Some(limits) = limits {
            engine.set_execution_timer_config(ExecutionTimerConfig {
                limit: limits.each,
                check_interval: EvalLimits::STEPS,
            });
        }
        let start = Instant::now();
        let outcome = run_one(&mut engine, test);
        match outcome {
            TestOutcome::Pass => self.report.passed += 1,
            _ => self.report.failed += 1,
        }
        if let Ok(coverage) = engine.get_coverage_report() {
            for file in coverage.files {
                if let Some((covered, not_covered)) = self.lines.get_mut(&PathBuf::from(&file.path)) {
                    covered.extend(file.covered);
                    not_covered.extend(file.not_covered);
                }
            }
        }
        self.report.results.push(TestResult {
            name: test.path.clone(),
            file: test.file.clone(),
            outcome,
            prints: engine.take_prints().unwrap_or_default(),
            micros: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
        });
    }

    fn report(self) -> TestReport {
        let mut report = self.report;
        report.results.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
        let coverage = self.lines.into_iter().map(|(file, (covered, not_covered))| FileCoverage {
            file,
            not_covered: not_covered.difference(&covered).copied().collect(),
            covered: covered.into_iter().collect(),
        });
        report.coverage = coverage.collect();
        report
    }
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
