//! Paths and bytes of tiles and of entry bundles.

use engine_roles_transparency::{
    EntryBundle, MAX_ENTRY_BYTES, MAX_SIZE, Tile, TilePath, Tiles, TransparencyError,
    decode_bundle, encode_bundle,
};
use proptest::prelude::*;

fn parse(path: &str) -> Result<TilePath, TransparencyError> {
    path.parse()
}

#[test]
fn a_path_is_parsed_and_written_as_tlog_tiles_spells_it() {
    for (path, index, width) in [
        ("tile/0/000", 0, 256),
        ("tile/0/000.p/1", 0, 1),
        ("tile/0/999.p/255", 999, 255),
        ("tile/0/x001/000", 1000, 256),
        ("tile/1/x001/x234/067", 1_234_067, 256),
        ("tile/4/x001/x234/067.p/17", 1_234_067, 17),
        ("tile/7/000.p/127", 0, 127),
    ] {
        let Ok(TilePath::Hashes(tile)) = parse(path) else {
            panic!("{path} is not parsed: {:?}", parse(path));
        };
        assert_eq!((tile.index(), tile.width()), (index, width), "{path}");
        assert_eq!(tile.to_string(), path);
    }
    let Ok(TilePath::Entries(bundle)) = parse("tile/entries/x001/x234/067.p/9") else {
        panic!("the path is not parsed");
    };
    assert_eq!((bundle.index(), bundle.width()), (1_234_067, 9));
    assert_eq!(bundle.first(), 1_234_067 * 256);
    assert_eq!(bundle.to_string(), "tile/entries/x001/x234/067.p/9");
}

#[test]
fn every_other_spelling_of_a_path_is_rejected() {
    for path in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000",
        "tile/0/x000/001",
        "tile/0/001/001",
        "tile/0/x001/x001",
        "tile/0/X001/001",
        "tile/0/x01/001",
        "tile/0//001",
        "tile/0/x+01/001",
        "tile/0/+01",
        "tile/0/-01",
        "tile/0/ 01",
        "tile/0/٠٠١",
        "tile/00/000",
        "tile/01/000",
        "tile/+1/000",
        "tile/8/000",
        "tile/63/000",
        "tile/64/000",
        "tile/256/000",
        "tile//000",
        "tile/data/000",
        "tile/entries",
        "tile/entries/",
        "tile/Entries/000",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/65537",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/0/000.P/1",
        "tile/7/000.p/128",
        "tile/7/001",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert!(
            matches!(parse(path), Err(TransparencyError::InvalidTilePath { .. })),
            "{path}: {:?}",
            parse(path)
        );
    }
}

#[test]
fn a_tree_has_exactly_the_tiles_that_its_size_demands() {
    assert_eq!(Tile::in_tree(0, 0, 0), None);
    assert_eq!(Tile::in_tree(1, 0, 255), None);
    let full = Tile::in_tree(0, 0, 256).expect("the tile exists");
    assert_eq!(full.to_string(), "tile/0/000");
    let above = Tile::in_tree(1, 0, 256).expect("the tile exists");
    assert_eq!(above.to_string(), "tile/1/000.p/1");
    assert!(full.is_in_tree(256) && !full.is_in_tree(255));
    assert_eq!(Tile::in_tree(0, u64::MAX, MAX_SIZE), None);
    assert_eq!(Tile::in_tree(8, 0, MAX_SIZE), None);
    assert_eq!(Tile::in_tree(0, 0, u64::MAX), None);
    assert_eq!(EntryBundle::in_tree(1, 256), None);
    let bundle = EntryBundle::in_tree(1, 258).expect("the bundle exists");
    assert_eq!((bundle.first(), bundle.width()), (256, 2));
    assert!(bundle.is_in_tree(259) && !bundle.is_in_tree(257));
    assert_eq!(Tile::right_edge(0), []);
    assert_eq!(Tile::right_edge(u64::MAX), []);
    assert_eq!(Tile::right_edge(MAX_SIZE).len(), 8);
}

#[test]
fn the_bytes_of_a_tile_are_as_wide_as_the_tile_or_wider() {
    let tile = Tile::in_tree(0, 0, 3).expect("the tile exists");
    for (bytes, is_accepted) in [
        (0, false),
        (64, false),
        (95, false),
        (96, true),
        (97, false),
        (128, true),
        (8192, true),
        (8224, false),
    ] {
        let result = Tiles::new().insert(tile, &vec![7; bytes]);
        assert_eq!(result.is_ok(), is_accepted, "{bytes}: {result:?}");
    }
}

#[test]
fn a_bundle_has_each_entry_after_its_length() {
    let bytes = encode_bundle([b"ab".as_slice(), b"", b"c"]).expect("the entries are short");
    assert_eq!(bytes, b"\x00\x02ab\x00\x00\x00\x01c");
    assert_eq!(decode_bundle(&bytes), Ok(vec![b"ab".as_slice(), b"", b"c"]));
    let longest = vec![1; MAX_ENTRY_BYTES];
    let bytes = encode_bundle([longest.as_slice()]).expect("the entry fits");
    assert_eq!(decode_bundle(&bytes), Ok(vec![longest.as_slice()]));
    let error = encode_bundle([vec![1; MAX_ENTRY_BYTES + 1].as_slice()]);
    assert_eq!(
        error,
        Err(TransparencyError::EntryTooLong { bytes: 65_536 })
    );
    assert!(encode_bundle([b"".as_slice(); 256]).is_ok());
    assert!(encode_bundle([b"".as_slice(); 257]).is_err());
    for bytes in [b"\x00".as_slice(), b"\x00\x01", b"\x00\x00\x00", &[0; 514]] {
        assert!(decode_bundle(bytes).is_err(), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn a_tile_of_any_tree_is_parsed_from_its_path(
        level in 0_u8..8, index: u64, size in 0..=MAX_SIZE,
    ) {
        let hashes = (size >> (8 * level)).div_ceil(256).max(1);
        if let Some(tile) = Tile::in_tree(level, index % hashes, size) {
            prop_assert_eq!(parse(&tile.to_string()), Ok(TilePath::Hashes(tile)));
        }
    }

    #[test]
    fn a_path_that_is_parsed_is_the_only_spelling(path in "tile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,7}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(parsed) = parse(&path) {
            prop_assert_eq!(parsed.to_string(), path);
        }
    }

    #[test]
    fn no_path_and_no_bundle_cause_a_panic(path in ".{0,80}", bytes: Vec<u8>) {
        let _ = parse(&path);
        let _ = parse(&format!("tile/{path}"));
        if let Ok(entries) = decode_bundle(&bytes) {
            prop_assert_eq!(encode_bundle(entries), Ok(bytes));
        }
    }
}
