//! Commitments: a hash that binds to a value without telling it, as long as its salt is secret.

use sha2::{Digest, Sha256};

use crate::hex;

/// Facts that were judged.
pub const INPUT: &str = "interdict/input/1";
/// Arguments of a call.
pub const ARGS: &str = "interdict/args/1";
/// A decision.
pub const DECISION: &str = "interdict/decision/1";

/// Bytes of a salt.
pub const SALT_BYTES: usize = 32;

/// `SHA-256(domain || 0x00 || salt || bytes)` in hex.
#[must_use]
pub fn commit(domain: &str, salt: &[u8; SALT_BYTES], bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(domain);
    hash.update([0]);
    hash.update(salt);
    hash.update(bytes);
    hex::encode(hash.finalize())
}
