//! Loading a bundle: several folders, read as one, checked completely before anything of it is used.

mod builtins;
mod check;
mod corpus;
mod data;
mod fast;
mod files;
mod folder;
mod guards;
mod kept;
mod manifest;
mod nesting;
mod ordering;
mod program;
mod rego;
mod strict;
mod tarball;
mod traps;
mod undeclared;
mod unread;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use self::data::{Data, read_yaml};
use self::files::{Kind, SourceFile};
pub use self::files::{RawFile, SIGNATURES, Source, SourceRoot, is_decisive};
pub use self::kept::{BundleFile, KeptBundle};
pub use self::manifest::{Manifest, Term};
pub(crate) use self::program::{Program, Set};
use self::rego::{Module, RuleKind};
pub(crate) use self::rego::{elements, location, path_of, tree};
pub use self::tarball::{MAX_ARCHIVE_BYTES, write_tarball};
pub(crate) use self::traps::watch;
use crate::contract::Contracts;
use crate::grants::{Grants, Roles};
use crate::limits::undisturbed;
use crate::{BundleError, ContentConfig, Contract, EvalLimits, Evaluator, Registry};

/// The folder of data that is ours.
const INTERDICT: &str = "interdict";

/// The set of Rego, data, agents and servers that is in force.
#[derive(Debug, Clone)]
pub struct Bundle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    digest: String,
    /// What takes part in decisions, sorted by name and hash.
    files: Arc<[SourceFile]>,
    manifest: Option<Manifest>,
    topics: check::Topics,
    registry: Registry,
    contracts: Contracts,
    content: ContentConfig,
    roles: Option<Roles>,
    program: Program,
    /// Sets that the bytecode machine may evaluate, by their place in `program.sets()`.
    fast: BTreeSet<usize>,
    notes: Vec<String>,
    warnings: Vec<String>,
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
    /// Reads and checks several roots (folders or `.tar.gz` files) as one bundle. The order of the roots has no effect
    /// on decisions.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line and what would be right.
    pub fn load(roots: &[PathBuf]) -> Result<Self, BundleError> {
        Self::from_source(&Source::read(roots, false)?)
    }

    /// Checks what was read as one bundle; its tests are left out.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_source(source: &Source) -> Result<Self, BundleError> {
        let mut files = source.files()?;
        files.retain(|file| file.kind != Kind::Test);
        // Of two mistakes the engine reports the one that it was given first: the same files decide the same, whatever
        // the order of their roots.
        files.sort_by(|one, other| (&one.name, &one.text).cmp(&(&other.name, &other.text)));
        Ok(load(files)?.bundle)
    }

    /// A bundle of these files.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_files(files: Vec<BundleFile>) -> Result<Self, BundleError> {
        Self::from_source(&kept::source(files))
    }

    /// A bundle that [`Bundle::keep`] wrote: the same files, and so the same digest and the same decisions.
    ///
    /// # Errors
    /// `bundle.kept` when it is not what was kept.
    pub fn from_kept(bytes: &[u8]) -> Result<Self, BundleError> {
        Self::from_files(KeptBundle::read(bytes)?.files)
    }

    /// Everything that [`Bundle::from_kept`] needs, as JSON, with the signatures that it came with.
    #[must_use]
    pub fn keep(&self, signatures: &[String]) -> Vec<u8> {
        kept::keep(&self.inner.digest, &self.inner.files, signatures)
    }

    /// The files that take part in decisions, sorted by name and hash.
    pub fn files(&self) -> impl Iterator<Item = BundleFile> {
        self.inner.files.iter().map(|file| BundleFile {
            root: file.root.clone(),
            name: file.name.clone(),
            text: file.text.clone(),
        })
    }

    /// The list of files that the digest is over, as canonical JSON.
    #[must_use]
    pub fn file_list(&self) -> Vec<u8> {
        kept::canonical(&kept::manifest(&self.inner.files))
    }

    /// What the bundle says of itself: the `.manifest` of the first root that has one.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.inner.manifest.as_ref()
    }

    /// Whether any topic allows or denies something. A bundle without says nothing, whatever is asked.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.inner.topics.values().any(|sets| sets.contains("allow") || sets.contains("deny"))
    }

    /// SHA-256 in hex over `interdict bundle 2`, a line feed and [`Bundle::file_list`]: the sorted list of name, hash and
    /// size of every file. Tests, notes and other files that have no effect on decisions are left out.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// Agents and servers.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// What an operator says that a tool does, when somebody wrote and signed it.
    #[must_use]
    pub fn contract(&self, server: &str, tool: &str) -> Option<&Contract> {
        self.inner.contracts.get(server, tool).map(|contract| &**contract)
    }

    /// All contracts, by server and tool.
    pub fn contracts(&self) -> impl Iterator<Item = &Contract> {
        self.inner.contracts.all().map(|contract| &**contract)
    }

    /// What an agent may use of a server, as far as the data of roles says it; `None`: only the policy knows.
    #[must_use]
    pub fn grants(&self, agent: &str, server: &str) -> Option<Grants> {
        let agent = self.inner.registry.agent(agent)?;
        Some(self.inner.roles.as_ref()?.of(&agent.roles, server))
    }

    /// What is looked for in content.
    #[must_use]
    pub fn content(&self) -> &ContentConfig {
        &self.inner.content
    }

    pub(crate) fn all_contracts(&self) -> &Contracts {
        &self.inner.contracts
    }

    /// An evaluator for one worker thread, with its own copy of policies and data: threads that share them slow each
    /// other down by the reference counts.
    #[must_use]
    pub fn evaluator(&self, limits: EvalLimits) -> Evaluator {
        Evaluator::new(self.clone(), limits)
    }

    /// Which sets the slower of the two engines evaluates and why, as `topic.set: why`: their answers are the same and take
    /// four to five times as long. For people who write policies; nothing here is wrong.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.inner.notes
    }

    /// What may be a mistake: data that nothing in the bundle reads; servers and roles that nothing declares.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.inner.warnings
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
                    // It is none: the set has its answers from the other engine.
                    let why = why.trim_start_matches("Compilation error: ");
                    inner.notes.push(format!("{}.{}: {why}", set.topic, set.name));
                }
            }
        }
        let candidate = Self { inner: Arc::new(inner) };
        let different = corpus::compare(&candidate);
        if different.is_empty() {
            return candidate;
        }
        let Inner {
            digest,
            files,
            manifest,
            topics,
            registry,
            contracts,
            content,
            roles,
            program,
            fast,
            notes,
            warnings,
        } = &*candidate.inner;
        let mut notes = notes.clone();
        let of = |index: &usize| program.sets().get(*index);
        notes.extend(
            different
                .iter()
                .filter_map(of)
                .map(|set| format!("{}.{}: the two engines differ about it", set.topic, set.name)),
        );
        let inner = Inner {
            digest: digest.clone(),
            files: Arc::clone(files),
            manifest: manifest.clone(),
            topics: topics.clone(),
            registry: registry.clone(),
            contracts: contracts.clone(),
            content: content.clone(),
            roles: roles.clone(),
            program: program.clone(),
            fast: fast.difference(&different).copied().collect(),
            notes,
            warnings: warnings.clone(),
        };
        Self { inner: Arc::new(inner) }
    }
}

/// Checks what was read, with its tests.
pub(crate) fn load_with_tests(source: &Source) -> Result<Loaded, BundleError> {
    load(source.files()?)
}

fn load(mut files: Vec<SourceFile>) -> Result<Loaded, BundleError> {
    // Where files were and in which order the roots were named says nothing: the same content is the same engine, down
    // to which of two errors it meets first.
    files.sort_by_cached_key(kept::order);
    undisturbed(|| checked(&files))
}

fn checked(files: &[SourceFile]) -> Result<Loaded, BundleError> {
    let mut registry = Registry::default();
    let manifests = manifests(files)?;
    let mut data = Data::default();
    let mut policies: Vec<(&SourceFile, Module)> = Vec::new();
    let mut tests: Vec<(&SourceFile, Module)> = Vec::new();
    for file in files {
        let manifest = manifests.get(&file.root);
        match file.kind {
            Kind::Policy => {
                let module = rego::parse(file)?;
                manifest.map_or(Ok(()), |manifest| manifest.check_package(file, &module))?;
                policies.push((file, module));
            }
            Kind::Test => tests.push((file, rego::parse(file)?)),
            Kind::DataYaml | Kind::DataJson => data.add(file, manifest)?,
            Kind::Agents => registry.add_agents(&file.text, &file.path)?,
            Kind::Servers => registry.add_servers(&file.text, &file.path)?,
            Kind::Contracts | Kind::Manifest => {}
        }
    }
    registry.check()?;
    let contracts = contracts(files, &registry, &data)?;
    let content = ContentConfig::read(&data, &registry)?;

    let functions = check::functions(policies.iter().map(|(_, module)| module));
    let mut topics = check::Topics::new();
    for (file, module) in &policies {
        check::policy(&file.path, module, &functions, &mut topics)?;
        shadowed(&data, file, module)?;
    }

    let roles = Roles::read(&data, topics.iter());
    let mut program = Program::new(data.document(), &policies, &topics);
    for (file, module) in &policies {
        program.add(file, ordering::make_strict(file, module)?, module);
    }
    probe(&program, &topics, &data)?;

    let texts = policies.iter().map(|(file, _)| file.text.as_str());
    let mut warnings = unread::unread(&data, texts.clone());
    warnings.extend(undeclared::undeclared(&data, &registry, roles.is_some(), texts));
    let (with_tests, test_rules) = add_tests(&program, &functions, &tests)?;
    let policy_files = policies.iter().map(|(file, _)| file.path.clone()).collect();
    let named = files.iter().find(|file| file.kind == Kind::Manifest);
    let manifest = named.and_then(|file| manifests.get(&file.root)).cloned();
    let inner = Inner {
        digest: kept::digest(&kept::manifest(files))?,
        files: files.iter().filter(|file| file.kind != Kind::Test).cloned().collect(),
        manifest,
        topics,
        registry,
        contracts,
        content,
        roles,
        program,
        fast: BTreeSet::new(),
        notes: Vec::new(),
        warnings,
    };
    Ok(Loaded { bundle: Bundle::with_fast_sets(inner), with_tests, tests: test_rules, policy_files })
}

/// All contracts; read last, because they name servers.
fn contracts(files: &[SourceFile], registry: &Registry, data: &Data) -> Result<Contracts, BundleError> {
    let hosts = ["interdict", "destinations", "hosts"].map(str::to_owned);
    let has_hosts = data.owner_of(&hosts).is_some();
    let mut contracts = Contracts::default();
    for file in files.iter().filter(|file| file.kind == Kind::Contracts) {
        contracts.add(&file.text, &file.path, registry, has_hosts)?;
    }
    Ok(contracts)
}

/// The `.manifest` of each root that has one.
fn manifests(files: &[SourceFile]) -> Result<BTreeMap<String, Manifest>, BundleError> {
    let manifests = files.iter().filter(|file| file.kind == Kind::Manifest);
    manifests.map(|file| Ok((file.root.clone(), Manifest::read(file)?))).collect()
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
fn probe(program: &Program, topics: &check::Topics, data: &Data) -> Result<(), BundleError> {
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
                mistakes(topic, &found, data)?;
            }
        }
    }
    Ok(())
}

/// The bundle is refused with the first thing that a topic finds wrong with its data.
fn mistakes(topic: &str, found: &regorus::Value, data: &Data) -> Result<(), BundleError> {
    // A topic reads its data at `data.interdict.<topic>`: the file that sets it is where to look.
    let file = data.owner_of(&["interdict".to_owned(), topic.to_owned()]);
    let wrong = |message: String| {
        let error = BundleError::new("bundle.policy_data", message);
        Err(file.map(|file| error.clone().at(file, None)).unwrap_or(error))
    };
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
