//! `interdict replay`: recorded decisions judged again. With the bundle that judged them the bytes must be the same; with
//! another one it shows what would change. Reads only, beside a running server or without one.

mod bundles;
mod exact;
mod flips;
mod markdown;
mod options;
mod range;
pub(in crate::cli) mod sealed;
mod shown;
mod text;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
pub(in crate::cli) use interdict_policy::replay::NotTestable;

use super::Failure;
use super::audit::{Place, When, parse_when};

pub(super) const HELP: &str = "\
Examples:
  interdict replay 0198c5d2-7c1e-7000-8000-00000000002a
  interdict replay --since 24h
  interdict replay --since 24h --bundle policies --bundle house-rules
  interdict replay --since 7d --bundle new.tar.gz --format markdown --explain --fail-on-flip

A decision is judged again with the bundle that judged it and compared byte for byte. With --bundle (folders, an OPA bundle, or
a kept bundle) decisions of the range are judged with that one, and what would flip is counted. What cannot be tested is
counted with its reason: refused before the policy, inputs erased, bundle not kept. No argument is printed. It is what the policy
said that is judged again: where a later stage decided (`pins`, `approval`), `final` shows how the call ended.

Exit codes: one decision: 0 the same, 1 different or tampered with, 3 not testable. A range: 0 none different, 1 some are. With
--bundle: 0 done, 1 with --fail-on-flip when a verdict or an obligation would change, or when something was tampered with.
2 usage or configuration error.";

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    place: Place,
    /// One decision.
    #[arg(value_name = "DECISION", conflicts_with_all = ["since", "until", "agent", "limit", "bundle", "fail_on_flip"])]
    decision: Option<String>,
    /// Only this tenant's log.
    #[arg(long)]
    tenant: Option<String>,
    /// Decisions of this moment or later: 2026-11-21T14:30:00Z, 2026-11-21, or 24h for a day ago.
    #[arg(long, value_name = "TIME", value_parser = parse_when, required_unless_present = "decision")]
    since: Option<When>,
    /// Decisions before this moment.
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    until: Option<When>,
    /// Only this agent's decisions.
    #[arg(long)]
    agent: Option<String>,
    /// At most so many decisions, the newest ones.
    #[arg(long)]
    limit: Option<u64>,
    /// Judge with this bundle: folders and .tar.gz files are merged as the server merges them.
    #[arg(long, value_name = "PATH")]
    bundle: Vec<PathBuf>,
    /// Name the changed files and the rules behind every kind of flip; for one decision: its reasons.
    #[arg(long)]
    explain: bool,
    /// Examples of every kind of flip.
    #[arg(long, default_value_t = 3)]
    examples: usize,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 1 when a verdict or an obligation would change.
    #[arg(long, requires = "bundle")]
    fail_on_flip: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    /// For a pull request.
    Markdown,
}

pub(super) fn run(args: &ReplayArgs) -> Result<u8, Failure> {
    match (&args.decision, args.bundle.is_empty()) {
        (Some(id), _) => exact::run(args, id),
        (None, true) => range::run(args),
        (None, false) => flips::run(args),
    }
}
