//! Proofs of inclusion and of consistency.

use engine_roles_transparency::{
    ConsistencyProof, ConsistencyQuery, InclusionProof, InclusionQuery, MAX_SIZE, RightEdge, Tile,
    Tiles, TransparencyError, TreeHash,
};
use proptest::prelude::*;

use crate::fixtures::{LARGE, hash, insert, large, leaf, root, root_by_definition, tiles};

/// The entries of the known trees, as in `tree.rs`.
fn known_leaves() -> Vec<TreeHash> {
    let entries: [&[u8]; 8] = [
        b"",
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        b"`abcdefghijklmno",
    ];
    entries.map(TreeHash::of_leaf).to_vec()
}

fn stored(leaves: &[TreeHash]) -> Tiles {
    let mut tiles = Tiles::new();
    let written = RightEdge::new().append(leaves.iter().copied());
    for written in written.expect("the tree is small") {
        insert(&mut tiles, &written);
    }
    tiles
}

fn inclusion(index: u64, size: u64, tiles: &Tiles) -> InclusionProof {
    let query = InclusionQuery::new(index, size).expect("the leaf exists");
    query.prove(tiles).expect("the tiles are there")
}

fn consistency(old: u64, new: u64, tiles: &Tiles) -> ConsistencyProof {
    let query = ConsistencyQuery::new(old, new).expect("the tree grew");
    query.prove(tiles).expect("the tiles are there")
}

#[test]
fn the_proofs_are_those_of_the_known_tree() {
    let tiles = stored(&known_leaves());
    let a = hash("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
    let b = hash("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e");
    let c = hash("6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
    assert_eq!(inclusion(0, 8, &tiles).hashes, [a, b, c]);
    assert_eq!(consistency(1, 8, &tiles).hashes, [a, b, c]);
    let a = hash("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
    let b = hash("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
    let c = hash("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7");
    assert_eq!(inclusion(5, 8, &tiles).hashes, [a, b, c]);
    let a = hash("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a");
    assert_eq!(consistency(6, 8, &tiles).hashes, [a, b, c]);
}

/// RFC 6962, section 2.1.3. The comments have the names of the nodes there.
#[test]
fn the_proofs_are_those_of_the_example_in_rfc_6962() {
    let tiles = tiles();
    let leaves: Vec<TreeHash> = (0..7).map(leaf).collect();
    let node = |first: usize, past: usize| root_by_definition(&leaves[first..past]);
    let path = |index| inclusion(index, 7, tiles).hashes;
    assert_eq!(path(0), [node(1, 2), node(2, 4), node(4, 7)]); // b, h, l
    assert_eq!(path(3), [node(2, 3), node(0, 2), node(4, 7)]); // c, g, l
    assert_eq!(path(4), [node(5, 6), node(6, 7), node(0, 4)]); // f, j, k
    assert_eq!(path(6), [node(4, 6), node(0, 4)]); // i, k
    let proof = |old| consistency(old, 7, tiles).hashes;
    // c, d, g, l
    let expected = [node(2, 3), node(3, 4), node(0, 2), node(4, 7)];
    assert_eq!(proof(3), expected);
    assert_eq!(proof(4), [node(4, 7)]); // l
    assert_eq!(proof(6), [node(4, 6), node(6, 7), node(0, 4)]); // i, j, k
}

/// Every number below a small size, and some below a greater one: hashing is slow in a debug build.
fn step(size: u64) -> usize {
    if size <= 40 { 1 } else { 13 }
}

#[test]
fn every_leaf_of_every_tree_is_proved_and_no_other_leaf_is() {
    let all = tiles();
    for size in (1..=40).chain([127, 128, 129, 255, 256, 257, 300, 513]) {
        let root = root(size);
        for index in (0..size).step_by(step(size)) {
            let proof = inclusion(index, size, all);
            assert_eq!(proof.verify(&leaf(index), &root), Ok(()), "{index}, {size}");
            assert!(proof.verify(&leaf(index + 1), &root).is_err());
        }
    }
}

#[test]
fn every_tree_is_proved_to_extend_every_smaller_one() {
    let all = tiles();
    for new in (0..=40).chain([127, 128, 129, 255, 256, 257, 300, 513]) {
        for old in (0..=new).step_by(step(new)) {
            let proof = consistency(old, new, all);
            let [old_root, new_root] = [old, new].map(root);
            assert_eq!(proof.verify(&old_root, &new_root), Ok(()), "{old}, {new}");
            assert!(proof.verify(&leaf(0), &leaf(1)).is_err(), "{old}, {new}");
            if old > 0 {
                assert!(proof.verify(&old_root, &root(0)).is_err());
                assert!(proof.verify(&root(0), &new_root).is_err());
            }
        }
    }
}

#[test]
fn a_proof_needs_only_the_tiles_that_its_query_names() {
    let size = LARGE;
    let (written, root_of_all) = large();
    let only = |needed: &std::collections::BTreeSet<Tile>| {
        let mut tiles = Tiles::new();
        for one in written {
            if needed.contains(&one.tile) {
                insert(&mut tiles, one);
            }
        }
        tiles
    };
    for index in [0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999] {
        let query = InclusionQuery::new(index, size).expect("the leaf exists");
        let needed = query.tiles().expect("the tiles exist");
        assert!(needed.len() <= 5, "{needed:?}");
        let proof = query.prove(&only(&needed)).expect("the tiles are enough");
        assert_eq!(proof.verify(&leaf(index), root_of_all), Ok(()), "{index}");
        let error = query.prove(&Tiles::new()).expect_err("there are no tiles");
        assert!(matches!(error, TransparencyError::MissingTile { .. }));
    }
    for old in [1, 255, 256, 300, 512, 600] {
        let query = ConsistencyQuery::new(old, size).expect("the tree grew");
        let needed = query.tiles().expect("the tiles exist");
        let proof = query.prove(&only(&needed)).expect("the tiles are enough");
        assert_eq!(proof.verify(&root(old), root_of_all), Ok(()), "{old}");
    }
}

#[test]
fn a_proof_that_ends_before_the_root_fails() {
    // The root of a tree with one leaf is the leaf, which must not pass for a larger tree.
    let leaf = leaf(0);
    let proof = |size| InclusionProof {
        index: 0,
        size,
        hashes: vec![],
    };
    assert_eq!(proof(1).verify(&leaf, &leaf), Ok(()));
    assert!(proof(2).verify(&leaf, &leaf).is_err());
    for (old_size, new_size) in [(1, 2), (2, 3), (4, 8)] {
        let proof = ConsistencyProof {
            old_size,
            new_size,
            hashes: vec![],
        };
        assert!(proof.verify(&leaf, &leaf).is_err());
    }
}

#[test]
fn a_query_for_what_no_tree_has_is_rejected() {
    for (index, size) in [(0, 0), (5, 5), (u64::MAX, 5), (0, u64::MAX)] {
        assert!(InclusionQuery::new(index, size).is_err(), "{index}, {size}");
    }
    assert!(InclusionQuery::new(MAX_SIZE - 1, MAX_SIZE).is_ok());
    for (old, new) in [(1, 0), (6, 5), (0, u64::MAX)] {
        assert!(ConsistencyQuery::new(old, new).is_err(), "{old}, {new}");
    }
    let query = ConsistencyQuery::new(MAX_SIZE - 2, MAX_SIZE).expect("the sizes are allowed");
    assert!(query.tiles().is_ok_and(|tiles| !tiles.is_empty()));
}

/// How a proof is changed.
#[derive(Clone, Debug)]
enum Change {
    Flip(usize, usize),
    Remove(usize),
    Insert(usize),
    Swap(usize),
    Index(u64),
    Size,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<usize>(), 0..256_usize).prop_map(|(at, bit)| Change::Flip(at, bit)),
        any::<usize>().prop_map(Change::Remove),
        any::<usize>().prop_map(Change::Insert),
        any::<usize>().prop_map(Change::Swap),
        any::<u64>().prop_map(Change::Index),
        Just(Change::Size),
    ]
}

fn apply(change: &Change, hashes: &mut Vec<TreeHash>) {
    let count = hashes.len();
    match change {
        Change::Flip(at, bit) if count > 0 => {
            let mut bytes = *hashes[at % count].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            hashes[at % count] = TreeHash::from_bytes(bytes);
        }
        Change::Remove(at) if count > 0 => drop(hashes.remove(at % count)),
        Change::Insert(at) => hashes.insert(at % (count + 1), leaf(7)),
        Change::Swap(at) if count > 1 => hashes.swap(at % (count - 1), at % (count - 1) + 1),
        _ => {}
    }
}

proptest! {
    #[test]
    fn a_changed_inclusion_proof_fails(
        size in 1_u64..600, index: u64, change in change(), near in -3_i64..=3,
    ) {
        let index = index % size;
        let proof = inclusion(index, size, tiles());
        let mut changed = proof.clone();
        apply(&change, &mut changed.hashes);
        match change {
            Change::Index(other) => changed.index = other % (size + 3),
            Change::Size => changed.size = size.saturating_add_signed(near),
            _ => {}
        }
        // Where the tree has another size, the same hashes can still lead to the root; the root of
        // that size is another one then.
        let expected = changed == proof || (changed.hashes == proof.hashes && changed.index == index);
        let result = changed.verify(&leaf(index), &root(size));
        prop_assert!(result.is_err() || expected, "{:?}", change);
        let result = changed.verify(&leaf(index), &root(changed.size % 601));
        prop_assert!(result.is_err() || changed.size == size && expected, "{:?}", change);
    }

    #[test]
    fn a_changed_consistency_proof_fails(
        new in 1_u64..600, old: u64, change in change(), near in -3_i64..=3,
    ) {
        let old = 1 + old % new;
        let proof = consistency(old, new, tiles());
        let mut changed = proof.clone();
        apply(&change, &mut changed.hashes);
        match change {
            Change::Index(_) => changed.old_size = old.saturating_add_signed(near),
            Change::Size => changed.new_size = new.saturating_add_signed(near),
            _ => {}
        }
        let [old_root, new_root] = [changed.old_size % 601, changed.new_size % 601].map(root);
        let result = changed.verify(&old_root, &new_root);
        // Every tree extends the empty one, which needs no hashes.
        let is_of_empty = changed.old_size == 0 && changed.hashes.is_empty();
        prop_assert_eq!(result.is_ok(), changed == proof || is_of_empty, "{:?}", change);
    }

    #[test]
    fn no_proof_causes_a_panic(
        sizes: [u64; 4], hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..140),
    ) {
        let hashes: Vec<TreeHash> = hashes.into_iter().map(TreeHash::from_bytes).collect();
        let [index, size, old_size, new_size] = sizes;
        for shift in [0, 32, 50, 60] {
            let proof = InclusionProof { index: index >> shift, size: size >> shift, hashes: hashes.clone() };
            prop_assert!(proof.verify(&leaf(0), &leaf(1)).is_err());
            let (old_size, new_size) = (old_size >> shift, new_size >> shift);
            let proof = ConsistencyProof { old_size, new_size, hashes: hashes.clone() };
            prop_assert!(proof.verify(&leaf(0), &leaf(1)).is_err());
        }
    }
}
