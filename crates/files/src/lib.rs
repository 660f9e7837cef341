//! Reads the files that settings name: certificates, keys, URLs, checkpoints.
//!
//! The boundary exists because somebody else can put anything in the place of such a file while the
//! service runs: a pipe that nobody writes to, a device without an end, a file of a network that does not
//! answer. None of them may stop the service or fill its memory.

#![warn(missing_docs)]

mod access;
mod read;

pub use access::FileAccess;
pub use read::{Contents, LARGEST, read, read_once};
