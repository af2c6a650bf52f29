//! What a start would find where a database belongs, without a database engine: opening one can leave files of whoever
//! asks beside those of a running server.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::schema::Form;

/// What every SQLite file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The part of it that says whose it is.
const HEADER: u64 = 100;
/// Where it says its `user_version` and its `application_id`.
const VERSION: usize = 60;
const APPLICATION: usize = 68;

/// Which of our databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    /// Questions for people.
    Approvals,
    /// Approved definitions, and what was quarantined.
    Pins,
    /// What adds up over calls.
    Totals,
}

impl Database {
    /// Looks at its place.
    ///
    /// # Errors
    /// What would stop a start.
    pub(crate) fn look(self, file: &Path) -> Result<Found, String> {
        let form = match self {
            Self::Approvals => &super::schema::FORM,
            Self::Pins => &crate::store::pins::FORM,
            Self::Totals => &crate::store::totals::FORM,
        };
        look(file, form)
    }
}

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing yet; a start makes it.
    Nothing,
    /// A database of ours that can be read and written.
    Ours {
        /// Its size.
        bytes: u64,
        /// Its permission bits.
        mode: u32,
    },
}

fn look(file: &Path, form: &Form) -> Result<Found, String> {
    let opened = match OpenOptions::new().read(true).write(true).open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return folder_of(file),
        other => other.map_err(|error| format!("cannot be opened for reading and writing: {error}"))?,
    };
    let about = opened.metadata().map_err(|error| error.to_string())?;
    let mut header = Vec::new();
    opened.take(HEADER).read_to_end(&mut header).map_err(|error| format!("cannot be read: {error}"))?;
    // An empty file is what a start makes first. A file whose numbers are still zero has them in its write-ahead log.
    if !header.is_empty() {
        if !header.starts_with(MAGIC) {
            return Err("is not an SQLite database".to_owned());
        }
        match (number(&header, VERSION), number(&header, APPLICATION)) {
            (0, 0) => {}
            (version, application) if application == form.application && version == form.version => {}
            (version, application) if application == form.application => {
                return Err(super::schema::other_version(version, form.version));
            }
            _ => return Err("is the database of another program".to_owned()),
        }
    }
    Ok(Found::Ours { bytes: about.len(), mode: about.permissions().mode() & 0o777 })
}

fn folder_of(file: &Path) -> Result<Found, String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match folder.is_dir() {
        true => Ok(Found::Nothing),
        false => Err(format!("the folder {} does not exist", folder.display())),
    }
}

fn number(header: &[u8], at: usize) -> i64 {
    let bytes = header.get(at..).and_then(|rest| rest.first_chunk::<4>());
    bytes.map_or(0, |bytes| i64::from(i32::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn a_database_is_known_by_its_head_and_looking_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        assert_eq!(look(&file, &schema::FORM), Ok(Found::Nothing));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(schema::open(&file, &schema::FORM).unwrap());
        let found = look(&file, &schema::FORM).unwrap();
        assert!(matches!(found, Found::Ours { bytes: 1.., mode: 0o600 }), "{found:?}");
        let other = Form { application: 7, ..schema::FORM };
        assert!(look(&file, &other).unwrap_err().contains("another program"));
        let older = Form { version: 0, ..schema::FORM };
        assert!(look(&file, &older).unwrap_err().contains("use the newer server"));
        std::fs::write(&file, "PRAGMA").unwrap();
        assert!(look(&file, &schema::FORM).unwrap_err().contains("not an SQLite"));
        let nowhere = folder.path().join("no/such/a.db");
        assert!(look(&nowhere, &schema::FORM).unwrap_err().contains("does not exist"));
    }

    #[test]
    fn a_database_that_is_open_elsewhere_is_known_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let _held = schema::open(&file, &schema::FORM).unwrap();
        assert!(matches!(look(&file, &schema::FORM), Ok(Found::Ours { .. })));
    }
}
