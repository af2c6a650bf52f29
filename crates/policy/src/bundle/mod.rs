//! Loading a bundle: several folders, read as one, checked completely before anything of it is used.

mod builtins;
mod check;
mod corpus;
mod data;
mod fast;
mod files;
mod guards;
mod ordering;
mod program;
mod rego;
mod strict;
mod traps;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use self::data::Data;
pub(crate) use self::data::read_yaml;
use self::files::{Kind, SourceFile};
pub(crate) use self::program::{Program, Set};
pub(crate) use self::rego::location;
use self::rego::{Module, RuleKind};
pub(crate) use self::traps::watch;
use crate::{BundleError, EvalLimits, Evaluator, Registry};

/// The set of Rego, data, agents and servers that is in force.
#[derive(Debug, Clone)]
pub struct Bundle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    digest: String,
    registry: Registry,
    program: Program,
    /// Sets that the bytecode machine may evaluate, by their place in `program.sets()`.
    fast: BTreeSet<usize>,
    notes: Vec<String>,
}

/// One test rule, ready to run.
#[derive(Debug)]
pub(crate) struct TestRule {
    pub(crate) file: PathBuf,
    pub(crate) path: String,
}

/// Everything that reading the roots gives.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) bundle: Bundle,
    /// Program with the test files in it.
    pub(crate) with_tests: Program,
    pub(crate) tests: Vec<TestRule>,
    /// Files of which coverage is reported.
    pub(crate) policy_files: Vec<PathBuf>,
}

impl Bundle {
    /// Reads and checks several roots as one bundle. The order of the roots has no effect on decisions.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line and what would be right.
    pub fn load(roots: &[PathBuf]) -> Result<Self, BundleError> {
        let files = files::read_roots(roots)?;
        let decisive: Vec<SourceFile> = files.into_iter().filter(|file| file.kind != Kind::Test).collect();
        Ok(load(&decisive)?.bundle)
    }

    /// SHA-256 in hex over the sorted list of (file digest, path inside of its root). Tests, notes and other files
    /// that have no effect on decisions are left out.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// Agents and servers.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// An evaluator for one worker thread, with its own copy of policies and data: threads that share them slow each
    /// other down by the reference counts.
    #[must_use]
    pub fn evaluator(&self, limits: EvalLimits) -> Evaluator {
        Evaluator::new(self.clone(), limits)
    }

    /// Which sets the interpreter evaluates and why: they take four to five times as long. For people who write
    /// policies; nothing here is wrong.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.inner.notes
    }

    pub(crate) fn program(&self) -> &Program {
        &self.inner.program
    }

    pub(crate) fn fast(&self) -> &BTreeSet<usize> {
        &self.inner.fast
    }

    /// The bundle with the sets that the bytecode machine may evaluate: those whose program can be made safe and which
    /// say the same as the interpreter for every input of a corpus made from the bundle itself.
    fn with_fast_sets(mut inner: Inner) -> Self {
        for (index, set) in inner.program.sets().iter().enumerate() {
            match inner.program.fast(set) {
                Ok(_) => {
                    inner.fast.insert(index);
                }
                Err(why) => {
                    inner.notes.push(format!("{} of topic {} is interpreted: {why}", set.name, set.topic));
                }
            }
        }
        let candidate = Self { inner: Arc::new(inner) };
        let different = corpus::compare(&candidate);
        if different.is_empty() {
            return candidate;
        }
        let Inner { digest, registry, program, fast, notes } = &*candidate.inner;
        let mut notes = notes.clone();
        let of = |index: &usize| program.sets().get(*index);
        notes.extend(
            different
                .iter()
                .filter_map(of)
                .map(|set| format!("{} of topic {} is interpreted: the engines differ", set.name, set.topic)),
        );
        let inner = Inner {
            digest: digest.clone(),
            registry: registry.clone(),
            program: program.clone(),
            fast: fast.difference(&different).copied().collect(),
            notes,
        };
        Self { inner: Arc::new(inner) }
    }
}

/// Reads the roots with their tests.
pub(crate) fn load_with_tests(roots: &[PathBuf]) -> Result<Loaded, BundleError> {
    load(&files::read_roots(roots)?)
}

fn load(files: &[SourceFile]) -> Result<Loaded, BundleError> {
    let mut registry = Registry::default();
    let mut data = Data::default();
    let mut policies: Vec<(&SourceFile, Module)> = Vec::new();
    let mut tests: Vec<(&SourceFile, Module)> = Vec::new();
    for file in files {
        match file.kind {
            Kind::Policy => policies.push((file, rego::parse(file)?)),
            Kind::Test => tests.push((file, rego::parse(file)?)),
            Kind::DataYaml | Kind::DataJson => data.add(file)?,
            Kind::Agents => registry.add_agents(&file.text, &file.path)?,
            Kind::Servers => registry.add_servers(&file.text, &file.path)?,
        }
    }
    registry.check()?;

    let functions = check::functions(policies.iter().map(|(_, module)| module));
    let mut topics = check::Topics::new();
    for (file, module) in &policies {
        check::policy(&file.path, module, &functions, &mut topics)?;
        shadowed(&data, file, module)?;
    }

    let mut program = Program::new(data.document(), &policies, &topics);
    for (file, module) in &policies {
        program.add(file, ordering::make_strict(file, module)?, module);
    }
    probe(&program, &topics)?;

    let (with_tests, test_rules) = add_tests(&program, &functions, &tests)?;
    let policy_files = policies.iter().map(|(file, _)| file.path.clone()).collect();
    let inner = Inner { digest: digest(files), registry, program, fast: BTreeSet::new(), notes: Vec::new() };
    Ok(Loaded { bundle: Bundle::with_fast_sets(inner), with_tests, tests: test_rules, policy_files })
}

/// Data under the path of a package or rule would hide the rule from everyone who reads it.
fn shadowed(data: &Data, file: &SourceFile, module: &Module) -> Result<(), BundleError> {
    for rule in &module.rules {
        let mut path = module.package.clone();
        path.push(rule.name.clone());
        if let Some(owner) = data.owner_of(&path) {
            let message =
                format!("Data in {} has the same path as rule `{}`.", owner.display(), path.join("."));
            return Err(BundleError::new("bundle.data_shadows_rule", message).at(&file.path, rule.line));
        }
    }
    Ok(())
}

/// Prepares an engine with everything, so that what only shows across files (unsafe variables, a rule of two kinds) is
/// refused at load.
fn probe(program: &Program, topics: &check::Topics) -> Result<(), BundleError> {
    let failed = |text: &str| match location(text) {
        Some((file, line)) => {
            let error = rego::syntax_error(std::path::Path::new(file), text);
            BundleError { line: Some(line), ..error }
        }
        None => BundleError::new("bundle.rego", format!("{}.", text.trim())),
    };
    let mut engine = program.engine(None).map_err(|error| failed(&error))?;
    engine.add_data(program.data()).map_err(|error| failed(&error.to_string()))?;
    for (topic, sets) in topics {
        for set in sets {
            let path = program::path_of_set(topic, set);
            // Compiling analyses every module and evaluates nothing.
            engine
                .compile_with_entrypoint(&path.clone().into())
                .map_err(|error| failed(&error.to_string()))?;
            if set == check::MISTAKE {
                let found = engine.clone().eval_rule(path).map_err(|error| failed(&error.to_string()))?;
                mistakes(topic, &found)?;
            }
        }
    }
    Ok(())
}

/// The bundle is refused with the first thing that a topic finds wrong with its data.
fn mistakes(topic: &str, found: &regorus::Value) -> Result<(), BundleError> {
    let wrong = |message: String| Err(BundleError::new("bundle.policy_data", message));
    let Ok(found) = found.as_set() else {
        return wrong(format!("`mistake` of topic `{topic}` is not a set."));
    };
    match found.first() {
        None => Ok(()),
        Some(first) => {
            let text = first["message"].as_string().map_or("It gives no message.", |text| &**text);
            wrong(format!("Topic `{topic}` refuses its data: {text} policies/README.md shows what is right."))
        }
    }
}

fn add_tests(
    program: &Program,
    functions: &BTreeSet<String>,
    tests: &[(&SourceFile, Module)],
) -> Result<(Program, Vec<TestRule>), BundleError> {
    let mut with_tests = program.clone();
    let mut rules = Vec::new();
    let mut functions = functions.clone();
    functions.extend(check::functions(tests.iter().map(|(_, module)| module)));
    for (file, module) in tests {
        check::calls(&file.path, module, &functions, &["print"])?;
        with_tests.add(file, ordering::make_strict(file, module)?, module);
        let mut seen = BTreeSet::new();
        for rule in &module.rules {
            if !rule.name.starts_with("test_") || !seen.insert(rule.name.clone()) {
                continue;
            }
            if rule.kind != RuleKind::Value {
                let message = format!("`{}` is written `{0} if {{ … }}`.", rule.name);
                return Err(BundleError::new("bundle.test_form", message).at(&file.path, rule.line));
            }
            let path = format!("data.{}.{}", module.package.join("."), rule.name);
            rules.push(TestRule { file: file.path.clone(), path });
        }
    }
    Ok((with_tests, rules))
}

fn digest(files: &[SourceFile]) -> String {
    let mut lines: Vec<String> = files
        .iter()
        .filter(|file| file.kind != Kind::Test)
        .map(|file| format!("{} {}\n", hex(&Sha256::digest(file.text.as_bytes())), file.name))
        .collect();
    lines.sort();
    let mut hash = Sha256::new_with_prefix(b"interdict bundle 1\n");
    for line in &lines {
        hash.update(line.as_bytes());
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
