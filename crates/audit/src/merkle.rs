//! The RFC 6962 tree over a tenant's entries: how it grows, what is proved of it, how a proof is checked.
//!
//! A [`Frontier`] is all that appending needs. Whoever keeps the hashes is a [`HashSource`], and over it come
//! [`inclusion_proof`], [`consistency_proof`] and [`range_proof`]. The checking side ([`verify_inclusion`],
//! [`verify_consistency`], [`root_of_range`]) needs no source: it trusts nothing but two roots, and every element of a
//! proof goes into what is compared, or the proof is refused. [`tiles`] says in which pieces hashes are stored.
//!
//! Every function is total: sizes beyond [`MAX_SIZE`] and ranges that do not fit are errors, and nothing can overflow.

mod frontier;
mod proof;
#[cfg(test)]
mod tests;
pub mod tiles;
mod verify;

use sha2::{Digest, Sha256};

pub use self::frontier::Frontier;
pub use self::proof::{
    HashSource, Leaves, ProofError, RangeProof, consistency_proof, inclusion_proof, range_proof, root,
};
pub use self::verify::{root_of_range, verify_consistency, verify_inclusion};

/// A node of the tree.
pub type Hash = [u8; 32];

/// The largest tree: 2^63 leaves, so that no sum of two positions overflows.
pub const MAX_SIZE: u64 = 1 << 63;

/// What cannot be done with a tree, or what is wrong with a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// The tree would have more than [`MAX_SIZE`] leaves.
    #[error("the tree is larger than 2^63 leaves")]
    TooLarge,
    /// A position or a range does not lie in the tree.
    #[error("the range does not lie in the tree")]
    OutOfRange,
    /// The proof has another number of hashes than the tree asks for.
    #[error("the proof has the wrong number of hashes")]
    ProofLength,
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    RootMismatch,
    /// Stored bytes of a frontier have the wrong length.
    #[error("the stored frontier is damaged")]
    Frontier,
}

impl MerkleError {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            MerkleError::TooLarge => "audit.tree_too_large",
            MerkleError::OutOfRange => "audit.tree_range",
            MerkleError::ProofLength => "audit.proof_length",
            MerkleError::RootMismatch => "audit.proof_root",
            MerkleError::Frontier => "audit.frontier_damaged",
        }
    }
}

/// The hash of a leaf: SHA-256 over 0x00 and the entry.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of an inner node: SHA-256 over 0x01 and both children.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the tree without leaves: SHA-256 over nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// A perfect subtree: the leaves from `index << level` up to, not including, `(index + 1) << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subtree {
    /// Its height; 0 is a leaf.
    pub level: u8,
    /// Its place among those of the same height.
    pub index: u64,
}

/// The perfect subtrees that cover `from..to`, from left to right, as few as possible.
///
/// # Errors
/// [`MerkleError`] if the range is reversed or reaches beyond [`MAX_SIZE`].
pub fn subtrees(from: u64, to: u64) -> Result<Vec<Subtree>, MerkleError> {
    fits(to)?;
    if from > to {
        return Err(MerkleError::OutOfRange);
    }
    let mut found = Vec::new();
    let mut at = from;
    // As high as the alignment of the start and the rest of the range allow.
    while let Some(rest) = (to - at).checked_ilog2() {
        let level = at.trailing_zeros().min(rest);
        found.push(Subtree { level: level as u8, index: at >> level });
        at += 1 << level;
    }
    Ok(found)
}

/// Whether a tree may have so many leaves.
fn fits(size: u64) -> Result<(), MerkleError> {
    if size > MAX_SIZE { Err(MerkleError::TooLarge) } else { Ok(()) }
}

/// Where RFC 6962 splits `leaves` (two or more): the largest power of two below it.
fn split(leaves: u64) -> u64 {
    1 << leaves.saturating_sub(1).checked_ilog2().unwrap_or(0)
}

/// The root over subtrees of falling height.
fn fold(hashes: impl DoubleEndedIterator<Item = Hash>) -> Hash {
    hashes.rev().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
}
