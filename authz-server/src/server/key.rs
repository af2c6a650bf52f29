//! The key that seals `requestState`: 32 bytes as 64 hex digits in a file.

use std::io::Write;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// Name of the generated file beside the approval database.
pub(super) const GENERATED: &str = "request-state.key";

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct KeyError {
    file: PathBuf,
    reason: String,
}

/// The configured key, or the generated one beside the database. A configured file that does not exist is an error: a
/// server that made up its own key would refuse the clients of its twin.
pub(crate) fn load(configured: Option<&Path>, database: &Path) -> Result<[u8; 32], KeyError> {
    match configured {
        Some(file) => read(file),
        None => beside(database, GENERATED),
    }
}

/// The key of this name beside the database; it is made when there is none.
pub(crate) fn beside(database: &Path, name: &str) -> Result<[u8; 32], KeyError> {
    let file = super::beside(database, name);
    generate(&file)?;
    read(&file)
}

/// What a start would find: the key is read when there is one.
pub(super) fn look(file: &Path) -> Result<String, KeyError> {
    match file.exists() {
        true => read(file).map(|_| file.display().to_string()),
        false => Ok(format!("{}: not there yet, the first start makes it", file.display())),
    }
}

pub(super) fn read(file: &Path) -> Result<[u8; 32], KeyError> {
    let refuse = |reason: String| KeyError { file: file.to_owned(), reason };
    let text = std::fs::read_to_string(file).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    parse(text.trim())
        .ok_or_else(|| refuse("must hold 32 bytes as 64 hex digits (openssl rand -hex 32)".to_owned()))
}

fn parse(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; 32];
    for (place, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *place = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

/// Writes a fresh key unless there is one. Two servers that start together agree: the file appears under its name only
/// when it is whole, and only one of them can put it there.
fn generate(file: &Path) -> Result<(), KeyError> {
    let refuse = |reason: String| KeyError { file: file.to_owned(), reason };
    if file.exists() {
        return Ok(());
    }
    let mut key = [0_u8; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| refuse("no random numbers".to_owned()))?;
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let draft = super::beside(file, &format!(".key.{}", uuid::Uuid::now_v7()));
    let written = write_private(&draft, &text).and_then(|()| match std::fs::hard_link(&draft, file) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let _ = std::fs::remove_file(&draft);
    written.map_err(|error| refuse(format!("cannot be generated: {error}")))
}

fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(file)?;
    writeln!(out, "{text}")?;
    out.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_private_and_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("approvals.db");
        let first = load(None, &database).unwrap();
        assert_eq!(load(None, &database).unwrap(), first);
        assert_ne!(first, [0; 32]);
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join(GENERATED)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft stays behind");
    }

    #[test]
    fn a_configured_key_that_is_missing_or_too_short_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        assert!(load(Some(&file), &file).unwrap_err().to_string().contains("cannot be read"));
        std::fs::write(&file, "abcd").unwrap();
        assert!(load(Some(&file), &file).unwrap_err().to_string().contains("64 hex digits"));
        std::fs::write(&file, format!("{}\n", "0f".repeat(32))).unwrap();
        assert_eq!(load(Some(&file), &file).unwrap(), [15; 32]);
    }
}
