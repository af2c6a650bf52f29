//! Making proofs from stored hashes.

use std::convert::Infallible;

use super::{Hash, MerkleError, Subtree, fits, fold, node_hash, split, subtrees};

/// Whoever has the hashes of a tree.
pub trait HashSource {
    /// What can go wrong when it looks.
    type Error;

    /// The root of a perfect subtree; `None` if its leaves are not all there.
    ///
    /// # Errors
    /// The source's own.
    fn subtree(&self, subtree: Subtree) -> Result<Option<Hash>, Self::Error>;
}

impl<S: HashSource + ?Sized> HashSource for &S {
    type Error = S::Error;

    fn subtree(&self, subtree: Subtree) -> Result<Option<Hash>, S::Error> {
        (**self).subtree(subtree)
    }
}

/// A tree whose leaf hashes are all in memory; inner nodes are computed when they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Leaves<'a>(pub &'a [Hash]);

impl HashSource for Leaves<'_> {
    type Error = Infallible;

    fn subtree(&self, subtree: Subtree) -> Result<Option<Hash>, Infallible> {
        let range = || {
            let leaves = 1_usize.checked_shl(u32::from(subtree.level))?;
            let from = usize::try_from(subtree.index).ok()?.checked_mul(leaves)?;
            self.0.get(from..from.checked_add(leaves)?)
        };
        Ok(range().and_then(perfect))
    }
}

/// The root over a number of hashes that is a power of two.
pub(super) fn perfect(hashes: &[Hash]) -> Option<Hash> {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        let (pairs, []) = level.as_chunks::<2>() else { return None };
        level = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    level.first().copied()
}

/// Why there is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError<E> {
    /// What was asked for cannot be.
    #[error(transparent)]
    Impossible(#[from] MerkleError),
    /// The source does not have a subtree that belongs to a tree of this size.
    #[error("the hash of subtree {} at level {} is missing", .0.index, .0.level)]
    Missing(Subtree),
    /// The source failed.
    #[error("the hashes cannot be read: {0}")]
    Source(E),
}

/// The subtrees beside a range of leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeProof {
    /// Roots of the subtrees that cover everything in front of the range.
    pub left: Vec<Hash>,
    /// Roots of the subtrees that cover everything behind it.
    pub right: Vec<Hash>,
}

/// The root of the first `size` leaves.
///
/// # Errors
/// [`ProofError`] if the source lacks a hash or fails.
pub fn root<S: HashSource + ?Sized>(source: &S, size: u64) -> Result<Hash, ProofError<S::Error>> {
    range_root(source, 0, size)
}

/// That the leaf at `index` is in the tree of `size` leaves: the siblings on its way to the root, the lowest first.
///
/// # Errors
/// [`ProofError`] if there is no such leaf, or the source lacks a hash or fails.
pub fn inclusion_proof<S: HashSource + ?Sized>(
    source: &S,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    fits(size)?;
    if index >= size {
        return Err(MerkleError::OutOfRange.into());
    }
    let (mut from, mut to) = (0, size);
    let mut proof = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            proof.push(range_root(source, middle, to)?);
            to = middle;
        } else {
            proof.push(range_root(source, from, middle)?);
            from = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// That the tree of `old` leaves is the beginning of the tree of `size` leaves. Empty if one of them is trivial: `old` is
/// 0 or equal to `size`.
///
/// # Errors
/// [`ProofError`] if `old` is the larger one, or the source lacks a hash or fails.
pub fn consistency_proof<S: HashSource + ?Sized>(
    source: &S,
    old: u64,
    size: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    fits(size)?;
    if old > size {
        return Err(MerkleError::OutOfRange.into());
    }
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let (mut from, mut to) = (0, size);
    let mut proof = Vec::new();
    while to != old {
        let middle = from + split(to - from);
        if old <= middle {
            proof.push(range_root(source, middle, to)?);
            to = middle;
        } else {
            proof.push(range_root(source, from, middle)?);
            from = middle;
        }
    }
    // The verifier knows the old root; it needs the last piece only if that is not the whole old tree.
    if from != 0 {
        proof.push(range_root(source, from, to)?);
    }
    proof.reverse();
    Ok(proof)
}

/// That the leaves `from..to` are in the tree of `size` leaves, all at once.
///
/// # Errors
/// [`ProofError`] if there is no such range, or the source lacks a hash or fails.
pub fn range_proof<S: HashSource + ?Sized>(
    source: &S,
    from: u64,
    to: u64,
    size: u64,
) -> Result<RangeProof, ProofError<S::Error>> {
    fits(size)?;
    if from > to || to > size {
        return Err(MerkleError::OutOfRange.into());
    }
    Ok(RangeProof { left: hashes(source, 0, from)?, right: hashes(source, to, size)? })
}

/// The roots of the subtrees that cover a range.
pub(super) fn hashes<S: HashSource + ?Sized>(
    source: &S,
    from: u64,
    to: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    let find = |place| source.subtree(place).map_err(ProofError::Source)?.ok_or(ProofError::Missing(place));
    subtrees(from, to)?.into_iter().map(find).collect()
}

/// The root over a range that the recursion of RFC 6962 reaches: its subtrees are of falling height.
fn range_root<S: HashSource + ?Sized>(source: &S, from: u64, to: u64) -> Result<Hash, ProofError<S::Error>> {
    Ok(fold(hashes(source, from, to)?.into_iter()))
}
