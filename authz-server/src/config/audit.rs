//! The section `audit`: the tamper-evident log.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;
use super::load::within;

/// The tamper-evident log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Whether there is one. Without it decisions leave no evidence.
    pub enabled: bool,
    /// The folder of the log; created with mode 0700 when absent.
    pub directory: PathBuf,
    /// First part of the origin of every tenant's log; absent = made up once and kept in the folder.
    pub name: Option<String>,
    /// Which entries survive a loss of power before the answer leaves.
    pub durability: AuditDurability,
    /// What an entry says of a call's arguments.
    pub arguments: AuditArguments,
    /// What happens to calls without consequences while the log cannot be written.
    pub reads_when_unavailable: ReadsWhenUnavailable,
    /// The longest time from an entry to the signed checkpoint that covers it, in seconds.
    pub checkpoint_seconds: u64,
    /// The most entries between two signed checkpoints.
    pub checkpoint_entries: u64,
    /// The key that signs checkpoints: 32 bytes as 64 hex digits. Absent = `log.key` in the folder, generated with mode
    /// 0600.
    pub signing_key_file: Option<PathBuf>,
    /// Processes outside of our administration that cosign checkpoints.
    pub witnesses: Vec<WitnessConfig>,
    /// What happens when a witness says that it has seen another log than this one.
    pub on_witness_contradiction: OnWitnessContradiction,
    /// How long an allowed call may stay without an outcome, in seconds; then that is recorded.
    pub outcome_deadline_seconds: u64,
    /// How long the sealed inputs of decisions can be opened, in days; then their keys are destroyed.
    pub inputs_keep_days: u32,
    /// How many of a thousand decisions of the past day are judged again in the background.
    pub replay_sample_per_mille: u32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            directory: PathBuf::from("interdict-audit"),
            name: None,
            durability: AuditDurability::default(),
            arguments: AuditArguments::default(),
            reads_when_unavailable: ReadsWhenUnavailable::default(),
            checkpoint_seconds: 1,
            checkpoint_entries: 1_000,
            signing_key_file: None,
            witnesses: Vec::new(),
            on_witness_contradiction: OnWitnessContradiction::default(),
            outcome_deadline_seconds: 300,
            inputs_keep_days: 400,
            replay_sample_per_mille: 10,
        }
    }
}

/// Which entries survive a loss of power before the answer leaves. All survive the end of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditDurability {
    /// Those of calls with consequences; the others within a second.
    #[default]
    Consequential,
    /// All.
    Every,
}

/// What an entry says of a call's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditArguments {
    /// A salted commitment.
    #[default]
    Commitment,
    /// The arguments as they were judged, and the commitment.
    Shown,
}

/// What happens to calls without consequences while the log cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadsWhenUnavailable {
    /// They are denied like all others.
    #[default]
    Deny,
    /// They go on unrecorded and are counted; the log says how many when it can be written again.
    Allow,
}

/// What happens when a witness says that it has seen another log than this one. Its answer is not signed (C2SP
/// tlog-witness), so it is a reason to look and no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnWitnessContradiction {
    /// It is told, loudly, and the log goes on.
    #[default]
    Alarm,
    /// The log stops until somebody looked and started the server again; calls with consequences are denied.
    Stop,
}

/// A witness.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// Where it listens: `https`, or `http` to a loopback address.
    pub url: String,
    /// Its verifier key, `name+hash+key`.
    pub key: String,
}

impl AuditConfig {
    pub(super) fn resolve(&mut self, base: &Path) {
        for path in std::iter::once(&mut self.directory).chain(self.signing_key_file.iter_mut()) {
            if path.is_relative() {
                *path = base.join(&*path);
            }
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        within("audit.checkpoint_seconds", self.checkpoint_seconds, 1, 60)?;
        within("audit.checkpoint_entries", self.checkpoint_entries, 1, 100_000)?;
        within("audit.outcome_deadline_seconds", self.outcome_deadline_seconds, 1, 86_400)?;
        within("audit.inputs_keep_days", u64::from(self.inputs_keep_days), 1, 36_500)?;
        within("audit.replay_sample_per_mille", u64::from(self.replay_sample_per_mille), 0, 1_000)?;
        for (at, witness) in self.witnesses.iter().enumerate() {
            check_witness(at, witness)?;
        }
        Ok(())
    }
}

/// The name stands in the first line of a signed note and in names of keys, where blanks and `+` separate.
fn check_name(name: &str) -> Result<(), ConfigError> {
    let fits = (1..=200).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte))
        && !name.starts_with('/')
        && !name.ends_with('/');
    if fits {
        return Ok(());
    }
    let right =
        "must be 1 to 200 of A-Z a-z 0-9 - . _ / and neither begin nor end with /, like log.example.com";
    Err(ConfigError::at("audit.name", right))
}

/// Plain text that does not leave the machine.
fn is_local(url: &url::Url) -> bool {
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "http" && loopback
}

fn check_witness(at: usize, witness: &WitnessConfig) -> Result<(), ConfigError> {
    let wrong = |message: String| Err(ConfigError::at(format!("audit.witnesses[{at}].url"), message));
    match url::Url::parse(&witness.url) {
        Ok(url) if url.scheme() == "https" || is_local(&url) => {}
        Ok(_) => return wrong("must be https; http only to a loopback address".to_owned()),
        Err(error) => return wrong(format!("is no URL ({error}); write https://witness.example/")),
    }
    if witness.key.splitn(3, '+').count() != 3 {
        let message = "must be the witness' verifier key, as it prints it: name+hash+key";
        return Err(ConfigError::at(format!("audit.witnesses[{at}].key"), message));
    }
    Ok(())
}
