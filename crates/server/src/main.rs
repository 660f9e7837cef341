//! The binary `engine-roles`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    engine_roles::run(engine_roles::Cli::parse())
}
