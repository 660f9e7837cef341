//! The heartbeat of this replica, and what it finds out about the other replicas.
//!
//! The heartbeat runs on an operating system thread of its own, with a runtime and a database
//! connection of its own, so that neither a busy runtime nor a used-up connection pool can delay it.
//! The thread does nothing else: it wakes the tasks that do the work which a tick has found.

mod observations;
mod thread;

pub(crate) use thread::Heartbeat;
pub use thread::KeysSeen;
