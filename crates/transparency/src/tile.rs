//! The tiles of the tree and the bundles of its entries, as C2SP tlog-tiles names them.

use std::fmt;
use std::str::FromStr;

use crate::{MAX_SIZE, TransparencyError};

/// The height of a tile: each hash of a tile is the root of a full tile of the level below.
pub const TILE_HEIGHT: u32 = 8;

/// The number of hashes in a full tile, and of entries in a full bundle.
pub const TILE_WIDTH: u16 = 1 << TILE_HEIGHT;

/// The number of levels that the tiles of a tree with [`MAX_SIZE`] leaves have.
const LEVELS: u8 = 8;

/// The longest path of a tile that can exist, with room to spare.
const MAX_PATH_BYTES: usize = 64;

/// A tile of hashes, in the path `tile/<L>/<N>[.p/<W>]`.
///
/// Hash `i` of tile `n` of level `l` is the hash of the subtree with the leaves from
/// (256 `n` + `i`) × 256^`l` and before (256 `n` + `i` + 1) × 256^`l`.
///
/// A partial tile is the beginning of every wider version of the same tile. A store can therefore
/// keep the widest version and serve the others from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    level: u8,
    index: u64,
    width: u16,
}

/// A bundle of entries, in the path `tile/entries/<N>[.p/<W>]`. It has the entries whose leaf hashes
/// are in the tile of level 0 with the same index and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryBundle {
    index: u64,
    width: u16,
}

/// What a path below the log's URL prefix names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TilePath {
    /// Hashes of the tree.
    Hashes(Tile),
    /// Entries.
    Entries(EntryBundle),
}

impl Tile {
    /// Returns the tile with this level and index as a tree with `size` leaves has it; none where the
    /// tree has no such tile.
    ///
    /// The width is that of tlog-tiles, "Partial Tiles".
    #[must_use]
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        if level >= LEVELS || size > MAX_SIZE {
            return None;
        }
        let hashes = size >> (TILE_HEIGHT * u32::from(level));
        let before = index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = hashes.checked_sub(before)?.min(u64::from(TILE_WIDTH));
        let width = u16::try_from(width).ok().filter(|width| *width > 0)?;
        Some(Self {
            level,
            index,
            width,
        })
    }

    /// Returns the partial tiles of a tree with `size` leaves, lowest level first: at most one for
    /// each level.
    #[must_use]
    pub fn right_edge(size: u64) -> Vec<Self> {
        let levels = (0..LEVELS).filter_map(|level| {
            let hashes = size.checked_shr(TILE_HEIGHT * u32::from(level))?;
            // The tile after the last full one is partial, or does not exist.
            Self::in_tree(level, hashes / u64::from(TILE_WIDTH), size)
        });
        levels.collect()
    }

    /// Returns the level; 0 has the hashes of leaves.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// Returns the place of the tile in its level; 0 is the leftmost.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Returns the number of hashes, from 1 to [`TILE_WIDTH`].
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Returns whether a tree with `size` leaves has this tile with this width or a wider one.
    #[must_use]
    pub fn is_in_tree(&self, size: u64) -> bool {
        Self::in_tree(self.level, self.index, size).is_some_and(|tile| tile.width >= self.width)
    }
}

impl EntryBundle {
    /// Returns the bundle with this index as a log with `size` entries has it; none where the log has
    /// no such bundle.
    #[must_use]
    pub fn in_tree(index: u64, size: u64) -> Option<Self> {
        let tile = Tile::in_tree(0, index, size)?;
        Some(Self {
            index,
            width: tile.width,
        })
    }

    /// Returns the place of the bundle; 0 has the first entries.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Returns the number of entries, from 1 to [`TILE_WIDTH`].
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Returns the index of the first entry.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.index * TILE_WIDTH as u64
    }

    /// Returns whether a log with `size` entries has all entries of this bundle.
    #[must_use]
    pub fn is_in_tree(&self, size: u64) -> bool {
        Self::in_tree(self.index, size).is_some_and(|bundle| bundle.width >= self.width)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tile/{}/", self.level)?;
        write_place(formatter, self.index, self.width)
    }
}

impl fmt::Display for EntryBundle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("tile/entries/")?;
        write_place(formatter, self.index, self.width)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hashes(tile) => tile.fmt(formatter),
            Self::Entries(bundle) => bundle.fmt(formatter),
        }
    }
}

/// Writes `<N>[.p/<W>]`: groups of three digits, of which all but the last begin with `x`.
fn write_place(formatter: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    let mut groups = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    groups.reverse();
    formatter.write_str(&groups.join("/"))?;
    if width < TILE_WIDTH {
        write!(formatter, ".p/{width}")?;
    }
    Ok(())
}

impl FromStr for TilePath {
    type Err = TransparencyError;

    /// Parses a path below the log's URL prefix, from `tile/` on. Only the one spelling of
    /// tlog-tiles is accepted: no leading zeros, no empty groups, no width of a full tile.
    fn from_str(path: &str) -> Result<Self, Self::Err> {
        parse(path).map_err(|reason| TransparencyError::InvalidTilePath { reason })
    }
}

fn parse(path: &str) -> Result<TilePath, &'static str> {
    if path.len() > MAX_PATH_BYTES {
        return Err("the path is too long");
    }
    let rest = path.strip_prefix("tile/").ok_or("it lacks `tile/`")?;
    let (kind, place) = rest.split_once('/').ok_or("the index is missing")?;
    let (index, width) = match place.split_once(".p/") {
        Some((index, width)) => {
            let width = number(width).ok_or("the width is not a number without leading zeros")?;
            let width = u16::try_from(width).ok();
            let is_partial = |width: &u16| (1..TILE_WIDTH).contains(width);
            (
                index,
                width
                    .filter(is_partial)
                    .ok_or("the width is not from 1 to 255")?,
            )
        }
        None => (place, TILE_WIDTH),
    };
    let index = parse_index(index)?;
    let level = match kind {
        "entries" => 0,
        level => {
            let level = number(level).ok_or("the level is not a number without leading zeros")?;
            let level = u8::try_from(level).ok().filter(|level| *level < LEVELS);
            level.ok_or("no tree has a tile of this level")?
        }
    };
    // The widest tree that can be has at least as many hashes as the tile needs.
    let tile = Tile::in_tree(level, index, MAX_SIZE).filter(|widest| widest.width >= width);
    tile.ok_or("no tree has a tile with this index")?;
    Ok(if kind == "entries" {
        TilePath::Entries(EntryBundle { index, width })
    } else {
        TilePath::Hashes(Tile {
            level,
            index,
            width,
        })
    })
}

fn parse_index(text: &str) -> Result<u64, &'static str> {
    let groups = text.split('/').count();
    let mut index = 0_u64;
    for (place, group) in text.split('/').enumerate() {
        let digits = if place + 1 < groups {
            group.strip_prefix('x')
        } else {
            Some(group)
        };
        let digits = digits.filter(|digits| digits.len() == 3 && is_number(digits));
        let digits = digits.ok_or("the index does not have groups of three digits")?;
        let value: u64 = digits.parse().map_err(|_| "a group is not a number")?;
        if place == 0 && groups > 1 && value == 0 {
            return Err("the index has a leading group of zeros");
        }
        index = index
            .checked_mul(1000)
            .and_then(|index| index.checked_add(value))
            .ok_or("the index is too large")?;
    }
    Ok(index)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Parses a decimal number without sign and without leading zeros.
fn number(text: &str) -> Option<u64> {
    let is_canonical = is_number(text) && (text == "0" || !text.starts_with('0'));
    is_canonical.then(|| text.parse().ok()).flatten()
}
