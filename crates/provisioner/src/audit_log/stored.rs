//! The tree as it is stored, in the types of crate `transparency`.

use engine_roles_store::{AuditTree, Store, StoredTile, TilePlace};
use engine_roles_transparency::{HASH_BYTES, RightEdge, Tile, Tiles, TransparencyError, TreeHash};

use crate::audit_log::error::AuditLogError;

/// Returns a size or a number of the database as crate `transparency` counts; it is never negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Returns a size or a number as the database counts.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads tiles. One that does not exist is left out; whoever needs it then says which one is missing.
pub(super) async fn read_tiles(
    store: &Store,
    tiles: impl IntoIterator<Item = Tile>,
) -> Result<Tiles, AuditLogError> {
    let tiles: Vec<Tile> = tiles.into_iter().collect();
    let places: Vec<TilePlace> = tiles.iter().map(place).collect();
    let mut read = Tiles::new();
    for stored in store.audit_tiles(&places).await? {
        let tile = tiles.iter().find(|tile| place(tile) == stored.place);
        if let Some(tile) = tile {
            read.insert(*tile, &stored.hashes)
                .map_err(AuditLogError::Damaged)?;
        }
    }
    Ok(read)
}

/// Returns where the database has a tile.
pub(super) fn place(tile: &Tile) -> TilePlace {
    TilePlace {
        level: tile.level(),
        index: signed(tile.index()),
    }
}

/// Reads the right edge of the tree, and checks that it leads to the stored root and that the log is
/// not shorter.
pub(super) async fn read_edge(store: &Store, tree: &AuditTree) -> Result<RightEdge, AuditLogError> {
    if tree.head < tree.size {
        return Err(AuditLogError::Shortened {
            size: tree.size,
            head: tree.head,
        });
    }
    let size = unsigned(tree.size);
    let tiles = read_tiles(store, Tile::right_edge(size)).await?;
    let root = tree.root.map(TreeHash::from_bytes);
    let root = match (root, size) {
        (Some(root), _) => root,
        (None, 0) => TreeHash::of_empty_tree(),
        (None, _) => {
            return Err(AuditLogError::Damaged(TransparencyError::RootDiffers {
                size,
            }));
        }
    };
    RightEdge::from_tiles(size, &root, &tiles).map_err(AuditLogError::Damaged)
}

/// Returns tiles as they are stored.
pub(super) fn to_store(written: &[engine_roles_transparency::WrittenTile]) -> Vec<StoredTile> {
    let tiles = written.iter().map(|written| StoredTile {
        place: place(&written.tile),
        hashes: written.bytes(),
    });
    tiles.collect()
}

/// Returns the first hash of a tile's bytes from the hash with this number on.
pub(super) fn hash_at(bytes: &[u8], number: usize) -> Option<TreeHash> {
    let (hashes, _) = bytes.as_chunks::<HASH_BYTES>();
    hashes.get(number).copied().map(TreeHash::from_bytes)
}
