//! What a bundle must be before it comes into force.

use interdict_policy::{
    Bundle, BundleError, Candidate, KeptBundle, Source, TestLimits, TestOutcome, TestReport,
};
use jiff::Timestamp;

use super::signature::{Signed, Verifier};
use super::store::Store;
use crate::config::BundleConfig;

/// Examines bundles as the configuration says.
#[derive(Debug)]
pub struct Examiner {
    verifier: Option<Verifier>,
    run_tests: bool,
}

/// A bundle that may come into force.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The bundle.
    pub bundle: Bundle,
    /// Its signature, when one is asked for.
    pub signed: Option<Signed>,
    /// How many tests it passed.
    pub tests: usize,
}

impl Examined {
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        Some(self.bundle.manifest()?.term()?.expires_at)
    }

    pub(crate) fn tokens(&self) -> Vec<String> {
        self.signed.iter().map(|signed| signed.token.clone()).collect()
    }
}

impl Examiner {
    /// Reads the key, when there is one.
    ///
    /// # Errors
    /// `bundle.key`.
    pub fn new(config: &BundleConfig) -> Result<Self, BundleError> {
        let verifier = config.signature.as_ref().map(Verifier::open).transpose()?;
        Ok(Self { verifier, run_tests: config.run_tests })
    }

    /// Signature first: nothing of a bundle is parsed before it is known whose it is.
    pub(crate) fn examine(
        &self,
        source: &Source,
        store: Option<&Store>,
        now: Timestamp,
    ) -> Result<Examined, BundleError> {
        let signed = self.verifier.as_ref().map(|verifier| verifier.verify(source)).transpose()?;
        if !self.run_tests {
            let bundle = Bundle::from_source(source)?;
            self.check(&bundle, store, now)?;
            return Ok(Examined { bundle, signed, tests: 0 });
        }
        let candidate = Candidate::load(source)?;
        self.check(candidate.bundle(), store, now)?;
        let report = candidate.run_tests(None, Some(TestLimits::default()))?;
        if report.failed > 0 {
            return Err(failed(&report));
        }
        Ok(Examined { bundle: candidate.bundle().clone(), signed, tests: report.passed })
    }

    /// Examines without a history, for people; the time is that of the machine.
    ///
    /// # Errors
    /// What would keep the bundle from coming into force.
    pub fn examine_alone(&self, source: &Source, now: Timestamp) -> Result<Examined, BundleError> {
        self.examine(source, None, now)
    }

    /// A kept bundle was tested before it was kept.
    pub(crate) fn examine_kept(
        &self,
        kept: KeptBundle,
        store: &Store,
        now: Timestamp,
    ) -> Result<Examined, BundleError> {
        let signed = self.verifier.as_ref().map(|verifier| verifier.verify_kept(&kept)).transpose()?;
        let bundle = Bundle::from_files(kept.files)?;
        self.check(&bundle, Some(store), now)?;
        Ok(Examined { bundle, signed, tests: 0 })
    }

    fn check(&self, bundle: &Bundle, store: Option<&Store>, now: Timestamp) -> Result<(), BundleError> {
        if !bundle.decides() {
            let message = "No topic of the bundle allows or denies anything: it needs a package \
                           `interdict.policy.<topic>` with `allow` or `deny`.";
            return Err(BundleError::new("bundle.no_entry_point", message));
        }
        match bundle.manifest().and_then(|manifest| manifest.term()) {
            Some(term) => {
                let empty;
                let store = match store {
                    Some(store) => store,
                    None => {
                        empty = Store::open(None)?;
                        &empty
                    }
                };
                store.check_term(term, bundle.digest(), now)
            }
            None if self.verifier.is_some() => {
                let message = "A signed bundle says in `.manifest` under `metadata.interdict` its `sequence` and \
                               `expires_at`; without them an old one could come back.";
                Err(BundleError::new("bundle.no_term", message))
            }
            None => Ok(()),
        }
    }
}

fn failed(report: &TestReport) -> BundleError {
    let failed: Vec<_> = report.results.iter().filter(|result| result.outcome != TestOutcome::Pass).collect();
    let names: Vec<&str> = failed.iter().take(5).map(|result| result.name.as_str()).collect();
    let message = format!(
        "{} of {} tests of the bundle fail: {}{}.",
        report.failed,
        report.failed + report.passed,
        names.join(", "),
        if failed.len() > names.len() { ", …" } else { "" }
    );
    let error = BundleError::new("bundle.tests_failed", message);
    match failed.first() {
        Some(first) => error.at(&first.file, None),
        None => error,
    }
}
