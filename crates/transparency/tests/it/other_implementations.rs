//! Comparisons with the library `tlog_tiles`, a translation of Go's package `tlog`.

use engine_roles_transparency::{ConsistencyQuery, InclusionQuery, RightEdge, TilePath, TreeHash};
use proptest::prelude::*;
use tlog_tiles::{Error, Hash, HashReader, TileHashReader, TileReader};

use crate::fixtures::{LARGEST, event, grow, leaf, root, tiles};

fn theirs(hash: TreeHash) -> Hash {
    Hash(*hash.as_bytes())
}

fn ours(hashes: Vec<Hash>) -> Vec<TreeHash> {
    let hashes = hashes.into_iter();
    hashes.map(|hash| TreeHash::from_bytes(hash.0)).collect()
}

/// Their path without the height of the tiles, which C2SP tlog-tiles leaves out.
fn path(tile: &tlog_tiles::Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

/// Serves the tiles of the tree with this size to their reader, which checks each of them.
struct Served {
    bytes: std::collections::HashMap<String, Vec<u8>>,
}

impl Served {
    fn new(size: u64) -> Self {
        let mut bytes = std::collections::HashMap::new();
        for written in grow(&mut RightEdge::new(), size) {
            bytes.insert(written.tile.to_string(), written.bytes());
        }
        Self { bytes }
    }
}

impl TileReader for Served {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let tiles = tiles.iter().map(|tile| {
            let bytes = self.bytes.get(&path(tile));
            bytes
                .unwrap_or_else(|| panic!("{} is missing", path(tile)))
                .clone()
        });
        Ok(tiles.collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

/// Keeps the hashes of a tree in the order in which the library numbers them.
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let at = |index: &u64| usize::try_from(*index).expect("the tree is small");
        Ok(indexes.iter().map(|index| self.0[at(index)]).collect())
    }
}

#[test]
fn roots_and_proofs_are_those_of_the_library() {
    let mut stored = Stored(Vec::new());
    for size in 0..LARGEST {
        if size < 20 || size % 37 == 0 {
            let expected = tlog_tiles::tree_hash(size, &stored).expect("the hashes are there");
            assert_eq!(theirs(root(size)), expected, "{size}");
        }
        for index in [0, size / 3, size.saturating_sub(1)] {
            if size % 37 != 5 || index >= size {
                continue;
            }
            let proof = InclusionQuery::new(index, size).and_then(|query| query.prove(tiles()));
            let expected = tlog_tiles::prove_record(size, index, &stored);
            assert_eq!(
                proof.map(|proof| proof.hashes),
                Ok(ours(expected.expect("the leaf exists")))
            );
            let old = index + 1;
            let proof = ConsistencyQuery::new(old, size).and_then(|query| query.prove(tiles()));
            let expected = tlog_tiles::prove_tree(size, old, &stored);
            assert_eq!(
                proof.map(|proof| proof.hashes),
                Ok(ours(expected.expect("the tree grew")))
            );
        }
        let new = tlog_tiles::stored_hashes(size, &event(size), &stored);
        stored.0.extend(new.expect("the hashes are there"));
    }
}

#[test]
fn the_library_reads_our_tiles() {
    for size in [1, 255, 256, 257, 511, 512, 600] {
        let served = Served::new(size);
        let reader = TileHashReader::new(size, theirs(root(size)), &served);
        for index in [0, size / 2, size - 1] {
            let proof =
                tlog_tiles::prove_record(size, index, &reader).expect("the tiles are right");
            let hash = theirs(leaf(index));
            tlog_tiles::check_record(&proof, size, theirs(root(size)), index, hash)
                .expect("the proof is right");
        }
    }
}

#[test]
fn the_new_tiles_of_a_growing_tree_are_those_of_the_library() {
    for (old, new) in [(0, 1), (0, 256), (1, 2), (255, 257), (250, 600), (512, 600)] {
        let mut edge = RightEdge::new();
        grow(&mut edge, old);
        let mut written: Vec<_> = grow(&mut edge, new)
            .iter()
            .map(|written| written.tile.to_string())
            .collect();
        written.sort();
        let mut expected: Vec<_> = tlog_tiles::Tile::new_tiles(8, old, new)
            .iter()
            .map(path)
            .collect();
        expected.sort();
        assert_eq!(written, expected, "{old}, {new}");
    }
}

proptest! {
    #[test]
    fn paths_are_those_of_the_library(level in 0_u8..5, index in 0_u64..8_000_000, width in 1_u32..=256) {
        let expected = path(&tlog_tiles::Tile::new(8, level, index, width, false));
        let ours: TilePath = expected.parse()?;
        prop_assert_eq!(ours.to_string(), expected);
    }

    /// Paths that we reject are not compared: the library panics for some of them.
    #[test]
    fn a_path_that_is_accepted_is_accepted_by_the_library(
        path in "tile/[0-5]/(x[0-9]{3}/){0,2}[0-9]{3}(\\.p/[0-9]{1,3})?",
    ) {
        if let Ok(TilePath::Hashes(tile)) = path.parse() {
            let theirs = tlog_tiles::Tile::from_path(&path.replacen("tile/", "tile/8/", 1));
            let theirs = theirs.expect("the library accepts the path");
            prop_assert_eq!((theirs.level(), theirs.level_index()), (tile.level(), tile.index()));
            prop_assert_eq!(theirs.width(), u32::from(tile.width()));
        }
    }
}
