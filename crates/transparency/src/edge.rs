//! The right edge of a tree, which grows.

use crate::TransparencyError;
use crate::frontier::Frontier;
use crate::hash::{HASH_BYTES, TreeHash};
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, Tile};
use crate::tiles::{Tiles, perfect_root};

/// The partial tiles of a tree, from which the tree is extended.
///
/// The edge holds at most 255 hashes for each of eight levels, whatever the size of the tree. It is
/// nothing that a store has to keep beside the tiles: [`Tile::right_edge`] names the tiles to read,
/// and [`RightEdge::from_tiles`] takes them.
#[derive(Clone, Debug, Default)]
pub struct RightEdge {
    frontier: Frontier,
    /// The hashes of the partial tile of each level, lowest level first; empty where the level has
    /// no partial tile.
    levels: Vec<Vec<TreeHash>>,
}

/// A tile that is new, or wider than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenTile {
    /// The tile with its new width.
    pub tile: Tile,
    /// All hashes of the tile, those from before included.
    pub hashes: Vec<TreeHash>,
}

impl WrittenTile {
    /// Returns the bytes of the tile: its hashes one after another.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let hashes = self.hashes.iter().map(TreeHash::as_bytes);
        let mut bytes = Vec::with_capacity(self.hashes.len() * HASH_BYTES);
        hashes.for_each(|hash| bytes.extend_from_slice(hash));
        bytes
    }
}

impl RightEdge {
    /// Returns the edge of the tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the edge of a tree with `size` leaves from the tiles that [`Tile::right_edge`] names, and
    /// checks that they lead to the root.
    ///
    /// # Errors
    /// When a tile is missing, or when the tiles have another root: they were damaged or changed, and
    /// nothing may be appended to them.
    pub fn from_tiles(
        size: u64,
        root: &TreeHash,
        tiles: &Tiles,
    ) -> Result<Self, TransparencyError> {
        let frontier = Frontier::from_tiles(size, tiles)?;
        if frontier.root() != *root {
            return Err(TransparencyError::RootDiffers { size });
        }
        let mut levels = Vec::new();
        for tile in Tile::right_edge(size) {
            levels.resize(usize::from(tile.level()), Vec::new());
            levels.push(tiles.hashes(tile)?.to_vec());
        }
        Ok(Self { frontier, levels })
    }

    /// Returns the number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Returns the root of the tree.
    #[must_use]
    pub fn root(&self) -> TreeHash {
        self.frontier.root()
    }

    /// Returns the frontier of the tree.
    #[must_use]
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Appends leaves, and returns the tiles that became new or wider, each once and with its last
    /// width.
    ///
    /// # Errors
    /// When the tree would have more than [`crate::MAX_SIZE`] leaves. The edge must not be used any
    /// more then.
    pub fn append(
        &mut self,
        leaves: impl IntoIterator<Item = TreeHash>,
    ) -> Result<Vec<WrittenTile>, TransparencyError> {
        let mut written = Vec::new();
        let mut widest_change = None;
        for leaf in leaves {
            self.frontier.push(leaf)?;
            let mut hash = Some(leaf);
            let mut level = 0;
            while let Some(pushed) = hash.take() {
                hash = self.push(level, pushed, &mut written);
                widest_change = widest_change.max(Some(level));
                level += 1;
            }
        }
        let changed = widest_change.map_or(0, |level| level + 1);
        for (level, hashes) in (0..).zip(&self.levels).take(changed) {
            if !hashes.is_empty() {
                let tile = self.tile(level)?;
                let hashes = hashes.clone();
                written.push(WrittenTile { tile, hashes });
            }
        }
        Ok(written)
    }

    /// Adds a hash to the partial tile of a level. Returns the hash of the tile for the next level if
    /// the tile is full now.
    fn push(
        &mut self,
        level: usize,
        hash: TreeHash,
        written: &mut Vec<WrittenTile>,
    ) -> Option<TreeHash> {
        if self.levels.len() <= level {
            self.levels.resize(level + 1, Vec::new());
        }
        let hashes = &mut self.levels[level];
        hashes.push(hash);
        if hashes.len() < usize::from(TILE_WIDTH) {
            return None;
        }
        let hashes = std::mem::take(hashes);
        let root = perfect_root(&hashes);
        let level = u8::try_from(level).ok()?;
        let leaves = TILE_HEIGHT * (u32::from(level) + 1);
        let index = (self.frontier.size() >> leaves).checked_sub(1)?;
        let tile = Tile::in_tree(level, index, self.frontier.size())?;
        written.push(WrittenTile { tile, hashes });
        Some(root)
    }

    /// Returns the partial tile of a level.
    fn tile(&self, level: u8) -> Result<Tile, TransparencyError> {
        let size = self.size();
        let tiles = Tile::right_edge(size).into_iter();
        tiles
            .into_iter()
            .find(|tile| tile.level() == level)
            .ok_or(TransparencyError::TooLarge { size })
    }
}
