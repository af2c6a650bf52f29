//! Checking proofs. Whoever made them is taken for a liar: every hash of a proof goes into what is compared with a root
//! that the caller trusts, and a proof with a hash too few or too many is refused before anything is compared.

use super::{Frontier, Hash, MerkleError, empty_root, fits, node_hash, subtrees};

/// Checks that `leaf` stands at `index` in the tree of `size` leaves with this root (RFC 9162, section 2.1.3.2).
///
/// # Errors
/// [`MerkleError`] saying what does not fit.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), MerkleError> {
    fits(size)?;
    if index >= size {
        return Err(MerkleError::OutOfRange);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(MerkleError::ProofLength);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // The last node of a level without a sibling goes up as it is.
            let lonely = if node & 1 == 1 { 0 } else { node.trailing_zeros() };
            node = shift(node, lonely);
            last = shift(last, lonely);
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(MerkleError::ProofLength);
    }
    same(&hash, root)
}

/// Checks that the tree of `old` leaves with root `old_root` is the beginning of the tree of `size` leaves with root
/// `root` (RFC 9162, section 2.1.4.2).
///
/// The trivial cases are checked as well: equal sizes have equal roots, the tree without leaves has the one root that it
/// can have, and both have empty proofs.
///
/// # Errors
/// [`MerkleError`] saying what does not fit.
pub fn verify_consistency(
    old: u64,
    size: u64,
    proof: &[Hash],
    old_root: &Hash,
    root: &Hash,
) -> Result<(), MerkleError> {
    fits(size)?;
    if old > size {
        return Err(MerkleError::OutOfRange);
    }
    if old == 0 || old == size {
        return verify_trivial(old, size, proof, old_root, root);
    }
    // Go up from the last leaf of the old tree as long as what is below belongs to it as a whole.
    let skipped = (old - 1).trailing_ones();
    let (mut node, mut last) = (shift(old - 1, skipped), shift(size - 1, skipped));
    // An old tree that is perfect is where the way starts; otherwise the proof brings the start along.
    let (start, rest) =
        if node == 0 { (old_root, proof) } else { proof.split_first().ok_or(MerkleError::ProofLength)? };
    let (mut old_hash, mut hash) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return Err(MerkleError::ProofLength);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            hash = node_hash(sibling, &hash);
            let lonely = if node & 1 == 1 { 0 } else { node.trailing_zeros() };
            node = shift(node, lonely);
            last = shift(last, lonely);
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(MerkleError::ProofLength);
    }
    same(&old_hash, old_root)?;
    same(&hash, root)
}

fn verify_trivial(
    old: u64,
    size: u64,
    proof: &[Hash],
    old_root: &Hash,
    root: &Hash,
) -> Result<(), MerkleError> {
    if !proof.is_empty() {
        return Err(MerkleError::ProofLength);
    }
    if old == 0 {
        same(old_root, &empty_root())?;
    }
    if old == size { same(root, old_root) } else { Ok(()) }
}

/// The root of a tree of `size` leaves in which `leaves` stand from position `from` on; `left` and `right` are the
/// roots of the subtrees in front and behind. The caller compares it with a root that it trusts.
///
/// # Errors
/// [`MerkleError`] if the leaves do not lie in such a tree or the number of hashes is wrong.
pub fn root_of_range(
    left: &[Hash],
    leaves: &[Hash],
    from: u64,
    right: &[Hash],
    size: u64,
) -> Result<Hash, MerkleError> {
    let count = u64::try_from(leaves.len()).map_err(|_| MerkleError::OutOfRange)?;
    let to = from.checked_add(count).filter(|to| *to <= size).ok_or(MerkleError::OutOfRange)?;
    let behind = subtrees(to, size)?;
    if behind.len() != right.len() {
        return Err(MerkleError::ProofLength);
    }
    let mut tree = Frontier::from_parts(from, left.to_vec())?;
    for leaf in leaves {
        tree.append(*leaf)?;
    }
    for (subtree, hash) in behind.iter().zip(right) {
        tree.append_subtree(subtree.level, *hash)?;
    }
    Ok(tree.root())
}

fn same(found: &Hash, expected: &Hash) -> Result<(), MerkleError> {
    if found == expected { Ok(()) } else { Err(MerkleError::RootMismatch) }
}

/// A shift that is total: everything shifted out is 0.
fn shift(number: u64, places: u32) -> u64 {
    number.checked_shr(places).unwrap_or(0)
}
