//! What one profile looks for, compiled, and the walk over a document.

use std::fmt;

use interdict_mcp::json::Value;

use crate::finding::{Finding, SessionKey};
use crate::profile::Profile;

pub use crate::detect::classes::{CLASSES, ClassInfo};

/// A profile that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// `content.bad_version`, `content.unknown_class`, `content.bad_class`, `content.unknown_region`,
    /// `content.bad_pattern`, `content.bad_exact_set` or `content.too_large`.
    pub code: &'static str,
    /// What is wrong; names classes, never a pattern or a value.
    pub message: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ProfileError {}

/// What was found in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// In the order of the document.
    pub findings: Vec<Finding>,
    /// A bound was hit (depth of encodings, expansion, number of findings): there may be more. To be treated like a
    /// finding that is denied.
    pub incomplete: bool,
}

/// Detectors of one profile, compiled once.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// Compiles a profile.
    ///
    /// # Errors
    /// A [`ProfileError`] if the profile names what does not exist or asks for too much.
    pub fn new(_profile: &Profile) -> Result<Engine, ProfileError> {
        Ok(Engine {})
    }

    /// Looks through a value and everything below it, names of members included. Spans are offsets in the document.
    #[must_use]
    pub fn scan(&self, _value: Value<'_>, _key: &SessionKey) -> Scan {
        Scan::default()
    }

    /// Looks through plain text. Spans are offsets in the text.
    #[must_use]
    pub fn scan_text(&self, _text: &str, _key: &SessionKey) -> Scan {
        Scan::default()
    }

    /// Bytes of the end of a text that have to be kept and scanned together with what follows, so that a value
    /// that straddles the two is found. At most 256.
    #[must_use]
    pub fn tail(&self) -> usize {
        256
    }
}
