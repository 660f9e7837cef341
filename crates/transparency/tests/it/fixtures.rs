//! Trees, keys and checkpoints for the tests.

use std::sync::LazyLock;

use data_encoding::BASE64;
use engine_roles_transparency::{
    Checkpoint, KeyName, RightEdge, SigningKey, Tile, Tiles, TreeHash, TrustedKeys, WrittenTile,
};

pub(crate) const ORIGIN: &str = "example.com/engine-roles";

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

pub(crate) fn name(text: &str) -> KeyName {
    text.parse().expect("the text is a name")
}

/// The PEM of an Ed25519 key, as `openssl genpkey -algorithm ed25519` writes it.
pub(crate) fn pem(seed: [u8; 32]) -> String {
    // RFC 8410, section 7: version 0, the algorithm 1.3.101.112, the seed in two octet strings.
    let mut der = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b];
    der.extend_from_slice(&[0x65, 0x70, 0x04, 0x22, 0x04, 0x20]);
    der.extend_from_slice(&seed);
    let text = BASE64.encode(&der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

pub(crate) fn signing_key(name_of_key: &str, seed: u8) -> SigningKey {
    let pem = pem([seed; 32]);
    SigningKey::from_pem(name(name_of_key), pem.as_bytes()).expect("the key is valid")
}

pub(crate) fn trust(keys: &[&SigningKey]) -> TrustedKeys {
    let keys = keys.iter().map(|key| key.verifier().clone());
    TrustedKeys::new(keys).expect("the keys have one name")
}

pub(crate) fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint {
        origin: name(ORIGIN),
        size,
        root: root(size),
    }
}

/// Whether a tile of a list is in the list of tiles once.
pub(crate) fn is_once(tile: Tile, written: &[WrittenTile]) -> bool {
    let same = |other: &&WrittenTile| {
        other.tile.level() == tile.level() && other.tile.index() == tile.index()
    };
    written.iter().filter(same).count() == 1
}
