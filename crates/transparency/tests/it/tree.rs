//! The hashes of the tree, and trees that grow.

use engine_roles_transparency::{
    Frontier, MAX_SIZE, RightEdge, Tile, Tiles, TransparencyError, TreeHash,
};
use proptest::prelude::*;

use crate::fixtures::{
    LARGE, LARGEST, grow, hash, insert, is_once, large, leaf, root, root_by_definition, tiles,
};

/// The entries and roots that the tests of Certificate Transparency's first implementation and of
/// most others since use.
const ENTRIES: [&[u8]; 8] = [
    b"",
    &[0x00],
    &[0x10],
    &[0x20, 0x21],
    &[0x30, 0x31],
    &[0x40, 0x41, 0x42, 0x43],
    &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
    b"`abcdefghijklmno",
];

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn the_roots_are_those_of_the_known_trees() {
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), hash(ROOTS[0]));
    for (entry, root) in ENTRIES.iter().zip(&ROOTS[1..]) {
        let leaf = TreeHash::of_leaf(entry);
        frontier.push(leaf).expect("the tree is small");
        assert_eq!(frontier.root(), hash(root));
    }
}

#[test]
fn a_hash_has_one_spelling_as_text() {
    let hash = leaf(0);
    let text = hash.to_string();
    assert_eq!(text.parse(), Ok(hash));
    let split = "AAA=".repeat(16);
    for other in [
        &split,
        &text[1..],
        &format!("{text}="),
        &format!("{text}\n"),
        "",
    ] {
        assert_eq!(
            other.parse::<TreeHash>(),
            Err(TransparencyError::InvalidHash)
        );
    }
}

#[test]
fn the_root_is_that_of_the_definition_for_every_size() {
    let leaves: Vec<TreeHash> = (0..300).map(leaf).collect();
    let (mut frontier, mut edge) = (Frontier::new(), RightEdge::new());
    for (count, next) in leaves.iter().enumerate() {
        let expected = root_by_definition(&leaves[..count]);
        assert_eq!(frontier.root(), expected, "{count} leaves");
        assert_eq!(edge.root(), expected, "{count} leaves");
        frontier.push(*next).expect("the tree is small");
        edge.append([*next]).expect("the tree is small");
    }
}

#[test]
fn a_frontier_has_one_hash_for_each_set_bit_of_the_size() {
    let mut frontier = Frontier::new();
    for size in 0..300_u64 {
        assert_eq!(frontier.hashes().len(), size.count_ones() as usize);
        let hashes = frontier.hashes().to_vec();
        assert_eq!(
            Frontier::from_hashes(size, hashes.clone()),
            Ok(frontier.clone())
        );
        let mut hashes = hashes;
        hashes.push(leaf(size));
        let error = Frontier::from_hashes(size, hashes).expect_err("one hash too many");
        assert!(matches!(error, TransparencyError::FrontierLength { .. }));
        frontier.push(leaf(size)).expect("the tree is small");
    }
}

#[test]
fn the_frontier_of_any_size_is_read_from_the_tiles_of_a_larger_tree() {
    let mut frontier = Frontier::new();
    for size in 0..LARGEST {
        if size < 20 || size % 32 < 2 {
            assert_eq!(Frontier::from_tiles(size, tiles()), Ok(frontier.clone()));
        }
        frontier.push(leaf(size)).expect("the tree is small");
    }
    let (written, root) = large();
    let mut all = Tiles::new();
    for one in written {
        insert(&mut all, one);
    }
    let frontier = Frontier::from_tiles(LARGE, &all).expect("the tiles are there");
    assert_eq!(frontier.root(), *root);
    assert!(Frontier::from_tiles(LARGE + 1, &all).is_err());
    assert!(Frontier::from_tiles(u64::MAX, &all).is_err());
}

#[test]
fn a_tree_of_the_largest_size_takes_no_more_leaves() {
    let hashes = vec![leaf(0); MAX_SIZE.count_ones() as usize];
    let mut full = Frontier::from_hashes(MAX_SIZE, hashes.clone()).expect("the size is allowed");
    let error = full.push(leaf(1)).expect_err("the tree is full");
    assert_eq!(error, TransparencyError::TooLarge { size: MAX_SIZE + 1 });
    let error = Frontier::from_hashes(u64::MAX, hashes).expect_err("the size is too large");
    assert_eq!(error, TransparencyError::TooLarge { size: u64::MAX });
}

#[test]
fn appending_writes_each_tile_that_is_new_or_wider_once() {
    let (written, _) = large();
    // The example of tlog-tiles, "Partial Tiles".
    let count = |level: u8, is_full: bool| {
        let tiles = written.iter().map(|written| written.tile);
        let tiles = tiles.filter(|tile| tile.level() == level && (tile.width() == 256) == is_full);
        tiles.count()
    };
    assert_eq!([count(0, true), count(0, false)], [273, 1]);
    assert_eq!([count(1, true), count(1, false)], [1, 1]);
    assert_eq!([count(2, true), count(2, false)], [0, 1]);
    assert!(written.iter().all(|one| is_once(one.tile, written)));
    let widths: Vec<_> = Tile::right_edge(LARGE).iter().map(Tile::width).collect();
    assert_eq!(widths, [112, 17, 1]);
}

#[test]
fn a_level_without_a_new_full_tile_below_it_is_not_written() {
    let (written, root) = large();
    let mut all = Tiles::new();
    for one in written {
        insert(&mut all, one);
    }
    let mut edge = RightEdge::from_tiles(LARGE, root, &all).expect("the tiles are right");
    // 256 more leaves fill one tile of level 0 and begin the next; level 2 does not change.
    let written = grow(&mut edge, LARGE + 256);
    let paths: Vec<_> = written.iter().map(|one| one.tile.to_string()).collect();
    assert_eq!(paths, ["tile/0/273", "tile/0/274.p/112", "tile/1/001.p/18"]);
}

#[test]
fn appending_nothing_writes_nothing() {
    let mut edge = RightEdge::new();
    grow(&mut edge, 300);
    assert_eq!(edge.append([]), Ok(vec![]));
}

#[test]
fn an_edge_from_damaged_or_missing_tiles_is_rejected() {
    let all = tiles();
    let other = TreeHash::of_leaf(b"other");
    let error = RightEdge::from_tiles(300, &other, all).expect_err("the root is another");
    assert_eq!(error, TransparencyError::RootDiffers { size: 300 });
    let error = RightEdge::from_tiles(700, &root(0), all).expect_err("a tile is too narrow");
    assert!(matches!(error, TransparencyError::MissingTile { .. }));
    let error = RightEdge::from_tiles(u64::MAX, &other, all).expect_err("the size is too large");
    assert!(
        matches!(error, TransparencyError::TooLarge { .. }),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn a_tree_that_grows_in_batches_has_the_tiles_and_root_of_one_that_grows_at_once(
        batches in proptest::collection::vec(0_u64..300, 1..6),
    ) {
        let mut stored = Tiles::new();
        let (mut size, mut known) = (0, root(0));
        for batch in batches {
            // As a sequencer does: read the edge, append, write the tiles.
            let mut edge = RightEdge::from_tiles(size, &known, &stored)?;
            size = LARGEST.min(size + batch);
            for written in grow(&mut edge, size) {
                prop_assert!(written.tile.is_in_tree(size));
                insert(&mut stored, &written);
            }
            known = edge.root();
            prop_assert_eq!(known, root(size));
            prop_assert_eq!(edge.size(), size);
        }
        let again = RightEdge::from_tiles(size, &known, &stored)?;
        prop_assert_eq!(again.frontier().hashes().len(), size.count_ones() as usize);
    }
}
