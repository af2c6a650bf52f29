//! The right edge of a growing tree.

use super::{Hash, HashSource, MAX_SIZE, MerkleError, ProofError, Subtree, fold, node_hash, subtrees};

/// What has to be kept of a tree to append to it and to know its root: one hash for every bit that is set in its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the perfect subtrees that cover the tree, the highest first.
    nodes: Vec<Hash>,
}

impl Frontier {
    /// The tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A frontier from its hashes: those of [`subtrees`]`(0, size)`, in that order.
    ///
    /// # Errors
    /// [`MerkleError`] if the size is too large or has another number of hashes.
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Result<Self, MerkleError> {
        if size > MAX_SIZE {
            return Err(MerkleError::TooLarge);
        }
        if nodes.len() != size.count_ones() as usize {
            return Err(MerkleError::ProofLength);
        }
        Ok(Self { size, nodes })
    }

    /// The frontier of the first `size` leaves of a stored tree.
    ///
    /// # Errors
    /// [`ProofError`] if the source lacks a hash or fails.
    pub fn load<S: HashSource + ?Sized>(source: &S, size: u64) -> Result<Self, ProofError<S::Error>> {
        let nodes = super::proof::hashes(source, 0, size)?;
        Ok(Self::from_parts(size, nodes)?)
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree as it is now.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(self.nodes.iter().copied())
    }

    /// Appends the hash of a leaf.
    ///
    /// # Errors
    /// [`MerkleError::TooLarge`] if the tree is full; it stays as it is.
    pub fn append(&mut self, leaf: Hash) -> Result<(), MerkleError> {
        self.append_noting(leaf, |_, _| {})
    }

    /// Appends the hash of a leaf and tells `note` each perfect subtree that it completes, the leaf itself first. A
    /// store that keeps the ones whose level [`tiles`](super::tiles) keeps has all that proofs need.
    ///
    /// # Errors
    /// As [`Frontier::append`]; nothing is told then.
    pub fn append_noting(&mut self, leaf: Hash, note: impl FnMut(Subtree, Hash)) -> Result<(), MerkleError> {
        self.push(0, leaf, note)
    }

    /// Appends a whole perfect subtree.
    ///
    /// # Errors
    /// [`MerkleError::OutOfRange`] if a subtree of this level cannot stand at the end of this tree,
    /// [`MerkleError::TooLarge`] if the tree would be too large.
    pub fn append_subtree(&mut self, level: u8, hash: Hash) -> Result<(), MerkleError> {
        self.push(level, hash, |_, _| {})
    }

    fn push(
        &mut self,
        level: u8,
        hash: Hash,
        mut note: impl FnMut(Subtree, Hash),
    ) -> Result<(), MerkleError> {
        let leaves = 1_u64.checked_shl(u32::from(level)).ok_or(MerkleError::TooLarge)?;
        let size = self.size.checked_add(leaves).filter(|size| *size <= MAX_SIZE);
        let size = size.ok_or(MerkleError::TooLarge)?;
        if !self.size.is_multiple_of(leaves) {
            return Err(MerkleError::OutOfRange);
        }
        let mut subtree = Subtree { level, index: self.size >> level };
        let mut hash = hash;
        note(subtree, hash);
        // An odd place is a right child, whose left sibling is the last node.
        while subtree.index & 1 == 1
            && let Some(left) = self.nodes.pop()
        {
            hash = node_hash(&left, &hash);
            subtree = Subtree { level: subtree.level.saturating_add(1), index: subtree.index >> 1 };
            note(subtree, hash);
        }
        self.nodes.push(hash);
        self.size = size;
        Ok(())
    }

    /// The subtrees whose roots it keeps, with these roots.
    pub fn nodes(&self) -> impl Iterator<Item = (Subtree, Hash)> + '_ {
        // The size was checked when it came in.
        let places = subtrees(0, self.size).unwrap_or_default();
        places.into_iter().zip(self.nodes.iter().copied())
    }

    /// For storage: the size (8 bytes, big-endian), then the hashes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.nodes.len());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        self.nodes.iter().for_each(|node| bytes.extend_from_slice(node));
        bytes
    }

    /// Reads what [`Frontier::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`MerkleError::Frontier`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MerkleError> {
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(MerkleError::Frontier)?;
        let (nodes, []) = rest.as_chunks::<32>() else { return Err(MerkleError::Frontier) };
        Self::from_parts(u64::from_be_bytes(*size), nodes.to_vec()).map_err(|_| MerkleError::Frontier)
    }
}
