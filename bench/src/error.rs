//! One error for the whole program: a benchmark can only stop and say why.

use std::fmt::Display;

/// Why the run stopped, as a sentence for the person who started it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(what: impl Display) -> Self {
        Self(what.to_string())
    }
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Says what was being done when something else failed.
pub(crate) trait Context<T> {
    fn context(self, doing: impl Display) -> Result<T>;
}

impl<T, E: Display> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl Display) -> Result<T> {
        self.map_err(|error| Failure(format!("{doing}: {error}")))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, doing: impl Display) -> Result<T> {
        self.ok_or_else(|| Failure(doing.to_string()))
    }
}
