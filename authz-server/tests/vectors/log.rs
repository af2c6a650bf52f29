//! The log of all tests of this binary, in memory.
//!
//! One for all, set up before the first decision: a subscriber of one test alone can miss an event whose call site was
//! registered by another test at the same moment.

use std::io::Write;
use std::sync::{Mutex, Once, PoisonError};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static SET_UP: Once = Once::new();

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Begins to write; harmless when it was called before.
pub(crate) fn begin() {
    SET_UP.call_once(|| tracing_subscriber::fmt().json().with_writer(|| Lines).init());
}

/// Everything so far.
pub(crate) fn written() -> String {
    String::from_utf8_lossy(&LINES.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}
