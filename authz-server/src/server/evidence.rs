//! The log of a server: opened before everything that writes into it, closed after it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::ServeError;
use crate::audit::{AuditLog, AuditMetrics, Recorder};
use crate::clock::Clock;
use crate::config::{AuditArguments, Config, ReadsWhenUnavailable};
use crate::record::outcomes::{Outcomes, TOLERATED};
use crate::record::{Recording, RecordingSettings, Sampler};
use crate::telemetry::metrics::Metrics;

/// The log and what records into it.
#[derive(Clone)]
pub(super) struct Evidence {
    log: AuditLog,
    pub(super) recording: Arc<Recording>,
    sampler: Option<Sampler>,
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evidence").field("recording", &self.recording).finish_non_exhaustive()
    }
}

impl Evidence {
    /// Opens the log and looks up which outcomes are still awaited; `None` when recording is switched off. Reads files.
    pub(super) fn open(
        config: &Config,
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Result<Option<Self>, ServeError> {
        tell_enabled(config.audit.enabled, metrics);
        if !config.audit.enabled {
            tracing::warn!("audit.enabled is false: decisions leave no evidence");
            return Ok(None);
        }
        let log = AuditLog::open(&config.audit, Arc::clone(clock), metrics.register(AuditMetrics::new))?;
        let deadline = Duration::from_secs(config.audit.outcome_deadline_seconds);
        let outcomes = Arc::new(Outcomes::new(deadline, metrics));
        remember(&log, &outcomes, clock.now())?;
        let settings = RecordingSettings {
            show_arguments: config.audit.arguments == AuditArguments::Shown,
            allow_unrecorded_reads: config.audit.reads_when_unavailable == ReadsWhenUnavailable::Allow,
        };
        let recorder: Arc<dyn Recorder> = Arc::new(log.clone());
        let recording = Arc::new(Recording::new(recorder, outcomes, settings));
        let per_mille = config.audit.replay_sample_per_mille;
        let sampler = (per_mille > 0).then(|| Sampler::new(log.layout().clone(), per_mille, metrics));
        Ok(Some(Self { log, recording, sampler }))
    }

    /// Where everything else records.
    pub(super) fn recorder(&self) -> Arc<dyn Recorder> {
        Arc::new(self.log.clone())
    }

    /// Records the start.
    pub(super) async fn started(&self, config: &Config) -> Result<(), ServeError> {
        self.recording.started(&digest(config), config.audit.durability).await?;
        Ok(())
    }

    /// What goes on beside the decisions, for ever: outcomes that do not come, replays, witnesses, keys
    /// whose days are over.
    pub(super) fn chores(&self) -> Vec<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let outcomes = Arc::clone(self.recording.outcomes());
        let mut chores: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> =
            vec![Box::pin(outcomes.watch(self.recorder())), Box::pin(destroy_old_keys(self.log.clone()))];
        if let Some(sampler) = self.sampler.clone() {
            chores.push(Box::pin(sampler.run(self.recorder())));
        }
        if let Some(witnessing) = self.log.witnessing() {
            chores.push(Box::pin(witnessing));
        }
        chores
    }

    /// Records the end and closes the log. What fails here is only told: there is nobody left to stop.
    pub(super) async fn stop(&self, clean: bool) {
        if let Err(error) = self.recording.stopped(clean).await {
            tracing::error!(code = error.code, %error, "the stop could not be recorded");
        }
        let log = self.log.clone();
        if tokio::task::spawn_blocking(move || log.close()).await.is_err() {
            tracing::error!("the log was not closed");
        }
    }
}

/// Once at start and once a day.
async fn destroy_old_keys(log: AuditLog) {
    let mut every = tokio::time::interval(Duration::from_secs(24 * 60 * 60));
    loop {
        every.tick().await;
        let log = log.clone();
        match tokio::task::spawn_blocking(move || log.destroy_old_days()).await {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => tracing::info!(count, "keys of old sealed inputs destroyed"),
            Ok(Err(error)) => {
                tracing::error!(code = error.code, %error, "keys of old sealed inputs could not be destroyed");
            }
            Err(error) => tracing::error!(%error, "keys of old sealed inputs could not be destroyed"),
        }
    }
}

/// Outcomes of an earlier run's calls may still come, and their absence is still to be recorded.
fn remember(log: &AuditLog, outcomes: &Outcomes, now: Timestamp) -> Result<(), ServeError> {
    let since = now - TOLERATED;
    for call in log.unanswered(since)? {
        let age = now.as_millisecond().saturating_sub(call.ts_ms);
        let age = Duration::from_millis(u64::try_from(age).unwrap_or_default());
        outcomes.remember(call.decision_id, &call.tenant, age, call.missing);
    }
    Ok(())
}

/// Digest of the configuration as it was understood. Secrets are in files, so their names are all that it covers.
fn digest(config: &Config) -> String {
    interdict_audit::hex::encode(Sha256::digest(format!("{config:?}")))
}

fn tell_enabled(enabled: bool, metrics: &Metrics) {
    let gauge = prometheus_client::metrics::gauge::Gauge::<i64>::default();
    gauge.set(i64::from(enabled));
    metrics.register(|registry| {
        registry.register("audit_enabled", "1 while decisions are recorded; 0 by configuration", gauge);
    });
}
