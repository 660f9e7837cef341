//! Tiles that a caller has read, from which the hash of any subtree can be computed.

use std::collections::{BTreeSet, HashMap};

use crate::TransparencyError;
use crate::hash::{HASH_BYTES, TreeHash};
use crate::subtree::{Subtree, join, subtrees_of};
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, Tile};

/// Tiles with their hashes.
#[derive(Clone, Debug, Default)]
pub struct Tiles {
    tiles: HashMap<(u8, u64), Vec<TreeHash>>,
}

impl Tiles {
    /// Returns a set without tiles.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tile that was read. The bytes may be those of a wider version of the tile, as a store
    /// that keeps only the widest has them.
    ///
    /// # Errors
    /// When the bytes are fewer than the tile needs, more than those of a full tile, or not a whole
    /// number of hashes.
    pub fn insert(&mut self, tile: Tile, bytes: &[u8]) -> Result<(), TransparencyError> {
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        let widths = usize::from(tile.width())..=usize::from(TILE_WIDTH);
        if !rest.is_empty() || !widths.contains(&hashes.len()) {
            return Err(TransparencyError::TileLength {
                tile: tile.to_string(),
                bytes: bytes.len(),
            });
        }
        let hashes = hashes.iter().copied().map(TreeHash::from_bytes);
        self.tiles
            .insert((tile.level(), tile.index()), hashes.collect());
        Ok(())
    }

    /// Returns the hashes of a tile, exactly as many as the tile is wide.
    pub(crate) fn hashes(&self, tile: Tile) -> Result<&[TreeHash], TransparencyError> {
        let hashes = self.tiles.get(&(tile.level(), tile.index()));
        hashes
            .and_then(|hashes| hashes.get(..usize::from(tile.width())))
            .ok_or_else(|| TransparencyError::MissingTile {
                tile: tile.to_string(),
            })
    }

    /// Returns the hash of the leaves from `first` and before `past`, as a tree with `size` leaves
    /// has them in its tiles. The range is a subtree of that tree.
    pub(crate) fn range(
        &self,
        first: u64,
        past: u64,
        size: u64,
    ) -> Result<TreeHash, TransparencyError> {
        let hashes = subtrees_of(first, past)
            .into_iter()
            .map(|subtree| self.subtree(subtree, size));
        Ok(join(&hashes.collect::<Result<Vec<_>, _>>()?))
    }

    fn subtree(&self, subtree: Subtree, size: u64) -> Result<TreeHash, TransparencyError> {
        let place = Place::of(subtree);
        let tile = place.tile(size)?;
        let hashes = self.hashes(tile)?.get(place.first..place.past);
        let hashes = hashes.ok_or_else(|| TransparencyError::MissingTile {
            tile: tile.to_string(),
        })?;
        Ok(perfect_root(hashes))
    }
}

/// Returns the root of a perfect subtree, whose leaves are a power of two.
pub(crate) fn perfect_root(leaves: &[TreeHash]) -> TreeHash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        let (pairs, _) = level.as_chunks::<2>();
        level = pairs
            .iter()
            .map(|[left, right]| TreeHash::of_node(left, right))
            .collect();
    }
    level
        .first()
        .copied()
        .unwrap_or_else(TreeHash::of_empty_tree)
}

/// Returns the tiles, of a tree with `size` leaves, that the hashes of these ranges need.
pub(crate) fn tiles_of(
    ranges: &[(u64, u64)],
    size: u64,
) -> Result<BTreeSet<Tile>, TransparencyError> {
    let subtrees = ranges
        .iter()
        .flat_map(|(first, past)| subtrees_of(*first, *past));
    subtrees
        .map(|subtree| Place::of(subtree).tile(size))
        .collect()
}

/// Where the hashes are from which the hash of a subtree is computed: a part of one tile.
struct Place {
    level: u32,
    index: u64,
    first: usize,
    past: usize,
}

impl Place {
    fn of(subtree: Subtree) -> Self {
        let in_tile = subtree.height % TILE_HEIGHT;
        let first = subtree.index << in_tile;
        let offset = usize::try_from(first % u64::from(TILE_WIDTH)).unwrap_or_default();
        Self {
            level: subtree.height / TILE_HEIGHT,
            index: first / u64::from(TILE_WIDTH),
            first: offset,
            past: offset + (1 << in_tile),
        }
    }

    fn tile(&self, size: u64) -> Result<Tile, TransparencyError> {
        let level = u8::try_from(self.level).ok();
        let tile = level.and_then(|level| Tile::in_tree(level, self.index, size));
        tile.ok_or(TransparencyError::TooLarge { size })
    }
}
