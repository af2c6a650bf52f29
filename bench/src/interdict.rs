//! The decision point under measurement: the released `interdict` server with the default bundle, the bench bundle, a
//! JWT issuer and decision logging as in production.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::cell::Scenario;
use crate::child::Process;
use crate::error::{Context, Result};
use crate::token::{ISSUER, Issuer};

/// A running server and the file that its decision log goes to.
#[derive(Debug)]
pub(crate) struct Interdict {
    pub(crate) process: Process,
    log: File,
}

impl Interdict {
    /// Starts `binary` for one scenario, listening on `port` of 127.0.0.1, with its files in `folder`.
    pub(crate) fn start(
        binary: &Path,
        bundles: &[PathBuf],
        scenario: Scenario,
        port: u16,
        issuer: &Issuer,
        folder: &Path,
    ) -> Result<Self> {
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
        });
        let path = folder.join(format!("{name}.yaml"));
        // JSON is YAML.
        std::fs::write(&path, config.to_string()).context("write the server's configuration")?;
        let file = folder.join(format!("{name}.decisions.jsonl"));
        // Appending, so that the file can be emptied between rounds under the running server.
        let log =
            OpenOptions::new().create(true).append(true).open(file).context("create the decision log")?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(path);
        command.stdout(log.try_clone().context("share the decision log")?);
        Ok(Self { process: Process::start(&name, command, folder)?, log })
    }

    /// Empties the decision log: it is written like a real one and does not fill the disk.
    pub(crate) fn empty_log(&self) -> Result<()> {
        self.log.set_len(0).context("empty the decision log")
    }
}
