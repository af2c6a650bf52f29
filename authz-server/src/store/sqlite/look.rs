//! What a start would find where a database belongs, mostly without a database engine: opening one can leave files of
//! whoever asks beside those of a running server.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::schema::Form;

/// What every SQLite file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The part of it that says whose it is.
const HEADER: u64 = 100;
/// Where it says its `user_version` and its `application_id`.
const VERSION: usize = 60;
/// Where it says how long a page is, and how many there are.
const PAGE: usize = 16;
const PAGES: usize = 28;
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
        let log = log_of(file);
        if log == 0 && about.len() < size(&header) {
            return Err("is damaged: it is shorter than it says; restore it from a backup".to_owned());
        }
        match (number(&header, VERSION), number(&header, APPLICATION)) {
            (0, 0) if log > 0 || is_empty(file)? => {}
            (version, application) if application == form.application && version == form.version => {}
            (version, application) if application == form.application => {
                return Err(super::schema::other_version(version, form.version));
            }
            _ => return Err("is the database of another program".to_owned()),
        }
    }
    Ok(Found::Ours { bytes: about.len(), mode: about.permissions().mode() & 0o777 })
}

/// How long the write-ahead log beside a database is: of what a running server wrote, or one that was killed.
fn log_of(file: &Path) -> u64 {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(Path::new(&name)).map_or(0, |about| about.len())
}

/// How long the file is to be, by its head.
fn size(header: &[u8]) -> u64 {
    let byte = |at: usize| header.get(at).map_or(0, |byte| u64::from(*byte));
    // 65536 does not fit into its two bytes and is written as 1.
    let page = match byte(PAGE) << 8 | byte(PAGE + 1) {
        1 => 65_536,
        bytes => bytes,
    };
    page.saturating_mul(u64::try_from(number(header, PAGES)).unwrap_or(0))
}

fn is_empty(file: &Path) -> Result<bool, String> {
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables = open(file).and_then(|file| file.query_row(tables, [], |row| row.get::<_, i64>(0)));
    Ok(tables.map_err(super::schema::explain)? == 0)
}

/// Opens a database to read what is in it, and leaves nothing beside it: where there is a write-ahead log, its files are
/// there already; where there is none, nobody writes.
pub(in crate::store) fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if log_of(file) > 0 {
        return Connection::open_with_flags(file, flags);
    }
    let file = std::path::absolute(file).map_err(|_| rusqlite::Error::InvalidPath(file.to_owned()))?;
    let mut url = url::Url::from_file_path(&file).map_err(|()| rusqlite::Error::InvalidPath(file))?;
    url.set_query(Some("immutable=1"));
    Connection::open_with_flags(url.as_str(), flags | OpenFlags::SQLITE_OPEN_URI)
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
        let whole = schema::open(&folder.path().join("b.db"), &schema::FORM).map(drop);
        whole.unwrap();
        let cut = std::fs::read(folder.path().join("b.db")).unwrap();
        std::fs::write(&file, &cut[..cut.len() - 100]).unwrap();
        assert!(look(&file, &schema::FORM).unwrap_err().contains("damaged"));
        std::fs::remove_file(&file).unwrap();
        let foreign = Connection::open(&file).unwrap();
        foreign.execute_batch("CREATE TABLE theirs (a)").unwrap();
        drop(foreign);
        assert!(look(&file, &schema::FORM).unwrap_err().contains("another program"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "looking leaves nothing behind");
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
