//! Proofs that a tree has a leaf, and that a tree extends a smaller one.
//!
//! A query says which tiles its proof needs. The caller reads them, however it wants, and the query
//! then makes the proof from the tiles.

use std::collections::BTreeSet;

use crate::hash::TreeHash;
use crate::subtree::split;
use crate::tile::Tile;
use crate::tiles::{Tiles, tiles_of};
use crate::{MAX_SIZE, TransparencyError};

/// Asks for the proof that a tree with `size` leaves has the leaf with the number `index`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionQuery {
    index: u64,
    size: u64,
    /// The subtrees whose hashes are the proof, in the proof's order.
    ranges: Vec<(u64, u64)>,
}

impl InclusionQuery {
    /// Begins a proof. The index of the first leaf is 0.
    ///
    /// # Errors
    /// When a tree of this size has no such leaf, or is larger than [`MAX_SIZE`].
    pub fn new(index: u64, size: u64) -> Result<Self, TransparencyError> {
        check_leaf(index, size)?;
        // RFC 6962, section 2.1.1: PATH(m, D[n]), from the root to the leaf.
        let (mut first, mut past) = (0, size);
        let mut ranges = Vec::new();
        while past - first > 1 {
            let middle = first + split(past - first);
            if index < middle {
                ranges.push((middle, past));
                past = middle;
            } else {
                ranges.push((first, middle));
                first = middle;
            }
        }
        ranges.reverse();
        Ok(Self {
            index,
            size,
            ranges,
        })
    }

    /// Returns the tiles that the proof needs.
    ///
    /// # Errors
    /// Never for a query that [`InclusionQuery::new`] made.
    pub fn tiles(&self) -> Result<BTreeSet<Tile>, TransparencyError> {
        tiles_of(&self.ranges, self.size)
    }

    /// Makes the proof.
    ///
    /// # Errors
    /// When a tile is missing or too narrow.
    pub fn prove(&self, tiles: &Tiles) -> Result<InclusionProof, TransparencyError> {
        Ok(InclusionProof {
            index: self.index,
            size: self.size,
            hashes: prove(&self.ranges, self.size, tiles)?,
        })
    }
}

/// Asks for the proof that a tree with `new_size` leaves extends the tree with its first `old_size`
/// leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyQuery {
    old_size: u64,
    new_size: u64,
    /// The subtrees whose hashes are the proof, in the proof's order.
    ranges: Vec<(u64, u64)>,
}

impl ConsistencyQuery {
    /// Begins a proof. The proof for equal sizes, and for an old tree without leaves, has no hashes.
    ///
    /// # Errors
    /// When the old tree is larger than the new one, or the new one larger than [`MAX_SIZE`].
    pub fn new(old_size: u64, new_size: u64) -> Result<Self, TransparencyError> {
        check_sizes(old_size, new_size)?;
        let mut ranges = Vec::new();
        if 0 < old_size && old_size < new_size {
            // RFC 6962, section 2.1.2: SUBPROOF(m, D[n], b), from the root on.
            let (mut first, mut past) = (0, new_size);
            while past != old_size {
                let middle = first + split(past - first);
                if old_size <= middle {
                    ranges.push((middle, past));
                    past = middle;
                } else {
                    ranges.push((first, middle));
                    first = middle;
                }
            }
            // The verifier knows the root of the old tree, so it is left out where it is the first
            // hash of the proof.
            if first > 0 {
                ranges.push((first, past));
            }
            ranges.reverse();
        }
        Ok(Self {
            old_size,
            new_size,
            ranges,
        })
    }

    /// Returns the tiles that the proof needs, which are all in the new tree.
    ///
    /// # Errors
    /// Never for a query that [`ConsistencyQuery::new`] made.
    pub fn tiles(&self) -> Result<BTreeSet<Tile>, TransparencyError> {
        tiles_of(&self.ranges, self.new_size)
    }

    /// Makes the proof.
    ///
    /// # Errors
    /// When a tile is missing or too narrow.
    pub fn prove(&self, tiles: &Tiles) -> Result<ConsistencyProof, TransparencyError> {
        Ok(ConsistencyProof {
            old_size: self.old_size,
            new_size: self.new_size,
            hashes: prove(&self.ranges, self.new_size, tiles)?,
        })
    }
}

/// The proof that a tree has a leaf (RFC 6962, section 2.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The number of the leaf; the first is 0.
    pub index: u64,
    /// The number of leaves of the tree.
    pub size: u64,
    /// The hashes from the sibling of the leaf to a child of the root.
    pub hashes: Vec<TreeHash>,
}

impl InclusionProof {
    /// Checks that the tree with this root has this leaf (RFC 9162, section 2.1.3.2).
    ///
    /// # Errors
    /// When the proof does not lead from the leaf to the root.
    pub fn verify(&self, leaf: &TreeHash, root: &TreeHash) -> Result<(), TransparencyError> {
        check_leaf(self.index, self.size)?;
        let (mut node, mut last) = (self.index, self.size - 1);
        let mut hash = *leaf;
        for sibling in &self.hashes {
            if last == 0 {
                return Err(TransparencyError::ProofDoesNotMatch);
            }
            if node % 2 == 1 || node == last {
                hash = TreeHash::of_node(sibling, &hash);
                // The last node of a level has no sibling while it is a left one.
                while node % 2 == 0 && node > 0 {
                    node /= 2;
                    last /= 2;
                }
            } else {
                hash = TreeHash::of_node(&hash, sibling);
            }
            node /= 2;
            last /= 2;
        }
        matches(last == 0 && hash == *root)
    }
}

/// The proof that a tree extends a smaller one (RFC 6962, section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The number of leaves of the smaller tree.
    pub old_size: u64,
    /// The number of leaves of the larger tree.
    pub new_size: u64,
    /// The hashes in the order of RFC 6962.
    pub hashes: Vec<TreeHash>,
}

impl ConsistencyProof {
    /// Checks that the first leaves of the tree with the new root are those of the tree with the old
    /// root (RFC 9162, section 2.1.4.2).
    ///
    /// # Errors
    /// When the proof does not lead to both roots.
    pub fn verify(
        &self,
        old_root: &TreeHash,
        new_root: &TreeHash,
    ) -> Result<(), TransparencyError> {
        check_sizes(self.old_size, self.new_size)?;
        if self.old_size == self.new_size {
            return matches(self.hashes.is_empty() && old_root == new_root);
        }
        if self.old_size == 0 {
            return matches(self.hashes.is_empty() && *old_root == TreeHash::of_empty_tree());
        }
        let mut hashes = self.hashes.iter();
        // The proof begins at the last perfect subtree of the old tree. Where the old tree is one
        // perfect subtree, its root is not in the proof.
        let height = self.old_size.trailing_zeros();
        let (mut node, mut last) = ((self.old_size - 1) >> height, (self.new_size - 1) >> height);
        let first = if self.old_size.is_power_of_two() {
            Some(old_root)
        } else {
            hashes.next()
        };
        let first = first.ok_or(TransparencyError::ProofDoesNotMatch)?;
        let (mut old, mut new) = (*first, *first);
        for sibling in hashes {
            if last == 0 {
                return Err(TransparencyError::ProofDoesNotMatch);
            }
            if node % 2 == 1 || node == last {
                old = TreeHash::of_node(sibling, &old);
                new = TreeHash::of_node(sibling, &new);
                while node % 2 == 0 && node > 0 {
                    node /= 2;
                    last /= 2;
                }
            } else {
                new = TreeHash::of_node(&new, sibling);
            }
            node /= 2;
            last /= 2;
        }
        matches(last == 0 && old == *old_root && new == *new_root)
    }
}

fn prove(
    ranges: &[(u64, u64)],
    size: u64,
    tiles: &Tiles,
) -> Result<Vec<TreeHash>, TransparencyError> {
    let ranges = ranges.iter();
    ranges
        .map(|(first, past)| tiles.range(*first, *past, size))
        .collect()
}

fn check_leaf(index: u64, size: u64) -> Result<(), TransparencyError> {
    if size > MAX_SIZE {
        return Err(TransparencyError::TooLarge { size });
    }
    if index >= size {
        return Err(TransparencyError::NoSuchLeaf { index, size });
    }
    Ok(())
}

fn check_sizes(old: u64, new: u64) -> Result<(), TransparencyError> {
    if new > MAX_SIZE {
        return Err(TransparencyError::TooLarge { size: new });
    }
    if old > new {
        return Err(TransparencyError::Shorter { old, new });
    }
    Ok(())
}

fn matches(is_proved: bool) -> Result<(), TransparencyError> {
    if is_proved {
        Ok(())
    } else {
        Err(TransparencyError::ProofDoesNotMatch)
    }
}
