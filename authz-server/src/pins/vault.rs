//! Quarantined texts are what somebody's server wrote, and may hold what nobody should read by accident: they are
//! encrypted with a key beside the database.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use jiff::Timestamp;

use super::{PinError, Pins};
use crate::store::pins::{Kept, KeptText};

/// Name of the key beside the database.
const KEY: &str = "quarantine.key";

/// A text that was replaced by a handle.
#[derive(Clone, PartialEq, Eq)]
pub struct QuarantinedText {
    /// The handle.
    pub handle: String,
    /// Tenant of the server.
    pub tenant: String,
    /// Registry id of the server.
    pub server: String,
    /// The decision that let the request through.
    pub decision_id: String,
    /// Why, as `injection.structural`.
    pub reason: String,
    /// Length of the text.
    pub bytes: u64,
    /// When it was kept.
    pub kept_at: Timestamp,
    /// The text; empty in a list.
    pub original: Vec<u8>,
}

impl std::fmt::Debug for QuarantinedText {
    /// Without the text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QuarantinedText({} {} {} bytes)", self.handle, self.reason, self.bytes)
    }
}

pub(super) struct Vault(LessSafeKey);

impl Vault {
    /// With the key beside this file, which is made when there is none.
    pub(super) fn open(database: &Path) -> Result<Self, PinError> {
        let key = crate::server::key_beside(database, KEY)
            .map_err(|error| PinError::Unavailable(error.to_string()))?;
        let key = UnboundKey::new(&AES_256_GCM, &key)
            .map_err(|_| PinError::Unavailable(format!("{KEY}: is no key")))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// `nonce || ciphertext || tag`; `None` when the system has no random numbers, which is logged.
    pub(super) fn seal(&self, about: Kept, text: &[u8]) -> Option<KeptText> {
        let mut nonce = [0; NONCE_LEN];
        let mut sealed = text.to_vec();
        let done = SystemRandom::new().fill(&mut nonce).and_then(|()| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            self.0.seal_in_place_append_tag(nonce, additional(&about), &mut sealed)
        });
        if done.is_err() {
            tracing::error!("a quarantined text could not be encrypted, so it is not kept");
            return None;
        }
        let sealed = [&nonce[..], &sealed].concat();
        Some(KeptText { about, sealed })
    }

    fn open_text(&self, kept: KeptText) -> Result<QuarantinedText, PinError> {
        let KeptText { about, mut sealed } = kept;
        let damaged = || PinError::Unavailable("a quarantined text is damaged or of another key".to_owned());
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let text = self.0.open_in_place(nonce, additional(&about), text).map_err(|_| damaged())?;
        let original = text.to_vec();
        Ok(QuarantinedText { original, ..shown(about) })
    }
}

/// A text belongs to its handle, tenant and server.
fn additional(about: &Kept) -> Aad<Vec<u8>> {
    let place = ["interdict/quarantine/1", &about.handle, &about.tenant, &about.server];
    Aad::from(place.join("\n").into_bytes())
}

fn shown(about: Kept) -> QuarantinedText {
    let Kept { handle, tenant, server, decision_id, reason, bytes, kept_at } = about;
    QuarantinedText { handle, tenant, server, decision_id, reason, bytes, kept_at, original: Vec::new() }
}

impl Pins {
    /// The newest texts that were kept, without them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn quarantined(
        &self,
        server: Option<String>,
        most: u64,
    ) -> Result<Vec<QuarantinedText>, PinError> {
        let kept = self.run(move |file| Ok((file.kept(server.as_deref(), most)?, false, Vec::new()))).await?;
        Ok(kept.into_iter().map(shown).collect())
    }

    /// One text, whole.
    ///
    /// # Errors
    /// [`PinError::NotFound`], and when the database cannot be read.
    pub async fn quarantined_text(&self, handle: &str) -> Result<QuarantinedText, PinError> {
        let handle = handle.to_owned();
        let kept = self.run(move |file| Ok((file.kept_text(&handle)?, false, Vec::new()))).await?;
        self.vault.open_text(kept.ok_or(PinError::NotFound)?)
    }
}
