//! Tests with the real binary, without a database and without AWS.

mod command_line;
mod limit_settings;
mod policy_command;
mod program;
mod wrong_settings;
