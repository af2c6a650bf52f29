//! `interdict audit`: reading the log, giving evidence of it away, and looking after its keys.
//!
//! Everything but `destroy-inputs` and `rotate-key` only reads, beside a running server or without one.

mod chain;
mod export;
mod filter;
mod keys;
mod line;
mod list;
mod package;
mod place;
mod scratch;
mod show;
mod story;
mod tenants;
mod treated;
mod verify;
mod walk;

use clap::{Args, Subcommand};

pub(super) use self::chain::parse_id;
pub(super) use self::filter::{When, parse_when};
pub(super) use self::line::short;
pub(super) use self::place::{Place, readers, refused};
pub(super) use self::walk::Walk;
use super::Failure;

pub(super) const HELP: &str = "\
Examples:
  interdict audit tail --follow
  interdict audit query --agent report-bot --verdict deny --since 2h
  interdict audit query --tool 'delete_*' --since 2026-11-01 --until 2026-11-08 --json
  interdict audit show 0198c5d2-7c1e-7000-8000-00000000002a
  interdict audit export --decision 0198c5d2-7c1e-7000-8000-00000000002a --out evidence/
  interdict audit export --tenant acme --since 7d --out evidence/ --since-checkpoint kept.note
  interdict audit verify
  interdict audit destroy-inputs --tenant acme --day 2026-11-21 --yes

The folder of the log is that of the configuration, or the one named with --directory.

Exit codes: 0 done, and what was verified is whole; 1 it did not work out, or something was tampered with; 2 usage or
configuration error.";

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// The newest entries, oldest of them first.
    #[command(after_help = list::TAIL_HELP)]
    Tail(list::TailArgs),
    /// Entries that fit, newest first.
    #[command(after_help = list::QUERY_HELP)]
    Query(list::QueryArgs),
    /// Everything that is known of a decision or a question for a person.
    #[command(after_help = show::HELP)]
    Show(show::ShowArgs),
    /// Write an evidence package, which `interdict-verify` checks on another machine.
    #[command(after_help = export::HELP)]
    Export(export::ExportArgs),
    /// Check whole logs where they lie, as an auditor would.
    #[command(after_help = verify::HELP)]
    Verify(verify::VerifyArgs),
    /// Tenants, the sizes of their logs, their last checkpoints and the days whose inputs can be opened.
    #[command(after_help = "Example:\n  interdict audit tenants\n\nExit codes: 0 done, 1 failed, 2 usage.")]
    Tenants(tenants::TenantsArgs),
    /// Destroy the key of a day: the sealed inputs of its decisions cannot be opened again, the log still verifies.
    /// No server may run.
    #[command(after_help = keys::DESTROY_HELP)]
    DestroyInputs(keys::DestroyArgs),
    /// Give the logs another signing key. No server may run.
    #[command(after_help = keys::ROTATE_HELP)]
    RotateKey(keys::RotateArgs),
}

pub(super) fn run(args: AuditArgs) -> Result<u8, Failure> {
    match args.command {
        AuditCommand::Tail(args) => list::tail(&args),
        AuditCommand::Query(args) => list::query(&args),
        AuditCommand::Show(args) => show::run(&args),
        AuditCommand::Export(args) => export::run(&args),
        AuditCommand::Verify(args) => verify::run(&args),
        AuditCommand::Tenants(args) => tenants::run(&args),
        AuditCommand::DestroyInputs(args) => keys::destroy(&args),
        AuditCommand::RotateKey(args) => keys::rotate(&args),
    }
}
