//! Tests of the crate's public interface: the tree, its tiles and proofs.

mod fixtures;
mod other_implementations;
mod proofs;
mod tiles;
mod tree;
