//! What one profile looks for, compiled, and what is found with it.

mod compile;
mod settle;
mod walk;

use std::fmt;
use std::sync::Arc;

use interdict_mcp::json::Value;

use crate::detect::Detectors;
use crate::finding::{Finding, SessionKey};
use crate::profile::{Action, Profile};

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
    /// A bound was hit (depth of nesting or of encodings, expansion, number of findings): there may be more. To be
    /// treated like a finding that is denied.
    pub incomplete: bool,
}

/// A class that is looked for.
struct Active {
    name: Arc<str>,
    action: Action,
}

/// Detectors of one profile, compiled once.
pub struct Engine {
    /// The built-in classes in their order, then those of the operator. `None`: not looked for.
    classes: Vec<Option<Active>>,
    detectors: Detectors,
    tail: usize,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.classes.iter().flatten().map(|class| (&class.name, class.action));
        f.debug_map().entries(names).finish()
    }
}

impl Engine {
    /// Compiles a profile.
    ///
    /// # Errors
    /// A [`ProfileError`] if the profile names what does not exist or asks for too much.
    pub fn new(profile: &Profile) -> Result<Engine, ProfileError> {
        compile::engine(profile)
    }

    /// Looks through a value and everything below it, names of members included. Spans are offsets in the value's
    /// document; paths start at the value.
    #[must_use]
    pub fn scan(&self, value: Value<'_>, key: &SessionKey) -> Scan {
        let mut walk = walk::Walk::new(self, key);
        walk.value(value, &walk::Step::Root, "");
        walk.finish()
    }

    /// Looks through plain text. Spans are offsets in the text.
    #[must_use]
    pub fn scan_text(&self, text: &str, key: &SessionKey) -> Scan {
        let mut walk = walk::Walk::new(self, key);
        walk.plain(text);
        walk.finish()
    }

    /// The same, for what is on both sides of `border`: what is encoded on one side of it is not decoded.
    pub(crate) fn scan_across(&self, text: &str, border: usize, key: &SessionKey) -> Scan {
        let mut walk = walk::Walk::new(self, key);
        walk.border = Some(border);
        walk.plain(text);
        walk.finish()
    }

    /// Whether no value can be in `text` on both sides of `border`, nor in any end of `text`. `false` says nothing.
    pub(crate) fn nothing_crosses(&self, text: &str, border: usize) -> bool {
        self.detectors.nothing_crosses(text, border)
    }

    /// Bytes of the end of a text that have to be kept and scanned together with what follows, so that a value
    /// that straddles the two is found. At most 256; longer values (private keys, long tokens) are found by their part.
    #[must_use]
    pub fn tail(&self) -> usize {
        self.tail
    }
}

#[cfg(test)]
mod tests;
