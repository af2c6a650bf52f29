//! What `serve` would find at its start, part by part, without a socket and without opening a database: nothing is made,
//! changed or locked, so it can be asked beside a running server.

use std::path::Path;
use std::sync::Arc;

use interdict_policy::{Bundle, Direction, Registry, ToolPinning};
use tonic::transport::Server;

use super::{Kept, ServeError, decider, grpc, key};
use crate::admin::AdminToken;
use crate::audit::Layout;
use crate::bundle::{BundleKeeper, Opening};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::pins::{self, PinError};
use crate::store::pins::PinFile;
use crate::store::{Database, DryStore, Found};
use crate::telemetry::metrics::Metrics;
use crate::totals;

/// No name.
const NONE: &str = "none";

/// One part of what a start needs.
#[derive(Debug)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// What was found in a few words, or what would stop the start.
    pub found: Result<String, String>,
}

/// Everything that a start needs.
#[derive(Debug)]
pub struct Rehearsal {
    /// Its parts.
    pub parts: Vec<Part>,
    /// The bundle, when it can be used.
    pub bundle: Option<Arc<Bundle>>,
}

/// Looks at every part, also behind one that is not as it must be.
pub async fn rehearse(config: &Config) -> Rehearsal {
    let mut parts = Vec::new();
    let mut tell = |name, found: Result<String, String>| parts.push(Part { name, found });
    let opened = open(config).await;
    let bundle = opened.as_ref().ok().map(|bundle| bundle.current().load_full());
    if let Some(bundle) = &bundle {
        tell("bundle", Ok(summary(bundle)));
        tell("content", Ok(content(bundle)));
        tell("contracts", Ok(format!("tools with a contract: {}", bundle.contracts().count())));
        tell("pinning", Ok(pinning(bundle.registry())));
    }
    match opened {
        Ok(bundle) => tell("identity", identity(config, &bundle).await),
        Err(error) => tell("bundle", Err(error.to_string())),
    }
    if let Some(admin) = &config.listen.admin {
        tell("admin API", token(&admin.token_file));
    }
    if config.listen.grpc.tls.is_some() {
        let encrypted = grpc::encrypted(Server::builder(), config);
        tell("TLS", encrypted.map(|_| "certificate and key".to_owned()).map_err(|error| error.to_string()));
    }
    for credential in &config.upstream_credentials {
        let read = std::fs::read_to_string(&credential.file);
        let (server, file) = (&credential.server, credential.file.display());
        let missing =
            |error| format!("upstream_credentials: the one of {server}: {file}: cannot be read: {error}");
        tell("credential", read.map(|_| format!("of {server}: {file}")).map_err(missing));
    }
    parts.extend(files(config));
    Rehearsal { parts, bundle }
}

async fn open(config: &Config) -> Result<BundleKeeper, ServeError> {
    let settings = config.bundle.clone();
    let opening = Opening::rehearsal(Arc::new(SystemClock), Arc::new(Metrics::new()));
    Ok(tokio::task::spawn_blocking(move || BundleKeeper::open(&settings, opening)).await??)
}

/// Keys of issuers are read, and everything that decides is put together.
async fn identity(config: &Config, bundle: &BundleKeeper) -> Result<String, String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (store, metrics) = (Arc::new(DryStore::default()), Arc::new(Metrics::new()));
    let made = decider(config, bundle, store, [0; 32], clock, metrics, Kept::default()).await;
    made.map(|_| format!("issuers: {}", config.identity.issuers.len())).map_err(|error| error.to_string())
}

fn summary(bundle: &Bundle) -> String {
    let registry = bundle.registry();
    let (agents, servers) = (registry.agents().count(), registry.servers().count());
    format!("agents: {agents}; servers: {servers}; digest {}", bundle.digest())
}

/// Which servers' traffic is looked into.
fn content(bundle: &Bundle) -> String {
    let (config, servers) = (bundle.content(), || bundle.registry().servers());
    let looked_into = |id: &str, way| config.profile(id, None, way).is_some() || config.tells_tools_apart(id);
    let of = |way| {
        listed(servers().filter(|server| looked_into(&server.id, way)).map(|server| server.id.as_str()))
    };
    let judged = servers().filter(|server| config.settings(&server.id).injection.is_some());
    let injection = listed(judged.map(|server| server.id.as_str()));
    if config.is_silent() && injection == NONE {
        return "nothing is looked for".to_owned();
    }
    let (requests, responses) = (of(Direction::Request), of(Direction::Response));
    format!("requests to: {requests}; answers of: {responses}; text that gives orders of: {injection}")
}

fn pinning(registry: &Registry) -> String {
    let of = |wanted| {
        let servers = registry.servers().filter(|server| server.tool_pinning == wanted);
        listed(servers.map(|server| server.id.as_str()))
    };
    format!(
        "approve_first: {}; trust_first: {}; off: {}",
        of(ToolPinning::ApproveFirst),
        of(ToolPinning::TrustFirst),
        of(ToolPinning::Off)
    )
}

/// Some names, and how many more.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    match (shown.is_empty(), more) {
        (true, _) => NONE.to_owned(),
        (false, 0) => shown,
        (false, more) => format!("{shown} and {more} more"),
    }
}

fn token(file: &Path) -> Result<String, String> {
    let open = AdminToken::open(file);
    open.map(|_| format!("token of {}", file.display()))
        .map_err(|error| format!("listen.admin.token_file: {error}"))
}

/// Databases, keys and the folder of the log.
fn files(config: &Config) -> Vec<Part> {
    let approvals = &config.approvals.database;
    let beside = |name| super::beside(approvals, name);
    let sealing = match config.approvals.request_state_key_file.as_deref() {
        Some(file) => key::read(file).map(|_| format!("{}", file.display())),
        None => key::look(&beside(key::GENERATED)),
    };
    let named = |error: key::KeyError| format!("approvals.request_state_key_file: {error}");
    let mut parts = vec![
        Part { name: "approvals", found: database(Database::Approvals, approvals) },
        Part { name: "pins", found: database(Database::Pins, &beside(pins::DATABASE)) },
        Part { name: "totals", found: database(Database::Totals, &beside(totals::DATABASE)) },
        Part { name: "key", found: sealing.map_err(named) },
        Part { name: "key", found: quarantine_key(&beside(pins::QUARANTINE_KEY), &beside(pins::DATABASE)) },
    ];
    if config.audit.enabled {
        parts.push(Part { name: "audit", found: audit(config) });
    }
    parts
}

/// What is sealed in the database of pins can be read with its own key only; a start reads every definition.
fn quarantine_key(key: &Path, database: &Path) -> Result<String, String> {
    let found = key::look(key).map_err(|error| format!("approvals.database: {error}"))?;
    // Of a file that is none of ours its own part says so.
    if !matches!(Database::Pins.look(database), Ok(Found::Ours { bytes: 1.., .. })) {
        return Ok(found);
    }
    let read = match key.exists() {
        true => pins::Vault::open(database).and_then(|vault| PinFile::look(database, Some(Arc::new(vault)))),
        false => PinFile::look(database, None),
    };
    let (key, database) = (key.display(), database.display());
    match (read, found) {
        (Ok(()), found) => Ok(found),
        (Err(PinError::Unavailable(why)), _) => Err(format!("approvals.database: {database}: {why} ({key})")),
        (Err(error), _) => Err(format!("approvals.database: {database}: {error} ({key})")),
    }
}

fn database(what: Database, file: &Path) -> Result<String, String> {
    let name = file.display();
    match what.look(file) {
        Ok(Found::Nothing) => Ok(format!("{name}: not there yet, the first start makes it")),
        Ok(Found::Ours { bytes, mode }) if mode & 0o077 == 0 => Ok(format!("{name}: {bytes} bytes")),
        Ok(Found::Ours { bytes, mode }) => Ok(format!(
            "{name}: {bytes} bytes; others on this machine can read or write it (mode {mode:04o}): `chmod 600 {name}`"
        )),
        Err(why) => Err(format!("approvals.database: {name}: {why}")),
    }
}

/// The log's folder, as far as a start without others in it would read it.
fn audit(config: &Config) -> Result<String, String> {
    let audit = &config.audit;
    let layout = Layout::new(&audit.directory);
    let folder = audit.directory.display();
    let log = match layout.name().exists() {
        false if audit.directory.exists() && !audit.directory.is_dir() => {
            return Err(format!("audit.directory: {folder}: is not a folder"));
        }
        false => format!("{folder}: no log yet, the first start makes it"),
        true => {
            let name = layout.read_name().map_err(|error| format!("audit.directory: {error}"))?;
            if audit.name.as_ref().is_some_and(|configured| *configured != name) {
                return Err(format!("audit.name: the log in {folder} began as `{name}`"));
            }
            format!("{folder}: log {name}")
        }
    };
    let key = match &audit.signing_key_file {
        Some(file) => key::read(file).map(|_| String::new()),
        None => key::look(&layout.log_key()),
    };
    key.map_err(|error| format!("audit.signing_key_file: {error}"))?;
    Ok(log)
}
