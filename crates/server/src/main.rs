//! The binary `engine-roles`.

use std::process::ExitCode;

fn main() -> ExitCode {
    engine_roles::main()
}
