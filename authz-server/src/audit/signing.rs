//! The key that signs checkpoints.

use std::path::Path;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use interdict_audit::checkpoint::Checkpoint;
use interdict_audit::hex;
use interdict_audit::note::{Note, Signer, VerifierKey};

use super::AuditError;
use super::directory::{Layout, write_whole};
use super::failure::{self, BAD_KEY, CORRUPT, KEY_CHANGED, UNAVAILABLE};

/// A key and the name that it signs for.
#[derive(Debug)]
pub(crate) struct Signing {
    name: String,
    signer: Signer,
}

impl Signing {
    /// The configured key, or the one of the folder, made when there is none. A configured file that does not exist is
    /// an error: a key that is made up would be one that nobody knows.
    pub(crate) fn open(layout: &Layout, name: &str, configured: Option<&Path>) -> Result<Self, AuditError> {
        let file = configured.map_or_else(|| layout.log_key(), Path::to_owned);
        if configured.is_none() && !file.exists() {
            write_whole(&file, format!("{}\n", hex::encode(fresh()?)).as_bytes())?;
        }
        let signing = Self::read(name, &file)?;
        let public = format!("{}\n", signing.verifier());
        if std::fs::read_to_string(layout.log_vkey()).ok().as_deref() != Some(&public) {
            write_whole(&layout.log_vkey(), public.as_bytes())?;
        }
        Ok(signing)
    }

    /// The key of a file.
    pub(crate) fn read(name: &str, file: &Path) -> Result<Self, AuditError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| failure::of_io(&error, &format!("{} cannot be read", file.display())))?;
        let secret = hex::decode32(text.trim()).ok_or_else(|| {
            let message =
                format!("{} must hold 32 bytes as 64 hex digits (openssl rand -hex 32)", file.display());
            AuditError::new(BAD_KEY, message)
        })?;
        let signer =
            Signer::new(name, &secret).map_err(|error| AuditError::new(BAD_KEY, error.to_string()))?;
        Ok(Self { name: name.to_owned(), signer })
    }

    pub(crate) fn verifier(&self) -> &VerifierKey {
        self.signer.verifier()
    }

    /// The origin of a tenant's log.
    pub(crate) fn origin(&self, tenant: &str) -> String {
        origin(&self.name, tenant)
    }

    /// A checkpoint with this key's signature.
    pub(crate) fn sign(&self, checkpoint: &Checkpoint) -> Result<Note, AuditError> {
        checkpoint.sign(&self.signer).map_err(|error| AuditError::new(UNAVAILABLE, error.to_string()))
    }

    /// Adds this key's signature to a note.
    pub(crate) fn countersign(&self, note: &mut Note) -> Result<(), AuditError> {
        let signature = self.signer.sign(note.text());
        note.add(signature).map_err(|error| AuditError::new(UNAVAILABLE, error.to_string()))
    }

    /// Reads a checkpoint of a tenant's log that this key signed.
    pub(crate) fn open_note(&self, tenant: &str, note: &str) -> Result<Checkpoint, AuditError> {
        let keys = std::slice::from_ref(self.verifier());
        let (checkpoint, _) = Checkpoint::open(note.as_bytes(), keys).map_err(|error| match error.code() {
            "audit.note_unsigned" => AuditError::new(
                KEY_CHANGED,
                format!(
                    "the last checkpoint of `{tenant}` is signed by another key than {}; use that key again, or \
                     change keys with `interdict audit rotate-key`",
                    self.verifier()
                ),
            ),
            _ => AuditError::new(CORRUPT, format!("a checkpoint of `{tenant}` cannot be used: {error}")),
        })?;
        if checkpoint.origin != self.origin(tenant) {
            let message = format!("the checkpoint is one of `{}`, not of `{tenant}`", checkpoint.origin);
            return Err(AuditError::new(CORRUPT, message));
        }
        Ok(checkpoint)
    }
}

/// The origin of a tenant's log.
pub(crate) fn origin(name: &str, tenant: &str) -> String {
    format!("{name}/{tenant}")
}

/// A new secret.
pub(crate) fn fresh() -> Result<[u8; 32], AuditError> {
    let mut secret = [0; 32];
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| AuditError::new(UNAVAILABLE, "there are no random numbers"))?;
    Ok(secret)
}
