//! What an approver is shown of a call, within bounds: an agent must not be able to fill the disk with questions.
//!
//! Nothing that is hashed depends on this: the action's digest is made of the request itself.

use sha2::{Digest, Sha256};

use super::Approval;

/// First word of what stands in the place of arguments that are too long. No JSON text starts like this, so no call
/// can pretend.
const MARK: &str = "not-shown";

/// What is kept of a call's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arguments<'a> {
    /// The canonical JSON text.
    Shown(&'a str),
    /// The text was longer than [`Arguments::MAX_SHOWN`].
    NotShown {
        /// Its length in bytes.
        bytes: u64,
        /// SHA-256 of it, hex.
        sha256: &'a str,
    },
}

impl Arguments<'_> {
    /// The longest text that is kept, in bytes. A person reads no more.
    pub const MAX_SHOWN: usize = 64 * 1024;
}

impl Approval {
    /// What the approver sees.
    pub fn arguments(&self) -> Arguments<'_> {
        let mut words = self.arguments_json.split(' ');
        match (words.next(), words.next().and_then(|count| count.parse().ok()), words.next()) {
            (Some(MARK), Some(bytes), Some(sha256)) => Arguments::NotShown { bytes, sha256 },
            _ => Arguments::Shown(&self.arguments_json),
        }
    }
}

/// The text to keep.
pub(super) fn kept(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= Arguments::MAX_SHOWN {
        return text.into();
    }
    let digest: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{MARK} {} {digest}", text.len()).into()
}
