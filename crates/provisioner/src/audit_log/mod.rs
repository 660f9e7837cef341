//! The audit log as a transparency log: which bytes of an event are hashed, how the tree is read and
//! extended, and the signed checkpoints.
//!
//! The tree follows the log: the sequencer numbers the events, and a background task then adds them to
//! the tree, so that no request waits for the tree. Every replica may run the task; the database lets
//! one of them extend a tree of a given size.
//!
//! Nothing is appended to a tree whose stored root does not follow from its tiles, and nothing is
//! signed that does not extend what was signed before. Both need a person, and `/readyz` says so.

mod canonical;
mod checkpoints;
mod directory;
mod error;
mod extension;
mod proofs;
mod state;
mod stored;

pub use canonical::detail_digest;
pub use checkpoints::AuditSigning;
pub use error::AuditLogError;
pub use proofs::{Consistency, Inclusion};
pub use state::AuditLogState;

pub(crate) use checkpoints::Checkpoints;
pub(crate) use extension::{Extended, Extender};
pub(crate) use proofs::Proofs;
pub(crate) use state::LastState;
