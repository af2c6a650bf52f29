//! Witnesses: outside of our administration, they cosign what the log says and remember it. Nobody waits for them. One
//! that contradicts us raises an alarm, and stops the log where the operator asked for that: its answer is not signed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interdict_audit::merkle::{Hash, consistency_proof};
use interdict_audit::note::Note;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::failure::BAD_KEY;
use super::sequencer::Sequencer;
use super::{AuditError, Layout, LogReader};
use crate::config::WitnessConfig;
use crate::witness::client::{WitnessClient, WitnessError};

/// When a checkpoint that a witness did not cosign is sent again, unless a newer one comes first.
const AGAIN: Duration = Duration::from_secs(5);

type Newest = BTreeMap<String, (u64, String)>;

/// Checkpoints on their way to the witnesses. Only the newest of a tenant counts.
#[derive(Debug, Clone)]
pub(crate) struct Witnesses {
    newest: Arc<watch::Sender<Newest>>,
    clients: Arc<Vec<WitnessClient>>,
}

impl Witnesses {
    /// The configured witnesses; `None` without any.
    pub(crate) fn of(configured: &[WitnessConfig]) -> Result<Option<Self>, AuditError> {
        if configured.is_empty() {
            return Ok(None);
        }
        let client = |(at, witness): (usize, &WitnessConfig)| {
            WitnessClient::new(&witness.url, &witness.key)
                .map_err(|error| AuditError::new(BAD_KEY, format!("audit.witnesses[{at}]: {error}")))
        };
        let clients = configured.iter().enumerate().map(client).collect::<Result<_, _>>()?;
        Ok(Some(Self { newest: Arc::new(watch::Sender::default()), clients: Arc::new(clients) }))
    }

    /// Hands a checkpoint over; never waits.
    pub(crate) fn submit(&self, tenant: &str, size: u64, note: &str) {
        self.newest.send_modify(|newest| {
            newest.insert(tenant.to_owned(), (size, note.to_owned()));
        });
    }

    /// Sends what is handed over, to every witness for itself: one that does not answer keeps no other waiting.
    pub(crate) async fn run<F>(self, sequencer_of: F)
    where
        F: Fn(&str) -> Option<Arc<Sequencer>> + Clone + Send + Sync + 'static,
    {
        let mut all = JoinSet::new();
        for at in 0..self.clients.len() {
            let (clients, newest) = (Arc::clone(&self.clients), self.newest.subscribe());
            let sequencer_of = sequencer_of.clone();
            all.spawn(async move {
                if let Some(client) = clients.get(at) {
                    serve(client, newest, sequencer_of).await;
                }
            });
        }
        while all.join_next().await.is_some() {}
    }
}

/// One witness.
async fn serve(
    client: &WitnessClient,
    mut newest: watch::Receiver<Newest>,
    sequencer_of: impl Fn(&str) -> Option<Arc<Sequencer>>,
) {
    let mut cosigned: BTreeMap<String, u64> = BTreeMap::new();
    let mut failing = None;
    loop {
        let asked = newest.borrow_and_update().clone();
        let mut again = false;
        for (tenant, (size, note)) in asked {
            let done = cosigned.get(&tenant).copied().unwrap_or_default();
            if size <= done {
                continue;
            }
            let Some(sequencer) = sequencer_of(&tenant) else { return };
            let failed = ask(client, &sequencer, size, &note).await.err();
            again |= failed.is_some();
            match &failed {
                None => drop(cosigned.insert(tenant, size)),
                Some(error) => tell(client, &sequencer, error, failing == Some(error.code())),
            }
            let lag = if failed.is_some() { size - done } else { 0 };
            sequencer.metrics.witness_lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
            failing = failed.map(|error| error.code());
        }
        let changed = newest.changed();
        if again {
            // A time that is over is as good as a change.
            let _ = tokio::time::timeout(AGAIN, changed).await;
        } else if changed.await.is_err() {
            return;
        }
    }
}

async fn ask(
    client: &WitnessClient,
    sequencer: &Arc<Sequencer>,
    size: u64,
    note: &str,
) -> Result<(), WitnessError> {
    let note = Note::parse(note.as_bytes())?;
    let (layout, tenant) = (sequencer.common.layout.clone(), sequencer.tenant.clone());
    let signature = client.cosign(&note, move |old| prove(&layout, &tenant, old, size)).await?;
    let sequencer = Arc::clone(sequencer);
    let stored = tokio::task::spawn_blocking(move || sequencer.cosigned(size, signature)).await;
    match stored {
        Ok(stored) => stored.map_err(|error| WitnessError::Own(error.message)),
        Err(error) => Err(WitnessError::Own(error.to_string())),
    }
}

fn prove(layout: &Layout, tenant: &str, old: u64, size: u64) -> Result<Vec<Hash>, String> {
    let reader = LogReader::open(layout, tenant).map_err(|error| error.message)?;
    consistency_proof(&reader, old, size).map_err(|error| error.to_string())
}

/// A contradiction is an error that stays one until somebody looks; everything else is told once.
fn tell(client: &WitnessClient, sequencer: &Sequencer, error: &WitnessError, again: bool) {
    let (tenant, witness, code) = (sequencer.tenant.as_str(), client.key().name(), error.code());
    sequencer.metrics.all.failed(code);
    if error.contradicts() && sequencer.common.stop_on_contradiction {
        sequencer.halt(AuditError::new(code, format!("{witness}: {error}")));
    } else if error.contradicts() && !again {
        tracing::error!(tenant, witness, code, %error, "A WITNESS HAS SEEN ANOTHER LOG THAN THIS ONE");
    } else if !again {
        tracing::warn!(tenant, witness, code, %error, "a checkpoint is not cosigned");
    }
}
