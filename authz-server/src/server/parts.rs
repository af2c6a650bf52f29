//! What a server is made of, without its sockets.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::{ServeError, key};
use crate::audit::Recorder;
use crate::bundle::{BundleEvents, BundleKeeper, NoEvents, Opening};
use crate::clock::Clock;
use crate::config::Config;
use crate::content::pins::{NoPins, Pins as Approved};
use crate::decide::{Decider, Parts, Settings};
use crate::identity::Authenticator;
use crate::pins::{DATABASE, Pins};
use crate::record::{ApprovalRecords, BundleRecords, Recording};
use crate::store::{ApprovalStore, SqliteStore};
use crate::telemetry::metrics::Metrics;
use crate::totals::{self, Totals};
use crate::upstream_credential::UpstreamCredentials;

/// What decisions leave behind, and what they are held against.
pub struct Kept {
    /// Where decisions are recorded; `None`: they leave no evidence.
    pub recording: Option<Arc<Recording>>,
    /// Approved definitions.
    pub pins: Arc<dyn Approved>,
    /// What adds up over calls.
    pub totals: Totals,
}

impl Default for Kept {
    /// Nothing, as in a rehearsal.
    fn default() -> Self {
        Self { recording: None, pins: Arc::new(NoPins), totals: Totals::dry() }
    }
}

/// The parts that decide, without any socket; `interdict check` uses them as well.
pub async fn decider(
    config: &Config,
    bundle: &BundleKeeper,
    approvals: Arc<dyn ApprovalStore>,
    request_state_key: [u8; 32],
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    kept: Kept,
) -> Result<Decider, ServeError> {
    let settings = Settings {
        limits: interdict_mcp::Limits {
            max_bytes: config.limits.max_body_bytes,
            max_depth: config.limits.max_depth,
            max_tokens: config.limits.max_tokens,
            ..interdict_mcp::Limits::default()
        },
        evaluation: interdict_policy::EvalLimits {
            time: Duration::from_millis(config.decision.timeout_ms),
            memory_bytes: config.decision.memory_bytes,
        },
        hold: Duration::from_secs(config.approvals.hold_seconds),
        approval_ttl: Duration::from_secs(config.approvals.ttl_seconds),
        page_url: config.approvals.page_url.clone(),
        request_state_key,
    };
    let parts = Parts {
        bundle: bundle.current(),
        identity: Arc::new(Authenticator::start(&config.identity).await?),
        upstream: Arc::new(UpstreamCredentials::start(&config.upstream_credentials)?),
        approvals,
        clock,
        metrics,
        freshness: bundle.freshness(),
        pins: kept.pins,
        totals: kept.totals,
        recording: kept.recording,
        settings,
    };
    Decider::new(parts).map_err(|error| ServeError::Decider(error.to_string()))
}

/// What was opened at start.
pub(super) struct Opened {
    pub(super) bundle: Arc<BundleKeeper>,
    pub(super) store: Arc<dyn ApprovalStore>,
    pub(super) key: [u8; 32],
    pub(super) pins: Pins,
    pub(super) totals: Totals,
}

/// Everything that reads files at start.
pub(super) fn open_files(
    config: &Config,
    recorder: Option<Arc<dyn Recorder>>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) -> Result<Opened, ServeError> {
    let events: Arc<dyn BundleEvents> = match &recorder {
        Some(recorder) => Arc::new(BundleRecords::new(Arc::clone(recorder))),
        None => Arc::new(NoEvents),
    };
    let opening = Opening {
        kept: config.audit.enabled.then(|| config.audit.directory.join("bundles")),
        events,
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
    };
    let bundle = BundleKeeper::open(&config.bundle, opening)?;
    let database = super::beside(&config.approvals.database, DATABASE);
    let pins = Pins::open(&database, bundle.current(), recorder.clone(), Arc::clone(&clock), &metrics)?;
    let store = SqliteStore::open_keeping(
        &config.approvals.database,
        config.approvals.max_pending_per_agent,
        SignedDuration::from_hours(24 * i64::from(config.approvals.keep_days)),
        Arc::clone(&clock),
        Box::new(ApprovalRecords::new(metrics, recorder)),
    )?;
    let key = key::load(config.approvals.request_state_key_file.as_deref(), &config.approvals.database)?;
    let database = super::beside(&config.approvals.database, totals::DATABASE);
    let totals = Totals::open(&database, &key, clock)?;
    Ok(Opened { bundle: Arc::new(bundle), store: Arc::new(store), key, pins, totals })
}
