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

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with another implementation: `printf 'interdict/args/1\0' ; salt ; '{"a":1}' | sha256sum`.
    #[test]
    fn a_commitment_is_what_any_sha256_makes_of_its_parts() {
        let salt = std::array::from_fn(|at| at as u8);
        assert_eq!(
            commit(ARGS, &salt, br#"{"a":1}"#),
            "994d8ddeb670fd62afa60add17dd1308b6cdf4f2ff56b8549617e62923c7d6a6"
        );
    }

    #[test]
    fn domain_salt_and_value_all_count() {
        let (salt, other) = ([0; SALT_BYTES], [1; SALT_BYTES]);
        let first = commit(ARGS, &salt, b"x");
        assert_eq!(first, commit(ARGS, &salt, b"x"));
        assert_ne!(first, commit(INPUT, &salt, b"x"));
        assert_ne!(first, commit(DECISION, &salt, b"x"));
        assert_ne!(first, commit(ARGS, &other, b"x"));
        assert_ne!(first, commit(ARGS, &salt, b"y"));
    }

    /// Attack: what belongs to one part is moved into the next one.
    #[test]
    fn the_parts_cannot_be_cut_elsewhere() {
        let salt = [7; SALT_BYTES];
        assert_ne!(commit("interdict/args/1", &salt, b"x"), commit("interdict/args/1\u{7}", &salt, b"x"));
        let domains = [INPUT, ARGS, DECISION];
        assert!(domains.iter().all(|domain| !domain.contains('\0')));
    }
}
