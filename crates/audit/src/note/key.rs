//! Keys that sign and keys that verify.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::{NoteError, Signature};

/// What the signatures of a key say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Ed25519 over the text (type 1): a log.
    Ed25519,
    /// `cosignature/v1` (type 4): a witness.
    Cosignature,
}

impl KeyKind {
    fn byte(self) -> u8 {
        match self {
            KeyKind::Ed25519 => 1,
            KeyKind::Cosignature => 4,
        }
    }
}

/// A key name: not empty, no Unicode blanks, no plus sign, no control characters.
pub(super) fn check_name(name: &str) -> Result<(), NoteError> {
    let bad = |char: char| char.is_whitespace() || char == '+' || char < ' ';
    if name.is_empty() || name.contains(bad) { Err(NoteError::KeyName) } else { Ok(()) }
}

/// A key that verifies, written `name+id+base64(type || key)`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    kind: KeyKind,
    key: VerifyingKey,
}

impl VerifierKey {
    /// A key from its 32 bytes.
    ///
    /// # Errors
    /// [`NoteError`] for an impossible name, and for bytes that are no point or one of small order: anybody can sign
    /// for such a key.
    pub fn new(name: &str, kind: KeyKind, public: &[u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        let key = VerifyingKey::from_bytes(public).map_err(|_| NoteError::Key)?;
        if key.is_weak() {
            return Err(NoteError::Key);
        }
        Ok(Self { name: name.to_owned(), id: key_id(name, kind, public), kind, key })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id: the beginning of a hash over name, type and key.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// What its signatures say.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The time that a verified signature bears; only a witness's has one.
    pub(super) fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, NoteError> {
        let wrong = NoteError::BadSignature;
        let (message, bytes, time) = match self.kind {
            KeyKind::Ed25519 => (text.to_owned(), signature, None),
            KeyKind::Cosignature => {
                let (time, bytes) = signature.split_first_chunk::<8>().ok_or(wrong)?;
                let time = u64::from_be_bytes(*time);
                (cosigned(text, time).ok_or(wrong)?, bytes, Some(time))
            }
        };
        let signature = ed25519_dalek::Signature::from_slice(bytes).map_err(|_| wrong)?;
        self.key.verify_strict(message.as_bytes(), &signature).map_err(|_| wrong)?;
        Ok(time)
    }
}

/// The form in which keys are exchanged.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind.byte()], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, crate::hex::encode(self.id), STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        // Base64 may hold a plus sign, a name may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        let decoded = STANDARD.decode(encoded).map_err(|_| NoteError::Key)?;
        let (kind, public) = match decoded.split_first().ok_or(NoteError::Key)? {
            (1, public) => (KeyKind::Ed25519, public),
            (4, public) => (KeyKind::Cosignature, public),
            _ => return Err(NoteError::KeyType),
        };
        let key = Self::new(name, kind, public.try_into().map_err(|_| NoteError::Key)?)?;
        if crate::hex::encode(key.id) != id {
            return Err(NoteError::Key);
        }
        Ok(key)
    }
}

fn key_id(name: &str, kind: KeyKind, public: &[u8; 32]) -> [u8; 4] {
    let hash: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind.byte()])
        .chain_update(public)
        .finalize()
        .into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

/// What a witness signs; `None` for a time that no cosignature can bear.
fn cosigned(text: &str, time: u64) -> Option<String> {
    i64::try_from(time).ok()?;
    Some(format!("cosignature/v1\ntime {time}\n{text}"))
}

/// The private key of a log.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    verifier: VerifierKey,
}

impl Signer {
    /// The key with this name from its 32 secret bytes.
    ///
    /// # Errors
    /// [`NoteError::KeyName`] for an impossible name.
    pub fn new(name: &str, secret: &[u8; 32]) -> Result<Self, NoteError> {
        let key = SigningKey::from_bytes(secret);
        let verifier = VerifierKey::new(name, KeyKind::Ed25519, key.verifying_key().as_bytes())?;
        Ok(Self { key, verifier })
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a text.
    #[must_use]
    pub fn sign(&self, text: &str) -> Signature {
        let bytes = self.key.sign(text.as_bytes()).to_bytes().to_vec();
        Signature { name: self.verifier.name.clone(), key_id: self.verifier.id, bytes }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

/// The private key of a witness.
#[derive(Clone)]
pub struct Cosigner {
    key: SigningKey,
    verifier: VerifierKey,
}

impl Cosigner {
    /// The key with this name from its 32 secret bytes.
    ///
    /// # Errors
    /// [`NoteError::KeyName`] for an impossible name.
    pub fn new(name: &str, secret: &[u8; 32]) -> Result<Self, NoteError> {
        let key = SigningKey::from_bytes(secret);
        let verifier = VerifierKey::new(name, KeyKind::Cosignature, key.verifying_key().as_bytes())?;
        Ok(Self { key, verifier })
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a text as seen at `time`, in seconds since 1970; `None` for a time beyond 2^63.
    #[must_use]
    pub fn cosign(&self, text: &str, time: u64) -> Option<Signature> {
        let signed = self.key.sign(cosigned(text, time)?.as_bytes()).to_bytes();
        let bytes = [time.to_be_bytes().as_slice(), &signed].concat();
        Some(Signature { name: self.verifier.name.clone(), key_id: self.verifier.id, bytes })
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.verifier)
    }
}
