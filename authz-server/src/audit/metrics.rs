//! What the log tells Prometheus. The label `tenant` is bounded by the registry.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Seconds: from one row that is not synced to a disk that hardly answers.
const APPEND_BUCKETS: [f64; 16] = [
    0.000_02, 0.000_03, 0.000_05, 0.000_075, 0.000_1, 0.000_15, 0.000_2, 0.000_3, 0.000_5, 0.001, 0.002,
    0.005, 0.01, 0.05, 0.25, 1.0,
];

/// Entries of one commit.
const BATCH_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TenantLabels {
    tenant: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

/// All metrics of the log. Cloning shares them.
#[derive(Debug, Clone)]
pub struct AuditMetrics {
    append: Histogram,
    batch: Histogram,
    entries: Family<TenantLabels, Gauge>,
    checkpointed: Family<TenantLabels, Gauge>,
    checkpoint_at: Family<TenantLabels, Gauge>,
    witness_lag: Family<TenantLabels, Gauge>,
    down: Family<TenantLabels, Gauge>,
    failures: Family<CodeLabels, Counter>,
    unrecorded: Counter,
    start_ms: Gauge,
}

/// The metrics of one tenant, looked up once.
#[derive(Debug, Clone)]
pub(crate) struct TenantMetrics {
    pub(crate) all: AuditMetrics,
    pub(crate) entries: Gauge,
    pub(crate) checkpointed: Gauge,
    pub(crate) checkpoint_at: Gauge,
    pub(crate) witness_lag: Gauge,
    pub(crate) down: Gauge,
}

impl AuditMetrics {
    /// Registers everything.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            append: Histogram::new(APPEND_BUCKETS),
            batch: Histogram::new(BATCH_BUCKETS),
            entries: Family::default(),
            checkpointed: Family::default(),
            checkpoint_at: Family::default(),
            witness_lag: Family::default(),
            down: Family::default(),
            failures: Family::default(),
            unrecorded: Counter::default(),
            start_ms: Gauge::default(),
        };
        let append = metrics.append.clone();
        registry.register_with_unit("audit_append", "From an entry to its commit", Unit::Seconds, append);
        registry.register("audit_batch_entries", "Entries of one commit", metrics.batch.clone());
        registry.register("audit_entries", "Entries of a tenant's log", metrics.entries.clone());
        registry.register(
            "audit_checkpointed_entries",
            "Entries that the last signed checkpoint covers",
            metrics.checkpointed.clone(),
        );
        registry.register_with_unit(
            "audit_last_checkpoint_timestamp",
            "When the last checkpoint was signed",
            Unit::Seconds,
            metrics.checkpoint_at.clone(),
        );
        registry.register(
            "audit_witness_lag_entries",
            "Entries of the last checkpoint that no witness has cosigned yet",
            metrics.witness_lag.clone(),
        );
        registry.register("audit_down", "1 while a tenant's log cannot be written", metrics.down.clone());
        registry.register("audit_failures", "Failures of the log by code", metrics.failures.clone());
        registry.register(
            "audit_unrecorded",
            "Calls that went on without a record, by audit.reads_when_unavailable",
            metrics.unrecorded.clone(),
        );
        registry.register(
            "audit_start_milliseconds",
            "How long opening and checking all logs took at start",
            metrics.start_ms.clone(),
        );
        metrics
    }

    pub(crate) fn of(&self, tenant: &str) -> TenantMetrics {
        let labels = TenantLabels { tenant: tenant.to_owned() };
        TenantMetrics {
            all: self.clone(),
            entries: self.entries.get_or_create_owned(&labels),
            checkpointed: self.checkpointed.get_or_create_owned(&labels),
            checkpoint_at: self.checkpoint_at.get_or_create_owned(&labels),
            witness_lag: self.witness_lag.get_or_create_owned(&labels),
            down: self.down.get_or_create_owned(&labels),
        }
    }

    pub(crate) fn appended(&self, took: Duration) {
        self.append.observe(took.as_secs_f64());
    }

    pub(crate) fn committed(&self, entries: usize) {
        self.batch.observe(entries as f64);
    }

    pub(crate) fn failed(&self, code: &'static str) {
        self.failures.get_or_create(&CodeLabels { code }).inc();
    }

    pub(crate) fn unrecorded(&self) {
        self.unrecorded.inc();
    }

    pub(crate) fn started(&self, took: Duration) {
        self.start_ms.set(i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
    }
}

impl Default for AuditMetrics {
    fn default() -> Self {
        Self::new(&mut Registry::default())
    }
}
