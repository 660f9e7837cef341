//! The connections of clients: their number, their time limits, and the answers to bytes that are not
//! a request.
//!
//! A client without an API key can open connections, and can send and read as slowly as it likes. So
//! that no client can take a connection, a file descriptor or memory away from the others,
//!
//! - the number of connections is limited, and at the limit a new connection replaces the one whose
//!   client has kept the service waiting the longest (for a head, for a body, or by reading nothing),
//!   else the one that has been idle the longest (`open`);
//! - a connection is closed when a head, a body, the next request or the reading of an answer takes too
//!   long (`activity`, `limits`);
//! - a connection holds little memory: all share one router, and hyper's buffers are bounded
//!   (`connection`).
//!
//! With TLS, all of this holds from the first byte of the handshake on, which runs in the connection's own
//! task (`handshake`).
//!
//! hyper itself answers a malformed head, with a status and nothing else. `stream` withholds that
//! answer, and `unreadable` writes a complete problem in its place.

mod accept;
mod activity;
mod client;
mod connection;
mod handshake;
mod handshake_outcome;
mod limits;
mod open;
mod socket;
mod stream;
mod unreadable;

pub use accept::{listen, serve};
pub(crate) use limits::BodyTime;
pub use limits::ConnectionLimits;
