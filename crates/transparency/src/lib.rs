//! The audit log as a transparency log: a Merkle tree over the events, its tiles and proofs, signed
//! checkpoints, and the verification of an export.
//!
//! This crate is separate so that everything that makes the log trustworthy is pure: no database, no
//! network, no clock, no randomness. Anybody can verify the log with this crate and nothing else.
//!
//! | task | item |
//! |---|---|
//! | append events to the tree | [`TreeHash::of_leaf`], [`RightEdge`] |
//! | name, parse and fill tiles and entry bundles | [`Tile`], [`EntryBundle`], [`TilePath`], [`encode_bundle`] |
//! | prove that an event is in the log, and that the log only grew | [`InclusionQuery`], [`ConsistencyQuery`] |
//! | give an event with its proof to somebody else | [`LogProof`] |
//! | sign the head of the log | [`Checkpoint`], [`SigningKey`] |
//! | verify a checkpoint and cosignatures of witnesses | [`TrustedKeys`], [`Note`] |
//! | ask a witness for a cosignature, and be a witness | [`WitnessRequest`], [`WitnessKey`] |
//! | verify an export, and locate what was changed | [`LogVerifier`] |
//!
//! ```
//! use engine_roles_transparency::{InclusionQuery, RightEdge, Tiles, TreeHash};
//!
//! let events = ["created", "changed", "deleted"];
//! let leaves = events.map(|event| TreeHash::of_leaf(event.as_bytes()));
//! let mut edge = RightEdge::new();
//! let mut tiles = Tiles::new();
//! for written in edge.append(leaves)? {
//!     // A store keeps the bytes under the path `written.tile`, here `tile/0/000.p/3`.
//!     tiles.insert(written.tile, &written.bytes())?;
//! }
//!
//! let query = InclusionQuery::new(1, edge.size())?;
//! assert_eq!(query.tiles()?.len(), 1);
//! let proof = query.prove(&tiles)?;
//! proof.verify(&leaves[1], &edge.root())?;
//! # Ok::<(), engine_roles_transparency::TransparencyError>(())
//! ```
//!
//! # Numbers
//!
//! The tree counts leaves from 0, as RFC 6962 and tlog-tiles do; this number is called an index.
//! Events have a sequence number, `seq`, which begins at 1 and has no gaps. The event `seq` is the
//! leaf `seq - 1`, see [`leaf_index`]. A leaf is the stored, canonical bytes of its event.
//!
//! # Sources
//!
//! - RFC 6962, section 2.1: the hashes, inclusion proofs and consistency proofs. RFC 9162, section
//!   2.1: how the proofs are verified.
//! - <https://c2sp.org/tlog-tiles>: tiles, entry bundles and their paths.
//! - <https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>,
//!   <https://c2sp.org/tlog-cosignature>: notes, checkpoints, and cosignatures of witnesses. Of the
//!   signature types, only those with Ed25519 are supported.
//! - <https://c2sp.org/tlog-witness>: what a log sends to a witness, and what a witness checks.
//! - <https://c2sp.org/tlog-proof>: the proof of one event as a text.
//!
//! # Why no library for the tree
//!
//! `ct-merkle` keeps all leaves or all nodes of a tree in memory, and has no tiles. The log is larger
//! than memory, and what is stored and served are tiles; from tiles, a proof is a list of subtrees
//! (RFC 6962 defines it as one), and little is left that a library could do. The tests compare with
//! the libraries `tlog_tiles` and `signed_note`.

#![warn(missing_docs)]

mod base64;
mod bundle;
mod checkpoint;
mod edge;
mod error;
mod frontier;
mod hash;
mod key;
mod log_proof;
mod note;
mod proof;
mod subtree;
mod tile;
mod tiles;
mod trust;
mod verification;
mod witness;

pub use bundle::{MAX_ENTRY_BYTES, decode_bundle, encode_bundle};
pub use checkpoint::Checkpoint;
pub use edge::{RightEdge, WrittenTile};
pub use error::TransparencyError;
pub use frontier::Frontier;
pub use hash::{HASH_BYTES, TreeHash};
pub use key::{KeyId, KeyKind, KeyName, PUBLIC_KEY_BYTES, SigningKey, VerifierKey};
pub use log_proof::LogProof;
pub use note::{MAX_NOTE_BYTES, MAX_SIGNATURES, Note, NoteSignature};
pub use proof::{ConsistencyProof, ConsistencyQuery, InclusionProof, InclusionQuery};
pub use tile::{EntryBundle, TILE_HEIGHT, TILE_WIDTH, Tile, TilePath};
pub use tiles::Tiles;
pub use trust::{Cosignature, TrustedKeys, VerifiedCheckpoint};
pub use verification::{
    Certainty, ExportedEvent, Finding, Located, LogVerifier, MAX_FINDINGS, Report,
};
pub use witness::{Cosigned, WitnessKey, WitnessRequest};

/// The most leaves that a tree of this crate can have: sequence numbers are `bigint` in the database.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// Returns the index of the leaf of an event; none for 0, which no event has.
#[must_use]
pub const fn leaf_index(seq: u64) -> Option<u64> {
    seq.checked_sub(1)
}
