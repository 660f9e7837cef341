//! The hashes of the tree, after RFC 6962, section 2.1, with SHA-256.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::{TransparencyError, base64};

/// The length of a hash in bytes.
pub const HASH_BYTES: usize = 32;

/// A hash of the tree: of a leaf, of a subtree or of the whole tree.
///
/// As text, it is standard base64 with padding, as in checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeHash([u8; HASH_BYTES]);

impl TreeHash {
    /// Returns the root of the tree without leaves, which is the hash of nothing
    /// (RFC 6962, section 2.1: `MTH({}) = SHA-256()`).
    #[must_use]
    pub fn of_empty_tree() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// Returns the hash of a leaf (RFC 6962, section 2.1: `SHA-256(0x00 || entry)`).
    #[must_use]
    pub fn of_leaf(entry: &[u8]) -> Self {
        Self(
            Sha256::new()
                .chain_update([0])
                .chain_update(entry)
                .finalize()
                .into(),
        )
    }

    /// Returns the hash of a node (RFC 6962, section 2.1: `SHA-256(0x01 || left || right)`).
    #[must_use]
    pub fn of_node(left: &Self, right: &Self) -> Self {
        let mut bytes = [1; 1 + 2 * HASH_BYTES];
        bytes[1..=HASH_BYTES].copy_from_slice(&left.0);
        bytes[1 + HASH_BYTES..].copy_from_slice(&right.0);
        Self(Sha256::digest(bytes).into())
    }

    /// Takes the bytes of a hash.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&base64::encode(&self.0))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TreeHash({self})")
    }
}

impl FromStr for TreeHash {
    type Err = TransparencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = base64::decode(text);
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(TransparencyError::InvalidHash)
    }
}
