//! The end of a tenant's log in memory: what the next entry needs, and what the tree has grown by.

use interdict_audit::hex;
use interdict_audit::merkle::tiles::{self, HEIGHT, Tile, WIDTH};
use interdict_audit::merkle::{Frontier, Hash, MerkleError, leaf_hash};
use interdict_audit::record::{Kind, Moment, NO_PREV, wrap};

/// Hashes of one level of tiles, from the first one that is in no full stored tile.
#[derive(Debug, Clone, Default)]
pub(crate) struct Level {
    /// Place of the first hash within the level; a multiple of a tile's width.
    pub(crate) first: u64,
    pub(crate) hashes: Vec<Hash>,
}

/// Where a log ends.
#[derive(Debug)]
pub(crate) struct Chain {
    tenant: String,
    frontier: Frontier,
    prev: String,
    last: Moment,
    levels: Vec<Level>,
    /// Leaves that the last stored checkpoint covers.
    checkpointed: u64,
}

/// A place to go back to.
#[derive(Debug)]
pub(crate) struct Mark {
    frontier: Frontier,
    prev: String,
    last: Moment,
    lengths: Vec<usize>,
}

/// An entry with its place.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) seq: u64,
    pub(crate) ts: Moment,
    pub(crate) record: Vec<u8>,
}

impl Chain {
    /// The beginning of a tenant's log.
    pub(crate) fn empty(tenant: &str) -> Self {
        Self {
            tenant: tenant.to_owned(),
            frontier: Frontier::new(),
            prev: NO_PREV.to_owned(),
            last: Moment::default(),
            levels: Vec::new(),
            checkpointed: 0,
        }
    }

    /// The end of the log that a checkpoint covers: `levels` hold what is in no full tile, `prev` is the hash of the
    /// last entry, `last` its time.
    pub(crate) fn at(
        tenant: &str,
        frontier: Frontier,
        levels: Vec<Level>,
        prev: &Hash,
        last: Moment,
    ) -> Self {
        let checkpointed = frontier.size();
        Self { tenant: tenant.to_owned(), frontier, prev: hex::encode(prev), last, levels, checkpointed }
    }

    /// The number of the next entry, which is the number of entries.
    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root of the tree over all entries.
    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Entries that the last checkpoint covers.
    pub(crate) fn checkpointed(&self) -> u64 {
        self.checkpointed
    }

    /// Hash of the last entry in hex.
    pub(crate) fn prev(&self) -> &str {
        &self.prev
    }

    /// Time of the last entry.
    pub(crate) fn last(&self) -> Moment {
        self.last
    }

    /// Gives a body its place at the end. A clock that went backwards stands still for the log.
    pub(crate) fn link(&mut self, kind: Kind, body: &[u8], now: Moment) -> Result<Linked, MerkleError> {
        let (seq, ts) = (self.size(), self.last.max(now));
        let record = wrap(kind, &self.prev, seq, &self.tenant, ts, body);
        self.extend(leaf_hash(&record), ts)?;
        Ok(Linked { seq, ts, record })
    }

    /// Takes the hash of an entry that is stored already.
    pub(crate) fn extend(&mut self, leaf: Hash, ts: Moment) -> Result<(), MerkleError> {
        let levels = &mut self.levels;
        self.frontier.append_noting(leaf, |subtree, hash| {
            if subtree.level.is_multiple_of(HEIGHT) {
                let level = usize::from(subtree.level / HEIGHT);
                if levels.len() <= level {
                    levels.resize_with(level + 1, Level::default);
                }
                if let Some(level) = levels.get_mut(level) {
                    level.hashes.push(hash);
                }
            }
        })?;
        self.prev = hex::encode(leaf);
        self.last = ts;
        Ok(())
    }

    /// Remembers this end, for a batch that is not committed.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            frontier: self.frontier.clone(),
            prev: self.prev.clone(),
            last: self.last,
            lengths: self.levels.iter().map(|level| level.hashes.len()).collect(),
        }
    }

    /// Goes back: the entries since the mark were not committed.
    pub(crate) fn go_back(&mut self, mark: Mark) {
        self.levels.truncate(mark.lengths.len());
        for (level, length) in self.levels.iter_mut().zip(&mark.lengths) {
            level.hashes.truncate(*length);
        }
        (self.frontier, self.prev, self.last) = (mark.frontier, mark.prev, mark.last);
    }

    /// The tiles that changed since the last checkpoint, with their bytes.
    pub(crate) fn grown(&self) -> Result<Vec<(Tile, Vec<u8>)>, MerkleError> {
        let mut found = Vec::new();
        for tile in tiles::grown(self.checkpointed, self.size())? {
            let hashes = self.hashes(tile).ok_or(MerkleError::Frontier)?;
            found.push((tile, hashes.as_flattened().to_vec()));
        }
        Ok(found)
    }

    fn hashes(&self, tile: Tile) -> Option<&[Hash]> {
        let level = self.levels.get(usize::from(tile.level))?;
        let start = tile.index.checked_mul(WIDTH)?.checked_sub(level.first)?;
        let start = usize::try_from(start).ok()?;
        level.hashes.get(start..start.checked_add(usize::from(tile.width))?)
    }

    /// A checkpoint over everything was stored, full tiles with it.
    pub(crate) fn checkpoint_stored(&mut self) {
        self.checkpointed = self.size();
        for level in &mut self.levels {
            let width = WIDTH as usize;
            let full = level.hashes.len() / width * width;
            level.hashes.drain(..full);
            level.first += full as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use interdict_audit::merkle::{Leaves, root};
    use interdict_audit::record::Entry;

    use super::*;

    fn at(ms: i64) -> Moment {
        Moment::from_unix_ms(ms)
    }

    #[test]
    fn entries_are_chained_and_time_never_goes_back() {
        let mut chain = Chain::empty("acme");
        let first = chain.link(Kind::Stop, br#"{"clean":true,"replica":"a"}"#, at(5_000)).unwrap();
        let second = chain.link(Kind::Stop, br#"{"clean":true,"replica":"a"}"#, at(4_000)).unwrap();
        let (one, two) = (Entry::read(&first.record).unwrap(), Entry::read(&second.record).unwrap());
        assert_eq!((one.seq, one.prev, two.seq), (0, [0; 32], 1));
        assert_eq!(two.prev, leaf_hash(&first.record));
        assert_eq!((two.ts, second.ts), (one.ts, at(5_000)));
    }

    #[test]
    fn going_back_leaves_what_was_before_at_every_size() {
        let mut chain = Chain::empty("acme");
        for size in 0..700_u64 {
            let (root, prev) = (chain.root(), chain.prev().to_owned());
            let mark = chain.mark();
            for _ in 0..300 {
                chain.link(Kind::Gap, b"{}", at(1)).unwrap();
            }
            chain.go_back(mark);
            assert_eq!((chain.size(), chain.root(), chain.prev()), (size, root, prev.as_str()));
            chain.link(Kind::Gap, b"{}", at(1)).unwrap();
        }
    }

    #[test]
    fn the_tiles_of_checkpoints_at_any_distance_are_those_of_the_tree() {
        let mut chain = Chain::empty("acme");
        let mut leaves = Vec::new();
        for distance in [1_u64, 5, 250, 256, 1, 700, 66_000, 3] {
            for _ in 0..distance {
                let entry = chain.link(Kind::Gap, b"{}", at(1)).unwrap();
                leaves.push(leaf_hash(&entry.record));
            }
            for (tile, bytes) in chain.grown().unwrap() {
                let (hashes, _) = bytes.as_chunks::<32>();
                let expected: Vec<Hash> = tile
                    .subtrees()
                    .map(|subtree| {
                        let leaves_of = 1 << subtree.level;
                        let from = subtree.index as usize * leaves_of;
                        root(&Leaves(&leaves[from..from + leaves_of]), leaves_of as u64).unwrap()
                    })
                    .collect();
                assert_eq!(hashes, expected, "{tile:?}");
            }
            chain.checkpoint_stored();
            assert_eq!(chain.root(), root(&Leaves(&leaves), leaves.len() as u64).unwrap());
        }
    }
}
