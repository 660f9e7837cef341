//! `cargo dev`: starts Postgres, the IAM sandbox and the service in one command.
//!
//! This crate is separate so that the product never links code that only development needs. The
//! service has no special mode for `cargo dev`: it is configured by the same flags and variables as
//! in production.

mod environment;
mod options;
mod sample;
mod stack;

use std::process::ExitCode;

use clap::Parser;

use crate::options::DevOptions;

fn main() -> ExitCode {
    let options = DevOptions::parse();
    // The SDK reads its settings only from the environment, and a program can't safely change its
    // own environment, so the program starts itself again with the new one.
    if let Err(error) = environment::enter(&options) {
        eprintln!("cargo dev: could not start again with the sandbox's environment: {error}");
        return ExitCode::FAILURE;
    }
    match stack::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo dev: {error:#}");
            ExitCode::FAILURE
        }
    }
}
