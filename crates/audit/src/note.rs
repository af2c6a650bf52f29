//! Signed notes (C2SP signed-note): a text, an empty line, signature lines. There is one reading of a note or none:
//! whatever is accepted is spelled the same when it is written again.
//!
//! ```text
//! the text, which ends in a newline
//!
//! — name base64(key id || signature)
//! ```
//!
//! A key is known by its name *and* its id, and the id covers name, type and key. Two types are read: Ed25519 over the
//! text, with which a log signs, and `cosignature/v1`, with which a witness says that it saw a checkpoint at a time.

mod key;
#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use self::key::{Cosigner, KeyKind, Signer, VerifierKey};

/// The largest note, in bytes.
pub const MAX_BYTES: usize = 128 * 1024;
/// The most signatures of a note; the specification asks for 16 or more.
pub const MAX_SIGNATURES: usize = 32;
/// What a signature line begins with.
const MARK: &str = "— ";

/// What is wrong with a note, or with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is too large.
    #[error("the note is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// It has too many signatures.
    #[error("the note has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// It is not text, or holds control characters.
    #[error("the note is not UTF-8 without control characters")]
    NotText,
    /// There is no text with signature lines behind an empty line.
    #[error("the note does not consist of a text, an empty line and signature lines")]
    Form,
    /// A signature line is not one.
    #[error("a signature line of the note is malformed")]
    SignatureLine,
    /// A name that no key can have.
    #[error("a key name is empty or holds a blank, a plus sign or a control character")]
    KeyName,
    /// A verifier key is not `name+id+base64`, or its id is not that of its key.
    #[error("the verifier key is malformed, or its id is not that of the key")]
    Key,
    /// A verifier key of a type that is not read here.
    #[error("the type of the verifier key is unknown; 1 (Ed25519) and 4 (cosignature) are read")]
    KeyType,
    /// None of the keys signed it.
    #[error("none of the trusted keys signed the note")]
    Unsigned,
    /// A trusted key is named and its signature is wrong.
    #[error("a signature that names a trusted key does not verify")]
    BadSignature,
    /// A trusted key is named twice.
    #[error("the note names a trusted key twice")]
    SignedTwice,
}

impl NoteError {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            NoteError::TooLarge | NoteError::TooManySignatures => "audit.note_too_large",
            NoteError::NotText | NoteError::Form | NoteError::SignatureLine => "audit.note_malformed",
            NoteError::KeyName | NoteError::Key | NoteError::KeyType => "audit.note_key",
            NoteError::Unsigned => "audit.note_unsigned",
            NoteError::BadSignature | NoteError::SignedTwice => "audit.note_signature",
        }
    }
}

/// One signature line. What it is worth, only [`Note::verified`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    name: String,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

impl Signature {
    /// Reads a line, without the newline behind it.
    ///
    /// # Errors
    /// [`NoteError`] if it is not exactly a signature line.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let (name, encoded) =
            line.strip_prefix(MARK).and_then(|rest| rest.split_once(' ')).ok_or(NoteError::SignatureLine)?;
        key::check_name(name)?;
        // This engine takes one spelling only: padded, without stray bits.
        let decoded = STANDARD.decode(encoded).map_err(|_| NoteError::SignatureLine)?;
        let (key_id, bytes) = decoded.split_first_chunk::<4>().ok_or(NoteError::SignatureLine)?;
        if bytes.is_empty() {
            return Err(NoteError::SignatureLine);
        }
        Ok(Self { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
    }

    /// The name of the key that it claims to be from.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of that key.
    #[must_use]
    pub fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    fn is_of(&self, key: &VerifierKey) -> bool {
        self.key_id == key.id() && self.name == key.name()
    }
}

/// The line, without a newline.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = STANDARD.encode([self.key_id.as_slice(), &self.bytes].concat());
        write!(f, "{MARK}{} {encoded}", self.name)
    }
}

/// A signature that was verified.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    /// Whose it is.
    pub key: &'a VerifierKey,
    /// The line.
    pub signature: &'a Signature,
    /// When a witness signed, in seconds since 1970; a log's signature has no time.
    pub time: Option<u64>,
}

/// A text with signatures. Until [`Note::open`] succeeded, the text is anybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// A note with one signature.
    ///
    /// # Errors
    /// [`NoteError`] if `text` does not end in a newline, holds control characters or is too large.
    pub fn new(text: impl Into<String>, signature: Signature) -> Result<Self, NoteError> {
        let text = text.into();
        if !text.ends_with('\n') {
            return Err(NoteError::Form);
        }
        check_text(&text)?;
        Self { text, signatures: vec![signature] }.within_limits()
    }

    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteError`] if it is not exactly a note.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_BYTES {
            return Err(NoteError::TooLarge);
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
        check_text(whole)?;
        // The *last* empty line: the text may hold others.
        let (before, lines) = whole.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form)?;
        let signatures: Vec<Signature> =
            lines.split('\n').take(MAX_SIGNATURES + 1).map(Signature::parse).collect::<Result<_, _>>()?;
        Self { text: format!("{before}\n"), signatures }.within_limits()
    }

    /// The text, with its final newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines, verified or not.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature; one of the same key gives way.
    ///
    /// # Errors
    /// [`NoteError`] if the note would be too large; it stays as it is.
    pub fn add(&mut self, signature: Signature) -> Result<(), NoteError> {
        let mut signatures = self.signatures.clone();
        signatures.retain(|old| (&old.name, old.key_id) != (&signature.name, signature.key_id));
        signatures.push(signature);
        *self = Self { text: self.text.clone(), signatures }.within_limits()?;
        Ok(())
    }

    /// The signatures of these keys, in the order of the note; lines of other keys are passed over. May be empty.
    ///
    /// # Errors
    /// [`NoteError`] if a line names one of the keys and does not verify, or names it a second time.
    pub fn verified<'a>(&'a self, keys: &'a [VerifierKey]) -> Result<Vec<Verified<'a>>, NoteError> {
        let mut verified: Vec<Verified<'a>> = Vec::new();
        for signature in &self.signatures {
            // More than one key can have the same short id; each of them is tried.
            let mut named = keys.iter().filter(|key| signature.is_of(key)).peekable();
            if named.peek().is_none() {
                continue;
            }
            let found = named.find_map(|key| {
                let time = key.verify(&self.text, &signature.bytes).ok()?;
                Some(Verified { key, signature, time })
            });
            let found = found.ok_or(NoteError::BadSignature)?;
            if verified.iter().any(|before| before.key == found.key) {
                return Err(NoteError::SignedTwice);
            }
            verified.push(found);
        }
        Ok(verified)
    }

    /// As [`Note::verified`], but at least one of the keys must have signed.
    ///
    /// # Errors
    /// As [`Note::verified`], and [`NoteError::Unsigned`].
    pub fn open<'a>(&'a self, keys: &'a [VerifierKey]) -> Result<Vec<Verified<'a>>, NoteError> {
        let verified = self.verified(keys)?;
        if verified.is_empty() { Err(NoteError::Unsigned) } else { Ok(verified) }
    }

    fn within_limits(self) -> Result<Self, NoteError> {
        if self.signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        if self.to_string().len() > MAX_BYTES {
            return Err(NoteError::TooLarge);
        }
        Ok(self)
    }
}

/// The whole note.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    let control = |byte: u8| byte < b' ' && byte != b'\n';
    if text.bytes().any(control) { Err(NoteError::NotText) } else { Ok(()) }
}
