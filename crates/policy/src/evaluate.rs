//! One decision at a time.
//!
//! The engine is regorus' interpreter with strict built-in errors: an error anywhere in the evaluation ends it. Sets
//! whose program can be made safe are evaluated by the bytecode machine first; when anything in it fails, the
//! interpreter decides. Every set of every topic is asked for by its path, except where a guard shows that it is empty;
//! whatever is not exactly a set of the expected elements is a Deny.

mod inspect;

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError, Value};

use crate::bundle::{Bundle, Program, Set, location};
use crate::input::Documents;
use crate::limits::MemoryFuse;
use crate::machine::{Answer, Machine};
use crate::outcome::{self, Gathered};
use crate::{Consume, Decision, EvalLimits, Input, quiet};

pub use self::inspect::{Inspection, SetResult};

/// The engine that this crate was built with, for whoever decides again later.
pub const ENGINE: &str = "regorus 0.14.1";

/// Of all evaluators of the process.
static DIFFERENCES: AtomicU64 = AtomicU64::new(0);

/// How often the bytecode machine and the interpreter said different things in this process; see
/// [`Evaluator::differences`].
#[must_use]
pub fn engine_differences() -> u64 {
    DIFFERENCES.load(Ordering::Relaxed)
}

/// Decides; one per worker thread.
#[derive(Debug)]
pub struct Evaluator {
    bundle: Bundle,
    limits: EvalLimits,
    documents: Documents,
    data: Value,
    engines: HashMap<String, TopicEngine>,
    /// By the place of the set in the program.
    machines: HashMap<usize, Machine>,
    /// Fast evaluations so far.
    fast: u64,
    /// How often the engines differed.
    differences: u64,
    use_guards: bool,
    last_error: Option<String>,
}

/// The engine of one topic.
#[derive(Debug, Default)]
struct TopicEngine {
    /// Prepared and never evaluated; clones of it are cheap. `None` when it could not be prepared.
    pristine: Option<Engine>,
    /// In use; thrown away after an error or a panic, which may leave it half-way.
    engine: Option<Engine>,
}

impl Evaluator {
    pub(crate) fn new(bundle: Bundle, limits: EvalLimits) -> Self {
        let documents = Documents::new(bundle.registry(), bundle.all_contracts());
        let data = bundle.program().data();
        let mut engines = HashMap::new();
        for set in bundle.program().sets() {
            engines.entry(set.topic.clone()).or_insert_with(|| TopicEngine {
                pristine: prepared(&bundle, &set.topic, &data),
                engine: None,
            });
        }
        let mut machines = HashMap::new();
        for (index, set) in bundle.program().sets().iter().enumerate() {
            if bundle.fast().contains(&index)
                && let Ok(program) = bundle.program().fast(set)
            {
                machines.insert(index, Machine::new(program, data.clone()));
            }
        }
        Self {
            bundle,
            limits,
            documents,
            data,
            engines,
            machines,
            fast: 0,
            differences: 0,
            use_guards: true,
            last_error: None,
        }
    }

    pub(crate) fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Decides with the interpreter alone. Slower, with the same result; for the tests that compare.
    #[must_use]
    pub fn interpreted(mut self) -> Self {
        self.machines.clear();
        self
    }

    /// How often the bytecode machine and the interpreter said different things. After the first time the interpreter
    /// decides alone.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.differences
    }

    /// Sets that the bytecode machine evaluates.
    #[must_use]
    pub fn fast_sets(&self) -> Vec<String> {
        let sets = self.bundle.program().sets().iter().enumerate();
        let fast = sets.filter(|(index, _)| self.machines.contains_key(index));
        let mut names: Vec<String> = fast.map(|(_, set)| format!("{}.{}", set.topic, set.name)).collect();
        names.sort();
        names
    }

    /// Evaluates every set, also those that a guard shows to be empty. Slower, with the same result; for the test that
    /// compares.
    #[must_use]
    pub fn without_guards(mut self) -> Self {
        self.use_guards = false;
        self
    }

    /// Decides. Never fails: whatever goes wrong is a Deny with a `policy.*` code.
    pub fn decide(&mut self, input: &Input<'_>) -> Decision {
        self.conclude(input).0
    }

    /// The decision, and what the call adds to counters when it is let through.
    pub(crate) fn conclude(&mut self, input: &Input<'_>) -> (Decision, Vec<Consume>) {
        self.last_error = None;
        let document = match self.documents.build(input) {
            Ok(document) => document,
            Err(error) => {
                let text = "The arguments hold a value that cannot be judged.";
                return (outcome::failure(error.code(), text), Vec::new());
            }
        };
        match self.evaluate(&document) {
            Ok(gathered) => gathered.decide(input.approval.as_ref()),
            Err(decision) => (decision, Vec::new()),
        }
    }

    /// What the engine said when the last evaluation failed, for `interdict check` and for people who write policies.
    /// It may quote argument values: never log it.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    fn evaluate(&mut self, document: &Value) -> Result<Gathered, Decision> {
        let _fuse = MemoryFuse::arm(self.limits);
        let start = Instant::now();
        let mut gathered = Gathered::default();
        let bundle = self.bundle.clone();
        for (index, set) in bundle.program().sets().iter().enumerate() {
            if self.use_guards && !set.may_hold(document, &self.data) {
                continue;
            }
            let left = self.limits.time.saturating_sub(start.elapsed());
            let result = self.evaluate_fast(index, set, document, left)?;
            gathered.add(&set.topic, &set.name, &result)?;
        }
        Ok(gathered)
    }

    /// Asks the machine, and the interpreter when there is no machine, when something failed in it, and every
    /// [`SAMPLE`]th time to compare.
    fn evaluate_fast(
        &mut self,
        index: usize,
        set: &Set,
        document: &Value,
        left: Duration,
    ) -> Result<Value, Decision> {
        let Some(machine) = self.machines.get_mut(&index) else {
            return self.evaluate_set(set, document, left);
        };
        let start = Instant::now();
        match machine.evaluate(document, left) {
            Answer::Set(value) => {
                self.fast = self.fast.wrapping_add(1);
                if !self.fast.is_multiple_of(SAMPLE) {
                    return Ok(value);
                }
                let strict = self.evaluate_set(set, document, left.saturating_sub(start.elapsed()));
                let same = match &strict {
                    Ok(strict) => *strict == value,
                    Err(decision) => {
                        decision.reasons.iter().all(|reason| reason.code != "policy.evaluation_error")
                    }
                };
                if !same {
                    self.differences += 1;
                    DIFFERENCES.fetch_add(1, Ordering::Relaxed);
                    self.machines.clear();
                }
                strict
            }
            Answer::TimeLimit => Err(time_limit()),
            Answer::MemoryLimit => Err(memory_limit()),
            Answer::Unsure => self.evaluate_set(set, document, left.saturating_sub(start.elapsed())),
        }
    }

    /// The sets for which machine and interpreter say different things about this input.
    pub(crate) fn compare(&mut self, input: &Input<'_>) -> BTreeSet<usize> {
        let mut different = BTreeSet::new();
        let Ok(document) = self.documents.build(input) else { return different };
        let bundle = self.bundle.clone();
        let time = self.limits.time;
        for (index, set) in bundle.program().sets().iter().enumerate() {
            let Some(machine) = self.machines.get_mut(&index) else { continue };
            if let Answer::Set(fast) = machine.evaluate(&document, time)
                && self.evaluate_set(set, &document, time).map_or(true, |strict| strict != fast)
            {
                different.insert(index);
            }
        }
        different
    }

    fn evaluate_set(&mut self, set: &Set, document: &Value, left: Duration) -> Result<Value, Decision> {
        if left.is_zero() {
            return Err(time_limit());
        }
        let topic = self.engines.entry(set.topic.clone()).or_default();
        let Some(mut engine) = topic.engine.take().or_else(|| topic.pristine.clone()) else {
            return Err(outcome::failure("policy.engine", "The policy engine could not be prepared."));
        };
        let timer = ExecutionTimerConfig { limit: left, check_interval: EvalLimits::STEPS };
        let result = quiet::during(|| {
            catch_unwind(AssertUnwindSafe(|| {
                engine.set_execution_timer_config(timer);
                engine.set_input(document.clone());
                engine.eval_rule(set.path.clone())
            }))
        });
        match result {
            Ok(Ok(value)) => {
                topic.engine = Some(engine);
                Ok(value)
            }
            Ok(Err(error)) => {
                let text = error.to_string();
                let decision = failed(&text, error.downcast_ref(), self.bundle.program());
                self.last_error = Some(text);
                Err(decision)
            }
            Err(_panic) => Err(outcome::failure("policy.panic", "The policy engine panicked.")),
        }
    }
}

/// One of so many answers of the machine is compared with the interpreter's.
const SAMPLE: u64 = 1024;

/// An engine that has compiled everything, so that clones share it.
fn prepared(bundle: &Bundle, topic: &str, data: &Value) -> Option<Engine> {
    let prepare = || {
        let mut engine = bundle.program().engine(Some(topic)).ok()?;
        engine.add_data(data.clone()).ok()?;
        let set = bundle.program().sets().iter().find(|set| set.topic == topic)?;
        engine.compile_with_entrypoint(&set.path.clone().into()).ok()?;
        Some(engine)
    };
    quiet::during(|| catch_unwind(AssertUnwindSafe(prepare))).ok().flatten()
}

fn time_limit() -> Decision {
    outcome::failure("policy.time_limit", "The evaluation took longer than its limit.")
}

fn memory_limit() -> Decision {
    outcome::failure("policy.memory_limit", "The evaluation took more memory than its limit.")
}

/// Turns an engine's error into a Deny. The error's text may quote argument values, so only the place is kept; and the
/// file by its name in the bundle, because the same bundle decides the same wherever it lies.
fn failed(text: &str, limit: Option<&LimitError>, program: &Program) -> Decision {
    // Inside of a function regorus turns the typed error into text, so both are looked at.
    if matches!(limit, Some(LimitError::TimeLimitExceeded { .. }))
        || text.contains("execution exceeded time limit")
    {
        return time_limit();
    }
    if matches!(limit, Some(LimitError::MemoryLimitExceeded { .. }))
        || text.contains("execution exceeded memory limit")
    {
        return memory_limit();
    }
    match location(text) {
        Some((path, line)) => {
            let file = program.name_of(path).unwrap_or("?");
            outcome::failure("policy.evaluation_error", &format!("Evaluation failed at {file}:{line}."))
        }
        None => outcome::failure("policy.evaluation_error", "Evaluation failed."),
    }
}

#[cfg(test)]
mod tests {
    use interdict_proto::enforcement::Verdict;
    use serde_json::json;

    use super::*;
    use crate::{AgentFact, EnforcerFact, HttpFact, McpFact, MessageKind};

    const AGENT: &str = "agents: [{id: a, owner: o, tenant: t, identities: [{issuer: i, subject: s}]}]";
    const SERVER: &str =
        "servers: [{id: s, owner: o, tenant: t, resource: \"https://s/mcp\", hosts: [\"*\"], paths: [/mcp]}]";
    const ALLOW: &str =
        "package interdict.policy.own\nallow contains {\"code\": \"ok\", \"message\": \"ok\"}\n";

    /// A bundle of one policy file.
    fn bundle(policy: &str) -> Bundle {
        let file = |name: &str, text: &str| crate::BundleFile {
            root: String::new(),
            name: name.into(),
            text: text.into(),
        };
        let files =
            vec![file("agents/a.yaml", AGENT), file("servers/s.yaml", SERVER), file("p.rego", policy)];
        Bundle::from_files(files).unwrap()
    }

    fn evaluator(bundle: &Bundle) -> Evaluator {
        bundle.evaluator(EvalLimits { time: Duration::from_secs(60), ..EvalLimits::default() })
    }

    /// A call of the one tool with these arguments.
    fn input<'a>(bundle: &'a Bundle, arguments: &'a serde_json::Value) -> Input<'a> {
        let registry = bundle.registry();
        Input {
            time: jiff::Timestamp::UNIX_EPOCH,
            enforcer: EnforcerFact { kind: "call", version: "" },
            agent: AgentFact { agent: registry.agent("a").unwrap(), assurance: 1, instance: None },
            principal: None,
            server: registry.server("s").unwrap(),
            http: HttpFact { method: "POST", path: "/mcp", host: "h", source_address: "" },
            mcp: McpFact {
                era: "2025-06-18",
                kind: MessageKind::Request,
                method: Some("tools/call"),
                tool: Some("t"),
                name: None,
                uri: None,
                uris: &[],
                task_ids: &[],
                arguments: Some(arguments.into()),
            },
            approval: None,
            contract: None,
            content: None,
            totals: &[],
        }
    }

    #[test]
    fn a_machine_that_says_something_else_is_retired_by_the_sample() {
        let load = |condition: &str| {
            bundle(&format!(
                "{ALLOW}deny contains {{\"code\": \"no\", \"message\": \"no\"}} if {condition}\n"
            ))
        };
        let (bundle, other) = (load("input.server.id != \"x\""), load("input.server.id == \"x\""));
        let mut evaluator = evaluator(&bundle);
        let index = bundle.program().sets().iter().position(|set| set.name == "deny").unwrap();
        let wrong = other.program().fast(&other.program().sets()[index]).unwrap();
        evaluator.machines.insert(index, Machine::new(wrong, evaluator.data.clone()));
        let arguments = json!({});
        let input = input(&bundle, &arguments);
        // Two sets per decision: the sample falls on the second, which is the wrong one.
        let denied = (0..SAMPLE).filter(|_| evaluator.decide(&input).verdict == Verdict::Deny).count();
        assert_eq!((denied as u64, evaluator.differences()), (SAMPLE / 2 + 1, 1));
        assert!(evaluator.fast_sets().is_empty());
    }

    #[test]
    fn a_panic_of_the_engine_denies_and_the_engine_is_rebuilt() {
        let bundle = bundle(ALLOW);
        let mut evaluator = evaluator(&bundle).interpreted();
        // Past the check at load, which refuses this built-in: in regorus 0.14.1 it panics.
        let mut engine = Engine::new();
        let panicking = ALLOW
            .replace("}\n", "} if strings.count(input.mcp.arguments.s, input.mcp.arguments.part) == 0\n");
        engine.add_policy("p.rego".into(), panicking).unwrap();
        let topic = evaluator.engines.get_mut("own").unwrap();
        topic.pristine = Some(engine);

        let mut decide = |part: &str| {
            let arguments = json!({"s": "secret", "part": part});
            let decision = evaluator.decide(&input(&bundle, &arguments));
            (decision.verdict, decision.reasons[0].code.clone())
        };
        for _ in 0..2 {
            assert_eq!(decide("x"), (Verdict::Allow, "policy.ok".into()));
            assert_eq!(decide(""), (Verdict::Deny, "policy.panic".into()));
        }
    }

    #[test]
    fn the_engine_is_named_with_the_version_that_is_built_in() {
        let lock = include_str!("../../../Cargo.lock");
        let (_, rest) = lock.split_once("name = \"regorus\"\nversion = \"").unwrap();
        assert_eq!(ENGINE, format!("regorus {}", rest.split('"').next().unwrap()));
    }
}
