//! What goes wrong with a log, as stable codes.

use rusqlite::ErrorCode;

use super::AuditError;

/// The disk, or what the log may take of it, is full.
pub(crate) const DISK_FULL: &str = "audit.disk_full";
/// Another process holds the folder or the database.
pub(crate) const LOCKED: &str = "audit.locked";
/// The database is damaged, or does not lead to what was signed.
pub(crate) const CORRUPT: &str = "audit.corrupt";
/// Anything else that keeps the log from being written.
pub(crate) const UNAVAILABLE: &str = "audit.unavailable";
/// More entries wait than the queue holds.
pub(crate) const OVERLOADED: &str = "audit.overloaded";
/// The log is older than what was signed of it, or another one.
pub(crate) const ROLLED_BACK: &str = "audit.rolled_back";
/// The signing key is not the one that signed last.
pub(crate) const KEY_CHANGED: &str = "audit.key_changed";
/// A key of the folder cannot be used.
pub(crate) const BAD_KEY: &str = "audit.bad_key";
/// The configured name is not the one that the log began with.
pub(crate) const NAME_CHANGED: &str = "audit.name_changed";
/// A tenant that cannot be named in an entry.
pub(crate) const BAD_TENANT: &str = "audit.bad_tenant";
/// The sealed input cannot be opened any more: its key was destroyed.
pub(crate) const INPUTS_ERASED: &str = "audit.inputs_erased";
/// There is no such entry, or no such log.
pub(crate) const NOT_FOUND: &str = "audit.not_found";

/// A failure of SQLite with what was being done.
pub(crate) fn of_sqlite(error: &rusqlite::Error, doing: &str) -> AuditError {
    AuditError::new(code_of(error), format!("{doing}: {error}"))
}

fn code_of(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => DISK_FULL,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LOCKED,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => CORRUPT,
        _ => UNAVAILABLE,
    }
}

/// A failure of the file system with what was being done.
pub(crate) fn of_io(error: &std::io::Error, doing: &str) -> AuditError {
    use std::io::ErrorKind;
    let code = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => DISK_FULL,
        _ => UNAVAILABLE,
    };
    AuditError::new(code, format!("{doing}: {error}"))
}
