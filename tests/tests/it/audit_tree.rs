//! The tree over the audit log: proofs, tiles, checkpoints, exports, witnesses, and what a changed database
//! shows.

mod crashes;
mod documented;
mod expired;
mod fixture;
mod http;
mod restored;
mod tampering;
mod unreadable;
mod witnesses;
mod writers;
