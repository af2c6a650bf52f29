//! Where the log is.

use std::path::PathBuf;

use clap::Args;

use crate::audit::{AuditError, Layout, LogReader, SYSTEM_TENANT};
use crate::cli::{Failure, configuration};
use crate::config::AuditConfig;

/// Which log is read.
#[derive(Debug, Args)]
pub(in crate::cli) struct Place {
    /// The configuration file; its `audit.directory` is the folder of the log.
    #[arg(long, short, env = "INTERDICT_CONFIG", default_value = "interdict.yaml", value_name = "FILE")]
    config: PathBuf,
    /// The folder of the log, without a configuration.
    #[arg(long, short, value_name = "FOLDER")]
    directory: Option<PathBuf>,
}

/// A log said no.
pub(in crate::cli) fn refused(error: AuditError) -> Failure {
    Failure::failed(format!("{} [{}]", error.message, error.code))
}

impl Place {
    /// The settings of the log; defaults where only the folder was named.
    pub(in crate::cli) fn settings(&self) -> Result<AuditConfig, Failure> {
        match &self.directory {
            Some(directory) => Ok(AuditConfig { directory: directory.clone(), ..AuditConfig::default() }),
            None if !self.config.exists() => Err(Failure::usage(format!(
                "there is no {}; name the configuration of the server with --config FILE, or the folder of its log with \
                 --directory FOLDER",
                self.config.display()
            ))),
            None => Ok(configuration(&self.config)?.audit),
        }
    }

    /// The folder.
    pub(in crate::cli) fn layout(&self) -> Result<Layout, Failure> {
        let layout = Layout::new(self.settings()?.directory);
        match layout.tenants().is_dir() {
            true => Ok(layout),
            false => Err(Failure::usage(format!(
                "there is no log in {}; name its folder with --directory FOLDER, or the configuration that names it with \
                 --config FILE",
                layout.root().display()
            ))),
        }
    }

    /// As it is written on a command line.
    pub(in crate::cli) fn words(&self) -> String {
        match &self.directory {
            Some(directory) => format!("--directory {}", directory.display()),
            None => format!("--config {}", self.config.display()),
        }
    }
}

/// Readers of one tenant's log, or of all.
pub(in crate::cli) fn readers(layout: &Layout, tenant: Option<&str>) -> Result<Vec<LogReader>, Failure> {
    let names = match tenant {
        Some(tenant) => vec![tenant.to_owned()],
        None => layout.known_tenants().map_err(refused)?,
    };
    let mut readers = Vec::with_capacity(names.len());
    for name in names {
        match LogReader::open(layout, &name) {
            Ok(reader) => readers.push(reader),
            // A folder that a server is just about to fill.
            Err(error) if error.code == "audit.not_found" && tenant.is_none() => {}
            Err(error) => return Err(refused(error)),
        }
    }
    Ok(readers)
}

/// The reader of the tenant that was named, or of the only one that there is.
pub(super) fn only_reader(layout: &Layout, tenant: Option<&str>) -> Result<LogReader, Failure> {
    if let Some(tenant) = tenant {
        return LogReader::open(layout, tenant).map_err(refused);
    }
    let names = layout.known_tenants().map_err(refused)?;
    let mut tenants = names.iter().filter(|name| *name != SYSTEM_TENANT);
    match (tenants.next(), tenants.next()) {
        (Some(only), None) => LogReader::open(layout, only).map_err(refused),
        _ => Err(Failure::usage(format!("name one with --tenant: {}", names.join(", ")))),
    }
}
