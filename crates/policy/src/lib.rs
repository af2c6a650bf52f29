//! Bundles, the input document and the pure decision.
//!
//! A [`Bundle`] is the content-addressed set of Rego, data, agents and servers that is in force. An [`Evaluator`]
//! made from it turns the [`Facts`] of a request into one [`Decision`]; it never fails: an error, a panic, an undefined
//! result, a wrong type or a limit that is hit anywhere in evaluation is a Deny with its own `policy.*` code. The
//! decision is a pure function of (bundle, facts): a bundle that calls an impure built-in is refused at load. So facts
//! that were kept can be judged again, with the same bundle or another one: see [`replay`].
//!
//! regorus stays inside this crate; `docs/decisions/0001-rego-engine-mode.md` says which of its engines is used and
//! why. `docs/policy-input.md` describes the input document, `policies/README.md` how policies are written.

mod bundle;
mod content;
mod contract;
mod decision;
mod error;
mod evaluate;
pub mod facts;
mod grants;
mod input;
mod judge;
mod limits;
mod machine;
mod obligations;
mod outcome;
mod quiet;
mod registry;
pub mod replay;
mod testing;
mod totals;

pub use bundle::{
    Bundle, BundleFile, KeptBundle, MAX_ARCHIVE_BYTES, Manifest, RawFile, SIGNATURES, Source, SourceRoot,
    Term, is_decisive, write_tarball,
};
pub use content::{
    AccumulatedFact, ContentConfig, ContentFact, ContentProfile, ContentSettings, Direction, FindingFact,
    HOSTILE,
};
pub use contract::{
    CardinalityTerm, Contract, DestinationKind, DestinationTerm, Effect, OutputTerm, PathDepthTerm,
    RecipientsTerm, RowsTerm, Sensitivity, TotalTerm, Unbounded, ValueTerm,
};
pub use decision::{Decision, PolicyObligation, Reason, ReasonKind, Verdict};
pub use error::BundleError;
pub use evaluate::{ENGINE, Evaluator, Inspection, SetResult, engine_differences};
pub use facts::{Facts, FactsError, FactsRef};
pub use grants::Grants;
pub use input::{
    AgentFact, ApprovalFact, Arguments, EnforcerFact, HttpFact, Input, McpFact, MessageKind, Principal,
};
pub use judge::Judgement;
pub use limits::EvalLimits;
pub use registry::{
    Agent, AgentIdentity, DenyForm, Numbers, Registry, Server, ServerEnforcement, ToolPinning,
    UndeclaredArguments,
};
pub use testing::{Candidate, FileCoverage, TestLimits, TestOutcome, TestReport, TestResult, run_tests};
pub use totals::{Consume, MAX_WINDOW, Quantity, TotalFact, payee, window_seconds};
