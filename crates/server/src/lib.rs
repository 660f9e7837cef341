//! The service as a program: command line, configuration, telemetry, wiring, shutdown.
//!
//! The boundary exists so that environment variables, signals and the order of start and stop are
//! handled in one place. The crate makes no decisions about roles.

// The macros of the standard library panic where the output can't be written.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod audit_export;
mod audit_signing;
mod authentication;
mod aws_login;
mod check;
mod cli;
mod client_commands;
mod command_errors;
mod command_groups;
mod config;
mod config_error;
mod database;
mod error_chain;
mod file_limit;
mod files;
mod json_lines;
mod keys;
mod limits;
mod list;
mod migrate;
mod openapi;
mod orphans;
mod policy;
mod print;
mod process;
mod rights;
mod role_list;
mod serve;
mod setting_names;
mod settings;
mod shell;
mod telemetry;
mod tls;
mod tokens;
mod values;
mod without_effect;

pub use cli::{Cli, Command, main, run};
pub use config::{Config, ServeArgs};
pub use config_error::{ConfigError, ConfigErrors};
pub use serve::{Server, ServerError};
