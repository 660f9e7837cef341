//! Perfect subtrees, from which every tree is composed.

use crate::hash::TreeHash;

/// A subtree with 2^`height` leaves, of which the first is `index` × 2^`height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subtree {
    pub(crate) height: u32,
    pub(crate) index: u64,
}

/// Returns the largest perfect subtrees that together have the leaves from `first` and before
/// `past`, left to right.
pub(crate) fn subtrees_of(first: u64, past: u64) -> Vec<Subtree> {
    let mut subtrees = Vec::new();
    let mut next = first;
    while next < past {
        // The trailing zeros of 0 are 64, which is more than any remaining length has bits.
        let height = next.trailing_zeros().min((past - next).ilog2());
        subtrees.push(Subtree {
            height,
            index: next >> height,
        });
        next += 1 << height;
    }
    subtrees
}

/// Returns the hash of a tree from the hashes of its perfect subtrees, largest first; the root of
/// the empty tree from none.
///
/// RFC 6962, section 2.1, splits a tree at the largest power of two below its number of leaves. The
/// left part is the largest perfect subtree, and the right part is composed of the others.
pub(crate) fn join(hashes: &[TreeHash]) -> TreeHash {
    let joined = hashes.iter().rev().copied();
    joined
        .reduce(|right, left| TreeHash::of_node(&left, &right))
        .unwrap_or_else(TreeHash::of_empty_tree)
}

/// Returns the largest power of two below a number of leaves, which is at least 2.
pub(crate) fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}
