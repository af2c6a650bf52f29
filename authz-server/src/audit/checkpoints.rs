//! Signed checkpoints: in the database, beside it in `head.note`, in the server's log, and with the witnesses.

use interdict_audit::checkpoint::Checkpoint;

use super::AuditError;
use super::directory::write_whole;
use super::sequencer::Sequencer;

/// Target of the events, for log filters: whoever keeps the server's log elsewhere keeps checkpoints with it.
pub const TARGET: &str = "interdict::checkpoint";

/// Makes a checkpoint over everything committed.
pub(crate) fn make(sequencer: &Sequencer) -> Result<(), AuditError> {
    let common = &sequencer.common;
    let (size, note) = {
        let mut slot = sequencer.writer();
        let Some(writer) = slot.as_mut() else { return Ok(()) };
        let size = writer.chain.size();
        if size == writer.chain.checkpointed() {
            return Ok(());
        }
        let origin = common.signing.origin(&sequencer.tenant);
        let checkpoint = Checkpoint { origin, size, root: writer.chain.root() };
        let note = common.signing.sign(&checkpoint)?.to_string();
        writer.store_checkpoint(common.now(), &note)?;
        sequencer.note_size(writer);
        (size, note)
    };
    publish(sequencer, size, &note);
    Ok(())
}

/// Tells everybody about a checkpoint that is in the database. The database comes first: `head.note` is never ahead of
/// it unless somebody put an older database in its place.
pub(crate) fn publish(sequencer: &Sequencer, size: u64, note: &str) {
    write_head(sequencer, note);
    tracing::info!(target: TARGET, tenant = sequencer.tenant, size, note, "checkpoint");
    sequencer.metrics.checkpoint_at.set(sequencer.timestamp().as_second());
    if let Some(witnesses) = &sequencer.common.witnesses {
        witnesses.submit(&sequencer.tenant, size, note);
    }
}

/// A failure here is not one of the log: the next checkpoint writes the file again.
pub(crate) fn write_head(sequencer: &Sequencer, note: &str) {
    let written =
        sequencer.common.layout.head(&sequencer.tenant).and_then(|file| write_whole(&file, note.as_bytes()));
    if let Err(error) = written {
        sequencer.metrics.all.failed(error.code);
        tracing::error!(tenant = sequencer.tenant, code = error.code, error = error.message, "head.note");
    }
}
