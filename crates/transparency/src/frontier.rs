//! The least that has to be known of a tree to append leaves and to compute its root.

use crate::hash::TreeHash;
use crate::subtree::{join, subtrees_of};
use crate::tile::Tile;
use crate::tiles::{Tiles, perfect_root};
use crate::{MAX_SIZE, TransparencyError};

/// The hashes of the perfect subtrees of a tree, largest first: one for each bit that is set in the
/// number of leaves.
///
/// A frontier has at most 63 hashes, whatever the size of the tree. An export that begins later than
/// with the first event carries the frontier of the events before it, so that the root can still be
/// computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    hashes: Vec<TreeHash>,
}

impl Frontier {
    /// Returns the frontier of the tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            size: 0,
            hashes: Vec::new(),
        }
    }

    /// Takes the hashes of the perfect subtrees of a tree with `size` leaves, largest first.
    ///
    /// # Errors
    /// When a tree of this size has another number of perfect subtrees, or is larger than
    /// [`MAX_SIZE`].
    pub fn from_hashes(size: u64, hashes: Vec<TreeHash>) -> Result<Self, TransparencyError> {
        if size > MAX_SIZE {
            return Err(TransparencyError::TooLarge { size });
        }
        let expected = size.count_ones() as usize;
        if hashes.len() != expected {
            return Err(TransparencyError::FrontierLength {
                size,
                expected,
                found: hashes.len(),
            });
        }
        Ok(Self { size, hashes })
    }

    /// Computes the frontier of the first `size` leaves from the tiles that [`Tile::right_edge`] names
    /// for this size. They may be wider, as those of a tree that has grown since.
    ///
    /// Nothing shows whether the tiles are right before the root is compared with a checkpoint.
    ///
    /// # Errors
    /// When a tile is missing or too narrow, or when the size is greater than [`MAX_SIZE`].
    pub fn from_tiles(size: u64, tiles: &Tiles) -> Result<Self, TransparencyError> {
        let mut subtrees = Vec::new();
        for tile in Tile::right_edge(size).into_iter().rev() {
            let mut rest = tiles.hashes(tile)?;
            for part in subtrees_of(0, u64::from(tile.width())) {
                let (hashes, others) = rest.split_at(1 << part.height);
                subtrees.push(perfect_root(hashes));
                rest = others;
            }
        }
        Self::from_hashes(size, subtrees)
    }

    /// Returns the number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the hashes of the perfect subtrees, largest first.
    #[must_use]
    pub fn hashes(&self) -> &[TreeHash] {
        &self.hashes
    }

    /// Appends a leaf.
    ///
    /// # Errors
    /// When the tree has [`MAX_SIZE`] leaves.
    pub fn push(&mut self, leaf: TreeHash) -> Result<(), TransparencyError> {
        if self.size >= MAX_SIZE {
            return Err(TransparencyError::TooLarge { size: MAX_SIZE + 1 });
        }
        let mut last = leaf;
        // Each bit that the addition of one carries over joins two subtrees of the same height.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                last = TreeHash::of_node(&left, &last);
            }
        }
        self.hashes.push(last);
        self.size += 1;
        Ok(())
    }

    /// Returns the root of the tree.
    #[must_use]
    pub fn root(&self) -> TreeHash {
        join(&self.hashes)
    }
}
