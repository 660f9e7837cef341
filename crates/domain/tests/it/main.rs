//! The crate from outside: words, documents, plans and decisions.

mod account;
mod attesting;
mod catalogue;
mod convergence;
mod decisions;
mod deletions;
mod documents;
mod drifting;
mod fixtures;
mod keys;
mod names;
mod ownership;
mod parsing;
mod planning;
mod tagging;
