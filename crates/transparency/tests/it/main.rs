//! Tests of the crate's public interface: the tree, tiles, proofs, notes, checkpoints and the
//! verification of exports.

mod beginnings;
mod checkpoints;
mod fixtures;
mod keys;
mod log_proofs;
mod notes;
mod other_implementations;
mod other_notes;
mod own_checkpoints;
mod proofs;
mod tampering;
mod tiles;
mod tree;
mod verification;
mod witnesses;
