//! `interdict serve`.

use std::path::Path;

use super::{Failure, configuration};
use crate::server::{Drained, serve};
use crate::telemetry::logs;

pub(super) const HELP: &str = "\
Example:
  interdict serve --config /etc/interdict/interdict.yaml

The log is JSON on standard error, one event per line; `started` has the addresses. SIGTERM or SIGINT lets calls under way end
for up to `listen.grpc.drain_seconds`; a second one ends them at once.

Exit codes: 0 every call was answered, 1 some were cut off, 2 it did not start: usage or configuration error.";

pub(super) fn run(file: &Path) -> Result<u8, Failure> {
    let config = configuration(file)?;
    // Dropped last: the decisions of the drain are in the log when the process ends.
    let _log = logs::install(config.log);
    // One worker per core: decisions are computation, and what waits (held calls, keys, disk) does not occupy a worker.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
    let ended = runtime.block_on(serve(config)).map_err(|error| {
        tracing::error!(error = %error, "not started");
        Failure::usage(error.to_string())
    });
    // Blocking work that is still under way (a bundle being read) must not hold up the end.
    runtime.shutdown_background();
    match ended? {
        Drained::Clean => Ok(0),
        Drained::Cut | Drained::Failed => Ok(1),
    }
}
