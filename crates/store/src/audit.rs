//! The append-only audit log.
//!
//! A statement that changes a binding adds its event to `audit_pending`, with the owner's function
//! `audit_append`. The sequencer moves the events to `audit_events` and numbers them, so that the numbers have no gaps and follow the order
//! in which the changes of each binding were committed: numbers that the writers took from a counter
//! could become visible in another order. Readers see numbered events only, and wait for no writer
//! and no sequencer.
//!
//! A background task then adds the events to a Merkle tree, so that every copy of the log can be proved.

pub(crate) mod append;
mod column;
mod partitions;
mod read;
mod sequencer;
mod tree;

pub use partitions::Maintained;
pub use read::{AuditFilter, AuditPage};
pub use sequencer::Sequenced;
pub use tree::{AuditTree, StoredTile, TilePlace, TreeExtension};
