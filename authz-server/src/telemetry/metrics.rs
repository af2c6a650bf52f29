//! Prometheus metrics (OpenMetrics text). Labels are bounded: a client or a policy cannot make new series without end.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The most distinct values of one label; what comes after is counted as `other`.
const MAX_LABEL_VALUES: usize = 200;

/// Seconds: from 20 µs (a decision from warm caches) to 30 s (a held Intercept).
const LATENCY_BUCKETS: [f64; 20] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_15, 0.000_2, 0.000_3, 0.000_5, 0.000_75, 0.001, 0.002, 0.005, 0.01,
    0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0, 30.0,
];

/// A stage of a decision whose time is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Strict reading of the message.
    Read,
    /// Tokens and certificates.
    Identity,
    /// Evaluation of the policy.
    Policy,
    /// The approval store and the hold.
    Approval,
    /// Writing the record.
    Record,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Read, Self::Identity, Self::Policy, Self::Approval, Self::Record];

    /// The stage's name in the label `stage`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Identity => "identity",
            Self::Policy => "policy",
            Self::Approval => "approval",
            Self::Record => "record",
        }
    }
}

type Text = Cow<'static, str>;

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DecisionLabels {
    verdict: Text,
    reason: Text,
    method: Text,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DoorLabels {
    door: Text,
    verdict: Text,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StageLabels {
    stage: Text,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct VersionLabels {
    version: Text,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DigestLabels {
    digest: String,
}

/// All metrics of a server. One per server, not global, so that tests can run several.
#[derive(Debug)]
pub struct Metrics {
    registry: RwLock<Registry>,
    decisions: Family<DecisionLabels, Counter>,
    latency: Family<DoorLabels, Histogram, fn() -> Histogram>,
    stages: [Histogram; 5],
    in_flight: Gauge,
    reasons: LabelGuard,
    methods: LabelGuard,
    doors: LabelGuard,
    bundle: Family<DigestLabels, Gauge>,
    bundle_loads: Counter,
    bundle_failures: Counter,
    bundle_stale: Gauge,
    approvals_expired: Counter,
    approvals_deleted: Counter,
}

fn histogram() -> Histogram {
    Histogram::new(LATENCY_BUCKETS)
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Fresh metrics, all zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("interdict");
        let decisions = Family::default();
        registry.register("decisions", "Decisions by verdict, reason code and MCP method", decisions.clone());
        let latency: Family<DoorLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(histogram as fn() -> Histogram);
        registry.register_with_unit(
            "decision_latency",
            "From the Check to its answer, a held approval included",
            Unit::Seconds,
            latency.clone(),
        );
        let by_stage: Family<StageLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(histogram as fn() -> Histogram);
        registry.register_with_unit(
            "stage_latency",
            "Time spent in one stage of a decision",
            Unit::Seconds,
            by_stage.clone(),
        );
        let stages = Stage::ALL
            .map(|stage| by_stage.get_or_create_owned(&StageLabels { stage: Cow::Borrowed(stage.label()) }));
        let in_flight = Gauge::default();
        registry.register(
            "checks_in_flight",
            "Checks being decided now, held approvals included",
            in_flight.clone(),
        );
        let bundle: Family<DigestLabels, Gauge> = Family::default();
        registry.register("bundle", "1 for the bundle in force", bundle.clone());
        let bundle_loads = Counter::default();
        registry.register("bundle_loads", "Bundles taken into force", bundle_loads.clone());
        let bundle_failures = Counter::default();
        registry.register(
            "bundle_load_failures",
            "New bundles refused; the old one stayed in force",
            bundle_failures.clone(),
        );
        let bundle_stale = Gauge::default();
        registry.register(
            "bundle_stale",
            "1 while the files on disk cannot be loaded and an older bundle is in force",
            bundle_stale.clone(),
        );
        let approvals_expired = Counter::default();
        registry.register("approvals_expired", "Approvals whose time ran out", approvals_expired.clone());
        let approvals_deleted = Counter::default();
        registry.register(
            "approvals_deleted",
            "Closed approvals deleted after approvals.keep_days",
            approvals_deleted.clone(),
        );
        let log = &*super::queue::METRICS;
        registry.register(
            "log_waiting_bytes",
            "Log that standard error has not taken yet",
            log.waiting.clone(),
        );
        registry.register("log_stalled", "Events that waited for a full log queue", log.stalled.clone());
        registry.register("log_failed_writes", "Writes that standard error refused", log.failed.clone());
        let build: Family<VersionLabels, Gauge> = Family::default();
        registry.register("build", "The server's version", build.clone());
        build.get_or_create(&VersionLabels { version: Cow::Borrowed(env!("CARGO_PKG_VERSION")) }).set(1);

        Self {
            registry: RwLock::new(registry),
            decisions,
            latency,
            stages,
            in_flight,
            reasons: LabelGuard::default(),
            methods: LabelGuard::default(),
            doors: LabelGuard::default(),
            bundle,
            bundle_loads,
            bundle_failures,
            bundle_stale,
            approvals_expired,
            approvals_deleted,
        }
    }

    /// Counts one answer. `verdict` is `allow`, `deny` or `intercept`; `reason` the code of the strongest reason;
    /// `method` the MCP method or `none`; `door` the enforcer kind (`native`, `split`, `call`).
    pub fn observe_decision(
        &self,
        verdict: &'static str,
        reason: &str,
        method: &str,
        door: &str,
        latency: Duration,
    ) {
        let labels = DecisionLabels {
            verdict: Cow::Borrowed(verdict),
            reason: self.reasons.admit(reason),
            method: self.methods.admit(method),
        };
        self.decisions.get_or_create(&labels).inc();
        let labels = DoorLabels { door: self.doors.admit(door), verdict: Cow::Borrowed(verdict) };
        self.latency.get_or_create(&labels).observe(latency.as_secs_f64());
    }

    /// Adds one measurement of a stage.
    pub fn observe_stage(&self, stage: Stage, took: Duration) {
        let [read, identity, policy, approval, record] = &self.stages;
        let histogram = match stage {
            Stage::Read => read,
            Stage::Identity => identity,
            Stage::Policy => policy,
            Stage::Approval => approval,
            Stage::Record => record,
        };
        histogram.observe(took.as_secs_f64());
    }

    /// Counts a Check as being decided until the guard is dropped, whatever way it ends.
    pub fn enter(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// A bundle came into force.
    pub fn bundle_loaded(&self, digest: &str) {
        self.bundle.clear();
        self.bundle.get_or_create(&DigestLabels { digest: digest.to_owned() }).set(1);
        self.bundle_loads.inc();
        self.bundle_stale.set(0);
    }

    /// A new bundle was refused; the old one stays.
    pub fn bundle_refused(&self) {
        self.bundle_failures.inc();
        self.bundle_stale.set(1);
    }

    /// The files on disk are again those of the bundle in force.
    pub fn bundle_current(&self) {
        self.bundle_stale.set(0);
    }

    /// Approvals ran out of time.
    pub fn approvals_expired(&self, count: u64) {
        self.approvals_expired.inc_by(count);
    }

    /// Closed approvals were old enough to be deleted.
    pub fn approvals_deleted(&self, count: u64) {
        self.approvals_deleted.inc_by(count);
    }

    /// Lets a room of the server add metrics of its own.
    pub fn register<T>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        add(&mut self.registry.write().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Everything as OpenMetrics text (`application/openmetrics-text; version=1.0.0; charset=utf-8`).
    ///
    /// # Errors
    /// When formatting fails.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let registry = self.registry.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// One Check being decided.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Lets the first [`MAX_LABEL_VALUES`] values of a label through and calls the rest `other`.
#[derive(Debug, Default)]
struct LabelGuard(RwLock<HashSet<Arc<str>>>);

impl LabelGuard {
    fn admit(&self, value: &str) -> Text {
        {
            let known = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            if known.contains(value) {
                return Cow::Owned(value.to_owned());
            }
            if known.len() >= MAX_LABEL_VALUES {
                return Cow::Borrowed("other");
            }
        }
        let mut known = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= MAX_LABEL_VALUES {
            return Cow::Borrowed("other");
        }
        known.insert(Arc::from(value));
        Cow::Owned(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_counted_by_verdict_reason_and_method_and_timed_by_door() {
        let metrics = Metrics::new();
        metrics.observe_decision("deny", "policy.no_allow", "tools/call", "call", Duration::from_micros(120));
        metrics.observe_stage(Stage::Policy, Duration::from_micros(90));
        let text = metrics.render().unwrap();
        let counted =
            r#"interdict_decisions_total{verdict="deny",reason="policy.no_allow",method="tools/call"} 1"#;
        assert!(text.contains(counted), "{text}");
        assert!(
            text.contains(r#"interdict_decision_latency_seconds_count{door="call",verdict="deny"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"interdict_stage_latency_seconds_count{stage="policy"} 1"#), "{text}");
    }

    #[test]
    fn a_flood_of_reason_codes_ends_in_one_series_called_other() {
        let metrics = Metrics::new();
        for number in 0..1_000 {
            metrics.observe_decision("deny", &format!("policy.r{number}"), "ping", "call", Duration::ZERO);
        }
        let text = metrics.render().unwrap();
        let series = text.lines().filter(|line| line.starts_with("interdict_decisions_total{")).count();
        assert_eq!(series, MAX_LABEL_VALUES + 1);
        assert!(
            text.contains(r#"interdict_decisions_total{verdict="deny",reason="other",method="ping"} 800"#)
        );
    }

    #[test]
    fn a_check_leaves_the_gauge_when_its_guard_is_dropped() {
        let metrics = Metrics::new();
        let guard = metrics.enter();
        assert!(metrics.render().unwrap().contains("interdict_checks_in_flight 1"));
        drop(guard);
        assert!(metrics.render().unwrap().contains("interdict_checks_in_flight 0"));
    }
}
