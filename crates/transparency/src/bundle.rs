//! The bytes of a bundle of entries: each entry after its length as a big-endian `uint16`
//! (C2SP tlog-tiles, "Log entries").

use crate::TransparencyError;
use crate::tile::TILE_WIDTH;

/// The longest entry in bytes, which is the greatest `uint16`.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// Returns the bytes of a bundle with these entries, in the order of the log.
///
/// # Errors
/// When an entry is longer than [`MAX_ENTRY_BYTES`], or when there are more than [`TILE_WIDTH`].
pub fn encode_bundle<'a>(
    entries: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, TransparencyError> {
    let mut bytes = Vec::new();
    for (count, entry) in entries.into_iter().enumerate() {
        if count >= usize::from(TILE_WIDTH) {
            return Err(TransparencyError::MalformedBundle {
                reason: "it has more than 256 entries",
            });
        }
        let length = u16::try_from(entry.len())
            .map_err(|_| TransparencyError::EntryTooLong { bytes: entry.len() })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Returns the entries of a bundle.
///
/// # Errors
/// When the bytes end within an entry, or when there are more than [`TILE_WIDTH`] entries.
pub fn decode_bundle(mut bytes: &[u8]) -> Result<Vec<&[u8]>, TransparencyError> {
    let malformed = |reason| TransparencyError::MalformedBundle { reason };
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        if entries.len() >= usize::from(TILE_WIDTH) {
            return Err(malformed("it has more than 256 entries"));
        }
        let (length, rest) = bytes
            .split_first_chunk::<2>()
            .ok_or_else(|| malformed("it ends within a length"))?;
        let (entry, rest) = rest
            .split_at_checked(usize::from(u16::from_be_bytes(*length)))
            .ok_or_else(|| malformed("it ends within an entry"))?;
        entries.push(entry);
        bytes = rest;
    }
    Ok(entries)
}
