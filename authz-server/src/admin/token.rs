//! The bearer token of the admin API, in a file that may change at any time.

use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sha2::{Digest, Sha256};

/// Shorter tokens can be guessed.
const MIN_CHARACTERS: usize = 16;
/// Larger files are not token files.
const MAX_BYTES: u64 = 4_096;

/// The file with the token. It is read for every call: the admin API is not a hot path, and so a token that was
/// replaced is out of force at once.
#[derive(Debug, Clone)]
pub struct AdminToken {
    file: PathBuf,
}

/// The token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No such file, or no permission.
    #[error("{}: cannot be read: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What is in it is no token.
    #[error("{}: must hold one line with at least {MIN_CHARACTERS} printable characters without blanks", file.display())]
    Unfit {
        /// The file.
        file: PathBuf,
    },
}

impl AdminToken {
    /// Checks that the file holds a token.
    ///
    /// # Errors
    /// When it does not.
    pub fn open(file: &Path) -> Result<Self, TokenError> {
        let token = Self { file: file.to_owned() };
        token.read()?;
        Ok(token)
    }

    /// Whether this is the token. Takes the same time for every wrong one: digests are compared, in constant time.
    ///
    /// # Errors
    /// When the file cannot be used any more; then nobody is admitted.
    pub fn admits(&self, presented: &str) -> Result<bool, TokenError> {
        let expected = Sha256::digest(self.read()?);
        Ok(verify_slices_are_equal(&expected, &Sha256::digest(presented)).is_ok())
    }

    /// The token itself, for the client side.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn read(&self) -> Result<String, TokenError> {
        let unreadable = |error| TokenError::Unreadable { file: self.file.clone(), error };
        let unfit = || TokenError::Unfit { file: self.file.clone() };
        if std::fs::metadata(&self.file).map_err(unreadable)?.len() > MAX_BYTES {
            return Err(unfit());
        }
        let text = std::fs::read_to_string(&self.file).map_err(unreadable)?;
        let token = text.trim();
        if token.len() < MIN_CHARACTERS || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(unfit());
        }
        Ok(token.to_owned())
    }
}
