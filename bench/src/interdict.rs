//! The decision point under measurement: the released `interdict` server with the default bundle, the bench bundle, a
//! JWT issuer and decision logging as in production.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::cell::Scenario;
use crate::child::Process;
use crate::error::{Context, Result};
use crate::token::{ISSUER, Issuer};

/// The folder of the log, within that of the server's files.
pub(crate) const LOG: &str = "audit";

/// Starts `binary` for one scenario, listening on `port` of 127.0.0.1, with its files in `folder`. Its decision log goes
/// to the process's log file.
pub(crate) fn start(
    binary: &Path,
    bundles: &[PathBuf],
    scenario: Scenario,
    port: u16,
    issuer: &Issuer,
    recording: bool,
    folder: &Path,
) -> Result<Process> {
    let name = format!("interdict-{}", scenario.name());
    let jwks = folder.join(format!("{name}.jwks.json"));
    std::fs::write(&jwks, issuer.jwks().to_string()).context("write the JWKS")?;
    let bundles: std::io::Result<Vec<PathBuf>> = bundles.iter().map(std::fs::canonicalize).collect();
    // What is not named here is the server's default, log level and decision limits included.
    let config = json!({
        "listen": {"grpc": {"address": format!("127.0.0.1:{port}")}},
        "bundle": {"paths": bundles.context("find the bundles")?},
        "identity": {"issuers": [{"issuer": ISSUER, "algorithm": "RS256", "jwks": {"file": jwks}}]},
        "approvals": {"database": folder.join(format!("{name}.db"))},
        "audit": {"enabled": recording, "directory": folder.join(LOG)},
    });
    let path = folder.join(format!("{name}.yaml"));
    // JSON is YAML.
    std::fs::write(&path, config.to_string()).context("write the server's configuration")?;
    let mut command = Command::new(binary);
    command.arg("serve").arg("--config").arg(path);
    command.stdout(Stdio::null());
    Process::start(&name, command, folder)
}
