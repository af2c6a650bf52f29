//! What every record needs beside the decision: where it goes, and who writes it.

use std::sync::Arc;

use interdict_audit::record;
use uuid::Uuid;

use super::entries::entry;
use super::outcomes::Outcomes;
use super::repeats::{Asked, Repeats};
use crate::audit::{NewEntry, Recorder};

/// Bytes of a replica's name.
const MAX_REPLICA: usize = 64;

/// What the operator said about records.
#[derive(Debug, Clone)]
pub struct RecordingSettings {
    /// Whether arguments stand in the record, not only their commitment (`audit.arguments: shown`).
    pub show_arguments: bool,
    /// Whether a read goes on when its record cannot be written (`audit.reads_when_unavailable: allow`).
    pub allow_unrecorded_reads: bool,
}

/// Recording is switched on: everything that it takes.
pub struct Recording {
    recorder: Arc<dyn Recorder>,
    settings: RecordingSettings,
    replica: String,
    repeats: Repeats,
    outcomes: Arc<Outcomes>,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Recording {
    /// Records go to `recorder`; `outcomes` learns what is awaited.
    pub fn new(recorder: Arc<dyn Recorder>, outcomes: Arc<Outcomes>, settings: RecordingSettings) -> Self {
        Self { recorder, settings, replica: replica(), repeats: Repeats::default(), outcomes }
    }

    /// Where records go.
    pub fn recorder(&self) -> &dyn Recorder {
        &*self.recorder
    }

    /// What is awaited.
    pub fn outcomes(&self) -> &Arc<Outcomes> {
        &self.outcomes
    }

    /// This server's name in records: that of its machine.
    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// Version of the server.
    pub fn build(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Name and version of the policy engine.
    pub fn engine(&self) -> &'static str {
        interdict_policy::ENGINE
    }

    pub(super) fn shows_arguments(&self) -> bool {
        self.settings.show_arguments
    }

    pub(crate) fn allows_unrecorded_reads(&self) -> bool {
        self.settings.allow_unrecorded_reads
    }

    /// The entry of an outcome.
    pub(crate) fn outcome(&self, tenant: &str, id: Uuid, body: &record::Outcome<'_>) -> Option<NewEntry> {
        entry(tenant, Some(id), body)
    }

    pub(super) fn repeated(&self, asked: Asked<'_>, id: Uuid) -> Option<Uuid> {
        self.repeats.first(asked, id)
    }
}

/// The host's name, as far as it is one.
fn replica() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let name: String = name.trim().chars().filter(char::is_ascii_graphic).take(MAX_REPLICA).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}
