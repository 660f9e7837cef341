//! `cargo dev`: Postgres, an IAM on loopback and the service, in one command.
//!
//! The wall exists so that the product never links what only development needs. Nothing here is
//! special to the service: it is configured by the same flags and variables as anywhere else.

mod environment;
mod options;
mod sample;
mod stack;

use std::process::ExitCode;

use clap::Parser;

use crate::options::DevOptions;

fn main() -> ExitCode {
    let options = DevOptions::parse();
    // The SDK reads its settings from the environment alone, and a program can't change its own
    // safely: so it starts itself anew with them.
    if let Err(error) = environment::enter(&options) {
        eprintln!("cargo dev: {error}");
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
