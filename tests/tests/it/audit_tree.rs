//! The tree over the audit log: proofs, tiles, checkpoints, exports, and what a changed database shows.

mod crashes;
mod expired;
mod fixture;
mod http;
mod restored;
mod tampering;
mod writers;
