//! Quarantined texts and definitions are what somebody's server wrote, and may hold what nobody should read by accident:
//! they are encrypted with a key beside the database.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use interdict_content::finding::SessionKey;
use jiff::Timestamp;

use super::{PinError, Pins};
use crate::store::pins::{Kept, KeptText};

/// Name of the key beside the database.
pub(crate) const KEY: &str = "quarantine.key";

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

/// What encrypts the texts of one database.
pub(crate) struct Vault {
    key: LessSafeKey,
    marks: SessionKey,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// With the key beside this file, which is made when there is none.
    pub(crate) fn open(database: &Path) -> Result<Self, PinError> {
        let key = crate::server::key_beside(database, KEY)
            .map_err(|error| PinError::Unavailable(error.to_string()))?;
        let marks = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), b"interdict/marks/1");
        let marks = marks.as_ref().try_into();
        let bad = || PinError::Unavailable(format!("{KEY}: is no key"));
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| bad())?;
        Ok(Self { key: LessSafeKey::new(key), marks: SessionKey::new(marks.map_err(|_| bad())?) })
    }

    /// What marks in definitions are made with: the same value has the same mark whoever listed it.
    pub(super) fn marks(&self) -> &SessionKey {
        &self.marks
    }

    /// `nonce || ciphertext || tag` of a text that belongs to this place and no other. It fails when the system has no
    /// random numbers.
    pub(crate) fn seal(&self, place: &[&str], text: &[u8]) -> Result<Vec<u8>, PinError> {
        let mut nonce = [0; NONCE_LEN];
        let mut sealed = text.to_vec();
        let done = SystemRandom::new().fill(&mut nonce).and_then(|()| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            self.key.seal_in_place_append_tag(nonce, additional(place), &mut sealed)
        });
        done.map_err(|_| PinError::Unavailable("a text could not be encrypted".to_owned()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// The text that was sealed for this place.
    pub(crate) fn unseal(&self, place: &[&str], mut sealed: Vec<u8>) -> Result<Vec<u8>, PinError> {
        let damaged = || PinError::Unavailable(format!("a text is damaged, or {KEY} is not its key"));
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let text = self.key.open_in_place(nonce, additional(place), text).map_err(|_| damaged())?;
        Ok(text.to_vec())
    }

    /// A text to be kept; `None` when it cannot be encrypted, which is logged.
    pub(super) fn keep(&self, about: Kept, text: &[u8]) -> Option<KeptText> {
        match self.seal(&place(&about), text) {
            Ok(sealed) => Some(KeptText { about, sealed }),
            Err(error) => {
                tracing::error!(code = error.code(), %error, "a quarantined text is not kept");
                None
            }
        }
    }
}

fn additional(place: &[&str]) -> Aad<Vec<u8>> {
    Aad::from(place.join("\n").into_bytes())
}

/// A quarantined text belongs to its handle, tenant and server.
fn place(about: &Kept) -> [&str; 4] {
    ["interdict/quarantine/1", &about.handle, &about.tenant, &about.server]
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
        let kept = self.run(move |file| Ok((file.kept(server.as_deref(), most)?, None))).await?;
        Ok(kept.into_iter().map(shown).collect())
    }

    /// One text, whole.
    ///
    /// # Errors
    /// [`PinError::QuarantineNotFound`], and when the database cannot be read.
    pub async fn quarantined_text(&self, handle: &str) -> Result<QuarantinedText, PinError> {
        let handle = handle.to_owned();
        let kept = self.run(move |file| Ok((file.kept_text(&handle)?, None))).await?;
        let KeptText { about, sealed } = kept.ok_or(PinError::QuarantineNotFound)?;
        let original = self.vault.unseal(&place(&about), sealed)?;
        Ok(QuarantinedText { original, ..shown(about) })
    }
}
