//! How the hashes of a tree are cut into pieces for storage (geometry of C2SP tlog-tiles).
//!
//! A tile holds 256 consecutive hashes of one height. Tiles of level 0 hold leaf hashes, a hash in a tile of level n + 1
//! is the root over a full tile of level n; the heights between are computed. A tile at the right edge of the tree may
//! hold fewer hashes and is replaced when it grows; a full tile never changes again.

use super::proof::perfect;
use super::{Hash, HashSource, MerkleError, Subtree, fits};

/// How many heights a tile spans.
pub const HEIGHT: u8 = 8;
/// How many hashes a full tile holds.
pub const WIDTH: u64 = 1 << HEIGHT;
/// Levels of tiles that the largest tree has.
const LEVELS: u8 = 8;

/// A tile of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// Its level: 0 holds leaf hashes.
    pub level: u8,
    /// Its place within the level.
    pub index: u64,
    /// How many hashes it holds, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The subtrees whose roots it holds, in order.
    pub fn subtrees(self) -> impl Iterator<Item = Subtree> {
        let level = self.level.saturating_mul(HEIGHT);
        let first = self.index.saturating_mul(WIDTH);
        (0..u64::from(self.width)).map(move |at| Subtree { level, index: first.saturating_add(at) })
    }

    /// Its name in a tiled log: `tile/0/x001/x234/067`, a partial one with `.p/5` behind.
    #[must_use]
    pub fn path(self) -> String {
        let mut groups = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups = format!("x{:03}/{groups}", rest % 1000);
            rest /= 1000;
        }
        let partial = match u64::from(self.width) {
            WIDTH => String::new(),
            width => format!(".p/{width}"),
        };
        format!("tile/{}/{groups}{partial}", self.level)
    }
}

/// Where a tile keeps the root of a subtree: its level, its index, and the place in it. `None` for heights that no tile
/// keeps.
#[must_use]
pub fn place(subtree: Subtree) -> Option<(u8, u64, u8)> {
    if !subtree.level.is_multiple_of(HEIGHT) {
        return None;
    }
    let at = u8::try_from(subtree.index % WIDTH).ok()?;
    Some((subtree.level / HEIGHT, subtree.index / WIDTH, at))
}

/// The tiles that are new or wider when a tree grows from `old` to `size` leaves, as they are in the tree of `size`
/// leaves; the lowest level first. With `old` = 0 these are all tiles of the tree.
///
/// # Errors
/// [`MerkleError`] if the tree shrinks or is too large.
pub fn grown(old: u64, size: u64) -> Result<impl Iterator<Item = Tile>, MerkleError> {
    fits(size)?;
    if old > size {
        return Err(MerkleError::OutOfRange);
    }
    let level = move |level: u8| {
        let shift = u32::from(level) * u32::from(HEIGHT);
        let (old, hashes) = (old >> shift, size >> shift);
        let tiles = if hashes > old { old / WIDTH..hashes.div_ceil(WIDTH) } else { 0..0 };
        tiles.map(move |index| {
            let width = hashes.saturating_sub(index.saturating_mul(WIDTH)).min(WIDTH);
            Tile { level, index, width: width as u16 }
        })
    };
    Ok((0..LEVELS).flat_map(level))
}

/// Whoever keeps tiles.
pub trait TileSource {
    /// What can go wrong when it looks.
    type Error;

    /// The hashes of a tile, as many as there are, at most 256; `None` if there is no such tile.
    ///
    /// # Errors
    /// The source's own.
    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<Hash>>, Self::Error>;
}

/// A tree that is kept in tiles.
#[derive(Clone, Copy, Debug)]
pub struct Tiled<S>(pub S);

impl<S: TileSource> HashSource for Tiled<S> {
    type Error = S::Error;

    fn subtree(&self, subtree: Subtree) -> Result<Option<Hash>, S::Error> {
        let height = subtree.level % HEIGHT;
        // The first hash of the subtree on the level of the tile; a subtree never crosses a tile.
        let Some(first) = subtree.index.checked_mul(1 << height) else { return Ok(None) };
        let Some(tile) = self.0.tile(subtree.level / HEIGHT, first / WIDTH)? else { return Ok(None) };
        let from = (first % WIDTH) as usize;
        Ok(tile.get(from..from + (1 << height)).and_then(perfect))
    }
}
