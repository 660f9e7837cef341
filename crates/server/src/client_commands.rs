//! The commands that ask a running service over HTTP.
//!
//! Each command sends requests with `engine-roles-client`, prints a table for people or the service's
//! own JSON for scripts, and ends with an exit code that says what happened.

mod access;
mod audit;
mod binding;
mod bindings;
mod connection;
mod exit;
mod failure;
mod healthcheck;
mod log_level;
mod login;
mod plan;
mod problem;
mod progress;
mod role;
mod role_change;
mod role_flags;
mod screen;
mod status;
mod table;
mod tls_advice;
mod wait;
mod wire;

pub(crate) use audit::{AuditArgs, run as audit};
pub(crate) use healthcheck::{HealthcheckArgs, run as healthcheck};
pub(crate) use log_level::{LogLevelArgs, run as log_level};
pub(crate) use login::{LoginArgs, run as login};
pub(crate) use role::{RoleArgs, run as role};
pub(crate) use status::{StatusArgs, run as status};
