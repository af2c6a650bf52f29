//! What is wrong with a bundle, where, and what would be right.

use std::fmt;
use std::path::PathBuf;

/// Why a bundle was refused. Nothing of a refused bundle is ever used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleError {
    /// Stable code, `bundle.snake_case`.
    pub code: &'static str,
    /// The file at fault, as the operator named it; `None` when no single file is.
    pub file: Option<PathBuf>,
    /// Line in `file`, starting at 1.
    pub line: Option<u32>,
    /// What is wrong and what would be right, in one or two sentences.
    pub message: String,
}

impl BundleError {
    /// An error that is of no single file.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, file: None, line: None, message: message.into() }
    }

    /// The same, of this file.
    #[must_use]
    pub fn at(mut self, file: impl Into<PathBuf>, line: Option<u32>) -> Self {
        self.file = Some(file.into());
        self.line = line;
        self
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}: ", file.display())?,
            (Some(file), None) => write!(f, "{}: ", file.display())?,
            (None, _) => {}
        }
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for BundleError {}
