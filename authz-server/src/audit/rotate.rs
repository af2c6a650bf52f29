//! Changing the signing key while no server runs.

use std::path::Path;
use std::sync::Arc;

use interdict_audit::checkpoint::Checkpoint;
use interdict_audit::hex;
use interdict_audit::record::{Body, Key, KeyEvent};

use super::directory::{Directory, write_whole};
use super::failure::{BAD_KEY, UNAVAILABLE};
use super::health::Board;
use super::metrics::AuditMetrics;
use super::sequencer::{Common, Sequencer};
use super::signing::{Signing, fresh};
use super::writer::Draft;
use super::{AuditError, checkpoints, resume};
use crate::clock::Clock;
use crate::config::AuditConfig;

/// Gives every log of the folder another key: each gets a `key` entry and a checkpoint that the old and the new key
/// signed, so that whoever trusts the old one can follow. `to` is the file of the new key for a configured
/// `audit.signing_key_file`, made when it does not exist; without, `log.key` is replaced. The new verifier key.
///
/// # Errors
/// `audit.locked` while a server runs; whatever keeps a log from being opened. A rotation that was cut off is finished by
/// running it again.
pub fn rotate_key(
    config: &AuditConfig,
    clock: Arc<dyn Clock>,
    to: Option<&Path>,
) -> Result<String, AuditError> {
    let directory = Directory::open(&config.directory, config.name.as_deref())?;
    let layout = directory.layout.clone();
    if config.signing_key_file.is_some() && to.is_none() {
        return Err(AuditError::new(
            BAD_KEY,
            "audit.signing_key_file is set: say where the new key is, and set it to that afterwards",
        ));
    }
    let old = Arc::new(Signing::open(&layout, &directory.name, config.signing_key_file.as_deref())?);
    // Beside the old one until every log has changed, so that a second try takes the same.
    let draft = to.map_or_else(|| layout.root().join("log.key.next"), Path::to_owned);
    if !draft.exists() {
        write_whole(&draft, format!("{}\n", hex::encode(fresh()?)).as_bytes())?;
    }
    let new = Arc::new(Signing::read(&directory.name, &draft)?);
    if new.verifier() == old.verifier() {
        return Err(AuditError::new(BAD_KEY, "the new key is the old one"));
    }
    for tenant in layout.known_tenants()? {
        let common = |signing: &Arc<Signing>| Common {
            layout: layout.clone(),
            signing: Arc::clone(signing),
            witnesses: None,
            stop_on_contradiction: false,
            clock: Arc::clone(&clock),
            board: Board::default(),
            every: true,
            checkpoint_every: std::time::Duration::from_secs(1),
            checkpoint_entries: u64::MAX,
            keep_days: config.inputs_keep_days,
        };
        rotate_one(&tenant, &common(&old), common(&new), &old)?;
    }
    if to.is_none() {
        let rename = std::fs::rename(&draft, layout.log_key());
        rename.map_err(|error| super::failure::of_io(&error, "log.key cannot be replaced"))?;
    }
    let public = new.verifier().to_string();
    write_whole(&layout.log_vkey(), format!("{public}\n").as_bytes())?;
    Ok(public)
}

fn rotate_one(tenant: &str, from: &Common, common: Common, old: &Signing) -> Result<(), AuditError> {
    let new = Arc::clone(&common.signing);
    let metrics = AuditMetrics::default();
    let by_new = Sequencer::new(tenant, Arc::new(common), metrics.of(tenant));
    // A log that the new key signed already was reached by a rotation that was cut off.
    if resume::open(&by_new).is_ok_and(|writer| writer.chain.checkpointed() > 0) {
        return Ok(());
    }
    let from = Common {
        layout: from.layout.clone(),
        signing: Arc::clone(&from.signing),
        witnesses: None,
        clock: Arc::clone(&from.clock),
        board: Board::default(),
        ..*from
    };
    let by_old = Sequencer::new(tenant, Arc::new(from), metrics.of(tenant));
    let mut writer = resume::open(&by_old)?;
    let (key, previous) = (new.verifier().to_string(), old.verifier().to_string());
    let body = Key {
        day: None,
        event: KeyEvent::Rotated,
        key: Some(key.as_str().into()),
        previous: Some(previous.as_str().into()),
    };
    let body = body.to_bytes().map_err(|error| AuditError::new(UNAVAILABLE, error.to_string()))?;
    let now = by_old.common.now();
    writer.commit([Draft::event(Key::KIND, body)].iter(), now)?;
    let checkpoint =
        Checkpoint { origin: old.origin(tenant), size: writer.chain.size(), root: writer.chain.root() };
    let mut note = old.sign(&checkpoint)?;
    new.countersign(&mut note)?;
    let note = note.to_string();
    writer.store_checkpoint(now, &note)?;
    checkpoints::publish(&by_old, checkpoint.size, &note);
    Ok(())
}
