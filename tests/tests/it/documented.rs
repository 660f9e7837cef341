//! The pages of `docs/` state what is so: their commands work, their answers are real, and their tables
//! are those of the program.

mod command_line;
mod configuration;
mod http_examples;
mod quick_start;
mod runbook;
mod sandbox;
pub(crate) mod session;
pub(crate) mod shell;
