//! Tests of the crate's public interface: words, documents, plans and decisions.

mod account;
mod attesting;
mod callers;
mod catalogue;
mod conditions;
mod consistency;
mod convergence;
mod decisions;
mod deletions;
mod documents;
mod drifting;
mod events;
mod fixtures;
mod histories;
mod keys;
mod lifecycle;
mod limits;
mod names;
mod ownership;
mod parsing;
mod planning;
mod recorded;
mod tagging;
mod verdicts;
