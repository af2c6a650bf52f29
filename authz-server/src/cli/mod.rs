//! The `interdict` command.
//!
//! Exit codes: 0 done (and `check`: allow), 1 it did not work out, 2 usage or configuration error, `check`: 10 deny,
//! 11 intercept; `replay`: 3 not testable. Answers go to standard output, everything else to standard error.

#[macro_use]
mod out;

mod admin_client;
mod approvals;
mod audit;
mod bundle;
mod check;
mod check_request;
mod config;
mod contracts;
mod labels;
mod pins;
mod plain;
mod policy;
mod policy_eval;
mod quarantine;
mod replay;
mod serve;
mod token;
mod totals;
mod witness;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError};

const EXAMPLES: &str = "\
Examples:
  interdict config check --config interdict.yaml
  interdict serve --config interdict.yaml
  interdict check --config interdict.yaml --request request.json
  interdict policy test policies
  interdict approvals list --state pending
  interdict pins review --server files
  interdict audit query --verdict deny --since 2h
  interdict replay --since 24h --bundle policies

Exit codes: 0 done (check: allow), 1 failed, 2 usage or configuration error, 10 deny and 11 intercept (check), 3 not testable
(replay).";

/// Decides, before it happens, whether an AI agent may take an action.
#[derive(Debug, Parser)]
#[command(name = "interdict", version, after_help = EXAMPLES, disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT.
    #[command(after_help = serve::HELP)]
    Serve(ConfigArgs),
    /// Decide one request from a file and print the decision as JSON. Nothing is stored, nothing is consumed.
    #[command(after_help = check::HELP)]
    Check(check::CheckArgs),
    /// Work on policies.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Build, sign and verify bundles.
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// Mint a token for development and tests. Not for production: a real issuer does this there.
    #[command(after_help = token::HELP)]
    Token(token::TokenArgs),
    /// See and answer intercepted calls, over the admin API of a running server.
    #[command(after_help = approvals::HELP)]
    Approvals(approvals::ApprovalsArgs),
    /// See and answer what is new or different in servers' definitions of tools, over the admin API of a running server.
    #[command(after_help = pins::HELP)]
    Pins(pins::PinsArgs),
    /// Read texts that were kept from agents, over the admin API of a running server.
    #[command(after_help = quarantine::HELP)]
    Quarantine(quarantine::QuarantineArgs),
    /// See what calls add up to against the ceilings of contracts, and reset it, over the admin API of a running server.
    #[command(after_help = totals::HELP)]
    Totals(totals::TotalsArgs),
    /// See which sessions count as hostile, and take that away, over the admin API of a running server.
    #[command(after_help = labels::HELP)]
    Labels(labels::LabelsArgs),
    /// Work on contracts of tools.
    #[command(subcommand)]
    Contracts(contracts::ContractsCommand),
    /// Cosign checkpoints of audit logs: a process of its own, for somebody who does not run the log.
    #[command(after_help = witness::HELP)]
    Witness(witness::WitnessArgs),
    /// Read the log of decisions, give evidence of it away, look after its keys.
    #[command(after_help = audit::HELP)]
    Audit(audit::AuditArgs),
    /// Judge recorded decisions again: with their own bundle, or with another one to see what would flip.
    #[command(after_help = replay::HELP)]
    Replay(replay::ReplayArgs),
    /// Work on the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the version.
    Version,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read everything that `serve` would, part by part, and say what is wrong. Opens no socket, changes no file, and can be
    /// asked beside a running server.
    #[command(after_help = config::HELP)]
    Check(ConfigArgs),
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// The configuration file.
    #[arg(long, short, env = "INTERDICT_CONFIG", default_value = "interdict.yaml", value_name = "FILE")]
    config: PathBuf,
}

/// Why a command stopped. The code is the exit code of the process.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// It did not work out.
    fn failed(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// The user has to change what was given.
    fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

/// Reads the command line and does it.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => usage(&error, std::env::args_os()).exit(),
    };
    match dispatch(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("interdict: {}", plain::text(&failure.message));
            ExitCode::from(failure.code)
        }
    }
}

/// What is said of a command line that cannot be read. It repeats what was typed, or pasted from elsewhere: it is read once
/// more with that written out, and fails in the same way.
fn usage(error: &clap::Error, given: impl Iterator<Item = OsString>) -> clap::Error {
    let given: Vec<_> = given.map(|word| plain::line(&word.to_string_lossy())).collect();
    match Cli::try_parse_from(given) {
        Err(plain) => plain,
        Ok(_) => clap::Error::new(error.kind()).with_cmd(&<Cli as clap::CommandFactory>::command()),
    }
}

fn dispatch(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Serve(args) => serve::run(&args.config),
        Command::Check(args) => check::run(args),
        Command::Policy(command) => policy::run(command),
        Command::Bundle(command) => bundle::run(command),
        Command::Token(args) => token::run(&args),
        Command::Approvals(args) => approvals::run(args),
        Command::Pins(args) => pins::run(&args),
        Command::Quarantine(args) => quarantine::run(&args),
        Command::Totals(args) => totals::run(&args),
        Command::Labels(args) => labels::run(&args),
        Command::Contracts(command) => contracts::run(command),
        Command::Witness(args) => witness::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Replay(args) => replay::run(&args),
        Command::Config(ConfigCommand::Check(args)) => config::check(&args.config),
        Command::Version => {
            println!("interdict {}", env!("CARGO_PKG_VERSION"));
            Ok(0)
        }
    }
}

/// Reads the configuration. Where there is none, says how to name it.
fn configuration(file: &std::path::Path) -> Result<Config, Failure> {
    Config::load(file).map_err(|error| match file.exists() {
        true => error.into(),
        false => Failure::usage(format!(
            "{error}; name the configuration with --config FILE, or with INTERDICT_CONFIG=FILE"
        )),
    })
}

/// A runtime for commands that ask one thing.
fn small_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("no runtime: {error}")))
}
