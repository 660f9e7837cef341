//! The commands that ask a running service, and those that need neither a service nor a database.

mod audit_tail;
mod errors;
mod page;
mod program;
mod reading;
mod shell;
mod terminal;
mod waiting;
