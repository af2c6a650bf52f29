//! The key of a witness: 32 bytes as 64 hex digits in a file, its public half beside it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use interdict_audit::hex;
use interdict_audit::note::{Cosigner, KeyKind, NoteError, VerifierKey};

use crate::files;

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct KeyError {
    file: PathBuf,
    reason: String,
}

/// The key in `file`, made there at the first start, and its public half written beside it (`.vkey`). Without a `name`,
/// it is called after its public half.
///
/// # Errors
/// [`KeyError`] if the file holds no key or cannot be written.
pub fn cosigner(file: &Path, name: Option<&str>) -> Result<Cosigner, KeyError> {
    let refuse = |reason: String| KeyError { file: file.to_owned(), reason };
    let public_file = file.with_extension("vkey");
    if public_file == file {
        return Err(refuse("must not end in .vkey: the public half is written there".to_owned()));
    }
    let secret = match std::fs::read_to_string(file) {
        Ok(text) => hex::decode32(text.trim())
            .ok_or_else(|| refuse("must hold 32 bytes as 64 lower-case hex digits".to_owned()))?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            generate(file).map_err(|error| refuse(format!("cannot be made: {error}")))?
        }
        Err(error) => return Err(refuse(format!("cannot be read: {error}"))),
    };
    let cosigner = named(&secret, name).map_err(|error| refuse(error.to_string()))?;
    let line = format!("{}\n", cosigner.verifier());
    files::write_whole(&public_file, line.as_bytes())
        .map_err(|error| KeyError { file: public_file, reason: format!("cannot be written: {error}") })?;
    Ok(cosigner)
}

fn named(secret: &[u8; 32], name: Option<&str>) -> Result<Cosigner, NoteError> {
    if let Some(name) = name {
        return Cosigner::new(name, secret);
    }
    let nameless = Cosigner::new("interdict-witness", secret)?;
    let id = hex::encode(nameless.verifier().id());
    Cosigner::new(&format!("interdict-witness-{id}"), secret)
}

fn generate(file: &Path) -> std::io::Result<[u8; 32]> {
    let mut secret = [0; 32];
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| std::io::Error::other("there are no random numbers"))?;
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        files::private_folder(folder)?;
    }
    files::write_whole(file, format!("{}\n", hex::encode(secret)).as_bytes())?;
    Ok(secret)
}

/// The key of a witness as a configuration has it.
///
/// # Errors
/// [`NoteError`] if it is malformed or not the key of a witness.
pub(super) fn verifier(text: &str) -> Result<VerifierKey, NoteError> {
    let key: VerifierKey = text.parse()?;
    if key.kind() == KeyKind::Cosignature { Ok(key) } else { Err(NoteError::KeyType) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_private_and_its_public_half_lies_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/witness.key");
        let first = cosigner(&file, None).unwrap();
        assert!(first.verifier().name().starts_with("interdict-witness-"));
        assert_eq!(cosigner(&file, None).unwrap().verifier(), first.verifier());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let public = std::fs::read_to_string(folder.path().join("new/witness.vkey")).unwrap();
        assert_eq!(&verifier(public.trim()).unwrap(), first.verifier());
        let named = cosigner(&file, Some("witness.test/w1")).unwrap();
        assert_eq!(named.verifier().name(), "witness.test/w1");
    }

    #[test]
    fn a_damaged_key_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("witness.key");
        std::fs::write(&file, "not a key").unwrap();
        assert!(cosigner(&file, None).unwrap_err().to_string().contains("64 lower-case hex digits"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a key");
        assert!(cosigner(&folder.path().join("a.vkey"), None).is_err());
        std::fs::write(&file, "0f".repeat(32)).unwrap();
        assert!(cosigner(&file, Some("a name")).unwrap_err().to_string().contains("name"));
    }

    #[test]
    fn the_key_of_a_log_is_not_that_of_a_witness() {
        let log = interdict_audit::note::Signer::new("log", &[1; 32]).unwrap();
        assert_eq!(verifier(&log.verifier().to_string()), Err(NoteError::KeyType));
    }
}
