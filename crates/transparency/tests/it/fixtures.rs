//! Trees for the tests.

use std::sync::LazyLock;

use engine_roles_transparency::{RightEdge, Tile, Tiles, TreeHash, WrittenTile};

/// The canonical bytes of a made-up event.
pub(crate) fn event(index: u64) -> Vec<u8> {
    format!(r#"{{"id":"event-{index}"}}"#).into_bytes()
}

pub(crate) fn leaf(index: u64) -> TreeHash {
    let known = usize::try_from(index).ok();
    let known = known.and_then(|index| KNOWN.leaves.get(index));
    known.map_or_else(|| TreeHash::of_leaf(&event(index)), |leaf| *leaf)
}

/// Appends the leaves from the edge's size and before `size`.
pub(crate) fn grow(edge: &mut RightEdge, size: u64) -> Vec<WrittenTile> {
    let leaves = (edge.size()..size).map(leaf);
    edge.append(leaves).expect("the tree is small")
}

/// The size of the tree that most tests use. Its tiles are also those of every smaller tree.
pub(crate) const LARGEST: u64 = 600;

struct Known {
    tiles: Tiles,
    leaves: Vec<TreeHash>,
    roots: Vec<TreeHash>,
}

/// Computed once, because hashing is slow in a debug build.
static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let (mut tiles, mut edge) = (Tiles::new(), RightEdge::new());
    let mut roots = vec![edge.root()];
    for size in 1..=LARGEST {
        let leaf = TreeHash::of_leaf(&event(size - 1));
        for written in edge.append([leaf]).expect("the tree is small") {
            insert(&mut tiles, &written);
        }
        roots.push(edge.root());
    }
    let leaves = (0..=LARGEST).map(|index| TreeHash::of_leaf(&event(index)));
    Known {
        tiles,
        leaves: leaves.collect(),
        roots,
    }
});

/// The tiles of the largest tree, widest versions, as a store has them.
pub(crate) fn tiles() -> &'static Tiles {
    &KNOWN.tiles
}

/// The size of a tree with three levels of tiles, the example of tlog-tiles, "Partial Tiles".
pub(crate) const LARGE: u64 = 70_000;

/// The tiles of the large tree as one append writes them, and its root.
pub(crate) fn large() -> (&'static [WrittenTile], &'static TreeHash) {
    static LARGE_TREE: LazyLock<(Vec<WrittenTile>, TreeHash)> = LazyLock::new(|| {
        let mut edge = RightEdge::new();
        (grow(&mut edge, LARGE), edge.root())
    });
    (&LARGE_TREE.0, &LARGE_TREE.1)
}

pub(crate) fn insert(tiles: &mut Tiles, written: &WrittenTile) {
    tiles
        .insert(written.tile, &written.bytes())
        .expect("the bytes are those of the tile");
}

/// `MTH` of RFC 6962, section 2.1, as it is written there.
pub(crate) fn root_by_definition(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => TreeHash::of_empty_tree(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            TreeHash::of_node(&root_by_definition(left), &root_by_definition(right))
        }
    }
}

pub(crate) fn root(size: u64) -> TreeHash {
    KNOWN.roots[usize::try_from(size).expect("the tree is small")]
}

pub(crate) fn hash(hex: &str) -> TreeHash {
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes());
    let bytes = bytes.expect("the text is hexadecimal");
    TreeHash::from_bytes(bytes.try_into().expect("a hash has 32 bytes"))
}

/// Whether a tile of a list is in the list of tiles once.
pub(crate) fn is_once(tile: Tile, written: &[WrittenTile]) -> bool {
    let same = |other: &&WrittenTile| {
        other.tile.level() == tile.level() && other.tile.index() == tile.index()
    };
    written.iter().filter(same).count() == 1
}
