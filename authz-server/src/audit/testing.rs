//! Trouble on order, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;

use super::AuditError;

/// What goes wrong from now on. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble {
    /// The most pages of the database; 0 = no limit.
    pub(crate) max_pages: Arc<AtomicU32>,
    /// Every write fails as if the disk did.
    pub(crate) broken: Arc<AtomicU32>,
    /// So many syncs fail.
    pub(crate) unsynced: Arc<AtomicU32>,
    /// The write-ahead log cannot be written again.
    pub(crate) not_again: Arc<AtomicU32>,
}

impl Trouble {
    pub(crate) fn check(&self) -> Result<(), AuditError> {
        refuse_if(&self.broken)
    }

    pub(crate) fn write_again(&self) -> Result<(), AuditError> {
        refuse_if(&self.not_again)
    }

    pub(crate) fn sync(&self, synced: std::io::Result<()>) -> std::io::Result<()> {
        let less = |left: u32| left.checked_sub(1);
        match self.unsynced.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Err(std::io::Error::other("ordered by a test")),
            Err(_) => synced,
        }
    }

    pub(crate) fn limit(&self, connection: &Connection) {
        let most = match self.max_pages.load(Ordering::SeqCst) {
            0 => u32::MAX - 1,
            most => most,
        };
        connection
            .pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))
            .expect("the limit can be set");
    }
}

fn refuse_if(ordered: &AtomicU32) -> Result<(), AuditError> {
    match ordered.load(Ordering::SeqCst) {
        0 => Ok(()),
        _ => Err(AuditError::new(super::failure::UNAVAILABLE, "ordered by a test")),
    }
}
