//! The service as a program: command line, configuration, telemetry, wiring, shutdown.
//!
//! The boundary exists so that environment variables, signals and the order of start and stop are
//! handled in one place. The crate makes no decisions about roles.

mod check;
mod cli;
mod config;
mod file_limit;
mod migrate;
mod openapi;
mod orphans;
mod policy;
mod print;
mod serve;
mod telemetry;

pub use cli::{Cli, Command, run};
pub use config::{Config, ConfigError, ServeArgs};
pub use serve::{Server, ServerError};
